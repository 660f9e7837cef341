//! Events that were dropped with their partition, and logs that are older than their tree.

use std::fs;

use engine_roles_e2e::{Installation, eventually};

use super::fixture::{Files, read, signed};

/// Drops the partition of all events before number 5, as the retention does.
const DROP: &str = "
    CREATE TABLE kept AS SELECT * FROM audit_events WHERE seq >= 5;
    ALTER TABLE audit_events DETACH PARTITION audit_events_from_1;
    DROP TABLE audit_events_from_1;
    SELECT audit_make_partition(5, 10000001);
    INSERT INTO audit_events SELECT * FROM kept;
    DROP TABLE kept";

async fn with_eight_events(installation: &Installation) {
    for cluster in ["one", "two", "three", "four"] {
        installation.client().provision(cluster).await.expect(201);
    }
    installation.events_are_numbered().await;
}

#[tokio::test]
async fn events_that_remain_are_proved_after_the_others_have_expired() {
    let files = Files::new();
    let installation = files.start().await;
    with_eight_events(&installation).await;
    signed(&installation).await;
    installation.database.execute(DROP).await;
    let expire = "SELECT audit_expire_entries('default', 1000)";
    installation.database.execute(expire).await;
    // Before the next events, whose checkpoint replaces this one.
    let eight = eventually("eight events are signed", async || {
        let file = files.path("checkpoints/engine-roles%2Fdefault.checkpoint");
        let note = fs::read_to_string(file).ok()?;
        (read(&note).size == 8).then_some(note)
    })
    .await;
    fs::write(files.path("eight"), eight).expect("written");
    let client = installation.client();
    client.delete("four").await.expect(200);
    let note = eventually("ten events are signed", async || {
        let answer = client.fetch("/v1/audit/checkpoint").await;
        (read(&answer.text).size == 10).then_some(answer.text)
    })
    .await;
    fs::write(files.path("ten"), note).expect("written");
    files.write_public_key(&installation);
    files.export(&installation, "export.ndjson", &[]);
    // Nothing in the files tells that the events have expired, and were not removed by somebody.
    let (code, text) = files.verify(&installation, "export.ndjson", &["eight", "ten"]);
    assert_eq!(code, 1, "{text}");
    let missing = "the beginning is missing: the export lacks numbers 1 to 4\n";
    assert!(text.starts_with(missing), "{text}");
    let both = ["eight", "ten"];
    let known = ["--first", "5"];
    let (code, text) = files.verify_with(&installation, "export.ndjson", &both, &known);
    assert_eq!(code, 0, "{text}");
    let expected = "events 1 to 4 are not in the export\n\
                    verified: events 5 to 10 are those that were logged\n";
    assert_eq!(text, expected);
    // The checkpoints prove nothing of what begins after them.
    for (first, expected) in [("11", 0), ("12", 1), ("18446744073709551615", 1)] {
        let flags = ["--first", first];
        let (code, text) = files.verify_with(&installation, "export.ndjson", &both, &flags);
        assert_eq!(code, expected, "{first}: {text}");
        let nothing = text.contains("the largest checkpoint has size 10: nothing is proved");
        assert_eq!(nothing, expected == 1, "{first}: {text}");
    }
    // The first event follows a checkpoint, which is verified.
    let after = |checkpoints: &[&str], name: &str| {
        let path = files.text(name);
        let flags = ["--first-after", path.as_str()];
        files.verify_with(&installation, "export.ndjson", checkpoints, &flags)
    };
    let (code, text) = after(&["ten"], "eight");
    assert_eq!((code, text.as_str()), (0, expected));
    let eight = fs::read_to_string(files.path("eight")).expect("a checkpoint");
    for (name, made) in [
        ("forged", eight.replacen("\n8\n", "\n9\n", 1)),
        (
            "other",
            eight.replace("engine-roles/default", "engine-roles/other"),
        ),
        ("none", "8\n8\n".to_owned()),
    ] {
        fs::write(files.path(name), made).expect("written");
        let (code, text) = after(&both, name);
        assert_eq!(code, 1, "{name}: {text}");
        assert!(!text.contains("verified: "), "{name}: {text}");
    }
    assert_eq!(after(&both, "nowhere").0, 2);
    // The hashes of what has expired are still there, the events are not.
    let proof = client.fetch("/v1/audit/2/proof").await;
    assert!(proof.expect(200)["entry"].is_null());
    let bundle = client.fetch("/v1/audit/tile/entries/000.p/10").await;
    bundle.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_log_that_is_older_than_its_tree_gets_one() {
    let files = Files::new();
    let mut installation = Installation::start().await;
    installation.database.without_log_reads().await;
    with_eight_events(&installation).await;
    installation.replicas[0].kill().await;
    // As after the migration of a database whose first events have been dropped.
    let without_tree = format!(
        "SET session_replication_role = replica;
         DELETE FROM audit_trees; DELETE FROM audit_tiles; DELETE FROM audit_entries;
         SET session_replication_role = DEFAULT; {DROP}"
    );
    installation.database.execute(&without_tree).await;
    for (name, value) in [
        ("ENGINE_ROLES_AUDIT_KEY_FILE", files.text("key.pem")),
        ("ENGINE_ROLES_AUDIT_CHECKPOINTS", files.text("checkpoints")),
    ] {
        installation.set_env(name, &value);
    }
    installation.restart(0).await;
    let client = installation.client();
    let note = eventually("eight events are signed", async || {
        let answer = client.fetch("/v1/audit/checkpoint").await;
        (answer.status == 200 && read(&answer.text).size == 8).then_some(answer.text)
    })
    .await;
    fs::write(files.path("checkpoint"), note).expect("written");
    let proof = client.fetch("/v1/audit/4/proof").await;
    assert_eq!(proof.expect(200)["entry"], r#"{"expired":true,"seq":4}"#);
    files.write_public_key(&installation);
    files.export(&installation, "export.ndjson", &[]);
    let (code, text) = files.verify(&installation, "export.ndjson", &["checkpoint"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(text, "verified: events 1 to 8 are those that were logged\n");
}
