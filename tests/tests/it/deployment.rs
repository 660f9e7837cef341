//! The files of `docker/` and `docs/deployment.md` do what they state: the script around a deploy,
//! and the permissions boundary of the service's own role.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use engine_roles_e2e::Installation;
use engine_roles_e2e::binary::service_binary;
use engine_roles_e2e::identity::BOUNDARY;
use engine_roles_e2e::policy_documents::policy_document;
use serde_json::{Value, json};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
/// An address at which nothing listens.
const NOWHERE: &str = "http://127.0.0.1:9";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the commands of the page's section about the script.
fn documented() -> String {
    let page = std::fs::read_to_string(root().join("docs/deployment.md"));
    let page = page.expect("the page can be read");
    let (_, section) = page
        .split_once("\n## A script around a deploy\n")
        .expect("the page has the section");
    let (_, block) = section.split_once("```sh\n").expect("a block of commands");
    let (commands, _) = block.split_once("```").expect("the block ends");
    commands.to_owned()
}

/// Runs commands in the root of the repository as a caller of the service at this address.
fn shell(installation: &Installation, address: &str, commands: &str) -> Output {
    let binary = service_binary();
    let beside = binary.parent().expect("the binary is in a directory");
    let path = std::env::var("PATH").expect("there is a path");
    let mut shell = Command::new("bash");
    shell
        .args(["-euo", "pipefail", "-c", commands])
        .current_dir(root())
        .env_clear()
        .env("PATH", format!("{}:{path}", beside.display()))
        .env("ENGINE_ROLES_ADDR", address)
        .env("ENGINE_ROLES_API_KEY", installation.key());
    shell.output().expect("bash can be run")
}

async fn state(installation: &Installation) -> String {
    let binding = installation.client().get("demo").await.expect(200).clone();
    binding["state"].as_str().expect("a state").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_script_wraps_a_deploy_and_a_suspend() {
    let installation = Installation::start().await;
    let address = format!("http://{}", installation.replicas[0].address());
    let output = shell(&installation, &address, &documented());
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(
        printed.contains("deploy with iamrole=ai-unlimited-demo-"),
        "{printed}"
    );
    assert!(printed.contains("suspend demo"), "{printed}");
    assert_eq!(state(&installation).await, "deleted");
    assert!(installation.holds_nothing_of_ours());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_stays_when_a_deploy_or_a_suspend_fails() {
    let installation = Installation::start().await;
    let address = format!("http://{}", installation.replicas[0].address());
    let run = |address: &str, step: &str, command: &str| {
        let line = format!("docker/engine-with-role.sh {step} demo sh -c '{command}'");
        let output = shell(&installation, address, &line);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), printed)
    };
    assert_eq!(run(&address, "deploy", "exit 7").0, Some(7));
    assert_eq!(state(&installation).await, "active");
    assert_eq!(run(&address, "suspend", "exit 8").0, Some(8));
    assert_eq!(state(&installation).await, "active");
    // A deploy begins with the role, so without the service there is none.
    let (code, printed) = run(NOWHERE, "deploy", "echo deployed");
    assert_eq!((code, printed.as_str()), (Some(1), ""));
    // A suspend does not need the service, but reports that the role is still there.
    let (code, printed) = run(NOWHERE, "suspend", "echo suspended");
    assert_eq!((code, printed.as_str()), (Some(1), "suspended\n"));
    assert_eq!(state(&installation).await, "active");
    // A signal reaches the command, and the script ends after it.
    let script = r#"
        docker/engine-with-role.sh suspend demo bash -c '
            trap "echo trapped; exit 7" TERM
            echo runs >"$STARTED"
            while true; do sleep 0.1; done' &
        until [ -s "$STARTED" ]; do sleep 0.1; done
        kill -TERM $!
        wait $! || echo "ends with $?""#;
    let directory = tempfile::tempdir().expect("a directory");
    let started = directory.path().join("started");
    let script = format!("export STARTED={}\n{script}", started.display());
    let output = shell(&installation, &address, &script);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed, "trapped\nends with 7\n", "{output:?}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("the suspend failed; the role"), "{errors}");
    assert_eq!(state(&installation).await, "active");
    // What is no cluster is no reason to call the service.
    let (code, printed) = run(&address, "deploy --help", "echo deployed");
    assert_eq!((code, printed.as_str()), (Some(2), ""));
    assert_eq!(run(&address, "suspend", "true").0, Some(0));
    assert_eq!(state(&installation).await, "deleted");
}

