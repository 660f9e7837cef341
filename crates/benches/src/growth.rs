//! The service with many bindings and events, beside the service with few.

use std::time::Duration;

use engine_roles_e2e::Installation;
use engine_roles_e2e::measuring::level;

use serde::Deserialize;

use crate::Bench;
use crate::load::gets_per_second;
use crate::reads::clusters;
use crate::report::{Report, median};

/// Copies of the binding and the events of cluster c1. `{bindings}` is how many.
const FILL: &str = include_str!("growth.sql");

/// Reads of which each must take as long with many rows as with few.
const READS: [&str; 9] = [
    "/v1/clusters/c1/role",
    "/v1/clusters?limit=100",
    "/v1/clusters?limit=100&state=active",
    "/v1/clusters?limit=100&mode=create",
    "/v1/clusters?limit=100&prefix=c",
    "/v1/clusters/c1/incarnations",
    "/v1/audit?limit=100",
    "/v1/audit?limit=100&cluster=c1",
    "/v1/audit?limit=100&action=provisioned",
];

#[derive(Default)]
struct Rates {
    puts: Vec<f64>,
    reads: [Vec<f64>; READS.len()],
}

pub(crate) async fn measure(bench: &Bench, bindings: u64, report: &mut Report) {
    let few = bench.installation().start().await;
    let many = bench.installation().start().await;
    for installation in [&few, &many] {
        clusters(installation, 100).await;
    }
    let fill = FILL.replace("{bindings}", &bindings.to_string());
    many.database.execute(&fill).await;
    numbered(&many).await;
    for installation in [&few, &many] {
        // Otherwise autovacuum works on the many new rows while they are measured.
        installation.database.execute("VACUUM (ANALYZE)").await;
    }
    let (mut before, mut after) = (Rates::default(), Rates::default());
    for round in 0..bench.rounds {
        run(bench, &few, round, &mut before).await;
        run(bench, &many, round, &mut after).await;
    }
    let size = format!("{bindings} bindings, {} events", bindings * 10);
    let of = |what: &str| format!("{what}, {size}");
    let puts = (median(after.puts), median(before.puts));
    report.compare(
        of("PUTs, 8 callers"),
        "/s",
        puts.0,
        "an empty database",
        puts.1,
    );
    let rates = after.reads.into_iter().zip(before.reads);
    for (path, (after, before)) in READS.into_iter().zip(rates) {
        if before.is_empty() {
            eprintln!("wrk is not installed; reads are not measured");
            return;
        }
        let (after, before) = (median(after), median(before));
        report.compare(
            of(&format!("GET {path}")),
            "/s",
            after,
            "an empty database",
            before,
        );
    }
}

/// Waits until the service has given each event its number.
async fn numbered(installation: &Installation) {
    #[derive(Deserialize)]
    struct Left {
        number: i64,
    }
    loop {
        let query = "SELECT count(*) AS number FROM audit_pending";
        let left: Vec<Left> = installation.database.rows(query).await;
        if left.iter().all(|left| left.number == 0) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn run(bench: &Bench, installation: &Installation, round: usize, rates: &mut Rates) {
    let puts = level(installation, 8, bench.length, round).await;
    rates.puts.push(puts.puts_per_second);
    for (path, rates) in READS.into_iter().zip(&mut rates.reads) {
        rates.extend(gets_per_second(bench, installation, path).await);
    }
}
