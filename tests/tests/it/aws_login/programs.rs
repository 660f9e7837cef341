//! The command and the script that log in, and that nothing prints a secret.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use engine_roles_e2e::Installation;
use engine_roles_e2e::aws_login::{SERVER, SESSION_ARN, Signing, USER_ARN, identity};
use engine_roles_e2e::service::command;
use engine_roles_iam_sandbox::Identity;
use serde_json::Value;

use super::{build, know, log_in, with_token};

/// The environment of a caller with this identity.
fn environment(installation: &Installation, identity: &Identity) -> BTreeMap<String, String> {
    let address = format!("http://{}", installation.replicas[0].address());
    let mut environment = BTreeMap::from([
        ("ENGINE_ROLES_ADDR", address),
        ("ENGINE_ROLES_AWS_SERVER_NAME", SERVER.to_owned()),
        ("AWS_ACCESS_KEY_ID", identity.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", identity.secret_access_key.clone()),
        ("AWS_REGION", "us-west-2".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
    ]);
    if let Some(token) = &identity.session_token {
        environment.insert("AWS_SESSION_TOKEN", token.clone());
    }
    let environment = environment.into_iter();
    environment
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Runs a command on a thread of its own: the sandbox runs on the test's. Returns the exit code, standard
/// output and standard error.
async fn run(mut command: Command) -> (Option<i32>, String, String) {
    let ran = tokio::task::spawn_blocking(move || command.output()).await;
    let output = ran.expect("the task does not panic");
    let output = output.expect("the program can be run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[tokio::test]
async fn the_command_prints_a_token_that_other_commands_use() {
    let installation = build().start().await;
    let (session, user) = (identity(SESSION_ARN, 'A'), identity(USER_ARN, 'B'));
    know(&installation, &[&session, &user]);
    let login = ["login", "aws"];
    let mut variables = environment(&installation, &session);
    let (code, token, words) = run(command(&login, &variables)).await;
    assert_eq!(code, Some(0), "{words}");
    let token = token.trim();
    assert_eq!(token.len(), 64);
    assert!(words.starts_with(SESSION_ARN), "{words}");
    assert!(words.contains("provision,read,audit"), "{words}");
    variables.insert("ENGINE_ROLES_API_KEY".to_owned(), token.to_owned());
    let (code, _, words) = run(command(&["role", "put", "team-a-1"], &variables)).await;
    assert_eq!(code, Some(0), "{words}");
    // A token that has expired does not keep its holder from getting the next one.
    variables.insert("ENGINE_ROLES_API_KEY".to_owned(), "x".repeat(64));
    let export = ["login", "aws", "--export"];
    let (code, line, words) = run(command(&export, &variables)).await;
    assert_eq!(code, Some(0), "{words}");
    let exported = line.trim().strip_prefix("export ENGINE_ROLES_API_KEY=");
    assert_eq!(exported.map(str::len), Some(64), "{line}");
    let json = ["login", "aws", "--output", "json"];
    let variables = environment(&installation, &user);
    let (code, answer, words) = run(command(&json, &variables)).await;
    assert_eq!(code, Some(0), "{words}");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["arn"], USER_ARN);
}

#[tokio::test]
async fn the_command_says_why_there_is_no_token() {
    let installation = build().start().await;
    let session = identity(SESSION_ARN, 'A');
    know(&installation, &[&session]);
    let all = environment(&installation, &session);
    for (name, value, code, words) in [
        (
            "ENGINE_ROLES_AWS_SERVER_NAME",
            "roles.other",
            5,
            "another name",
        ),
        ("ENGINE_ROLES_AWS_SERVER_NAME", "", 2, "--server-name"),
        (
            "ENGINE_ROLES_AWS_SERVER_NAME",
            "a b",
            2,
            "1 to 253 characters",
        ),
        ("AWS_SECRET_ACCESS_KEY", "wrong", 5, "SignatureDoesNotMatch"),
        ("AWS_REGION", "", 2, "no region of AWS is set"),
        ("AWS_REGION", "us-iso-east-1", 2, "region us-iso-east-1"),
        ("AWS_ACCESS_KEY_ID", "", 1, "no credentials"),
    ] {
        let mut variables = all.clone();
        variables.insert(name.to_owned(), value.to_owned());
        if value.is_empty() {
            variables.remove(name);
        }
        let (found, stdout, stderr) = run(command(&["login", "aws"], &variables)).await;
        assert_eq!(found, Some(code), "{name}={value}: {stderr}");
        assert!(stderr.contains(words), "{name}={value}: {stderr}");
        assert_eq!(stdout, "");
    }
}

#[tokio::test]
async fn the_documented_script_prints_a_token() {
    let Ok(python) = std::env::var("ENGINE_ROLES_PYTHON") else {
        // Not with `eprintln!`, because the test harness captures its output.
        let words = "\nNOT RUN: docs/aws_login.py, since ENGINE_ROLES_PYTHON names no Python with botocore\n";
        let written = std::io::stderr().write_all(words.as_bytes());
        return written.expect("stderr is writable");
    };
    let installation = build().start().await;
    let (session, user) = (identity(SESSION_ARN, 'A'), identity(USER_ARN, 'B'));
    know(&installation, &[&session, &user]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/aws_login.py");
    for (identity, arn) in [(&session, SESSION_ARN), (&user, USER_ARN)] {
        let mut program = Command::new(&python);
        program
            .arg(&script)
            .envs(environment(&installation, identity));
        if identity.session_token.is_none() {
            program.env_remove("AWS_SESSION_TOKEN");
        }
        let (code, token, words) = run(program).await;
        assert_eq!(code, Some(0), "{words}");
        let token = serde_json::json!({"token": token.trim()});
        let client = with_token(&installation, 0, &token);
        client.list("").await.expect(200);
        assert!(words.contains(arn), "{words}");
    }
    let mut wrong = session.clone();
    wrong.secret_access_key.push('x');
    let mut program = Command::new(&python);
    program
        .arg(&script)
        .envs(environment(&installation, &wrong));
    let (code, token, words) = run(program).await;
    assert_eq!((code, token.as_str()), (Some(1), ""), "{words}");
    assert!(words.contains("SignatureDoesNotMatch"), "{words}");
}

#[tokio::test]
async fn nothing_of_a_login_is_logged_at_the_most_verbose_level() {
    let installation = build()
        .env("ENGINE_ROLES_LOG", "trace,engine_roles=trace")
        .start()
        .await;
    let session = identity(SESSION_ARN, 'A');
    know(&installation, &[&session]);
    let client = installation.client();
    let login = Signing::new(&session).login();
    let answer = log_in(&client, &login).await;
    let token = answer.expect(200)["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let with_token = with_token(&installation, 0, &answer.body);
    with_token.provision("team-a-1").await.expect(201);
    let mut wrong = Signing::new(&session);
    wrong.identity.secret_access_key.push('x');
    let wrong = wrong.login();
    log_in(&client, &wrong)
        .await
        .expect_problem(401, "unauthenticated");
    let unmapped = identity("arn:aws:iam::123456789012:user/nobody", 'C');
    know(&installation, &[&session, &unmapped]);
    let unmapped = Signing::new(&unmapped).login();
    log_in(&client, &unmapped)
        .await
        .expect_problem(403, "forbidden");
    let variables = environment(&installation, &session);
    let verbose = |name: &str| {
        let mut variables = variables.clone();
        variables.insert(name.to_owned(), "trace".to_owned());
        variables
    };
    let ran = run(command(&["login", "aws"], &verbose("ENGINE_ROLES_LOG"))).await;
    let printed = format!("{}{}", installation.replicas[0].log().text(), ran.2);
    assert!(printed.contains("TRACE") && printed.contains("AWS identity logged in"));
    let signature = |login: &Value| {
        let header = login["authorization"].as_str().expect("a header");
        header.rsplit('=').next().expect("a signature").to_owned()
    };
    let session_token = session.session_token.clone().expect("a token");
    for (name, secret) in [
        ("the token", token.as_str()),
        ("the token of the command", ran.1.trim()),
        ("the session token", &session_token),
        ("the secret access key", &session.secret_access_key),
        ("the signature", &signature(&login)),
        ("the wrong signature", &signature(&wrong)),
        ("the signature of a stranger", &signature(&unmapped)),
    ] {
        assert!(secret.len() >= 40, "{name}");
        let found = printed.lines().find(|line| line.contains(secret));
        assert_eq!(found, None, "{name} was printed");
    }
}
