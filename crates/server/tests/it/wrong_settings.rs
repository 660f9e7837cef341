//! Tests of errors about settings, with the real binary: they name what was set, and its rule.

use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use serde_json::Value;

use crate::program::{DATABASE, KEY, engine_roles, text};

/// The address is no address of this machine, so that the service ends when it has started.
const NOWHERE: (&str, &str) = ("ENGINE_ROLES_LISTEN", "192.0.2.1:1");

#[test]
fn a_value_that_can_not_be_read_is_named_by_what_was_set_with_its_rule() {
    let number = "must be from";
    let duration = "must be a duration such as";
    for (command, variable, flag, rule) in [
        (
            "serve",
            "ENGINE_ROLES_CALL_RATE",
            "--call-rate <CALL_RATE>",
            number,
        ),
        (
            "serve",
            "ENGINE_ROLES_CALL_BURST",
            "--call-burst <CALL_BURST>",
            number,
        ),
        ("orphans", "ENGINE_ROLES_LEASE", "--lease <LEASE>", duration),
        (
            "serve",
            "ENGINE_ROLES_LISTEN",
            "--listen <LISTEN>",
            "an IP address and a port",
        ),
        (
            "migrate",
            "ENGINE_ROLES_LOG_FORMAT",
            "--log-format <LOG_FORMAT>",
            "text or json",
        ),
        (
            "healthcheck",
            "ENGINE_ROLES_LISTEN",
            "--listen <LISTEN>",
            "an IP address and a port",
        ),
        (
            "keys",
            "ENGINE_ROLES_DATABASE_POOLER",
            "--database-pooler <DATABASE_POOLER>",
            "none, session or transaction",
        ),
    ] {
        let output = engine_roles(&[command], &[DATABASE, KEY, (variable, "wrong")]);
        assert_eq!(output.status.code(), Some(2), "{variable}: {output:?}");
        let of_variable = text(&output.stderr);
        let expected = format!("error: invalid value 'wrong' for '{variable}': ");
        assert!(of_variable.contains(&expected), "{of_variable}");
        assert!(of_variable.contains(rule), "{of_variable}");
        // The flag takes precedence.
        let name = flag.split(' ').next().unwrap_or_default();
        let output = engine_roles(&[command, name, "wrong"], &[DATABASE, KEY, (variable, "x")]);
        assert_eq!(output.status.code(), Some(2), "{flag}: {output:?}");
        let of_flag = text(&output.stderr);
        let expected = format!("error: invalid value 'wrong' for '{flag}': ");
        assert!(
            of_flag.contains(&expected) && of_flag.contains(rule),
            "{of_flag}"
        );
    }
    let json = [
        ("ENGINE_ROLES_CALL_RATE", "x"),
        ("ENGINE_ROLES_LOG_FORMAT", "json"),
    ];
    let output = text(&engine_roles(&["serve"], &json).stderr);
    assert!(
        output.starts_with('{') && output.contains("ENGINE_ROLES_CALL_RATE"),
        "{output}"
    );
}

#[test]
fn a_variable_that_needs_another_one_or_is_no_text_is_named() {
    let output = engine_roles(&["status"], &[("ENGINE_ROLES_CLIENT_CERT", "/file")]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let stderr = text(&output.stderr);
    let expected = "ENGINE_ROLES_CLIENT_CERT needs --client-key <FILE> (ENGINE_ROLES_CLIENT_KEY)";
    assert!(stderr.contains(expected), "{stderr}");

    let stderr = text(&engine_roles(&["login", "aws"], &[]).stderr);
    assert!(
        stderr.contains("--server-name <NAME> (ENGINE_ROLES_AWS_SERVER_NAME)"),
        "{stderr}"
    );

    let mut serve = Command::new(env!("CARGO_BIN_EXE_engine-roles"));
    let no_text = std::ffi::OsStr::from_bytes(b"secret\xff");
    let output = serve
        .arg("serve")
        .env_clear()
        .env("DATABASE_URL", no_text)
        .output();
    let output = output.expect("the binary can be run");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("DATABASE_URL: must be text in UTF-8"),
        "{stderr}"
    );
    assert!(!stderr.contains("secret"), "{stderr}");
}

