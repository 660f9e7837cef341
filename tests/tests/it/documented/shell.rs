//! Runs the commands of a page as a reader does.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use engine_roles_e2e::Installation;
use engine_roles_e2e::binary::service_binary;

/// Returns the blocks of a page, in this language, that the page says this file of tests runs.
pub(crate) fn blocks(page: &str, language: &str, file: &str) -> Vec<String> {
    let start = format!("<!-- run by {file} -->\n```{language}\n");
    let rests = page.split(&start).skip(1);
    rests
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

/// Returns the variables of a reader who asks this installation: the address and the key, under the names
/// of the command line and under those of the pages that use `curl`.
pub(super) fn variables(installation: &Installation) -> BTreeMap<String, String> {
    let address = format!("http://{}", installation.replicas[0].address());
    let key = installation.key();
    let variables = [
        ("ADDR", address.clone()),
        ("AUTH", format!("Authorization: Bearer {key}")),
        ("KEY", key.to_owned()),
        ("ENGINE_ROLES_ADDR", address),
        ("ENGINE_ROLES_API_KEY", key.to_owned()),
    ];
    variables
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

/// Runs commands in bash, with the program on the path and no other variables, on a thread of its own: the
/// sandbox runs on the test's.
pub(super) async fn run(
    commands: &str,
    directory: &Path,
    variables: &BTreeMap<String, String>,
) -> Output {
    let binary = service_binary();
    let beside = binary.parent().expect("the binary is in a directory");
    let path = std::env::var("PATH").expect("there is a path");
    let mut shell = Command::new("bash");
    shell
        .args(["-euo", "pipefail", "-c", commands])
        .current_dir(directory)
        .env_clear()
        .env("PATH", format!("{}:{path}", beside.display()))
        .envs(variables);
    let run = tokio::task::spawn_blocking(move || shell.output());
    run.await
        .expect("the task does not panic")
        .expect("bash can be run")
}

/// Returns what commands printed.
///
/// # Panics
/// When a command fails.
#[track_caller]
pub(super) fn printed(commands: &str, output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{commands}\n{stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_blocks_of_a_page_are_those_that_are_marked_for_the_file() {
    let page = "<!-- run by a.rs -->\n```sh\none\ntwo\n```\n\n```sh\nthree\n```\n\
                <!-- run by b.rs -->\n```sh\nfour\n```\n<!-- run by a.rs -->\n```sql\nfive\n```\n";
    assert_eq!(blocks(page, "sh", "a.rs"), ["one\ntwo\n"]);
    assert_eq!(blocks(page, "sql", "a.rs"), ["five\n"]);
    assert_eq!(blocks(page, "sh", "c.rs"), [""; 0]);
}
