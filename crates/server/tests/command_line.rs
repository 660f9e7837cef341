//! Tests of the command line, with the real binary.

use std::process::{Command, Output};

fn engine_roles(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_engine-roles"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("ENGINE_ROLES_") || text.starts_with("AWS_") || text == "DATABASE_URL" {
            command.env_remove(&name);
        }
    }
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .expect("the binary can be run")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const DATABASE: (&str, &str) = (
    "DATABASE_URL",
    "postgres://engine:unlikely-password@127.0.0.1:9/none",
);
const KEY: (&str, &str) = (
    "ENGINE_ROLES_INIT_API_KEY",
    "abcdefghijABCDEFGHIJ0123456789abcdefghijABCDEFGHIJ0123456789abcd",
);

#[test]
fn the_help_of_serve_shows_each_flag_with_its_variable_and_default() {
    let output = engine_roles(&["serve", "--help"], &[]);
    assert!(output.status.success());
    let help = text(&output.stdout);
    let settings = [
        ("--listen", "ENGINE_ROLES_LISTEN", "127.0.0.1:3283"),
        ("--database-url", "DATABASE_URL", ""),
        ("--init-api-key", "ENGINE_ROLES_INIT_API_KEY", ""),
        ("--namespace", "ENGINE_ROLES_NAMESPACE", "default"),
        ("--account-id", "ENGINE_ROLES_ACCOUNT_ID", ""),
        ("--default-region", "ENGINE_ROLES_DEFAULT_REGION", ""),
        ("--default-iam-role", "ENGINE_ROLES_DEFAULT_IAM_ROLE", ""),
        ("--role-prefix", "ENGINE_ROLES_ROLE_PREFIX", "ai-unlimited-"),
        (
            "--permissions-boundary",
            "ENGINE_ROLES_PERMISSIONS_BOUNDARY",
            "",
        ),
        ("--kms-key-arn", "ENGINE_ROLES_KMS_KEY_ARN", ""),
        ("--resource-tags", "ENGINE_ROLES_RESOURCE_TAGS", ""),
        (
            "--pass-through-roles",
            "ENGINE_ROLES_PASS_THROUGH_ROLES",
            "",
        ),
        (
            "--allowed-boundaries",
            "ENGINE_ROLES_ALLOWED_BOUNDARIES",
            "",
        ),
        (
            "--consistency-window",
            "ENGINE_ROLES_CONSISTENCY_WINDOW",
            "60s",
        ),
        (
            "--reconcile-interval",
            "ENGINE_ROLES_RECONCILE_INTERVAL",
            "15m",
        ),
        ("--lease", "ENGINE_ROLES_LEASE", "60s"),
        ("--drift", "ENGINE_ROLES_DRIFT", "repair"),
        ("--log", "ENGINE_ROLES_LOG", "info"),
        ("--log-format", "ENGINE_ROLES_LOG_FORMAT", "text"),
    ];
    for (flag, variable, default) in settings {
        assert!(help.contains(flag), "no {flag} in {help}");
        assert!(
            help.contains(&format!("[env: {variable}")),
            "no {variable} in {help}"
        );
        if !default.is_empty() {
            assert!(
                help.contains(&format!("[default: {default}]")),
                "no default {default} in {help}"
            );
        }
    }
}

#[test]
fn help_does_not_show_secrets_from_the_environment() {
    for arguments in [["serve", "--help"], ["migrate", "--help"]] {
        let output = engine_roles(&arguments, &[DATABASE, KEY]);
        let help = text(&output.stdout);
        assert!(help.contains("DATABASE_URL"), "{help}");
        assert!(!help.contains("unlikely-password"), "{help}");
        assert!(!help.contains(KEY.1), "{help}");
    }
}

#[test]
fn every_command_has_help() {
    for command in ["serve", "migrate", "policy", "openapi"] {
        let output = engine_roles(&[command, "--help"], &[]);
        assert!(output.status.success(), "{command}");
        let help = text(&output.stdout);
        assert!(help.contains("Usage: engine-roles"), "{help}");
    }
    let all = text(&engine_roles(&["--help"], &[]).stdout);
    for command in ["serve", "migrate", "policy", "openapi"] {
        assert!(all.contains(command), "{all}");
    }
}

#[test]
fn serve_without_a_key_names_both_ways_to_start_and_exits_with_1() {
    let output = engine_roles(&["serve", "--listen", "127.0.0.1:0"], &[DATABASE]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("ENGINE_ROLES_INIT_API_KEY"), "{stderr}");
    assert!(stderr.contains("--insecure-no-auth"), "{stderr}");
}

#[test]
fn an_empty_key_counts_as_missing() {
    let empty = ("ENGINE_ROLES_INIT_API_KEY", "");
    let output = engine_roles(&["serve", "--listen", "127.0.0.1:0"], &[DATABASE, empty]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("ENGINE_ROLES_INIT_API_KEY"));
}

