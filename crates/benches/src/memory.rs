//! The memory of the service.

use std::time::Duration;

use engine_roles_e2e::measuring::level;

use crate::Bench;
use crate::report::Report;

/// How long the service is idle before its memory is read.
const IDLE: Duration = Duration::from_secs(10);

pub(crate) async fn measure(bench: &Bench, report: &mut Report) {
    let installation = bench.installation().latency(20).start().await;
    let megabytes = || {
        let kilobytes = installation.replicas[0].resident_kilobytes();
        f64::from(u32::try_from(kilobytes).unwrap_or(u32::MAX)) / 1000.0
    };
    tokio::time::sleep(IDLE).await;
    report.compare("memory, idle", "MB", megabytes(), "the aim", 30.0);
    level(&installation, 256, bench.length, 0).await;
    report.compare(
        "memory, after 256 callers",
        "MB",
        megabytes(),
        "the aim",
        60.0,
    );
}
