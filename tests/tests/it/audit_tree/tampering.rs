//! What `audit verify` finds after somebody with all rights changed the database.

use std::fs;

use data_encoding::HEXLOWER;
use engine_roles_e2e::{Installation, eventually};
use engine_roles_transparency::{RightEdge, TreeHash};
use serde::Deserialize;
use serde_json::Value;

use super::fixture::{Files, OTHER_KEY, broken, event_sql, read, signed};

const EVENTS: u64 = 8;

/// Returns an installation with eight events, and a checkpoint and an export from before any change.
async fn with_events(files: &Files) -> Installation {
    let installation = files.start().await;
    for cluster in ["one", "two", "three"] {
        installation.client().provision(cluster).await.expect(201);
    }
    installation.client().delete("one").await.expect(200);
    let note = signed(&installation).await;
    assert_eq!(read(&note).size, EVENTS);
    fs::write(files.path("checkpoint"), note).expect("written");
    files.write_public_key(&installation);
    files.export(&installation, "clean.ndjson", &[]);
    let (code, text) = files.verify(&installation, "clean.ndjson", &["checkpoint"]);
    assert_eq!(code, 0, "{text}");
    installation
}

/// Changes the database past its triggers.
async fn tamper(installation: &Installation, sql: &str) {
    let sql = format!("SET session_replication_role = replica; {sql}");
    installation.database.execute(&sql).await;
}

async fn found(files: &Files, installation: &Installation, sql: &str) -> String {
    tamper(installation, sql).await;
    files.export(installation, "export.ndjson", &[]);
    let (code, text) = files.verify(installation, "export.ndjson", &["checkpoint"]);
    assert_eq!(code, 1, "{text}");
    text
}

#[tokio::test]
async fn a_changed_event_is_found() {
    let files = Files::new();
    let installation = with_events(&files).await;
    let shown = "UPDATE audit_events SET actor = 'nobody' WHERE seq = 3";
    let text = found(&files, &installation, shown).await;
    assert!(text.contains("event 3 was changed in the table"), "{text}");
    let entry = "UPDATE audit_entries SET canonical = convert_to(
                     replace(convert_from(canonical, 'UTF8'), 'init', 'nobody'), 'UTF8')
                 WHERE seq = 3";
    let text = found(&files, &installation, entry).await;
    assert_eq!(
        text,
        "event 3 was changed\nnot verified; proved up to event 2 of 8\n"
            .replace("proved up to event 2 of 8", "no event is proved")
    );
    // The service does not prove what does not match.
    let proof = installation.client().fetch("/v1/audit/3/proof").await;
    proof.expect_problem(500, "internal");
}

#[tokio::test]
async fn a_changed_detail_that_was_too_long_for_an_entry_is_found() {
    let files = Files::new();
    let installation = files.start().await;
    installation.client().provision("one").await.expect(201);
    // 70000 bytes: an entry has the digest of the detail only.
    let detail = "jsonb_build_object('text', repeat('x', 70000), 'number', 1)";
    let event = event_sql("writer", detail);
    installation.database.execute(&event).await;
    let note = signed(&installation).await;
    assert_eq!(read(&note).size, 3);
    fs::write(files.path("checkpoint"), note).expect("written");
    files.write_public_key(&installation);
    let export = files.export(&installation, "clean.ndjson", &[]);
    let line = export.lines().nth(3).expect("an event");
    assert!(line.contains("detail_sha256"), "{line}");
    let (code, text) = files.verify(&installation, "clean.ndjson", &["checkpoint"]);
    assert_eq!(code, 0, "{text}");
    // Somebody changes the file: the detail, or its presence.
    let mut line: Value = serde_json::from_str(line).expect("JSON");
    let members = line.as_object_mut().expect("an object");
    let removed = members.remove("detail").expect("a detail");
    assert_eq!(removed["number"], 1);
    let head: Vec<&str> = export.lines().take(3).collect();
    let changed = format!("{}\n{line}\n", head.join("\n"));
    fs::write(files.path("changed.ndjson"), changed).expect("written");
    let (code, text) = files.verify(&installation, "changed.ndjson", &["checkpoint"]);
    assert_eq!(code, 1, "{text}");
    let missing = "the detail of event 3 is not in the export\n";
    assert!(text.starts_with(missing), "{text}");
    // Somebody changes the table.
    let sql = "UPDATE audit_events SET detail = jsonb_set(detail, '{number}', '2') WHERE seq = 3";
    let text = found(&files, &installation, sql).await;
    assert!(
        text.starts_with(
            "the detail of event 3 was changed in the table that GET /v1/audit reads\n"
        ),
        "{text}"
    );
    let sql = "DELETE FROM audit_events WHERE seq = 3";
    let text = found(&files, &installation, sql).await;
    assert!(text.starts_with("event 3 was removed from"), "{text}");
    assert!(!text.contains("detail"), "{text}");
}