#[test]
fn a_malformed_key_is_rejected_and_not_printed() {
    for key in ["tooshortasecret", &format!("{}-", &KEY.1[..63])] {
        let variable = ("ENGINE_ROLES_INIT_API_KEY", key);
        let output = engine_roles(&["serve", "--listen", "127.0.0.1:0"], &[DATABASE, variable]);
        assert_eq!(output.status.code(), Some(1));
        let stderr = text(&output.stderr);
        assert!(stderr.contains("64 characters"), "{stderr}");
        assert!(!stderr.contains(key), "{stderr}");
    }
}

#[test]
fn serving_without_a_key_is_rejected_on_other_addresses_than_loopback() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let arguments = ["serve", "--insecure-no-auth", "--listen", address];
        let output = engine_roles(&arguments, &[DATABASE]);
        assert_eq!(output.status.code(), Some(1));
        let stderr = text(&output.stderr);
        assert!(stderr.contains("--insecure-no-auth"), "{stderr}");
        assert!(stderr.contains("loopback"), "{stderr}");
    }
}

#[test]
fn an_invalid_setting_is_rejected_by_the_name_of_its_flag() {
    let cases = [
        ("ENGINE_ROLES_NAMESPACE", "Upper", "--namespace"),
        ("ENGINE_ROLES_NAMESPACE", "a/b", "--namespace"),
        ("ENGINE_ROLES_ACCOUNT_ID", "12345", "--account-id"),
        ("ENGINE_ROLES_DEFAULT_REGION", "*", "--default-region"),
        ("ENGINE_ROLES_ROLE_PREFIX", "a*", "--role-prefix"),
        ("ENGINE_ROLES_RESOURCE_TAGS", "team", "--resource-tags"),
        (
            "ENGINE_ROLES_RESOURCE_TAGS",
            "AWS:team=x",
            "--resource-tags",
        ),
        (
            "ENGINE_ROLES_PERMISSIONS_BOUNDARY",
            "not-an-arn",
            "--permissions-boundary",
        ),
        (
            "ENGINE_ROLES_PASS_THROUGH_ROLES",
            "role/with/slashes",
            "--pass-through-roles",
        ),
        (
            "ENGINE_ROLES_KMS_KEY_ARN",
            "arn:aws:kms:us-west-2:123456789012:alias/secrets",
            "--kms-key-arn",
        ),
        ("ENGINE_ROLES_CALL_TIMEOUT", "59s", "--call-timeout"),
    ];
    for (variable, value, flag) in cases {
        let output = engine_roles(
            &["serve", "--listen", "127.0.0.1:0"],
            &[DATABASE, KEY, (variable, value)],
        );
        assert_eq!(output.status.code(), Some(1), "{variable}={value}");
        let stderr = text(&output.stderr);
        assert!(stderr.contains(flag), "{variable}={value}: {stderr}");
    }
}

#[test]
fn a_kms_key_of_another_region_than_the_default_one_is_rejected_at_the_start() {
    let key = "arn:aws:kms:us-west-2:123456789012:key/01234567-89ab-cdef-0123-456789abcdef";
    let output = engine_roles(
        &["serve", "--listen", "127.0.0.1:0"],
        &[
            DATABASE,
            KEY,
            ("ENGINE_ROLES_KMS_KEY_ARN", key),
            ("ENGINE_ROLES_DEFAULT_REGION", "eu-west-1"),
        ],
    );
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("--kms-key-arn"), "{stderr}");
    assert!(stderr.contains("--default-region"), "{stderr}");
}

#[test]
fn an_invalid_command_line_exits_with_2() {
    let wrong: [&[&str]; 4] = [
        &[],
        &["sing"],
        &["serve", "--database-url", "x", "--lease", "soon"],
        &["serve", "--database-url", "x", "--drift", "maybe"],
    ];
    for arguments in wrong {
        let output = engine_roles(arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_command_openapi_prints_the_document() {
    let output = engine_roles(&["openapi"], &[]);
    assert!(output.status.success());
    let document: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("the document is JSON");
    let version = document["openapi"]
        .as_str()
        .expect("the document has a version");
    assert!(version.starts_with("3.1"), "{version}");
    assert!(document["paths"]["/v1/clusters/{cluster}/role"]["put"].is_object());
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    for arguments in [
        &["openapi"][..],
        &["policy", "list"],
        &["policy", "lint", "../../policies/session-manager.json"],
    ] {
        let (reader, writer) = std::io::pipe().expect("there are pipes");
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_engine-roles"))
            .args(arguments)
            .stdout(writer)
            .output()
            .expect("the binary can be run");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
    }
}
