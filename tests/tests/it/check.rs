//! `engine-roles check`: each line of its report, where all is well and where it is not.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{TimeDelta, Utc};
use engine_roles_e2e::aws_proxy::{Change, Rule};
use engine_roles_e2e::service::command;
use engine_roles_e2e::tls::Authority;
use engine_roles_e2e::trace_collector::Behaviour;
use engine_roles_e2e::{Installation, TlsFiles, TraceCollector};
use serde_json::Value;

/// The variables that configure an OTLP collector and TLS.
const COLLECTOR: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const CERTIFICATE: &str = "ENGINE_ROLES_TLS_CERT";
const KEY: &str = "ENGINE_ROLES_TLS_KEY";
const FIRST_KEY: &str = "ENGINE_ROLES_INIT_API_KEY";

/// A report, and whether the exit code was 0.
struct Checked {
    report: Value,
    succeeded: bool,
}

impl Checked {
    /// Returns the line about something.
    fn line(&self, name: &str) -> &Value {
        let lines = self.report["checks"].as_array().expect("lines");
        let mut lines = lines.iter().filter(|line| line["name"] == name);
        lines
            .next()
            .unwrap_or_else(|| panic!("{name}: {:#}", self.report))
    }

    /// Asserts the verdict of a line. One that has failed makes the exit code 1, and says what to do.
    fn expect(&self, name: &str, verdict: &str) -> &str {
        let line = self.line(name);
        assert_eq!(line["verdict"], verdict, "{line}");
        if verdict == "failed" || verdict == "warning" {
            assert!(line["advice"].is_string(), "{line}");
        }
        assert!(verdict != "failed" || !self.succeeded, "{line}");
        line["found"].as_str().expect("a text")
    }
}

