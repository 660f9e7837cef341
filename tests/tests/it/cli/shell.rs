//! The commands that need neither a service nor a database, and rules for all commands.

use super::program::alone;

/// Returns the command lines of all commands that have no command below them.
async fn commands(above: &[&str]) -> Vec<Vec<String>> {
    let help = alone(&[above, &["--help"]].concat(), &[]).await;
    let help = help.expect(0).to_owned();
    // The program has several headings that end so, a command has one.
    let mut names = Vec::new();
    let mut is_list = false;
    for line in help.lines() {
        is_list = match line.strip_prefix("  ") {
            Some(row) if is_list => {
                names.extend(row.split(' ').next().filter(|name| !name.is_empty()));
                true
            }
            Some(_) => false,
            None => line.ends_with(':') && line.to_lowercase().contains("commands"),
        };
    }
    let mut leaves = Vec::new();
    for name in names.into_iter().filter(|name| *name != "help") {
        let path = [above, &[name]].concat();
        let below = Box::pin(commands(&path)).await;
        if below.is_empty() {
            leaves.push(path.iter().map(|&name| name.to_owned()).collect());
        } else {
            leaves.extend(below);
        }
    }
    leaves
}

#[tokio::test]
async fn every_command_is_on_the_page_and_in_the_completions_and_has_a_manual_page() {
    let commands = commands(&[]).await;
    assert!(commands.len() > 18, "{commands:?}");
    let page = super::page::text();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("a path");
    alone(&["man", "--dir", path], &[]).await.expect(0);
    for command in commands {
        let line = command.join(" ");
        assert!(
            page.contains(&format!("`{line}")),
            "docs/cli.md has no `{line}"
        );
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let printed = alone(&[&["man"], &words[..]].concat(), &[]).await;
        let name = format!("engine-roles-{}", command.join("-"));
        assert!(printed.expect(0).starts_with(".ie"), "{printed:#?}");
        let written = directory.path().join(format!("{name}.1"));
        assert!(written.is_file(), "{}", written.display());
    }
    let program = alone(&["man"], &[]).await;
    assert!(program.expect(0).contains("engine\\-roles"), "{program:#?}");
    alone(&["man", "role", "sing"], &[]).await.expect(1);
    alone(&["man", "--dir", "/dev/null/pages"], &[])
        .await
        .expect(1);
}

#[tokio::test]
async fn there_are_completions_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = alone(&["completions", shell], &[]).await;
        let script = script.expect(0);
        for word in ["healthcheck", "tail", "session-manager"] {
            assert!(script.contains(word), "{shell} has no {word}");
        }
    }
    alone(&["completions", "tcsh"], &[]).await.expect(2);
}

#[tokio::test]
async fn a_command_that_works_on_the_database_directly_says_so() {
    for command in ["migrate", "check", "orphans"] {
        let help = alone(&[command, "--help"], &[]).await;
        let help = help.expect(0).replace('\n', " ");
        assert!(help.contains("works on the database"), "{command}: {help}");
    }
    for command in ["status", "role", "audit"] {
        let help = alone(&[command, "--help"], &[]).await;
        assert!(
            !help.expect(0).contains("works on the database"),
            "{command}"
        );
    }
}
