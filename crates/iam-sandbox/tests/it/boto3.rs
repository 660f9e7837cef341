//! Calls the sandbox with boto3, and checks the shape of every answer against boto3's model of IAM.

use std::io::Write as _;
use std::path::Path;

use engine_roles_iam_sandbox::SandboxConfig;
use serde_json::json;
use tokio::process::Command;

use crate::wire::sandbox;

#[tokio::test]
async fn every_answer_has_the_shape_of_boto3s_model() {
    let Ok(python) = std::env::var("ENGINE_ROLES_PYTHON") else {
        // Not with `eprintln!`, because the test harness captures its output.
        let words = "\nNOT RUN: the sandbox driven by boto3, since ENGINE_ROLES_PYTHON names no \
                     Python that has it\n";
        let written = std::io::stderr().write_all(words.as_bytes());
        return written.expect("stderr is writable");
    };
    // So that the simulator's answers have an element about the organization too.
    let scp = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    });
    let (sandbox, _) = sandbox(SandboxConfig {
        scp: Some(scp),
        ..SandboxConfig::default()
    })
    .await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/boto3/every_operation.py");
    let run = Command::new(&python)
        .arg(script)
        .arg(sandbox.endpoint())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap_or_else(|error| panic!("{python}: {error}"));
    let (out, err) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(run.status.success(), "{out}{err}");
}
