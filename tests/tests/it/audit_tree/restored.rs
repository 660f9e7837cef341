//! A log that is shorter than its last checkpoint, and keys that are replaced.

use std::fs;

use engine_roles_e2e::{Installation, eventually};
use rustix::fs::{CWD, FileType, Mode, chmod, mknodat};

use super::fixture::{Files, KEY, OTHER_KEY, broken, read, readiness, signed};

#[tokio::test]
async fn a_log_that_is_shorter_than_the_last_checkpoint_is_not_signed() {
    let files = Files::new();
    let first = files.start().await;
    first.client().provision("one").await.expect(201);
    first.client().delete("one").await.expect(200);
    let last = signed(&first).await;
    drop(first);
    // A database from before the first event, with the directory of the checkpoints as it is.
    let restored = files.signing(Installation::build()).not_yet_ready();
    let mut restored = restored.start().await;
    broken(&restored).await;
    restored.database.without_log_reads().await;
    restored.client().provision("two").await.expect(201);
    let reason = broken(&restored).await;
    assert!(reason.contains("ENGINE_ROLES_AUDIT_ORIGIN"), "{reason}");
    assert!(reason.contains("fewer than"), "{reason}");
    let unsigned = restored.client().fetch("/v1/audit/checkpoint").await;
    unsigned.expect_problem(404, "not_found");
    // Nor later, when the log has as many events as before.
    restored.client().delete("two").await.expect(200);
    restored.events_are_numbered().await;
    let reason = eventually("the log is as long as before", async || {
        let reason = broken(&restored).await;
        (!reason.contains("fewer than")).then_some(reason)
    })
    .await;
    assert!(reason.contains("another root"), "{reason}");
    assert_eq!(files.checkpoint(), Some(last.clone()));
    // A person begins a new log. The old checkpoint is left where it is.
    restored.set_env("ENGINE_ROLES_AUDIT_ORIGIN", "example.com/engine-roles/2");
    restored.restart(0).await;
    let note = signed(&restored).await;
    assert_eq!(read(&note).origin.as_str(), "example.com/engine-roles/2");
    assert_eq!(readiness(&restored).await["audit"], "ok");
    assert_eq!(files.checkpoint(), Some(last));
    verified_after_the_change_of_origin(&files, &restored);
    restored.assert_sound().await;
}

/// Verifies the new log as the page documents it: with all files of the directory.
fn verified_after_the_change_of_origin(files: &Files, installation: &Installation) {
    fs::create_dir(files.path("checkpoints/lost+found")).expect("made");
    fs::write(files.path("checkpoints/README"), "Keep these files.\n").expect("written");
    let names = fs::read_dir(files.path("checkpoints")).expect("the directory");
    let names = names.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| format!("checkpoints/{}", name.to_str().expect("UTF-8")));
    let mut names: Vec<String> = names.collect();
    names.sort();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    files.write_public_key(installation);
    files.export(installation, "export.ndjson", &[]);
    let (code, text) = files.verify(installation, "export.ndjson", &all);
    assert_eq!(code, 0, "{text}");
    assert_eq!(
        text.matches(" is skipped: it is of another log\n").count(),
        2,
        "{text}"
    );
    let others = [
        "README is skipped: it is no checkpoint\n",
        "lost+found is skipped: it is a directory\n",
    ];
    assert!(others.iter().all(|other| text.contains(other)), "{text}");
    assert!(text.contains("verified: events 1 to "), "{text}");
    // A checkpoint of this log that its key has not signed is not skipped.
    let own = all
        .iter()
        .find(|name| name.contains("example%2Ecom"))
        .expect("a checkpoint");
    let note = fs::read_to_string(files.path(own)).expect("a checkpoint");
    let forged = note.replacen("\n4\n", "\n3\n", 1);
    assert_ne!(forged, note);
    fs::write(files.path("forged"), forged).expect("written");
    let (code, text) = files.verify(installation, "export.ndjson", &[own, "forged"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("forged: the signature by"), "{text}");
    let (code, text) = files.verify(installation, "export.ndjson", &["checkpoints/README"]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("none of the files is a checkpoint of the log"),
        "{text}"
    );
}

