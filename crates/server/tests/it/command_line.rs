//! Tests of the command line, with the real binary.

use std::process::Command;

use crate::program::{DATABASE, KEY, engine_roles, text};

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
fn an_invalid_setting_is_rejected_by_the_name_that_was_set() {
    let cases = [
        ("ENGINE_ROLES_NAMESPACE", "Upper"),
        ("ENGINE_ROLES_NAMESPACE", "a/b"),
        ("ENGINE_ROLES_ACCOUNT_ID", "12345"),
        ("ENGINE_ROLES_DEFAULT_REGION", "*"),
        ("ENGINE_ROLES_ROLE_PREFIX", "a*"),
        ("ENGINE_ROLES_RESOURCE_TAGS", "team"),
        ("ENGINE_ROLES_RESOURCE_TAGS", "AWS:team=x"),
        ("ENGINE_ROLES_PERMISSIONS_BOUNDARY", "not-an-arn"),
        ("ENGINE_ROLES_PASS_THROUGH_ROLES", "role/with/slashes"),
        (
            "ENGINE_ROLES_KMS_KEY_ARN",
            "arn:aws:kms:us-west-2:123456789012:alias/secrets",
        ),
        ("ENGINE_ROLES_CALL_TIMEOUT", "59s"),
    ];
    for (variable, value) in cases {
        let output = engine_roles(
            &["serve", "--listen", "127.0.0.1:0"],
            &[DATABASE, KEY, (variable, value)],
        );
        assert_eq!(output.status.code(), Some(1), "{variable}={value}");
        let stderr = text(&output.stderr);
        let expected = format!("engine-roles: {variable}: ");
        assert!(stderr.contains(&expected), "{variable}={value}: {stderr}");
        let flag = format!(
            "--{}",
            variable["ENGINE_ROLES_".len()..]
                .to_lowercase()
                .replace('_', "-")
        );
        assert!(!stderr.contains(&flag), "{variable}={value}: {stderr}");
        let flag = format!("{flag}={value}");
        let output = engine_roles(
            &["serve", "--listen", "127.0.0.1:0", &flag],
            &[DATABASE, KEY],
        );
        let stderr = text(&output.stderr);
        assert!(!stderr.contains(variable), "{flag}: {stderr}");
        let expected = format!(
            "engine-roles: {}: ",
            flag.split('=').next().unwrap_or_default()
        );
        assert!(stderr.contains(&expected), "{flag}: {stderr}");
    }
}

