//! What other tools take for one cluster: boto3 and the AWS command line, call by call, and Terraform.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use engine_roles_e2e::Installation;
use tokio::process::Command;

use crate::Bench;
use crate::one_caller::ms;
use crate::report::{Report, median};

const LATENCY_MS: u64 = 50;
const SCRIPT: &str = include_str!("boto3_sequence.py");
const CONFIGURATION: &str = include_str!("terraform.tf");

/// The tools that are compared.
pub(crate) struct Tools {
    pub(crate) python: Option<PathBuf>,
    pub(crate) aws: Option<PathBuf>,
    pub(crate) terraform: Option<(PathBuf, PathBuf)>,
}

pub(crate) async fn measure(bench: &Bench, tools: &Tools, report: &mut Report) {
    let installation = bench.installation().latency(LATENCY_MS).start().await;
    let client = installation.client();
    let mut ours = Vec::new();
    for number in 0..bench.rounds * 5 {
        let began = Instant::now();
        client.provision(&format!("o{number}")).await.expect(201);
        ours.push(ms(began.elapsed()));
    }
    let ours = median(ours);
    let what = "provision, 50 ms per call";
    if let Some(python) = &tools.python {
        let mut times = Vec::new();
        for round in 0..bench.rounds {
            times.push(boto3(&installation, python, round).await);
        }
        report.compare(what, "ms", ours, "boto3, call by call", median(times));
    }
    if let Some(aws) = &tools.aws {
        let mut times = Vec::new();
        for round in 0..bench.rounds {
            times.push(command_line(&installation, aws, round).await);
        }
        report.compare(what, "ms", ours, "the AWS command line", median(times));
    }
    if let Some((terraform, plugins)) = &tools.terraform {
        let took = apply(&installation, terraform, plugins).await;
        report.compare(what, "ms", ours, "terraform apply", took);
    }
}

fn tool(installation: &Installation, program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, value) in installation.environment() {
        if name.starts_with("AWS_") {
            command.env(name, value);
        }
    }
    // IAM's requests are signed for this region.
    command
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_PAGER", "");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Returns the time of the four calls alone, without the start of Python.
async fn boto3(installation: &Installation, python: &Path, round: usize) -> f64 {
    let mut command = tool(installation, python);
    let output = command.args(["-c", SCRIPT, &format!("p{round}")]).output();
    let output = output.await.expect("Python can be run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().expect("the script prints milliseconds")
}

async fn command_line(installation: &Installation, aws: &Path, round: usize) -> f64 {
    let name = format!("a{round}");
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}"#;
    let calls = [
        vec![
            "create-role",
            "--role-name",
            &name,
            "--assume-role-policy-document",
            trust,
        ],
        vec!["create-instance-profile", "--instance-profile-name", &name],
        vec![
            "put-role-policy",
            "--role-name",
            &name,
            "--policy-name",
            "p",
            "--policy-document",
            policy,
        ],
        vec![
            "add-role-to-instance-profile",
            "--role-name",
            &name,
            "--instance-profile-name",
            &name,
        ],
    ];
    let began = Instant::now();
    for call in calls {
        let status = tool(installation, aws).arg("iam").args(call).status().await;
        assert!(status.expect("the AWS command line can be run").success());
    }
    ms(began.elapsed())
}

async fn apply(installation: &Installation, terraform: &Path, plugins: &Path) -> f64 {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("main.tf");
    std::fs::write(file, CONFIGURATION).expect("a file");
    let run = async |arguments: &[&str]| {
        let mut command = tool(installation, terraform);
        let output = command
            .args(arguments)
            .current_dir(directory.path())
            .output();
        let output = output.await.expect("Terraform can be run");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
    };
    let plugins = format!("-plugin-dir={}", plugins.display());
    run(&["init", "-input=false", &plugins]).await;
    let began = Instant::now();
    run(&["apply", "-auto-approve", "-input=false"]).await;
    ms(began.elapsed())
}
