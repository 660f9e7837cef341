//! Many callers at once, each with new clusters.

use std::time::{Duration, Instant};

use engine_roles_e2e::measuring::level;
use futures::future::join_all;

use crate::Bench;
use crate::bare_sdk;
use crate::one_caller::ms;
use crate::report::{Report, median};

/// How long each call to AWS takes, in milliseconds.
const LATENCY_MS: u64 = 20;
/// How many callers make the first bindings.
const WARM_UP_CALLERS: usize = 8;
/// How many clusters a burst has.
const BURST: usize = 200;
/// The calls of a provision.
const CALLS: f64 = 4.0;

pub(crate) async fn measure(
    bench: &Bench,
    replicas: usize,
    callers: &[usize],
    report: &mut Report,
) {
    let installation = bench.installation().replicas(replicas).latency(LATENCY_MS);
    let installation = installation.start().await;
    // Autovacuum makes the statistics that Postgres plans with, a minute after the first bindings. Without
    // them, Postgres can't distinguish good plans from bad ones.
    let length = Duration::from_secs(1);
    level(&installation, WARM_UP_CALLERS, length, usize::MAX).await;
    installation.database.execute("ANALYZE").await;
    let mut rates = Vec::new();
    for callers in callers {
        let (mut puts, mut sdk) = (Vec::new(), Vec::new());
        let (mut processor, mut half) = (Vec::new(), Vec::new());
        for round in 0..bench.rounds {
            let found = level(&installation, *callers, bench.length, round).await;
            assert!(found.failed.is_empty(), "failed: {:?}", found.failed);
            puts.push(found.puts_per_second);
            processor.extend(found.processor_ms_per_put);
            half.push(found.p50_ms);
            let length = bench.length;
            sdk.push(bare_sdk::provisions_per_second(&installation, *callers, length, round).await);
        }
        let what = format!("PUTs, {callers} callers, {replicas} replica(s), 20 ms per call");
        let (puts, sdk) = (median(puts), median(sdk));
        report.compare(&what, "/s", puts, "the bare SDK", sdk);
        let shortest = f64::from(u32::try_from(LATENCY_MS).unwrap_or(u32::MAX)) * 2.0;
        report.compare(
            format!("{what}: half of them within"),
            "ms",
            median(half),
            "two trips",
            shortest,
        );
        if !processor.is_empty() {
            let one = median(processor);
            report.compare(format!("{what}: processor time"), "ms", one, "the aim", 1.0);
        }
        rates.push((*callers, puts));
    }
    if let [.., (fewer, before), (more, after)] = rates[..] {
        let what = format!("PUTs, {more} callers, {replicas} replica(s)");
        report.compare(what, "/s", after, format!("{fewer} callers"), before);
    }
}

/// Measures how long 200 clusters at once take with the default call budget.
pub(crate) async fn burst(bench: &Bench, report: &mut Report) {
    let installation = bench
        .with_default_budget()
        .latency(LATENCY_MS)
        .start()
        .await;
    let of = |name: &str| -> f64 {
        let arguments = ["serve", "--help"];
        let help = installation.run(&arguments, &[]).stdout;
        let help = String::from_utf8_lossy(&help).into_owned();
        let line = help.lines().find(|line| line.contains(&format!("{name}=")));
        let default = line.and_then(|line| line.split_once("[default: ")?.1.split_once(']'));
        let default = default.and_then(|(number, _)| number.parse().ok());
        default.unwrap_or_else(|| panic!("{name} has a default"))
    };
    let (rate, at_once) = (of("ENGINE_ROLES_CALL_RATE"), of("ENGINE_ROLES_CALL_BURST"));
    let client = installation.client();
    let began = Instant::now();
    let puts = (0..BURST).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            let put = client.request(
                reqwest::Method::PUT,
                &engine_roles_e2e::client::role(&format!("b{number}")),
            );
            let put = put
                .header("prefer", "wait=120")
                .json(&serde_json::json!({}));
            client.send(put).await.expect(201);
        })
    });
    for put in join_all(puts).await {
        put.expect("callers do not panic");
    }
    let took = ms(began.elapsed()) / 1000.0;
    let calls = f64::from(u32::try_from(BURST).unwrap_or(u32::MAX)) * CALLS;
    let shortest = (calls - at_once) / rate;
    let what = format!("{BURST} clusters at once, default call budget");
    let budget = format!("the budget of {rate} calls per second after {at_once}");
    report.compare(what, "s", took, budget, shortest);
}
