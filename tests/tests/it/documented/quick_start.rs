//! The commands of `docs/quick-start.md` and of `README.md` do what the pages say.

use engine_roles_e2e::Installation;
use serde_json::Value;

use super::shell::{blocks, printed, run, variables};

const PAGE: &str = include_str!("../../../../docs/quick-start.md");
const README: &str = include_str!("../../../../README.md");
const FILE: &str = "documented/quick_start.rs";
/// The address that the pages have.
const ADDRESS: &str = "127.0.0.1:3283";

/// Runs the marked blocks of a page, and returns what they printed.
async fn run_all(installation: &Installation, page: &str) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let address = installation.replicas[0].address().to_string();
    let blocks = blocks(page, "sh", FILE);
    assert!(!blocks.is_empty(), "the page has no block for {FILE}");
    let commands = blocks.concat().replace(ADDRESS, &address);
    let output = run(&commands, directory.path(), &variables(installation)).await;
    printed(&commands, &output)
}

#[tokio::test]
async fn the_quick_start_provisions_in_both_modes_and_tears_down() {
    let installation = Installation::build()
        .prepared("prepared-engine-role")
        .start()
        .await;
    let printed = run_all(&installation, PAGE).await;
    for expected in [
        r#""state":"active""#,
        r#""mode":"pass_through""#,
        r#""decision":"allowed""#,
        r#""grant_ended_at":"#,
        "role arn          arn:aws:iam::",
        "access ended",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    for cluster in ["demo", "demo-2"] {
        let binding = installation.client().get(cluster).await.expect(200).clone();
        assert_eq!(binding["state"], "deleted", "{cluster}");
    }
    assert!(installation.holds_nothing_of_ours());
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_request_of_the_readme_gets_the_members_that_it_shows() {
    let installation = Installation::build().rarely_checked().start().await;
    let printed = run_all(&installation, README).await;
    let answer: Value = serde_json::from_str(&printed).expect("the answer is JSON");
    let (_, shown) = README.split_once("```json\n").expect("an answer");
    let (shown, _) = shown.split_once("```").expect("the answer ends");
    let mut shown: Value = serde_json::from_str(shown).expect("the shown answer is JSON");
    // The end of a name differs in each run.
    let name = answer["role"]["name"].as_str().expect("a name");
    let shown_name = shown["role"]["name"].as_str().expect("a name");
    let text = shown.to_string().replace(shown_name, name);
    shown = serde_json::from_str(&text).expect("JSON");
    assert_includes(&answer, &shown);
}

/// Asserts that an answer has each shown member, with its value.
fn assert_includes(answer: &Value, shown: &Value) {
    match shown {
        Value::Object(members) => {
            for (name, member) in members {
                assert_includes(&answer[name], member);
            }
        }
        other => assert_eq!(answer, other),
    }
}