#[test]
fn the_setting_that_says_the_url_of_the_database_is_named() {
    let file = std::env::temp_dir().join(format!("engine-roles-url-{}", std::process::id()));
    std::fs::write(&file, "mysql://user:unlikely-password@host/database").expect("a file");
    let file = file.to_str().expect("text");
    let wrong = "mysql://user:unlikely-password@host/database";
    let rule = ": the URL must begin with postgres://";
    let direct = "ENGINE_ROLES_DATABASE_DIRECT_URL";
    let direct_file = "ENGINE_ROLES_DATABASE_DIRECT_URL_FILE";
    for command in [
        &["serve"][..],
        &["migrate"],
        &["keys", "list"],
        &["orphans", "list"],
    ] {
        for (settings, name) in [
            (&[("DATABASE_URL", wrong)][..], "DATABASE_URL"),
            (&[("DATABASE_URL_FILE", file)], "DATABASE_URL_FILE"),
            (&[DATABASE, (direct, wrong)], direct),
            (&[DATABASE, (direct_file, file)], direct_file),
        ] {
            let stderr = text(&engine_roles(command, &[&[KEY], settings].concat()).stderr);
            let expected = format!("engine-roles: {name}{rule}");
            assert!(stderr.contains(&expected), "{command:?} {name}: {stderr}");
            assert!(!stderr.contains("unlikely-password"), "{stderr}");
        }
        let twice = [KEY, DATABASE, ("DATABASE_URL_FILE", file)];
        let stderr = text(&engine_roles(command, &twice).stderr);
        let expected = "DATABASE_URL is set, and so is DATABASE_URL_FILE; set one of the two";
        assert!(stderr.contains(expected), "{command:?}: {stderr}");
        let stderr = text(&engine_roles(command, &[KEY]).stderr);
        let expected = "--database-url (DATABASE_URL) or --database-url-file (DATABASE_URL_FILE)";
        assert!(stderr.contains(expected), "{command:?}: {stderr}");
    }
    std::fs::remove_file(file).expect("removed");
}

#[test]
fn the_settings_that_say_where_a_database_is_are_named_when_it_can_not_be_reached() {
    let file = std::env::temp_dir().join(format!("engine-roles-place-{}", std::process::id()));
    std::fs::write(&file, DATABASE.1).expect("a file");
    let file = file.to_str().expect("text");
    let direct = ("ENGINE_ROLES_DATABASE_DIRECT_URL", DATABASE.1);
    for (settings, expected) in [
        (&[DATABASE][..], "; the database is that of DATABASE_URL\n"),
        (
            &[("DATABASE_URL_FILE", file)],
            "; the database is that of DATABASE_URL_FILE\n",
        ),
        (
            &[DATABASE, direct],
            "DATABASE_URL and ENGINE_ROLES_DATABASE_DIRECT_URL\n",
        ),
    ] {
        let output = engine_roles(&["migrate"], settings);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let stderr = text(&output.stderr);
        assert!(stderr.contains("the database can't be reached"), "{stderr}");
        assert!(stderr.ends_with(expected), "{stderr}");
        assert!(!stderr.contains("unlikely-password"), "{stderr}");
    }
    std::fs::remove_file(file).expect("removed");
}

#[test]
fn a_setting_that_needs_another_one_is_warned_about_or_ends_the_start() {
    let regions = ("ENGINE_ROLES_AWS_LOGIN_REGIONS", "us-west-2");
    let stderr = text(&engine_roles(&["serve"], &[DATABASE, KEY, NOWHERE, regions]).stderr);
    assert!(stderr.contains("setting has no effect"), "{stderr}");
    let expected = "ENGINE_ROLES_AWS_LOGIN_REGIONS has no effect: needs --aws-principals \
                    (ENGINE_ROLES_AWS_PRINCIPALS) and --aws-server-name (ENGINE_ROLES_AWS_SERVER_NAME)";
    assert!(stderr.contains(expected), "{stderr}");
    let stderr = text(&engine_roles(&["serve"], &[DATABASE, KEY, NOWHERE]).stderr);
    assert!(!stderr.contains("no effect"), "{stderr}");
    for (variable, value, rule) in [
        ("ENGINE_ROLES_AUDIT_ORIGIN", "x", "needs --audit-key-file"),
        (
            "ENGINE_ROLES_AUDIT_CHECKPOINTS",
            "/",
            "needs --audit-key-file",
        ),
        (
            "ENGINE_ROLES_AWS_SERVER_NAME",
            "x",
            "needs --aws-principals",
        ),
        (
            "ENGINE_ROLES_TLS_CLIENT_SUBJECTS",
            "dns:x=read",
            "needs --tls-client-ca",
        ),
        (
            "ENGINE_ROLES_PASS_THROUGH_ROLES",
            "prep=a=b",
            "of the form role or role=instance-profile",
        ),
        (
            "ENGINE_ROLES_TRUSTED_PROXIES",
            "10.0.0.1, ::/0",
            "must not be all addresses",
        ),
    ] {
        for command in ["serve", "check"] {
            let output = engine_roles(&[command], &[DATABASE, KEY, NOWHERE, (variable, value)]);
            assert_eq!(output.status.code(), Some(1), "{variable}");
            let all = text(&output.stdout) + &text(&output.stderr);
            assert!(
                all.contains(&format!("{variable}: ")) && all.contains(rule),
                "{all}"
            );
        }
    }
}