/// Returns `policies/boundaries/service-boundary.json` for the account of the sandbox, and for a
/// prepared role.
fn service_boundary() -> Value {
    let mut text = policy_document("boundaries/service-boundary").to_string();
    for (placeholder, value) in [
        ("PARTITION", "aws"),
        ("REGION", "us-west-2"),
        ("ACCOUNT_ID", "123456789012"),
        (
            "PERMISSIONS_BOUNDARY",
            &format!("arn:aws:iam::123456789012:policy/{BOUNDARY}"),
        ),
        (
            "PASS_THROUGH_ROLE",
            "arn:aws:iam::123456789012:role/prepared",
        ),
    ] {
        text = text.replace(&format!("<{placeholder}>"), value);
    }
    assert!(!text.contains('<'), "{text}");
    serde_json::from_str(&text).expect("the document is JSON")
}

#[tokio::test]
async fn the_boundary_of_the_service_role_allows_what_the_service_does() {
    let installation = Installation::build()
        .prepared("prepared")
        .sandbox(|sandbox| sandbox.identity_boundary = Some(service_boundary()))
        .start()
        .await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    let body = json!({"secrets": "all", "session_manager": true, "tags": {"team": "x"}});
    client.put("one", body).await.expect(200);
    client.put("one", json!({"tags": {}})).await.expect(200);
    let body = json!({"mode": "pass_through", "iam_role": "prepared"});
    client.put("two", body).await.expect(201);
    for cluster in ["one", "two"] {
        client.delete(cluster).await.expect(200);
    }
    assert!(installation.holds_nothing_of_ours());
    let found = client.fetch("/v1/capabilities").await.expect(200).clone();
    let features = found["features"].as_array().expect("a list");
    assert!(features.len() > 5, "{found:#}");
    for feature in features {
        assert_eq!(feature["status"], "works", "{feature:#}");
    }
}

#[tokio::test]
async fn the_boundary_limits_a_service_role_to_which_somebody_attached_everything() {
    let installation = Installation::build()
        .rarely_checked()
        .allowed_everything()
        .sandbox(|sandbox| sandbox.identity_boundary = Some(service_boundary()))
        .start()
        .await;
    let created = installation
        .client()
        .provision("one")
        .await
        .expect(201)
        .clone();
    let ours = created["role"]["name"].as_str().expect("a name");
    let boundary = format!("arn:aws:iam::123456789012:policy/{BOUNDARY}");
    installation.administrator.create_role("theirs").await;
    let caller = installation.administrator.with_the_services_key();
    let path = ("Path", "/ai-unlimited/engine/default/");
    let trust = ("AssumeRolePolicyDocument", TRUST);
    let bounded = ("PermissionsBoundary", boundary.as_str());
    let policy = [("PolicyName", "p"), ("PolicyDocument", EVERYTHING)];
    let attached = ("PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess");
    let attempts: [(&str, Vec<(&str, &str)>); 6] = [
        ("CreateRole", vec![("RoleName", "x"), path, trust]),
        (
            "CreateRole",
            vec![("RoleName", "x"), ("Path", "/"), trust, bounded],
        ),
        (
            "PutRolePolicy",
            vec![("RoleName", "theirs"), policy[0], policy[1]],
        ),
        ("AttachRolePolicy", vec![("RoleName", ours), attached]),
        ("DeleteRole", vec![("RoleName", "theirs")]),
        (
            "UpdateAssumeRolePolicy",
            vec![("RoleName", ours), ("PolicyDocument", TRUST)],
        ),
    ];
    let before = installation.sandbox.state();
    for (action, parameters) in attempts {
        let since = installation.mark();
        caller.try_call(action, &parameters).await;
        let calls = installation.calls(since);
        let call = calls.iter().find(|call| call.action == action);
        let call = call.unwrap_or_else(|| panic!("{action} was not called"));
        assert_eq!(
            call.error.as_deref(),
            Some("AccessDenied"),
            "{action} {parameters:?}"
        );
    }
    assert_eq!(installation.sandbox.state(), before);
}
