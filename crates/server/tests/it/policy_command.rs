//! Tests of `engine-roles policy` with the real binary, without a database and without AWS.

use std::io::{ErrorKind, Write};
use std::process::{Command, Output, Stdio};

use crate::program::text;

fn policy(arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_engine-roles"))
        .arg("policy")
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary can be run");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // The command may exit without reading its input.
    let written = stdin.write_all(input.as_bytes());
    let unread = |error: &std::io::Error| error.kind() == ErrorKind::BrokenPipe;
    assert!(written.as_ref().err().is_none_or(unread), "{written:?}");
    drop(stdin);
    child.wait_with_output().expect("the command exits")
}

fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

const KEY: &str = "arn:aws:kms:us-west-2:123456789012:key/01234567-89ab-cdef-0123-456789abcdef";
const ACCOUNT: (&str, &str) = ("ENGINE_ROLES_ACCOUNT_ID", "123456789012");
const REGION: (&str, &str) = ("ENGINE_ROLES_DEFAULT_REGION", "us-west-2");

#[test]
fn every_listed_document_can_be_rendered_and_linted() {
    let listed = done(&policy(&["list"], &[], ""));
    assert_eq!(listed.lines().count(), 7, "{listed}");
    for line in listed.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, kind, purpose] = fields.as_slice() else {
            panic!("{line}");
        };
        assert!(purpose.ends_with('.'), "{line}");
        let rendered = done(&policy(&["render", name], &[ACCOUNT, REGION], ""));
        let checked = policy(&["lint", "-", "--kind", kind], &[], &rendered);
        // The manager's policies are AI Unlimited's own. They allow the manager to raise its own
        // permissions, which the lint reports as an error.
        let wide = name.starts_with("ai-unlimited-w");
        let output_text = text(&checked.stdout);
        assert_eq!(
            checked.status.code(),
            Some(i32::from(wide)),
            "{name}: {output_text}"
        );
    }
}

#[test]
fn flags_and_the_variables_of_serve_give_the_same_document() {
    let key = ("ENGINE_ROLES_KMS_KEY_ARN", KEY);
    let by_variables = policy(
        &["render", "ai-unlimited-engine", "--cluster", "one"],
        &[ACCOUNT, REGION, key],
        "",
    );
    let by_flags = policy(
        &[
            "render",
            "ai-unlimited-engine",
            "--cluster",
            "one",
            "--region",
            "us-west-2",
            "--account-id",
            "123456789012",
            "--kms-key-arn",
            KEY,
        ],
        &[("ENGINE_ROLES_DEFAULT_REGION", "eu-west-1")],
        "",
    );
    let rendered = done(&by_flags);
    assert_eq!(rendered, done(&by_variables));
    assert_eq!(
        rendered,
        r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "ReadEngineSecrets",
      "Effect": "Allow",
      "Action": "secretsmanager:GetSecretValue",
      "Resource": "arn:aws:secretsmanager:us-west-2:123456789012:secret:compute-engine/one/*"
    },
    {
      "Sid": "DecryptEngineSecrets",
      "Effect": "Allow",
      "Action": "kms:Decrypt",
      "Resource": "arn:aws:kms:us-west-2:123456789012:key/01234567-89ab-cdef-0123-456789abcdef",
      "Condition": {
        "StringEquals": {
          "kms:ViaService": "secretsmanager.us-west-2.amazonaws.com"
        },
        "StringLike": {
          "kms:EncryptionContext:SecretARN": "arn:aws:secretsmanager:us-west-2:123456789012:secret:compute-engine/one/*"
        }
      }
    }
  ]
}
"#
    );
}

#[test]
fn a_repeated_flag_and_a_list_in_a_variable_give_the_same_document() {
    let arn = |kind: &str, name: &str| format!("arn:aws:iam::123456789012:{kind}/{name}");
    let (one, two) = (arn("policy", "one"), arn("policy", "two"));
    let by_flags = done(&policy(
        &[
            "render",
            "engine-role-service",
            "--permissions-boundary",
            &one,
            "--permissions-boundary",
            &two,
            "--pass-through-role",
            &arn("role", "a/first"),
            "--pass-through-role",
            &arn("role", "second"),
            "--service-role",
            &arn("role", "service"),
        ],
        &[ACCOUNT, REGION],
        "",
    ));
    let listed = format!(
        "{}=profile, {}",
        arn("role", "a/first"),
        arn("role", "second")
    );
    let by_variables = done(&policy(
        &[
            "render",
            "engine-role-service",
            "--service-role",
            &arn("role", "service"),
        ],
        &[
            ACCOUNT,
            REGION,
            ("ENGINE_ROLES_PERMISSIONS_BOUNDARY", &one),
            ("ENGINE_ROLES_ALLOWED_BOUNDARIES", &two),
            ("ENGINE_ROLES_PASS_THROUGH_ROLES", &listed),
        ],
        "",
    ));
    assert_eq!(by_flags, by_variables);
    for value in [
        one,
        two,
        arn("role", "a/first"),
        arn("role", "second"),
        arn("role", "service"),
    ] {
        assert!(
            by_flags.contains(&format!("\"{value}\"")),
            "{value}: {by_flags}"
        );
    }
}

