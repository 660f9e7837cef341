//! The commands in `docs/administrators.md` work as described.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output};

use engine_roles_e2e::Installation;
use engine_roles_e2e::binary::service_binary;
use serde_json::{Value, json};

/// Returns the environment of a reader: the binary on the path, the service's settings, and an API
/// key.
const READER: &str = r#"
set -euo pipefail
engine-roles() {
    case "$1" in
        check) (. ./service.env; command engine-roles "$@") ;;
        *) command engine-roles "$@" ;;
    esac
}
curl() { command curl --noproxy '*' -sS --fail-with-body -H "Authorization: Bearer $KEY" "$@"; }
# It says by its exit code that it found what it looked for.
diff() { command diff "$@" || test $? = 1; }
"#;

/// Returns the code blocks of the page whose first line is one of our commands.
fn blocks() -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/administrators.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let mut blocks = vec![String::new()];
    for line in page.lines() {
        match line.strip_prefix("    ") {
            Some(command) => {
                let block = blocks.last_mut().expect("there is always one");
                *block += command;
                block.push('\n');
            }
            None if blocks.last().is_some_and(|block| !block.is_empty()) => {
                blocks.push(String::new());
            }
            None => {}
        }
    }
    let ours = ["engine-roles ", "curl ", "diff ", "key="];
    blocks.retain(|block| ours.iter().any(|word| block.starts_with(word)));
    blocks
}

/// Runs all blocks in one shell, in this directory. The output of each block goes to a file.
async fn run_all(installation: &Installation, blocks: &[String], directory: &Path) -> Output {
    let mut settings = String::new();
    for (name, value) in installation.environment() {
        let _ = writeln!(settings, "export {name}='{value}'");
    }
    let write = |name: &str, text: &str| std::fs::write(directory.join(name), text);
    write("service.env", &settings).expect("the file can be written");
    let mut script = READER.to_owned();
    let address = installation.replicas[0].address().to_string();
    for (number, block) in (0..).zip(blocks) {
        let block = block.replace("localhost:3283", &address);
        let block = block.replace("lint FILE", "lint engine.json");
        let _ = write!(
            script,
            "echo 'block {number}' >&2\n{{\n{block}}} > {number}.out\n"
        );
    }
    let binary = service_binary();
    let beside = binary.parent().expect("the binary is in a directory");
    let path = std::env::var("PATH").expect("there is a path");
    let mut shell = Command::new("bash");
    shell
        .args(["-c", &script])
        .current_dir(directory)
        .env_clear()
        .env("PATH", format!("{}:{path}", beside.display()))
        .env("KEY", installation.key());
    let run = tokio::task::spawn_blocking(move || shell.output());
    run.await
        .expect("the task does not panic")
        .expect("bash can be run")
}

/// Returns the output of the first block with this text.
fn printed(directory: &Path, blocks: &[String], text: &str) -> String {
    let number = blocks.iter().position(|block| block.contains(text));
    let number = number.unwrap_or_else(|| panic!("no block has {text}"));
    let file = directory.join(format!("{number}.out"));
    std::fs::read_to_string(file).expect("each block prints into a file")
}

#[tokio::test]
async fn each_command_in_the_administrators_documentation_does_what_the_text_states() {
    let installation = Installation::start().await;
    installation.client().provision("demo").await.expect(201);
    let since = installation.mark();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let directory = directory.join(format!("administrators-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("the directory can be created");
    let blocks = blocks();
    let output = run_all(&installation, &blocks, &directory).await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let whole = format!("{}\n{stderr}", blocks.join("\n"));
    assert!(output.status.success(), "{whole}");
    assert!(stderr.contains(&format!("block {}", blocks.len() - 1)));
    let printed = |text: &str| printed(&directory, &blocks, text);
    let json_of = |text: &str| -> Value {
        let printed = printed(text);
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{text}: {error}: {printed}"))
    };
    // Commands that the page must have, each checked for the result that the page describes.
    let list = printed("policy list");
    for document in ["ai-unlimited-workspaces", "engine-role-service"] {
        assert!(list.contains(document), "{list}");
    }
    assert!(list.contains("secret:compute-engine/*"), "{list}");
    let found = printed("engine-roles check");
    let works = ["ok", "permissions:", "create", "works"];
    let has_line = |words: &[&str]| {
        let mut lines = found.lines();
        lines.any(|line| line.split_whitespace().eq(words.iter().copied()))
    };
    assert!(has_line(&works), "{found}");
    // The block's second command asks the service for the same.
    assert!(found.contains("\"found_by\""), "{found}");
    let service = json_of("render engine-role-service");
    let text = service.to_string();
    for filled in [
        "policy/engine-boundary",
        "role/engine\"",
        "role/engine-roles\"",
    ] {
        assert!(text.contains(filled), "{filled}: {service:#}");
    }
    let boundary = printed("render engine-boundary");
    assert!(boundary.contains("kms:Decrypt"), "{boundary}");
    let differ = printed("diff ");
    for action in ["iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy"] {
        assert!(differ.contains(&format!("\"{action}\"")), "{differ}");
    }
    assert_eq!(differ.matches("\"iam:").count(), 3, "{differ}");
    let reach = json_of("/role/access");
    assert_eq!(reach["own_secrets"][0]["decision"], "allowed");
    assert_eq!(reach["other_secrets"]["decision"], "denied");
    let plan = json_of("/role/plan");
    assert!(plan["steps"].is_array() && plan["spec"].is_object());
    let sessions = json_of(r#""session_manager": true"#);
    assert_eq!(sessions["spec"]["session_manager"], true);
    let roles = json_of("/v1/pass-through-roles");
    assert_eq!(roles, json!({"items": []}));
    let one = json_of("--cluster demo");
    assert!(one.to_string().contains("compute-engine/demo/*"), "{one:#}");
    let engine =
        std::fs::read_to_string(directory.join("engine.json")).expect("the command wrote the file");
    assert!(engine.contains("compute-engine/*"), "{engine}");
    // None of the commands changes anything.
    assert_eq!(installation.mutations(since).len(), 0);
    std::fs::remove_dir_all(&directory).expect("the directory can be removed");
}
