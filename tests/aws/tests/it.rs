//! The suite itself, run against a sandbox in AWS's place, as its binary: what it finds, where it
//! refuses to run, and what it leaves.

use std::collections::BTreeSet;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use engine_roles_e2e::administrator::Administrator;
use engine_roles_iam_sandbox::{Sandbox, SandboxConfig};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const ACCOUNT: &str = "123456789012";
/// A part of the suite that creates one resource of each kind and takes no second.
const SHORT: &str = "permissions boundaries";
/// The last of the calls of `SHORT`, when roles and policies exist.
const LATE: &str = "DetachRolePolicy";
const LIMIT: Duration = Duration::from_mins(2);

async fn sandbox() -> Sandbox {
    sandbox_of(SandboxConfig::default()).await
}

async fn sandbox_of(config: SandboxConfig) -> Sandbox {
    let config = SandboxConfig {
        role_policies: true,
        ..config
    };
    Sandbox::start(config).await.expect("the sandbox starts")
}

/// Returns the command of the suite with the sandbox in AWS's place.
fn suite(sandbox: &Sandbox, account: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_engine-roles-aws-tests"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("AWS_") || text.starts_with("ENGINE_ROLES_AWS_TEST") {
            command.env_remove(&name);
        }
    }
    command
        .args(arguments)
        .env("AWS_ENDPOINT_URL_IAM", sandbox.endpoint())
        .env("AWS_ENDPOINT_URL_STS", sandbox.endpoint())
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000000")
        .env("AWS_SECRET_ACCESS_KEY", "not-checked")
        .env("AWS_REGION", "us-west-2")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("ENGINE_ROLES_AWS_TEST_ACCOUNT", account)
        .env("ENGINE_ROLES_AWS_TEST_LAG", "0")
        .stdin(Stdio::null());
    command
}

/// Runs the suite to its end. The sandbox answers on other threads meanwhile.
async fn run(mut command: Command) -> Output {
    let running = tokio::task::spawn_blocking(move || command.output());
    let output = running.await.expect("the thread does not panic");
    output.expect("the suite can be run")
}