#[tokio::test]
async fn removed_and_swapped_events_are_found() {
    let files = Files::new();
    let installation = with_events(&files).await;
    let removed = "DELETE FROM audit_events WHERE seq = 4";
    let text = found(&files, &installation, removed).await;
    assert!(
        text.contains("event 4 was removed from the table"),
        "{text}"
    );
    let removed = "DELETE FROM audit_entries WHERE seq = 4";
    let text = found(&files, &installation, removed).await;
    assert!(text.contains("event 4 was removed\n"), "{text}");
    let swapped = "UPDATE audit_entries one SET canonical = other.canonical
                   FROM audit_entries other
                   WHERE (one.seq, other.seq) IN ((6, 7), (7, 6))";
    let text = found(&files, &installation, swapped).await;
    assert!(text.contains("events 6 and 7 were swapped"), "{text}");
}

#[tokio::test]
async fn a_tail_that_was_cut_off_is_found_and_nothing_is_signed() {
    let files = Files::new();
    let mut installation = with_events(&files).await;
    tamper(
        &installation,
        "DELETE FROM audit_events WHERE seq > 6; DELETE FROM audit_entries WHERE seq > 6;
         UPDATE audit_heads SET seq = 6",
    )
    .await;
    installation.restart_listening(0).await;
    let reason = broken(&installation).await;
    assert!(
        reason.contains("8 entries: events were removed at the end"),
        "{reason}"
    );
    // With the tree cut as well, the checkpoint in the directory shows it.
    let clean = fs::read_to_string(files.path("clean.ndjson")).expect("the export");
    rewrite(&installation, &clean, 6, |_, entry| entry).await;
    installation.restart_listening(0).await;
    let reason = broken(&installation).await;
    assert!(reason.contains("6 leaves, fewer than the 8"), "{reason}");
    tamper(&installation, "DELETE FROM audit_checkpoints").await;
    let text = exported_anyway(&files, &installation, 6);
    assert!(
        text.contains("the end was cut off: the export lacks numbers 7 to 8"),
        "{text}"
    );
}

