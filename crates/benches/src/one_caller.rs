//! One caller: how close the service is to the fewest trips to AWS, one after the other, that the work
//! needs.

use std::time::{Duration, Instant};

use engine_roles_e2e::Installation;

use crate::Bench;
use crate::bare_sdk;
use crate::report::{Report, median};

/// How many clusters each round provisions and tears down.
const CLUSTERS: usize = 15;

#[derive(Default)]
struct Times {
    provision: Vec<f64>,
    teardown: Vec<f64>,
}

pub(crate) async fn measure(bench: &Bench, latencies: &[u64], report: &mut Report) {
    for latency in latencies {
        let installation = bench.installation().latency(*latency).start().await;
        let (mut ours, mut sdk) = (Times::default(), Times::default());
        for round in 0..bench.rounds {
            service(&installation, round, &mut ours).await;
            alone(&installation, round, &mut sdk).await;
        }
        let at = |what: &str| format!("{what}, {latency} ms per call");
        let (provision, teardown) = (median(ours.provision), median(ours.teardown));
        if *latency > 0 {
            let trip = f64::from(u32::try_from(*latency).unwrap_or(u32::MAX));
            report.compare(at("provision"), "ms", provision, "two trips", trip * 2.0);
            report.compare(at("teardown"), "ms", teardown, "three trips", trip * 3.0);
        }
        let sdk = (median(sdk.provision), median(sdk.teardown));
        report.compare(at("provision"), "ms", provision, "the bare SDK", sdk.0);
        report.compare(at("teardown"), "ms", teardown, "the bare SDK", sdk.1);
    }
}

async fn service(installation: &Installation, round: usize, times: &mut Times) {
    let client = installation.client();
    for number in 0..CLUSTERS {
        let cluster = format!("o{round}-{number}");
        let began = Instant::now();
        client.provision(&cluster).await.expect(201);
        times.provision.push(ms(began.elapsed()));
        let began = Instant::now();
        client.delete(&cluster).await.expect(200);
        times.teardown.push(ms(began.elapsed()));
    }
}

async fn alone(installation: &Installation, round: usize, times: &mut Times) {
    let client = bare_sdk::client(installation);
    for number in 0..CLUSTERS {
        let name = format!("s{round}-{number}");
        let began = Instant::now();
        bare_sdk::provision(&client, &name).await;
        times.provision.push(ms(began.elapsed()));
        let began = Instant::now();
        bare_sdk::tear_down(&client, &name).await;
        times.teardown.push(ms(began.elapsed()));
    }
}

pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
