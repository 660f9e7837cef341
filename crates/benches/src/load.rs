//! Load of reads: `wrk` sends requests on connections that it keeps.

use std::process::Stdio;

use engine_roles_e2e::Installation;
use tokio::process::Command;

use crate::Bench;

/// How many connections send requests.
pub(crate) const CONNECTIONS: usize = 16;

/// Returns how many requests for a path are answered per second; none where `wrk` is not installed.
///
/// # Panics
/// When an answer has another status than 2xx or 3xx.
pub(crate) async fn gets_per_second(
    bench: &Bench,
    installation: &Installation,
    path: &str,
) -> Option<f64> {
    let output = Command::new("wrk")
        .args(["--threads=1", &format!("--connections={CONNECTIONS}")])
        .arg(format!("--duration={}s", bench.length.as_secs().max(1)))
        .arg(format!(
            "--header=Authorization: Bearer {}",
            installation.key()
        ))
        .arg(format!(
            "http://{}{path}",
            installation.replicas[0].address()
        ))
        .stdin(Stdio::null())
        .output()
        .await
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("Non-2xx"), "{path}: {text}");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"));
    line.and_then(|rate| rate.trim().parse().ok())
}
