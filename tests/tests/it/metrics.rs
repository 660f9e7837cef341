//! `/metrics`: what Prometheus reads.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use engine_roles_e2e::{Installation, eventually};

async fn metrics(installation: &Installation) -> String {
    let client = installation.client().anonymous();
    client.fetch("/metrics").await.text
}

/// Returns the value of a series; none where there is no such series.
fn value(metrics: &str, series: &str) -> Option<f64> {
    let mut lines = metrics.lines();
    lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn every_metric_has_a_type_and_a_text_and_no_duration_is_a_summary() {
    let installation = Installation::start().await;
    installation.client().provision("one").await.expect(201);
    let text = metrics(&installation).await;
    let of = |kind: &str| -> BTreeMap<String, String> {
        let lines = text.lines().filter_map(|line| {
            let rest = line
                .strip_prefix("# ")?
                .strip_prefix(kind)?
                .strip_prefix(' ')?;
            let (name, rest) = rest.split_once(' ')?;
            Some((name.to_owned(), rest.to_owned()))
        });
        lines.collect()
    };
    let (types, texts) = (of("TYPE"), of("HELP"));
    assert!(types.len() > 20, "{text}");
    for (name, kind) in &types {
        assert_ne!(kind, "summary", "{name}");
        assert!(texts.contains_key(name), "{name} has no text");
    }
    let http = "engine_roles_http_request_seconds";
    assert_eq!(types[http], "histogram");
    assert!(text.contains(&format!("{http}_bucket{{method=\"PUT\"")));
    // Prometheus's own tool, where it is installed.
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    if let Ok(mut promtool) = promtool {
        let mut input = promtool.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut input, text.as_bytes()).expect("written");
        drop(input);
        let output = promtool.wait_with_output().expect("it ends");
        let found = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{found}");
    }
}

#[tokio::test]
async fn metrics_tell_readiness_versions_connections_and_work() {
    let installation = Installation::build().replicas(2).start().await;
    installation.client().provision("one").await.expect(201);
    // The time of the work is counted after its request was answered, and other values come with a heartbeat.
    let positive = [
        "engine_roles_readiness{status=\"ready\"}",
        "engine_roles_aws_last_success_timestamp_seconds",
        "engine_roles_reconciler_last_run_timestamp_seconds",
        "engine_roles_database_connections_max",
        "engine_roles_database_connection_wait_seconds_count",
        "engine_roles_converge_seconds_count{operation=\"provision\"}",
        "process_resident_memory_bytes",
    ];
    for series in positive {
        eventually(&format!("{series} is positive"), async || {
            let text = metrics(&installation).await;
            value(&text, series).filter(|value| *value > 0.0)
        })
        .await;
    }
    let text = eventually("the log is counted, and no work is due", async || {
        let text = metrics(&installation).await;
        let has_head = value(&text, "engine_roles_audit_head").is_some();
        let is_idle = value(&text, "engine_roles_oldest_due_work_seconds") == Some(0.0);
        let is_ready = value(&text, positive[0]) == Some(1.0);
        (has_head && is_idle && is_ready).then_some(text)
    })
    .await;
    assert_eq!(
        value(&text, "engine_roles_readiness{status=\"unready\"}"),
        Some(0.0)
    );
    let version = format!(
        "engine_roles_build_info{{version=\"{}\"}}",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(value(&text, &version), Some(1.0));
}

#[tokio::test]
async fn a_denial_is_counted_with_its_layer() {
    let installation = Installation::start().await;
    installation.deny(&["iam:CreateRole"]).await;
    installation.client().provision("one").await.expect(424);
    let text = metrics(&installation).await;
    let series =
        "engine_roles_iam_denied_total{operation=\"CreateRole\",layer=\"identity_policy\"}";
    assert_eq!(value(&text, series), Some(1.0), "{text}");
}