/// Runs `check` with these changes of the service's environment.
async fn check(installation: &Installation, changes: &[(&str, &str)]) -> Checked {
    let mut environment = installation.environment().clone();
    environment.extend(changes.iter().map(|(name, value)| {
        let pair: (String, String) = ((*name).into(), (*value).into());
        pair
    }));
    let mut command = command(&["check", "--output", "json"], &environment);
    // The sandbox and the collector answer on this thread.
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.expect("no panic").expect("the binary can be run");
    let report = serde_json::from_slice(&output.stdout);
    Checked {
        report: report.unwrap_or_else(|error| panic!("{error}: {output:?}")),
        succeeded: output.status.success(),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

#[tokio::test]
async fn what_is_set_and_from_where_is_reported_without_secrets() {
    let installation = Installation::build().rarely_checked().start().await;
    let checked = check(&installation, &[]).await;
    assert!(checked.succeeded);
    checked.expect("configuration", "ok");
    checked.expect("variables", "ok");
    let settings = checked.report["settings"].as_array().expect("settings");
    let of = |name: &str| settings.iter().find(|setting| setting["name"] == name);
    let output = of("output").expect("the flag");
    assert_eq!(
        (&output["source"], &output["value"]),
        (&"flag".into(), &"json".into())
    );
    assert_eq!(of("log-format").expect("a variable")["source"], "variable");
    for secret in ["database-url", "init-api-key"] {
        assert_eq!(of(secret).expect(secret)["value"], Value::Null, "{secret}");
    }
    assert!(!checked.report.to_string().contains(installation.key()));

    let checked = check(&installation, &[("ENGINE_ROLES_REGOIN", "x")]).await;
    assert!(
        checked
            .expect("variables", "warning")
            .contains("ENGINE_ROLES_REGOIN")
    );
    assert!(checked.succeeded);
    let checked = check(&installation, &[("ENGINE_ROLES_LEASE", "1s")]).await;
    assert!(
        checked
            .expect("configuration", "failed")
            .contains("ENGINE_ROLES_LEASE")
    );
    let checked = check(&installation, &[(FIRST_KEY, "short")]).await;
    let found = checked.expect("configuration", "failed");
    // The setting, and its rule.
    assert!(
        found.contains("ENGINE_ROLES_INIT_API_KEY: ") && found.contains("characters"),
        "{found}"
    );
}

#[tokio::test]
async fn the_database_its_version_schema_durability_and_pooler_are_reported() {
    let installation = Installation::build()
        .unpooled()
        .rarely_checked()
        .start()
        .await;
    let checked = check(&installation, &[]).await;
    assert!(checked.expect("database", "ok").starts_with("Postgres "));
    checked.expect("migrations", "ok");
    // The server of the tests is not durable.
    assert!(checked.expect("durability", "warning").contains("fsync"));
    checked.expect("pooler", "ok");
    let pooler = [("ENGINE_ROLES_DATABASE_POOLER", "session")];
    let checked = check(&installation, &pooler).await;
    checked.expect("pooler", "unknown");

    installation
        .database
        .execute("UPDATE schema_versions SET oldest_reader = 99999999999999, version = 99999999999999 WHERE version = (SELECT max(version) FROM schema_versions)")
        .await;
    let checked = check(&installation, &[]).await;
    checked.expect("database", "ok");
    assert!(
        checked
            .expect("migrations", "failed")
            .contains("newer release")
    );

    let nowhere = [("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")];
    let checked = check(&installation, &nowhere).await;
    checked.expect("database", "failed");
    for name in ["migrations", "durability", "pooler", "api keys"] {
        checked.expect(name, "unknown");
    }
    // AWS is asked all the same.
    checked.expect("aws identity", "ok");
}

#[tokio::test]
async fn an_empty_database_has_to_be_migrated() {
    let installation = Installation::build()
        .unpooled()
        .rarely_checked()
        .start()
        .await;
    installation.database.execute("CREATE SCHEMA nothing").await;
    let url = &installation.environment()["DATABASE_URL"];
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}options=-csearch_path%3Dnothing");
    // `serve` migrates by itself, unless it is told not to.
    for (migrate, verdict) in [("auto", "warning"), ("never", "failed")] {
        let changes = [
            ("DATABASE_URL", url.as_str()),
            ("ENGINE_ROLES_MIGRATE", migrate),
        ];
        let checked = check(&installation, &changes).await;
        let found = checked.expect("migrations", verdict);
        assert!(found.contains("not up to date"), "{found}");
        assert_eq!(
            found.contains("`serve` migrates"),
            migrate == "auto",
            "{found}"
        );
    }
    let checked = check(&installation, &[("DATABASE_URL", &url)]).await;
    let advice = checked.line("migrations")["advice"].to_string();
    assert!(advice.contains("engine-roles migrate"), "{advice}");

    // Each command that reads the database says what is missing, and says its cause once.
    let no_tables = "the database has no tables of Engine Roles yet, or only those of an older release: run \
                     `engine-roles migrate`: ";
    let environment = [("DATABASE_URL", url.as_str())];
    let output = installation.run(&["orphans", "list"], &environment);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = String::from_utf8(output.stderr).expect("text");
    let error = stderr.lines().last().expect("an error");
    assert!(error.contains(no_tables), "{stderr}");
    assert_eq!(error.matches("does not exist").count(), 1, "{stderr}");
    let output = installation.run(&["keys", "list"], &environment);
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(
        stderr.contains("run `engine-roles migrate` first"),
        "{stderr}"
    );
}

#[tokio::test]
async fn what_is_not_known_about_a_permission_has_advice_and_the_report_has_no_log_beside_it() {
    let installation = Installation::build().rarely_checked().start().await;
    installation
        .deny(&[
            "iam:SimulatePrincipalPolicy",
            "iam:GetRolePolicy",
            "iam:ListRolePolicies",
        ])
        .await;
    let checked = check(&installation, &[("ENGINE_ROLES_PROBES", "off")]).await;
    let line = checked.line("permissions: create");
    assert_eq!(line["verdict"], "unknown", "{line}");
    let advice = line["advice"].as_str().expect("what to do");
    for words in [
        "SCP",
        "permissions boundary",
        "iam:SimulatePrincipalPolicy",
        "role put trial",
    ] {
        assert!(advice.contains(words), "{words}: {advice}");
    }

    // The default is quiet, also where there is something to warn about.
    let mut environment = installation.environment().clone();
    environment.insert("ENGINE_ROLES_LOG".to_owned(), String::new());
    let nowhere = "postgres://nobody@127.0.0.1:1/none".to_owned();
    environment.insert("DATABASE_URL".to_owned(), nowhere);
    let quiet = lines_beside(&environment).await;
    assert_eq!(quiet.len(), 1, "only the error: {quiet:?}");
    environment.insert("ENGINE_ROLES_LOG".to_owned(), "debug".to_owned());
    let loud = lines_beside(&environment).await;
    assert!(loud.len() > 1, "{loud:?}");
}

/// Returns what `check` prints on standard error, in lines.
async fn lines_beside(environment: &BTreeMap<String, String>) -> Vec<String> {
    let mut command = command(&["check"], environment);
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.expect("no panic").expect("the binary can be run");
    let text = String::from_utf8(output.stderr).expect("text");
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn an_address_of_another_machine_is_reported() {
    let installation = Installation::build().rarely_checked().start().await;
    let checked = check(&installation, &[]).await;
    checked.expect("listen address", "ok");
    // A test network, of which no machine has an address (RFC 5737).
    let other_machine = [("ENGINE_ROLES_LISTEN", "192.0.2.1:3283")];
    let found = check(&installation, &other_machine).await;
    let found = found.expect("listen address", "failed").to_owned();
    assert!(found.starts_with("192.0.2.1:3283: "), "{found}");
}

#[tokio::test]
async fn a_setting_without_effect_is_reported() {
    let installation = Installation::build().rarely_checked().start().await;
    let checked = check(&installation, &[]).await;
    checked.expect("settings without effect", "ok");
    let regions = [("ENGINE_ROLES_AWS_LOGIN_REGIONS", "us-west-2")];
    let checked = check(&installation, &regions).await;
    let found = checked.expect("settings without effect", "warning");
    assert!(
        found.starts_with("ENGINE_ROLES_AWS_LOGIN_REGIONS has no effect: "),
        "{found}"
    );
    assert!(found.contains("ENGINE_ROLES_AWS_PRINCIPALS"), "{found}");
    assert!(checked.succeeded);
}

#[tokio::test]
async fn the_identity_its_account_and_its_permissions_are_reported() {
    let installation = Installation::build().rarely_checked().start().await;
    let checked = check(&installation, &[]).await;
    assert!(
        checked
            .expect("aws identity", "ok")
            .contains("no account is configured")
    );
    checked.expect("permissions: create", "ok");
    checked.expect("permissions: pass_through", "skipped");
    let account = [("ENGINE_ROLES_ACCOUNT_ID", "123456789012")];
    let checked = check(&installation, &account).await;
    assert!(
        checked
            .expect("aws identity", "ok")
            .contains("in the configured account")
    );
    let account = [("ENGINE_ROLES_ACCOUNT_ID", "210987654321")];
    let checked = check(&installation, &account).await;
    assert!(
        checked
            .expect("aws identity", "failed")
            .contains("210987654321")
    );

    installation.deny(&["iam:ListRoles"]).await;
    let checked = check(&installation, &[]).await;
    checked.expect("permissions: orphans", "warning");
    assert!(checked.succeeded);
    installation.deny(&["iam:CreateRole"]).await;
    let checked = check(&installation, &[]).await;
    checked.expect("permissions: create", "failed");

    for endpoint in ["http://127.0.0.1:1", "nowhere"] {
        let checked = check(&installation, &[("AWS_ENDPOINT_URL_IAM", endpoint)]).await;
        checked.expect("aws identity", "ok");
        checked.expect("iam", "failed");
        checked.expect("permissions: create", "unknown");
    }

    let nowhere = [("AWS_ENDPOINT_URL", "http://127.0.0.1:1")];
    let checked = check(&installation, &nowhere).await;
    checked.expect("aws identity", "failed");
    checked.expect("clock", "unknown");
    checked.expect("permissions", "unknown");
    checked.expect("database", "ok");
}

#[tokio::test]
async fn a_clock_that_differs_from_aws_is_reported() {
    let installation = Installation::build()
        .aws_proxied()
        .rarely_checked()
        .start()
        .await;
    let checked = check(&installation, &[]).await;
    checked.expect("clock", "ok");
    for (seconds, verdict, words) in [
        (150, "warning", "s behind AWS's"),
        (-150, "warning", "s ahead of AWS's"),
        (-900, "failed", "AWS rejects"),
        (900, "failed", "AWS rejects"),
    ] {
        let at_aws = Utc::now() + TimeDelta::seconds(seconds);
        let date = at_aws.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        installation.aws_proxy().clear();
        installation
            .aws_proxy()
            .add(Rule::changing(Change::Date(date)));
        let checked = check(&installation, &[]).await;
        let found = checked.expect("clock", verdict);
        assert!(found.contains(words), "{found}");
    }
}

#[tokio::test]
async fn whether_somebody_has_a_key_is_reported() {
    let installation = Installation::build().rarely_checked().start().await;
    let checked = check(&installation, &[]).await;
    assert!(
        checked
            .expect("api keys", "warning")
            .contains("only the first API key")
    );
    let without_first = [(FIRST_KEY, "")];
    let checked = check(&installation, &without_first).await;
    assert!(
        checked
            .expect("api keys", "failed")
            .contains("does not start")
    );
    let no_auth = [
        (FIRST_KEY, ""),
        (
            "ENGINE_ROLES_AWS_PRINCIPALS",
            "arn:aws:iam::123456789012:role/manager=read",
        ),
        ("ENGINE_ROLES_AWS_SERVER_NAME", "roles.example.com"),
    ];
    let checked = check(&installation, &no_auth).await;
    checked.expect("api keys", "ok");
    let make = |name: &str, valid_for: &[&str]| {
        let arguments = [&["keys", "create", name], valid_for].concat();
        assert!(installation.run(&arguments, &[]).status.success());
    };
    make("short", &["--valid-for", "1d"]);
    let checked = check(&installation, &without_first).await;
    assert!(checked.expect("api keys", "warning").contains("expires at"));
    make("long", &["--valid-for", "90d"]);
    let checked = check(&installation, &without_first).await;
    assert!(checked.expect("api keys", "ok").starts_with("2 valid"));
    make("lasting", &[]);
    let checked = check(&installation, &without_first).await;
    assert!(checked.expect("api keys", "ok").contains("without an end"));
    for name in ["short", "long", "lasting"] {
        assert!(
            installation
                .run(&["keys", "revoke", name], &[])
                .status
                .success()
        );
    }
    let checked = check(&installation, &without_first).await;
    checked.expect("api keys", "failed");
}

#[tokio::test]
async fn the_files_of_tls_are_reported() {
    let installation = Installation::build().rarely_checked().start().await;
    let checked = check(&installation, &[]).await;
    checked.expect("tls files", "skipped");
    let files = TlsFiles::new();
    let (certificate, key) = (files.certificate(), files.key());
    let tls = [(CERTIFICATE, text(&certificate)), (KEY, text(&key))];
    let checked = check(&installation, &tls).await;
    checked.expect("tls files", "ok");
    checked.expect("tls certificate", "ok");
    checked.expect("tls chain", "unknown");

    // The chain, in the right order and with another authority.
    let pair = files.authority.service();
    let chained = |authority: &Authority| format!("{}{}", pair.certificate, authority.pem());
    files.write(&pair);
    std::fs::write(&certificate, chained(&files.authority)).expect("a file");
    let checked = check(&installation, &tls).await;
    checked.expect("tls chain", "ok");
    std::fs::write(&certificate, chained(&Authority::new("another"))).expect("a file");
    let checked = check(&installation, &tls).await;
    checked.expect("tls chain", "warning");
    assert!(checked.succeeded);

    files.write(&files.authority.expired());
    let checked = check(&installation, &tls).await;
    checked.expect("tls certificate", "failed");
    // A key of another certificate, and a file that is missing.
    let other = files.authority.service();
    engine_roles_e2e::tls::write_key(&key, &other.key);
    let checked = check(&installation, &tls).await;
    assert!(
        checked
            .expect("tls files", "failed")
            .contains("ENGINE_ROLES_TLS_KEY")
    );
    std::fs::remove_file(&certificate).expect("removed");
    let checked = check(&installation, &tls).await;
    assert!(
        checked
            .expect("tls files", "failed")
            .contains("ENGINE_ROLES_TLS_CERT")
    );
}

#[tokio::test]
async fn the_key_of_the_audit_log_and_the_collector_of_traces_are_reported() {
    const AUDIT_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n\
        -----END PRIVATE KEY-----\n";
    let installation = Installation::build().rarely_checked().start().await;
    let checked = check(&installation, &[]).await;
    checked.expect("audit signing key", "skipped");
    checked.expect("traces", "skipped");

    let files = TlsFiles::new();
    let key = files.file("audit.pem");
    engine_roles_e2e::tls::write_key(&key, AUDIT_KEY);
    let signing = ("ENGINE_ROLES_AUDIT_KEY_FILE", text(&key));
    let checked = check(&installation, &[signing]).await;
    assert!(
        checked
            .expect("audit signing key", "ok")
            .contains("engine-roles/default")
    );
    let nowhere = files.file("nowhere");
    let directory = ("ENGINE_ROLES_AUDIT_CHECKPOINTS", text(&nowhere));
    let checked = check(&installation, &[signing, directory]).await;
    checked.expect("audit signing key", "failed");
    std::fs::write(&key, "no key").expect("a file");
    let checked = check(&installation, &[signing]).await;
    assert!(
        checked
            .expect("configuration", "failed")
            .contains("ENGINE_ROLES_AUDIT_KEY_FILE")
    );

    let collector = TraceCollector::start().await;
    let endpoint = collector.endpoint();
    let checked = check(&installation, &[(COLLECTOR, &endpoint)]).await;
    checked.expect("traces", "ok");
    assert_eq!(collector.spans().len(), 0);
    collector.behave(Behaviour::Fail(403));
    let checked = check(&installation, &[(COLLECTOR, &endpoint)]).await;
    assert!(checked.expect("traces", "warning").contains("403"));
    let checked = check(&installation, &[(COLLECTOR, "http://127.0.0.1:1")]).await;
    assert!(
        checked
            .expect("traces", "warning")
            .contains("can't be reached")
    );
    let checked = check(&installation, &[(COLLECTOR, "127.0.0.1:1")]).await;
    assert!(
        checked
            .expect("traces", "warning")
            .contains("must be an http")
    );
    assert!(checked.succeeded);
}

#[tokio::test]
async fn the_report_for_people_has_a_line_for_each_check_and_what_to_do() {
    let installation = Installation::build().rarely_checked().start().await;
    let mut environment = installation.environment().clone();
    environment.insert("ENGINE_ROLES_REGOIN".to_owned(), "x".to_owned());
    let mut command = command(&["check"], &environment);
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.expect("no panic").expect("the binary can be run");
    let printed = String::from_utf8(output.stdout).expect("text");
    for line in [
        "ok       configuration                0 settings by flags and ",
        "warning  variables                    no setting has ENGINE_ROLES_REGOIN\n    to do: correct ",
        "ok       clock                        ",
        "skipped  tls files                    the service speaks plain HTTP\n",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    assert!(output.status.success());
}
