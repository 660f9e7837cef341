//! The commands of `docs/cli.md` outside of its session do what the page says.

use engine_roles_e2e::Installation;

use super::shell::{blocks, printed, run, variables};

const PAGE: &str = include_str!("../../../../docs/cli.md");

#[tokio::test]
async fn a_shown_spec_that_is_put_back_changes_nothing_and_the_shell_files_can_be_written() {
    let installation = Installation::build().rarely_checked().start().await;
    let client = installation.client();
    let created = client.provision("demo").await.expect(201).clone();
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().to_str().expect("UTF-8");
    let blocks = blocks(PAGE, "sh", "documented/command_line.rs");
    assert_eq!(blocks.len(), 2, "{blocks:?}");
    // The directories of the page belong to root.
    let commands = blocks.concat();
    let commands = commands.replace("/etc/bash_completion.d", place);
    let commands = commands.replace("/usr/local/share/man/man1", place);
    let output = run(&commands, directory.path(), &variables(&installation)).await;
    let printed = printed(&commands, &output);
    assert!(printed.contains("active"), "{printed}");
    let shown = client.get("demo").await.expect(200).clone();
    assert_eq!(shown["generation"], created["generation"]);
    for file in ["engine-roles", "engine-roles-role-put.1"] {
        assert!(directory.path().join(file).is_file(), "{file}");
    }
}
