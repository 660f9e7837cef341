//! The commands of `docs/audit-log.md` do what the page says.

use std::path::Path;
use std::process::Command;

use engine_roles_e2e::Installation;
use engine_roles_e2e::binary::service_binary;

use super::fixture::{read, signed};
use crate::documented::shell::blocks;

const PAGE: &str = include_str!("../../../../docs/audit-log.md");

/// Returns the commands below a heading of the page.
fn commands(heading: &str) -> Vec<&'static str> {
    let (_, section) = PAGE.split_once(heading).expect("the page has the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let lines = section.lines();
    lines.filter_map(|line| line.strip_prefix("    ")).collect()
}

/// Runs commands in a shell, as they stand on the page, and returns what they printed.
fn run(commands: &[&str], directory: &Path, environment: &[(&str, &str)]) -> String {
    let program = service_binary();
    let programs = program.parent().expect("a directory").display();
    let path = std::env::var("PATH").expect("a path");
    let mut shell = Command::new("sh");
    shell
        .args(["-e", "-c", &commands.join("\n")])
        .current_dir(directory)
        .env_clear()
        .env("PATH", format!("{programs}:{path}"))
        .envs(environment.iter().copied());
    let output = shell.output().expect("a shell can be run");
    assert!(output.status.success(), "{commands:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[tokio::test]
async fn the_commands_of_the_page_sign_export_verify_and_cosign() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = |name: &str| directory.path().join(name);
    std::fs::create_dir(place("checkpoints")).expect("made");
    let signing = commands("\n## Signing\n");
    assert!(signing[0].starts_with("openssl "), "{signing:?}");
    run(&signing, directory.path(), &[]);
    let settings = signing.iter().filter_map(|line| {
        let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
        Some((name, value.split_whitespace().next()?))
    });
    let mut builder = Installation::build();
    let mut names = Vec::new();
    for (name, value) in settings {
        names.push(name);
        builder = builder.env(name, place(value).to_str().expect("UTF-8"));
    }
    assert_eq!(
        names,
        [
            "ENGINE_ROLES_AUDIT_KEY_FILE",
            "ENGINE_ROLES_AUDIT_CHECKPOINTS"
        ]
    );
    let installation = builder.start().await;
    installation.client().provision("one").await.expect(201);
    signed(&installation).await;
    let address = format!("http://{}", installation.replicas[0].address());
    let environment = [
        ("ENGINE_ROLES_ADDR", address.as_str()),
        ("ENGINE_ROLES_API_KEY", installation.key()),
    ];
    let verifying = commands("\n## Verifying\n");
    let (verifying, expired) = verifying.split_at(3);
    let printed = run(verifying, directory.path(), &environment);
    assert!(printed.contains("verified: events 1 to "), "{printed}");
    // The first event of the page's retention follows a checkpoint from long ago.
    let last = place("checkpoints/engine-roles%2Fdefault.checkpoint");
    let of_day = place("checkpoints/engine-roles%2Fdefault.checkpoint.2020-01-01");
    let size = read(&std::fs::read_to_string(&last).expect("a checkpoint")).size;
    std::fs::copy(&last, of_day).expect("copied");
    installation.client().provision("two").await.expect(201);
    signed(&installation).await;
    let exporting = verifying[1].replace(" >", &format!(" --after {size} >"));
    let later = [&["rm -r kept", verifying[0], &exporting], expired].concat();
    let printed = run(&later, directory.path(), &environment);
    let verified = format!("verified: events {} to ", size + 1);
    assert!(printed.contains(&verified), "{printed}");
    let mut witnesses = commands("\n## Witnesses\n");
    // The page has the address of a witness that does not exist.
    let asked = witnesses
        .extract_if(.., |line| line.starts_with("curl "))
        .count();
    assert_eq!((asked, witnesses.len()), (1, 7), "{witnesses:?}");
    let printed = run(&witnesses, directory.path(), &environment);
    let lines: Vec<&str> = printed.lines().collect();
    assert!(
        lines[0].starts_with("cosigned by witness.example/1 at 20"),
        "{printed}"
    );
    assert!(
        lines[1..].iter().any(|line| line.starts_with("verified: ")),
        "{printed}"
    );
    installation.assert_sound().await;
}

#[test]
fn the_documented_key_can_be_read_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().expect("a directory");
    let signing = commands("\n## Signing\n");
    run(&signing[..1], directory.path(), &[]);
    let file = std::fs::metadata(directory.path().join("audit.pem")).expect("the key");
    assert_eq!(file.permissions().mode() & 0o077, 0);
}

#[test]
fn the_commands_of_the_runbook_are_those_of_the_page() {
    let runbook = include_str!("../../../../docs/runbook.md");
    let blocks = blocks(runbook, "sh", "audit_tree/documented.rs");
    assert_eq!(blocks.len(), 1, "{blocks:?}");
    let verifying = commands("\n## Verifying\n");
    for line in blocks[0].lines() {
        assert!(verifying.contains(&line), "{line}");
    }
}
