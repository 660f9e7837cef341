//! The answers in `docs/http-examples.md` are those that a service really gives.

use std::collections::BTreeMap;
use std::path::PathBuf;

use engine_roles_e2e::service::command;
use engine_roles_e2e::{Installation, eventually};
use regex::Regex;
use serde_json::Value;

use super::session::{CODE, PROMPT, Part, compare, parts};
use super::shell::{printed, run, variables};

/// The address that the page has.
const ADDRESS: &str = "127.0.0.1:3283";
/// A private key for tests, as `openssl genpkey -algorithm ed25519` writes it.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n\
    -----END PRIVATE KEY-----\n";

/// What differs in each run, and what the page has instead, in the order in which it is replaced.
const VOLATILE: [(&str, &str); 10] = [
    ("\r", ""),
    (
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",
        "2026-11-26T10:00:00.000000Z",
    ),
    (
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "01890000-0000-7000-8000-000000000000",
    ),
    (r"\b(AROA|AIPA)[A-Z0-9]{17}\b", "${1}2EXAMPLE0000ROLE1"),
    (
        r"(ai-unlimited-[a-z]+-)[a-z2-7]{16}\b",
        "${1}4hqiaj3oodfg2gag",
    ),
    (r#"(?m)^(etag: "\d+)-\d+"#, "${1}-2"),
    (r"[A-Za-z0-9+/]{90,}={0,2}", "SIGNATURE"),
    (r"[A-Za-z0-9+/]{43}=", "HASH"),
    // The number of events in a checkpoint, and that of an event.
    (r"(?m)^\d+\nHASH$", "8\nHASH"),
    (r#""seq": \d+"#, "\"seq\": 1"),
];

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/http-examples.md")
}

fn text() -> String {
    std::fs::read_to_string(path()).expect("the page can be read")
}

fn without_volatile(output: &str) -> String {
    let replaced = VOLATILE.iter();
    replaced.fold(output.to_owned(), |text, (pattern, replacement)| {
        let pattern = Regex::new(pattern).expect("a regular expression");
        pattern.replace_all(&text, *replacement).into_owned()
    })
}

/// Waits until a checkpoint has two events, so that each proof of the page exists.
async fn log_is_signed(installation: &Installation) {
    let client = installation.client();
    eventually("two events are signed", async || {
        let checkpoint = client.fetch("/v1/audit/checkpoint").await;
        let size: u64 = checkpoint.text.lines().nth(1)?.parse().ok()?;
        (size >= 2).then_some(())
    })
    .await;
}

/// Runs the commands of the page, and returns the page with what they print.
async fn performed(page: &str, installation: &Installation) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let address = installation.replicas[0].address().to_string();
    let variables = variables(installation);
    let mut result = Vec::new();
    for part in parts(page) {
        let command = match part {
            Part::Line(line) => {
                result.push(line.to_owned());
                continue;
            }
            Part::Command(command) => command,
        };
        result.push(format!("{PROMPT}{command}"));
        // The variables are those of the test.
        if command.starts_with("export ") {
            continue;
        }
        if command.contains("/v1/audit/") {
            log_is_signed(installation).await;
        }
        if command.contains("/readyz") {
            installation.ready().await;
        }
        let output = run(command, directory.path(), &variables).await;
        let output = printed(command, &output).replace(&address, ADDRESS);
        // The next answer may depend on the events of this command.
        installation.events_are_numbered().await;
        let output = without_volatile(&output);
        let lines = output.trim_end().lines();
        result.extend(lines.map(|line| format!("{CODE}{line}").trim_end().to_owned()));
    }
    result.join("\n") + "\n"
}

#[tokio::test]
async fn the_answers_on_the_page_are_those_of_a_service() {
    let directory = tempfile::tempdir().expect("a directory");
    let key = directory.path().join("audit.pem");
    std::fs::write(&key, KEY).expect("the key can be written");
    let installation = Installation::build()
        .prepared("prepared-engine-role")
        .env("ENGINE_ROLES_AUDIT_KEY_FILE", key.to_string_lossy())
        .start()
        .await;
    installation.events_are_numbered().await;
    let page = text();
    let performed = performed(&page, &installation).await;
    compare(&path(), &page, &performed);
}

#[test]
fn the_page_has_a_command_for_every_operation() {
    let output = command(&["openapi"], &BTreeMap::new()).output();
    let output = output.expect("the binary can be run");
    let document: Value = serde_json::from_slice(&output.stdout).expect("the document is JSON");
    let page = text();
    let commands = parts(&page);
    let commands: Vec<&str> = commands
        .iter()
        .filter_map(|part| match part {
            Part::Command(command) => Some(*command),
            Part::Line(_) => None,
        })
        .collect();
    let parameter = Regex::new(r"\\\{[^}]*\}").expect("a regular expression");
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() > 15, "{paths:?}");
    for (path, operations) in paths {
        let escaped = regex::escape(path);
        let place = parameter.replace_all(&escaped, r#"[^ ?"]+"#);
        let pattern = format!(r#"\$ADDR{place}([?" ]|$)"#);
        let pattern = Regex::new(&pattern).expect("a regular expression");
        for method in operations.as_object().expect("operations").keys() {
            let flag = format!(" -X {} ", method.to_uppercase());
            let mut calls = commands.iter().filter(|command| pattern.is_match(command));
            let has_one = calls.any(|command| match method.as_str() {
                "get" => !command.contains(" -X "),
                _ => command.contains(&flag),
            });
            assert!(has_one, "the page has no command for {method} {path}");
        }
    }
}

#[test]
fn what_differs_in_each_run_is_replaced() {
    let output = "etag: \"3-17\"\r\nai-unlimited-demo-abcdefghijklmnop\n\
                  {\"seq\": 12, \"at\": \"2025-01-02T03:04:05.678901Z\"}\n";
    let expected = "etag: \"3-2\"\nai-unlimited-demo-4hqiaj3oodfg2gag\n\
                    {\"seq\": 1, \"at\": \"2026-11-26T10:00:00.000000Z\"}\n";
    assert_eq!(without_volatile(output), expected);
}