#[tokio::test]
async fn a_key_is_replaced_while_both_sign() {
    let files = Files::new();
    let mut installation = files.start().await;
    installation.client().provision("one").await.expect(201);
    let old = signed(&installation).await;
    // The new key alone has not signed what came before.
    fs::write(files.path("key.pem"), OTHER_KEY).expect("written");
    installation.restart_listening(0).await;
    let reason = broken(&installation).await;
    assert!(reason.contains("not signed by the key"), "{reason}");
    fs::write(files.path("key.pem"), format!("{KEY}{OTHER_KEY}")).expect("written");
    installation.restart(0).await;
    let both = eventually("both keys have signed", async || {
        let note = signed(&installation).await;
        (note != old).then_some(note)
    })
    .await;
    assert_eq!(read(&both).size, read(&old).size);
    fs::write(files.path("key.pem"), OTHER_KEY).expect("written");
    installation.restart(0).await;
    installation.client().delete("one").await.expect(200);
    let new = signed(&installation).await;
    let keys = files.write_public_key(&installation);
    let verified = keys
        .verify(&new.parse().expect("a note"))
        .expect("verified");
    assert_eq!(verified.checkpoint().size, 4);
    keys.verify(&old.parse().expect("a note"))
        .expect_err("another key");
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_checkpoints_of_the_days_are_extended_too() {
    let files = Files::new();
    let mut installation = files.start().await;
    installation.client().provision("one").await.expect(201);
    signed(&installation).await;
    installation.replicas[0].kill().await;
    // Somebody removes the last checkpoint from the directory, and log and tree from the database.
    let last = files.path("checkpoints/engine-roles%2Fdefault.checkpoint");
    fs::remove_file(&last).expect("removed");
    let days = fs::read_dir(files.path("checkpoints")).expect("the directory");
    let days: Vec<_> = days.map(|entry| entry.expect("an entry").path()).collect();
    let before = fs::read_to_string(&days[0]).expect("the checkpoint of the day");
    let sql = "SET session_replication_role = replica;
               DELETE FROM audit_events; DELETE FROM audit_entries; DELETE FROM audit_tiles;
               DELETE FROM audit_trees; DELETE FROM audit_checkpoints; DELETE FROM audit_heads";
    installation.database.execute(sql).await;
    installation.restart_listening(0).await;
    installation.client().provision("two").await.expect(201);
    let reason = broken(&installation).await;
    assert!(
        reason.contains("ENGINE_ROLES_AUDIT_CHECKPOINTS"),
        "{reason}"
    );
    let after = fs::read_to_string(&days[0]).expect("the checkpoint of the day");
    assert_eq!((days.len(), after), (1, before));
    assert!(!last.exists());
}

#[tokio::test]
async fn a_last_checkpoint_that_is_missing_is_written_again() {
    let files = Files::new();
    let mut installation = files.start().await;
    installation.client().provision("one").await.expect(201);
    let note = signed(&installation).await;
    fs::remove_file(files.path("checkpoints/engine-roles%2Fdefault.checkpoint")).expect("removed");
    installation.restart(0).await;
    eventually("the checkpoint is back", async || {
        (files.checkpoint().as_ref() == Some(&note)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_directory_that_is_missing_is_not_an_empty_one() {
    let files = Files::new();
    let installation = files
        .signing(Installation::build())
        .env("ENGINE_ROLES_AUDIT_CHECKPOINTS", files.text("nowhere"))
        .not_yet_ready()
        .start()
        .await;
    let reason = broken(&installation).await;
    assert!(
        reason.contains("the directory of the checkpoints"),
        "{reason}"
    );
}

#[tokio::test]
async fn something_else_in_the_place_of_a_checkpoint_is_reported_and_stops_nothing() {
    let files = Files::new();
    let mut installation = files.start().await;
    installation.client().provision("one").await.expect(201);
    let last = signed(&installation).await;
    let file = files.path("checkpoints/engine-roles%2Fdefault.checkpoint");
    fs::remove_file(&file).expect("removed");
    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(CWD, &file, FileType::Fifo, mode, 0).expect("a pipe");
    installation.client().provision("two").await.expect(201);
    let reason = broken(&installation).await;
    assert!(reason.contains("not a regular file"), "{reason}");
    fs::remove_file(&file).expect("removed");
    let large = fs::File::create(&file).expect("a file");
    large.set_len(1 << 40).expect("a file without blocks");
    installation.client().provision("three").await.expect(201);
    eventually("the large file is reported", async || {
        let reason = broken(&installation).await;
        reason.contains("is larger than").then_some(())
    })
    .await;
    fs::write(&file, last).expect("written");
    installation.client().delete("one").await.expect(200);
    signed(&installation).await;
    assert_eq!(readiness(&installation).await["audit"], "ok");
    installation.restart(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_everybody_can_read_is_warned_of() {
    let files = Files::new();
    let key = files.path("key.pem");
    let private = Mode::RUSR | Mode::WUSR;
    chmod(&key, private | Mode::RGRP | Mode::ROTH | Mode::WOTH).expect("the file is ours");
    let mut installation = files.start().await;
    let warning = "key of the audit log can be read by every user of the machine";
    let is_warned = |installation: &Installation| {
        let printed = installation.run(&["audit", "public-key"], &[]);
        assert!(printed.status.success(), "{printed:?}");
        assert!(String::from_utf8_lossy(&printed.stdout).starts_with("engine-roles/default+"));
        let command =
            String::from_utf8_lossy(&printed.stderr).contains("every user of the machine");
        (
            installation.replicas[0].log().text().contains(warning),
            command,
        )
    };
    assert_eq!(is_warned(&installation), (true, true));
    chmod(&key, private).expect("the file is ours");
    installation.restart(0).await;
    assert_eq!(is_warned(&installation), (false, false));
}