/// Starts the suite, and waits until it has made a call that hangs.
async fn hanging(sandbox: &Sandbox) -> Child {
    let hang = json!([{"action": LATE, "when": "before", "do": {"hang_ms": 3_600_000}}]);
    sandbox.set_faults(serde_json::from_value(hang).expect("a fault"));
    let mut command = suite(sandbox, ACCOUNT, &["--only", SHORT]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the suite can be run");
    let started = Instant::now();
    // The first call is made for the reference, in a sandbox of the suite's own.
    while !sandbox.calls(0).iter().any(|call| call.action == LATE) {
        assert!(started.elapsed() < LIMIT, "{LATE} was not called");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child
}

async fn end_of(child: Child) -> Output {
    let waiting = tokio::task::spawn_blocking(move || child.wait_with_output());
    let output = waiting.await.expect("the thread does not panic");
    output.expect("the suite ends")
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

/// Returns the names of all resources in the account.
fn resources(sandbox: &Sandbox) -> Vec<String> {
    let state = sandbox.state();
    let kinds = ["roles", "instance_profiles", "policies"];
    let all = kinds
        .iter()
        .filter_map(|kind| state[kind].as_array())
        .flatten();
    let name = |one: &Value| one["arn"].as_str().unwrap_or_default().to_owned();
    all.map(name).collect()
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).expect("process ids are small");
    let pid = Pid::from_raw(pid).expect("process ids are not 0");
    kill_process(pid, signal).expect("the suite runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_in_awss_place_has_no_difference_and_nothing_is_left() {
    let sandbox = sandbox().await;
    let output = run(suite(&sandbox, ACCOUNT, &[])).await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains(" 0 differences"), "{text}");
    assert!(
        text.contains("not checked: what an engine's role reads"),
        "{text}"
    );
    assert_eq!(resources(&sandbox), [""; 0]);
    // The service worked too.
    let calls = sandbox.calls(0);
    let by_the_service = calls.iter().any(|call| {
        let path = call.params.get("Path");
        path.is_some_and(|path| path.starts_with("/ai-unlimited/engine/aws-test-"))
    });
    assert!(by_the_service);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_testers_policy_allows_everything_that_the_suite_and_the_service_do() {
    let policy = include_str!("../tester-policy.json");
    let policy = policy
        .replace("<PARTITION>", "aws")
        .replace("<ACCOUNT_ID>", ACCOUNT);
    let sandbox = sandbox_of(SandboxConfig {
        identity_policy: Some(serde_json::from_str(&policy).expect("JSON")),
        ..SandboxConfig::default()
    })
    .await;
    let output = run(suite(&sandbox, ACCOUNT, &[])).await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(resources(&sandbox), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_message_another_error_and_a_wrong_decision_are_each_printed_as_a_difference() {
    let sandbox = sandbox().await;
    let administrator = Administrator::new(sandbox.endpoint());
    // AWS's newer messages, which name the policy.
    let behaviour = json!({"policy_arns": true});
    administrator.control_sandbox("behaviour", behaviour).await;
    let faults = json!([
        {"action": "UntagRole", "when": "before", "do": {"error": "ConcurrentModification"}},
        {"action": "SimulatePrincipalPolicy", "when": "before", "do": {"error": "ServiceFailure"},
         "times": 1_000},
    ]);
    sandbox.set_faults(serde_json::from_value(faults).expect("faults"));
    let only = ["denials by layer", "tags: changes", "simulator: invalid"];
    let arguments: Vec<&str> = only.iter().flat_map(|rule| ["--only", *rule]).collect();
    let output = run(suite(&sandbox, ACCOUNT, &arguments)).await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
    let found = |rule: &str, aws: &str, sandbox: &str| {
        rows.iter().any(|row| {
            let cells: Vec<&str> = row.split(" | ").collect();
            cells.len() == 3
                && cells[0].contains(rule)
                && cells[1].contains(aws)
                && cells[2].contains(sandbox)
        })
    };
    let explicit = "denials by layer: an identity-based policy denies";
    let arn = "in an identity-based policy: arn:aws:iam::<ACCOUNT>:policy/";
    assert!(
        found(explicit, arn, "in an identity-based policy"),
        "{text}"
    );
    let untag = "tags: changes: Role: untag in capitals";
    assert!(found(untag, "409 ConcurrentModification", "200"), "{text}");
    let simulated = "simulator: invalid requests: an absent role";
    assert!(
        found(simulated, "500 ServiceFailure", "404 NoSuchEntity"),
        "{text}"
    );
    let implicit = "no identity-based policy allows";
    assert!(!rows.iter().any(|row| row.contains(implicit)), "{text}");
    assert_eq!(resources(&sandbox), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_is_refused_before_any_call_to_iam() {
    let sandbox = sandbox().await;
    for arguments in [&[][..], &["--clean-up"]] {
        let output = run(suite(&sandbox, "210987654321", arguments)).await;
        let text = text(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        let sentence = "the credentials belong to account 123456789012, and \
                        ENGINE_ROLES_AWS_TEST_ACCOUNT names 210987654321. Nothing was done.";
        assert!(text.contains(sentence), "{text}");
    }
    let calls = sandbox.calls(0).into_iter();
    let actions: BTreeSet<String> = calls.map(|call| call.action).collect();
    assert_eq!(actions, ["GetCallerIdentity".to_owned()].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_account_no_call_is_made_at_all() {
    let sandbox = sandbox().await;
    let mut command = suite(&sandbox, "", &[]);
    command.env_remove("ENGINE_ROLES_AWS_TEST_ACCOUNT");
    let output = run(command).await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("ENGINE_ROLES_AWS_TEST_ACCOUNT is not set"),
        "{text}"
    );
    assert!(sandbox.calls(0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_when_its_budget_is_used_up_and_removes_what_it_created() {
    let sandbox = sandbox().await;
    let output = run(suite(&sandbox, ACCOUNT, &["--calls", "60"])).await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("the budget of calls is used up"), "{text}");
    let calls = sandbox.calls(0);
    let creates = calls
        .iter()
        .filter(|call| call.action.starts_with("Create"));
    assert!(creates.count() > 0);
    // After the sixtieth call there are only those that list, read and remove.
    let after = calls.iter().skip(60);
    let writes = after.filter(|call| {
        let others = ["Create", "Put", "Add", "Tag", "Untag", "Attach", "Update"];
        others.iter().any(|verb| call.action.starts_with(verb))
    });
    assert_eq!(writes.count(), 0);
    assert_eq!(resources(&sandbox), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_signal_the_run_removes_what_it_created() {
    let sandbox = sandbox().await;
    let child = hanging(&sandbox).await;
    assert!(!resources(&sandbox).is_empty());
    signal(&child, Signal::INT);
    let output = end_of(child).await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("the run was interrupted"), "{text}");
    assert_eq!(resources(&sandbox), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn clean_up_removes_what_a_killed_run_left_and_nothing_without_the_tag() {
    let sandbox = sandbox().await;
    let mut child = hanging(&sandbox).await;
    child.kill().expect("the suite runs");
    end_of(child).await;
    assert!(resources(&sandbox).len() >= 2);
    let administrator = Administrator::new(sandbox.endpoint());
    let others = [
        ("/", "somebody-elses"),
        ("/", "engine-roles-aws-test-by-hand"),
        ("/engine-roles-aws-test/", "by-hand"),
        ("/ai-unlimited/engine/default/", "ai-unlimited-live"),
    ];
    let mut kept = Vec::new();
    for (path, name) in others {
        kept.push(administrator.prepare_role_under(path, name).await);
    }
    let output = run(suite(&sandbox, ACCOUNT, &["--clean-up"])).await;
    let text = text(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for name in ["engine-roles-aws-test-by-hand", "by-hand"] {
        let line = format!("left alone, because it has no tag of the suite: role {name}\n");
        assert!(text.contains(&line), "{text}");
    }
    kept.sort();
    let mut left = resources(&sandbox);
    left.sort();
    assert_eq!(left, kept);
}
