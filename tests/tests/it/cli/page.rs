//! The session in `docs/cli.md` is what the commands really print.

use std::path::PathBuf;

use engine_roles_e2e::Installation;
use serde_json::Value;

use super::audit_tail::Tail;
use super::program::operate;
use crate::documented::session::{CODE, PROMPT, Part, compare, parts};

/// Values that differ in each run, and what the page has instead. Texts of the same length, so that
/// columns stay aligned.
const TIME: &str = "2026-11-26T10:00:00Z";
const SUFFIX: &str = "4hqiaj3oodfg2gag";
const UUID: &str = "01890000-0000-7000-8000-000000000000";
const ROLE_ID: &str = "AROA2EXAMPLE0000ROLE1";
const ADDRESS: &str = "127.0.0.1:3283";

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md")
}

/// The text of the page.
pub(super) fn text() -> String {
    std::fs::read_to_string(path()).expect("the page can be read")
}

/// The values of this run.
#[derive(Debug, Default)]
struct Values {
    /// Each value with its placeholder.
    pairs: Vec<(String, &'static str)>,
}

impl Values {
    fn learn(&mut self, value: &str, placeholder: &'static str) {
        assert!(!value.is_empty(), "{placeholder} has no value");
        self.pairs.push((value.to_owned(), placeholder));
    }

    /// Returns a command of the page with this run's values.
    fn insert(&self, command: &str) -> String {
        let pairs = self.pairs.iter();
        pairs.fold(command.to_owned(), |text, (value, placeholder)| {
            text.replace(placeholder, value)
        })
    }

    /// Returns what a command printed with the placeholders of the page.
    fn remove(&self, output: &str) -> String {
        let pairs = self.pairs.iter();
        let text = pairs.fold(output.to_owned(), |text, (value, placeholder)| {
            text.replace(value, placeholder)
        });
        let text = replaced(&text, TIME);
        let text = replaced(&text, UUID);
        text.lines().map(without_revision).collect()
    }
}

/// Replaces the revision of an etag, which the service's own checks change, and ends the line.
fn without_revision(line: &str) -> String {
    match line.split_once('-') {
        Some((tag, _)) if line.starts_with("etag ") => format!("{tag}-2\"\n"),
        _ => format!("{line}\n"),
    }
}

/// Replaces each text of the same shape as the sample: its digits stand for hexadecimal digits where
/// the sample has a `-7`, as a UUID has, else for decimal ones.
fn replaced(text: &str, sample: &str) -> String {
    let is_hex = sample == UUID;
    let fits = |found: &[u8]| {
        found
            .iter()
            .zip(sample.bytes())
            .all(|(found, expected)| match expected {
                b'0'..=b'9' if is_hex => found.is_ascii_hexdigit(),
                b'0'..=b'9' => found.is_ascii_digit(),
                other => *found == other,
            })
    };
    let (mut result, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let start = rest.as_bytes().get(..sample.len());
        let width = if start.is_some_and(fits) {
            result.push_str(sample);
            sample.len()
        } else {
            result.push(first);
            first.len_utf8()
        };
        rest = &rest[width..];
    }
    result
}

/// Runs the commands of the page, and returns the page with what they print.
async fn performed(page: &str, installation: &Installation) -> String {
    let mut values = Values::default();
    values.learn(&installation.replicas[0].address().to_string(), ADDRESS);
    let mut last_code = 0;
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
        let actual = values.insert(command);
        let words: Vec<&str> = actual.split_whitespace().collect();
        let output = match words[..] {
            // Done by the environment of the test.
            ["export", ..] => String::new(),
            ["echo", "$?"] => last_code.to_string(),
            ["engine-roles", "audit", "tail", ref options @ ..] => {
                let tail = Tail::start(installation, options);
                tail.shows("torn_down").await;
                let (code, lines, errors) = tail.interrupted().await;
                assert_eq!((code, errors), (Some(0), vec![]));
                format!("{}\n^C", lines.join("\n"))
            }
            ["engine-roles", ref arguments @ ..] => {
                let ran = operate(installation, arguments).await;
                last_code = ran.code.expect("the command ends");
                ran.stdout + &ran.stderr
            }
            _ => panic!("the page has a command that the test can't run: {command}"),
        };
        let is_first = values.pairs.len() == 1;
        if is_first && words.get(..3) == Some(&["engine-roles", "role", "put"]) {
            learn(&mut values, installation, words[3]).await;
            installation.events_are_numbered().await;
        }
        let output = values.remove(&output);
        let lines = output.trim_end().lines();
        result.extend(lines.map(|line| format!("{CODE}{line}").trim_end().to_owned()));
    }
    result.join("\n") + "\n"
}

/// Learns the values of a cluster's role.
async fn learn(values: &mut Values, installation: &Installation, cluster: &str) {
    let binding = installation.client().get(cluster).await.body;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = text(&binding["role"]["name"]);
    values.learn(name.rsplit('-').next().unwrap_or_default(), SUFFIX);
    values.learn(&text(&binding["role"]["id"]), ROLE_ID);
}

#[tokio::test]
async fn the_session_on_the_page_is_what_the_commands_print() {
    let installation = Installation::start().await;
    let page = text();
    let performed = performed(&page, &installation).await;
    compare(&path(), &page, &performed);
}

#[test]
fn volatile_values_become_placeholders_and_back() {
    let mut values = Values::default();
    values.learn("abcdefghijklmnop", SUFFIX);
    let output = "r-abcdefghijklmnop  2025-01-02T03:04:05Z  0194a7b2-1111-7abc-8def-0123456789ab ü";
    let expected = format!("r-{SUFFIX}  {TIME}  {UUID} ü");
    assert_eq!(values.remove(output), format!("{expected}\n"));
    assert_eq!(values.remove("etag  \"3-17\""), "etag  \"3-2\"\n");
    assert_eq!(
        values.insert(&format!("find r-{SUFFIX}")),
        "find r-abcdefghijklmnop"
    );
    assert_eq!(replaced("2026-11-26", TIME), "2026-11-26");
}
