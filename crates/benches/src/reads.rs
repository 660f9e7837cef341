//! Reads, beside what Postgres does for `pgbench`'s reads of one row.

use std::process::Stdio;

use engine_roles_e2e::Installation;
use futures::future::join_all;
use tokio::process::Command;

use crate::Bench;
use crate::load::{CONNECTIONS, gets_per_second};
use crate::report::{Report, median};

pub(crate) async fn measure(bench: &Bench, report: &mut Report) {
    let mut installation = bench.installation().start().await;
    clusters(&installation, 100).await;
    let url = installation.postgres().url().to_owned();
    if !prepare_pgbench(&url).await {
        eprintln!("pgbench is not installed; reads are not measured");
        return;
    }
    let (mut role, mut list, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        role.extend(gets_per_second(bench, &installation, "/v1/clusters/c1/role").await);
        rows.extend(pgbench(&url, bench).await);
        list.extend(gets_per_second(bench, &installation, "/v1/clusters?limit=100").await);
    }
    if role.is_empty() {
        eprintln!("wrk is not installed; reads are not measured");
        return;
    }
    let what = format!("GET of a role, {CONNECTIONS} connections");
    report.compare(
        what,
        "/s",
        median(role),
        "pgbench -S -M prepared",
        median(rows),
    );
    let what = format!("list of 100 clusters, {CONNECTIONS} connections");
    report.compare(what, "/s", median(list), "the aim", 500.0);
}

/// Provisions clusters.
pub(crate) async fn clusters(installation: &Installation, number: usize) {
    let client = installation.client();
    let puts = (0..number).map(|number| {
        let client = client.clone();
        async move {
            client.provision(&format!("c{number}")).await.expect(201);
        }
    });
    join_all(puts).await;
}

async fn prepare_pgbench(url: &str) -> bool {
    let arguments = ["--initialize", "--scale=10", "--quiet"];
    let mut pgbench = Command::new("pgbench");
    let pgbench = pgbench.args(arguments).arg(url).stderr(Stdio::null());
    let status = pgbench.stdout(Stdio::null()).status().await;
    status.is_ok_and(|status| status.success())
}

async fn pgbench(url: &str, bench: &Bench) -> Option<f64> {
    let output = Command::new("pgbench")
        .args(["--select-only", "--protocol=prepared", "--no-vacuum"])
        .arg(format!("--client={CONNECTIONS}"))
        .arg(format!("--time={}", bench.length.as_secs().max(1)))
        .arg(url)
        .output()
        .await
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("tps = "));
    line.and_then(|rate| rate.split(' ').next()?.parse().ok())
}