#[test]
fn a_number_or_time_that_would_keep_the_service_from_working_is_rejected_with_its_rule() {
    let cases = [
        (
            "ENGINE_ROLES_POLL_INTERVAL",
            "0s",
            "ENGINE_ROLES_POLL_INTERVAL: must be from 50ms to 1s",
        ),
        (
            "ENGINE_ROLES_POLL_INTERVAL",
            "2s",
            "ENGINE_ROLES_POLL_INTERVAL: must be from 50ms to 1s",
        ),
        (
            "ENGINE_ROLES_RECONCILE_INTERVAL",
            "1ms",
            "ENGINE_ROLES_RECONCILE_INTERVAL: must be from 1s",
        ),
        (
            "ENGINE_ROLES_LEASE",
            "1000000000y",
            "ENGINE_ROLES_LEASE: must be from 5s to 1h",
        ),
        (
            "ENGINE_ROLES_LEASE",
            "1s",
            "ENGINE_ROLES_LEASE: must be from 5s to 1h",
        ),
        (
            "ENGINE_ROLES_CONSISTENCY_WINDOW",
            "0s",
            "ENGINE_ROLES_CONSISTENCY_WINDOW: must be from 1s",
        ),
        (
            "ENGINE_ROLES_CALL_TIMEOUT",
            "0s",
            "ENGINE_ROLES_CALL_TIMEOUT: must be at least 100ms",
        ),
        (
            "ENGINE_ROLES_DRAIN_DELAY",
            "1d",
            "ENGINE_ROLES_DRAIN_DELAY: must be at most 10m",
        ),
        (
            "ENGINE_ROLES_SHUTDOWN_LIMIT",
            "1d",
            "ENGINE_ROLES_SHUTDOWN_LIMIT: must be at most 10m",
        ),
        (
            "ENGINE_ROLES_CALL_RATE",
            "NaN",
            "ENGINE_ROLES_CALL_RATE: must be from 1",
        ),
        (
            "ENGINE_ROLES_CALL_RATE",
            "0.5",
            "ENGINE_ROLES_CALL_RATE: must be from 1",
        ),
        (
            "ENGINE_ROLES_CALL_BURST",
            "9",
            "ENGINE_ROLES_CALL_BURST: must be from 10",
        ),
        (
            "ENGINE_ROLES_DATABASE_CONNECTIONS",
            "3",
            "ENGINE_ROLES_DATABASE_CONNECTIONS: must be from 4",
        ),
        (
            "DATABASE_URL",
            "mysql://host/database",
            "must begin with postgres://",
        ),
        ("DATABASE_URL", "postgres://a,b/c", "several hosts"),
    ];
    for (variable, value, rule) in cases {
        let listen = ["serve", "--listen", "127.0.0.1:0"];
        let output = engine_roles(&listen, &[DATABASE, KEY, (variable, value)]);
        assert_eq!(output.status.code(), Some(1), "{variable}={value}");
        let stderr = text(&output.stderr);
        assert!(stderr.contains(rule), "{variable}={value}: {stderr}");
    }
    for value in ["loud", "info,everything", "engine_roles=loud"] {
        let output = engine_roles(&["serve"], &[DATABASE, KEY, ("ENGINE_ROLES_LOG", value)]);
        assert_eq!(output.status.code(), Some(2), "{value}: {output:?}");
    }
}

/// The address is no address of this machine, so that the service ends when it has started.
const NOWHERE: (&str, &str) = ("ENGINE_ROLES_LISTEN", "192.0.2.1:1");

#[test]
fn the_start_shows_version_and_settings_but_no_secret_and_names_unknown_variables() {
    let output = engine_roles(
        &["serve"],
        &[
            DATABASE,
            KEY,
            NOWHERE,
            ("ENGINE_ROLES_LEASE", "30s"),
            ("ENGINE_ROLES_LEESE", "30s"),
        ],
    );
    let stderr = text(&output.stderr);
    assert!(stderr.contains(env!("CARGO_PKG_VERSION")), "{stderr}");
    for shown in [
        "lease=30s",
        "drift=repair",
        "database-url=(set)",
        "init-api-key=(set)",
        "kms-key-arn=(not set)",
        "variable=\"ENGINE_ROLES_LEESE\"",
    ] {
        assert!(stderr.contains(shown), "{shown}: {stderr}");
    }
    assert!(!stderr.contains("\"ENGINE_ROLES_LEASE\""), "{stderr}");
    assert!(!stderr.contains("unlikely-password"), "{stderr}");
    assert!(!stderr.contains(KEY.1), "{stderr}");
}

#[test]
fn an_empty_variable_of_any_setting_counts_as_not_set() {
    let help = text(&engine_roles(&["serve", "--help"], &[]).stdout);
    let names = help.split("[env: ").skip(1);
    let names = names.filter_map(|rest| rest.split(['=', ']']).next());
    let names: Vec<&str> = names
        .filter(|name| ![DATABASE.0, KEY.0, NOWHERE.0].contains(name))
        .collect();
    assert!(names.len() > 30, "{names:?}");
    let mut variables = vec![DATABASE, KEY, NOWHERE];
    variables.extend(names.iter().map(|name| (*name, "")));
    let stderr = text(&engine_roles(&["serve"], &variables).stderr);
    assert!(stderr.contains("can't listen on 192.0.2.1:1"), "{stderr}");
    assert!(stderr.contains("lease=60s"), "{stderr}");
}