#[tokio::test]
async fn a_history_that_was_rewritten_and_signed_again_is_found() {
    let files = Files::new();
    let mut installation = with_events(&files).await;
    let clean = fs::read_to_string(files.path("clean.ndjson")).expect("the export");
    let changed = |seq, entry: String| match seq {
        3 => entry.replace("init", "nobody"),
        _ => entry,
    };
    rewrite(&installation, &clean, EVENTS, changed).await;
    installation.restart_listening(0).await;
    let reason = broken(&installation).await;
    assert!(
        reason.contains("does not extend the checkpoint"),
        "{reason}"
    );
    // Whoever also has the directory and another key gets a signature, but not the log's.
    tamper(&installation, "DELETE FROM audit_checkpoints").await;
    fs::remove_dir_all(files.path("checkpoints")).expect("removed");
    fs::create_dir(files.path("checkpoints")).expect("made");
    fs::write(files.path("key.pem"), OTHER_KEY).expect("written");
    installation.restart(0).await;
    fs::write(files.path("forged"), signed(&installation).await).expect("written");
    files.export(&installation, "export.ndjson", &[]);
    let (code, text) = files.verify(&installation, "export.ndjson", &["forged"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("no known key of the log"), "{text}");
    let (code, text) = files.verify(&installation, "export.ndjson", &["checkpoint"]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("the log was rewritten after number 0 and up to 8"),
        "{text}"
    );
}

#[tokio::test]
async fn a_damaged_tree_is_not_extended() {
    let files = Files::new();
    let installation = with_events(&files).await;
    tamper(
        &installation,
        "UPDATE audit_tiles SET hashes = sha256('x') || substr(hashes, 33)",
    )
    .await;
    installation.client().provision("four").await.expect(201);
    let reason = broken(&installation).await;
    assert!(reason.contains("damaged"), "{reason}");
    let size = "SELECT size FROM audit_trees";
    let rows: Vec<Value> = installation.database.rows(size).await;
    assert_eq!(rows[0]["size"], EVENTS);
    // The service answers requests all the same.
    installation.client().get("four").await.expect(200);
    eventually("the log tells it once", async || {
        let log = installation.replicas[0].log().text();
        (log.matches("audit log is broken").count() == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_first_line_of_an_export_has_to_fit_the_others() {
    let files = Files::new();
    let installation = with_events(&files).await;
    let clean = fs::read_to_string(files.path("clean.ndjson")).expect("the export");
    let (head, lines) = clean.split_once('\n').expect("lines");
    let verified = |change: &dyn Fn(&mut Value)| {
        let mut head: Value = serde_json::from_str(head).expect("JSON");
        change(&mut head);
        fs::write(files.path("changed.ndjson"), format!("{head}\n{lines}")).expect("written");
        files.verify(&installation, "changed.ndjson", &["checkpoint"])
    };
    let (code, text) = verified(&|_| ());
    assert_eq!(code, 0, "{text}");
    let says = "the first line of the export says that its last event is 7, but it is 8\n";
    let (code, text) = verified(&|head| {
        head["size"] = 7.into();
        head["checkpoint"] = Value::Null;
    });
    assert_eq!((code, text.starts_with(says)), (1, true), "{text}");
    let (code, text) = verified(&|head| head["checkpoint"] = "text".into());
    assert_eq!(code, 1, "{text}");
    assert!(text.starts_with("the checkpoint in the export: "), "{text}");
    assert!(!text.contains("\nverified"), "{text}");
    // Another size, under the signature of the right one.
    let (code, text) = verified(&|head| {
        let note = head["checkpoint"].as_str().expect("a note");
        head["checkpoint"] = note.replacen("\n8\n", "\n9\n", 1).into();
    });
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("the signature by engine-roles/default is wrong"),
        "{text}"
    );
    // The log grows, and the end of the newer export is cut off.
    installation.client().delete("two").await.expect(200);
    signed(&installation).await;
    let grown = files.export(&installation, "grown.ndjson", &[]);
    let (code, text) = files.verify(&installation, "grown.ndjson", &["checkpoint"]);
    assert_eq!(code, 0, "{text}");
    let cut: Vec<&str> = grown.lines().take(9).collect();
    fs::write(files.path("cut.ndjson"), format!("{}\n", cut.join("\n"))).expect("written");
    let (code, text) = files.verify(&installation, "cut.ndjson", &["checkpoint"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("the export lacks numbers 9 to 10"), "{text}");
}

#[tokio::test]
async fn what_nothing_proves_is_not_accepted_in_an_export() {
    let files = Files::new();
    let installation = with_events(&files).await;
    let clean = fs::read_to_string(files.path("clean.ndjson")).expect("the export");
    let verified = |place: usize, member: &str, value: Value| {
        let mut lines: Vec<String> = clean.lines().map(str::to_owned).collect();
        let mut line: Value = serde_json::from_str(&lines[place]).expect("JSON");
        line[member] = value;
        lines[place] = line.to_string();
        let changed = format!("{}\n", lines.join("\n"));
        fs::write(files.path("changed.ndjson"), changed).expect("written");
        files.verify(&installation, "changed.ndjson", &["checkpoint"])
    };
    for place in [0, 3] {
        let (code, text) = verified(place, "note", "approved".into());
        assert_eq!(code, 1, "{text}");
        let expected = format!("line {} of ", place + 1);
        assert!(text.contains(&expected), "{text}");
    }
    let (code, text) = verified(3, "detail", serde_json::json!({"approved_by": "init"}));
    assert_eq!(code, 1, "{text}");
    let beside = "the line of event 3 has a detail beside the event, which nothing proves\n";
    assert!(text.starts_with(beside), "{text}");
    assert!(!text.contains("\nverified"), "{text}");
}

#[tokio::test]
async fn files_that_are_not_of_a_log_are_rejected() {
    let files = Files::new();
    let installation = with_events(&files).await;
    for (name, text) in [("empty", ""), ("text", "x\n"), ("json", "{}\n{}\n")] {
        fs::write(files.path(name), text).expect("written");
        let (code, text) = files.verify(&installation, name, &["checkpoint"]);
        assert_eq!(code, 1, "{name}: {text}");
        assert!(text.contains("line 1 of"), "{name}: {text}");
    }
    let mut bytes = fs::read(files.path("clean.ndjson")).expect("the export");
    let second = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("a line")
        + 9;
    bytes[second] = 0xff;
    fs::write(files.path("bytes.ndjson"), bytes).expect("written");
    let (code, text) = files.verify(&installation, "bytes.ndjson", &["checkpoint"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("line 2 of"), "{text}");
    let mut bytes = fs::read(files.path("checkpoint")).expect("the checkpoint");
    *bytes.last_mut().expect("a byte") = 0xff;
    fs::write(files.path("bytes"), bytes).expect("written");
    let (code, text) = files.verify(&installation, "clean.ndjson", &["bytes"]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("line 5 of") && text.contains("is not UTF-8"),
        "{text}"
    );
    let (code, _) = files.verify(&installation, "nowhere", &["checkpoint"]);
    assert_eq!(code, 2);
    let (code, _) = files.verify(&installation, "clean.ndjson", &["nowhere"]);
    assert_eq!(code, 2);
    let (code, _) = files.verify(&installation, "clean.ndjson", &["clean.ndjson"]);
    assert_eq!(code, 1);
}

/// Exports a log of which the service says that it is broken.
fn exported_anyway(files: &Files, installation: &Installation, size: u64) -> String {
    let export = files.export(installation, "export.ndjson", &[]);
    let lines = u64::try_from(export.lines().count()).expect("a number");
    assert_eq!(lines, size + 1);
    let (code, text) = files.verify(installation, "export.ndjson", &["checkpoint"]);
    assert_eq!(code, 1, "{text}");
    text
}

/// Replaces entries and tree by those of a log with these entries.
async fn rewrite(
    installation: &Installation,
    export: &str,
    size: u64,
    change: impl Fn(u64, String) -> String,
) {
    #[derive(Deserialize)]
    struct Line {
        seq: u64,
        event: String,
    }
    let lines = export.lines().skip(1).map(serde_json::from_str::<Line>);
    let lines = lines.map(|line| line.expect("a line"));
    let lines = lines.filter(|line| line.seq <= size);
    let entries: Vec<_> = lines
        .map(|line| (line.seq, change(line.seq, line.event)))
        .collect();
    let mut edge = RightEdge::new();
    let leaves = entries
        .iter()
        .map(|(_, entry)| TreeHash::of_leaf(entry.as_bytes()));
    let tiles = edge.append(leaves).expect("a small tree");
    let hex = |bytes: &[u8]| HEXLOWER.encode(bytes);
    let root = hex(edge.root().as_bytes());
    let mut sql = vec![
        "DELETE FROM audit_entries; DELETE FROM audit_tiles".to_owned(),
        format!("UPDATE audit_trees SET size = {size}, root = decode('{root}', 'hex')"),
    ];
    sql.extend(entries.iter().map(|(seq, entry)| {
        let entry = hex(entry.as_bytes());
        format!("INSERT INTO audit_entries VALUES ('default', {seq}, decode('{entry}', 'hex'))")
    }));
    sql.extend(tiles.iter().map(|written| {
        let (level, index) = (written.tile.level(), written.tile.index());
        let hashes = hex(&written.bytes());
        format!(
            "INSERT INTO audit_tiles VALUES ('default', {level}, {index}, decode('{hashes}', 'hex'))"
        )
    }));
    tamper(installation, &sql.join(";")).await;
}