#[test]
fn all_settings_that_are_refused_are_named_at_once() {
    let wrong = [
        ("ENGINE_ROLES_LEASE", "1s"),
        ("ENGINE_ROLES_CALL_BURST", "1"),
        ("ENGINE_ROLES_NAMESPACE", "A"),
        ("ENGINE_ROLES_TLS_KEY", "/key"),
        ("ENGINE_ROLES_ACCOUNT_ID", "1"),
        ("ENGINE_ROLES_DEFAULT_REGION", "nowhere"),
        ("ENGINE_ROLES_RESOURCE_TAGS", "x"),
        ("ENGINE_ROLES_ALLOWED_MODES", "none"),
        ("ENGINE_ROLES_ALLOWED_REGIONS", "nowhere"),
        ("ENGINE_ROLES_AUDIT_RETENTION", "1s"),
        ("ENGINE_ROLES_MAX_CONNECTIONS", "0"),
        ("ENGINE_ROLES_SLOW_CLIENT_LIMIT", "1ms"),
        ("ENGINE_ROLES_IDLE_LIMIT", "0s"),
        ("ENGINE_ROLES_KEY_RATE", "0"),
        ("ENGINE_ROLES_FAILURE_RATE", "0"),
        ("ENGINE_ROLES_INIT_API_KEY", "short"),
        ("ENGINE_ROLES_TRUSTED_PROXIES", "x"),
        ("ENGINE_ROLES_TLS_CLIENT_SUBJECTS", "dns:x=read"),
        ("ENGINE_ROLES_AUDIT_CHECKPOINTS", "/"),
    ];
    // The default call timeout is longer than a quarter of this lease, and no setting has the database's URL.
    let reasons = wrong.len() + 2;
    let output = engine_roles(&["serve"], &wrong);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = text(&output.stderr);
    let first = format!("engine-roles: {reasons} settings are refused:\n");
    let (_, listed) = stderr.split_once(&first).expect("the number of settings");
    assert_eq!(listed.lines().count(), reasons, "{stderr}");
    // The certificate is missing, not its key.
    let named = |variable: &str| variable.replace("TLS_KEY", "TLS_CERT");
    for (variable, _) in wrong {
        let line = named(variable);
        assert!(listed.contains(&line), "{variable}: {stderr}");
    }
    let (line, _) = failed_check(&wrong);
    for (variable, _) in wrong {
        let found = line["found"].as_str().unwrap_or_default();
        assert!(found.contains(&named(variable)), "{variable}: {line}");
    }
}

/// Runs `check`, which has failed, and returns its line about the configuration and the whole report.
fn failed_check(environment: &[(&str, &str)]) -> (Value, Value) {
    let output = engine_roles(&["check", "--output", "json"], environment);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = text(&output.stderr);
    assert_eq!(stderr.lines().count(), 1, "the log is quiet: {stderr}");
    assert!(!stderr.contains("unlikely-password"), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let lines = report["checks"].as_array().expect("lines");
    let mut lines = lines.iter().filter(|line| line["name"] == "configuration");
    let line = lines
        .next()
        .expect("a line about the configuration")
        .clone();
    assert_eq!(line["verdict"], "failed", "{line}");
    assert!(line["advice"].is_string(), "{line}");
    (line, report)
}

#[test]
fn check_reports_settings_that_can_not_be_read_as_a_failed_line() {
    let found = |environment: &[(&str, &str)]| {
        let (line, report) = failed_check(environment);
        assert_eq!(report["verdict"], "failed");
        assert!(
            !report.to_string().contains("unlikely-password"),
            "{report}"
        );
        line["found"].as_str().expect("a text").to_owned()
    };
    let wrong = "mysql://user:unlikely-password@host/database";
    let line = found(&[("DATABASE_URL", wrong), KEY]);
    assert!(
        line.contains("DATABASE_URL: the URL must begin with postgres://"),
        "{line}"
    );
    let line = found(&[DATABASE, KEY, ("ENGINE_ROLES_LISTEN", "localhost:1")]);
    assert!(
        line.contains("'ENGINE_ROLES_LISTEN': must be an IP address and a port"),
        "{line}"
    );
    let line = found(&[KEY]);
    assert!(
        line.contains("DATABASE_URL") && line.contains("required"),
        "{line}"
    );
    // All of them, also those that the parser finds.
    let line = found(&[
        ("DATABASE_URL", wrong),
        ("ENGINE_ROLES_LISTEN", "x"),
        ("ENGINE_ROLES_CALL_RATE", "x"),
        ("ENGINE_ROLES_LOG", "loud"),
        ("ENGINE_ROLES_LEASE", "1s"),
    ]);
    for name in ["LISTEN", "CALL_RATE", "LOG", "LEASE"] {
        assert!(
            line.contains(&format!("ENGINE_ROLES_{name}")),
            "{name}: {line}"
        );
    }
    // A wrong command line is no setting.
    let output = engine_roles(&["check", "--listen", "x"], &[DATABASE, KEY]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let stdout = text(&engine_roles(&["check"], &[KEY, ("ENGINE_ROLES_LISTEN", "x")]).stdout);
    assert!(stdout.starts_with("failed   configuration "), "{stdout}");
    assert!(stdout.contains("to do: correct the setting"), "{stdout}");
}