#[test]
fn a_missing_or_invalid_value_is_reported_by_the_name_of_its_flag() {
    let engine = "ai-unlimited-engine";
    let cases: [(&[&str], &str); 14] = [
        (&["render", engine, "--region", "us-west-2"], "--account-id"),
        (
            &["render", engine, "--account-id", "123456789012"],
            "--region",
        ),
        (&["render", "engine-trust"], "--region"),
        (&["render", engine, "--account-id", "1"], "--account-id"),
        (&["render", engine, "--region", "*"], "--region"),
        (&["render", engine, "--cluster", "*"], "--cluster"),
        (
            &["render", "session-manager", "--cluster", "one"],
            "--cluster",
        ),
        (&["render", engine, "--namespace", "A"], "--namespace"),
        (&["render", engine, "--partition", "aws-iso"], "--partition"),
        (
            &["render", engine, "--kms-key-arn", "alias/x"],
            "--kms-key-arn",
        ),
        (
            &["render", engine, "--permissions-boundary", "x"],
            "--permissions-boundary",
        ),
        (
            &[
                "render",
                engine,
                "--pass-through-role",
                "arn:aws:iam::123456789012:role/*",
            ],
            "--pass-through-role",
        ),
        (
            &["render", engine, "--service-role", "a/*"],
            "--service-role",
        ),
        (
            &[
                "render",
                "engine-trust",
                "--partition",
                "aws-cn",
                "--region",
                "us-west-2",
            ],
            "--region",
        ),
    ];
    for (arguments, flag) in cases {
        let output = policy(arguments, &[], "");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let output_text = text(&output.stderr);
        assert!(
            output_text.contains(&format!("{flag}: ")),
            "{arguments:?}: {output_text}"
        );
    }
    let unknown = policy(&["render", "nothing"], &[], "");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("policy list"));
}

const OPEN: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
    "Action": "*", "Resource": "*"}]}"#;
const CLOSED: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
    "Action": "s3:GetObject", "Resource": "arn:aws:s3:::reports/2026.csv"}}"#;
const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
    "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}}"#;

#[test]
fn lint_exits_with_1_if_the_policy_has_an_error() {
    for (arguments, input, code) in [
        (vec!["lint", "-"], CLOSED, 0),
        (vec!["lint", "-"], OPEN, 1),
        (vec!["lint", "-"], "{", 1),
        (vec!["lint", "-"], "", 1),
        // Without --kind, the kind is guessed from the document.
        (vec!["lint", "-"], TRUST, 0),
        (vec!["lint", "-", "--kind", "identity"], TRUST, 1),
        (vec!["lint", "-", "--kind", "trust"], CLOSED, 1),
        (vec!["lint", "-", "--kind", "boundary"], CLOSED, 0),
    ] {
        let output = policy(&arguments, &[], input);
        let output_text = text(&output.stdout);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?} {input}: {output_text}"
        );
        assert_eq!(
            output_text.lines().any(|line| line.starts_with("error: ")),
            code == 1,
            "{output_text}"
        );
    }
    let missing = policy(&["lint", "/nowhere/policy.json"], &[], "");
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("/nowhere/policy.json"));
    assert_eq!(
        policy(&["lint", "-", "--kind", "x"], &[], CLOSED)
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn a_finding_is_printed_with_severity_rule_place_and_reason() {
    let output = policy(&["lint", "-", "--format", "json"], &[], OPEN);
    assert_eq!(output.status.code(), Some(1));
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut all = findings.as_array().expect("a list").iter();
    let worst = all.find(|found| found["severity"] == "error");
    let worst = worst.expect("an error");
    let field = |name: &str| worst[name].as_str().expect(name).to_owned();
    let line = format!(
        "error: {} at {}: {}",
        field("rule"),
        field("place"),
        field("reason")
    );
    let output_text = text(&policy(&["lint", "-"], &[], OPEN).stdout);
    assert!(
        output_text.lines().any(|printed| printed == line),
        "{line}: {output_text}"
    );

    let example = &worst["counterexample"][0];
    let line = format!(
        "    allows {} on {}",
        example["action"].as_str().expect("an action"),
        example["resource"].as_str().expect("a resource")
    );
    assert!(
        output_text.lines().any(|printed| printed == line),
        "{line}: {output_text}"
    );

    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../policies/session-manager.json"
    );
    let by_file = policy(&["lint", file], &[], "");
    let document = std::fs::read_to_string(file).expect("the document");
    let by_input = policy(&["lint", "-"], &[], &document);
    assert_eq!(text(&by_file.stdout), text(&by_input.stdout));
}
