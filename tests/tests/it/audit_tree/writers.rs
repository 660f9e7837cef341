//! Many writers and several replicas at once.

use engine_roles_e2e::Installation;
use futures::future::join_all;
use serde_json::Value;

use super::fixture::{Files, event_sql, read, signed};

const WRITERS: usize = 8;
const EVENTS: usize = 500;

#[tokio::test]
async fn four_thousand_events_of_eight_writers_are_all_provable() {
    let files = Files::new();
    let installation = files
        .signing(Installation::build().replicas(2))
        .start()
        .await;
    installation.database.without_log_reads().await;
    installation.client().provision("one").await.expect(201);
    let writers = (0..WRITERS).map(|writer| {
        let database = &installation.database;
        async move {
            // Each statement is a transaction of its own, as the service's writes are.
            let events = (0..EVENTS).map(|number| {
                let detail = format!("'{{\"number\": {number}}}'");
                event_sql(&format!("writer {writer}"), &detail) + "; COMMIT;"
            });
            let events: String = events.collect();
            database.execute(&events).await;
        }
    });
    join_all(writers).await;
    let note = signed(&installation).await;
    let size = usize::try_from(read(&note).size).expect("a number");
    assert_eq!(size, WRITERS * EVENTS + 2);
    files.write_public_key(&installation);
    let export = files.export(&installation, "export.ndjson", &[]);
    std::fs::write(files.path("checkpoint"), &note).expect("written");
    let (code, text) = files.verify(&installation, "export.ndjson", &["checkpoint"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(
        text,
        format!("verified: events 1 to {size} are those that were logged\n")
    );
    let mut numbers = vec![0_usize; WRITERS];
    for (line, seq) in export.lines().skip(1).zip(1..) {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(line["seq"], seq);
        let event: Value =
            serde_json::from_str(line["event"].as_str().expect("an event")).expect("JSON");
        let actor = event["actor"].as_str().unwrap_or_default();
        let writer = actor
            .strip_prefix("writer ")
            .and_then(|writer| writer.parse::<usize>().ok());
        if let Some(writer) = writer {
            numbers[writer] += 1;
        }
    }
    assert_eq!(numbers, [EVENTS; WRITERS]);
    // An export that begins later needs no event from before.
    let later = files.export(&installation, "later.ndjson", &["--after", "3000"]);
    assert_eq!(later.lines().count(), size - 3000 + 1);
    let first = ["--first", "3001"];
    let (code, text) = files.verify_with(&installation, "later.ndjson", &["checkpoint"], &first);
    assert_eq!(code, 0, "{text}");
    let ocsf = files.export(&installation, "ocsf.ndjson", &["--format", "ocsf"]);
    assert_eq!(ocsf.lines().count(), size);
}