#[test]
fn a_fatal_error_of_every_command_is_a_json_object_where_the_log_is_json() {
    let json = ("ENGINE_ROLES_LOG_FORMAT", "json");
    let serving = [DATABASE, KEY, NOWHERE, json];
    let invalid = [DATABASE, KEY, ("ENGINE_ROLES_LOG", "loud"), json];
    let no_database = [json];
    let cases: [(&[&str], &[_], i32, &str); 9] = [
        (&["serve"], &serving, 1, "can't listen"),
        (&["migrate"], &no_database, 1, "--database-url"),
        (&["check"], &no_database, 1, "--database-url"),
        (&["orphans", "list"], &no_database, 1, "--database-url"),
        (&["serve"], &invalid, 2, "ENGINE_ROLES_LOG"),
        (&["check"], &invalid, 1, "ENGINE_ROLES_LOG"),
        (&["orphans", "list"], &invalid, 2, "ENGINE_ROLES_LOG"),
        (&["migrate", "--nonsense"], &no_database, 2, "--nonsense"),
        (
            &["serve", "--log-format=json", "--log", "loud"],
            &[],
            2,
            "--log",
        ),
    ];
    for (arguments, environment, code, words) in cases {
        let output = engine_roles(arguments, environment);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {output:?}"
        );
        let stderr = text(&output.stderr);
        let lines: Vec<serde_json::Value> = stderr
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
            .collect();
        let last = lines.last().expect("there is a line");
        assert_eq!(last["level"], "ERROR");
        let error = last["error"].as_str().unwrap_or_default();
        assert!(error.contains(words), "{arguments:?}: {stderr}");
    }
    // The last of several wishes counts, and a command without a log has none.
    for arguments in [
        &["serve", "--log", "loud", "--log-format", "text"][..],
        &["policy", "render"],
    ] {
        let stderr = text(&engine_roles(arguments, &[json]).stderr);
        assert!(stderr.starts_with("error:"), "{arguments:?}: {stderr}");
    }
    let help = engine_roles(&["serve", "--help"], &[json]);
    assert!(help.status.success() && help.stderr.is_empty(), "{help:?}");
}

#[test]
fn secrets_can_be_in_files_and_not_in_two_places() {
    let directory = std::env::temp_dir();
    let name = |kind: &str| directory.join(format!("{kind}-{}", std::process::id()));
    let (url, key) = (name("url"), name("key"));
    std::fs::write(&url, format!("{}\n", DATABASE.1)).expect("written");
    std::fs::write(&key, format!("{}\n", KEY.1)).expect("written");
    let (url_file, key_file) = (url.to_string_lossy(), key.to_string_lossy());
    let files = [
        ("DATABASE_URL_FILE", &*url_file),
        ("ENGINE_ROLES_INIT_API_KEY_FILE", &*key_file),
        NOWHERE,
    ];
    let stderr = text(&engine_roles(&["serve"], &files).stderr);
    assert!(stderr.contains("can't listen"), "{stderr}");
    for both in [DATABASE, KEY] {
        let variables = [files[0], files[1], files[2], both];
        let stderr = text(&engine_roles(&["serve"], &variables).stderr);
        assert!(stderr.contains("set one of the two"), "{stderr}");
    }
    let missing = [("DATABASE_URL_FILE", "/nothing"), files[1], NOWHERE];
    let stderr = text(&engine_roles(&["serve"], &missing).stderr);
    assert!(stderr.contains("/nothing can't be read"), "{stderr}");
    std::fs::remove_file(&url).expect("removed");
    std::fs::remove_file(&key).expect("removed");
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
    assert!(stderr.contains("ENGINE_ROLES_KMS_KEY_ARN: "), "{stderr}");
    assert!(stderr.contains("ENGINE_ROLES_DEFAULT_REGION"), "{stderr}");
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

#[test]
fn manual_pages_are_written_into_a_directory_that_is_made() {
    let directory = std::env::temp_dir().join(format!("manual-{}", std::process::id()));
    let below = directory.join("man1");
    let output = engine_roles(&["man", "--dir", below.to_str().expect("text")], &[]);
    assert!(output.status.success(), "{output:?}");
    assert!(below.join("engine-roles.1").is_file());
    std::fs::remove_dir_all(&directory).expect("removed");
}
