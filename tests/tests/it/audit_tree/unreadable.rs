//! Rows of the audit log that somebody changed to what no program reads, or added.

use std::fs;

use engine_roles_e2e::{Installation, eventually};

use super::fixture::{Files, broken, event_sql, read, readiness, signed};

/// Returns an installation with four events, and a checkpoint of them.
async fn with_events(files: &Files) -> Installation {
    let installation = files.start().await;
    for cluster in ["one", "two"] {
        installation.client().provision(cluster).await.expect(201);
    }
    let note = signed(&installation).await;
    assert_eq!(read(&note).size, 4);
    fs::write(files.path("checkpoint"), note).expect("written");
    files.write_public_key(&installation);
    installation
}

/// Changes the database past its triggers.
async fn tamper(installation: &Installation, sql: &str) {
    let sql = format!("SET session_replication_role = replica; {sql}");
    installation.database.execute(&sql).await;
}

#[tokio::test]
async fn an_event_that_no_program_reads_hides_no_other() {
    let files = Files::new();
    let installation = with_events(&files).await;
    let clean = "CREATE TABLE clean AS SELECT * FROM audit_events";
    installation.database.execute(clean).await;
    let nested = format!("detail = '{}{}'", "[".repeat(127), "]".repeat(127));
    let deep = format!("detail = '{}{}'", "[".repeat(3000), "]".repeat(3000));
    for change in [
        "detail = '{\"n\": 1e400}'",
        "at = 'infinity'",
        "at = '-infinity'",
        "cluster = E'two\\x07'",
        "action = 'praised'",
        "to_state = 'lost'",
        "aws_request_ids = '{NULL}'",
        nested.as_str(),
        deep.as_str(),
    ] {
        let restore = "DELETE FROM audit_events; INSERT INTO audit_events SELECT * FROM clean";
        let sql = format!("{restore}; UPDATE audit_events SET {change} WHERE seq = 3");
        tamper(&installation, &sql).await;
        let client = installation.client();
        let page = client.audit("").await;
        let page = page.expect(200);
        assert_eq!(page["items"].as_array().map(Vec::len), Some(2), "{change}");
        assert_eq!(page["next_after"], 2, "{change}");
        let answer = client.audit("after=2").await;
        answer.expect_problem(500, "internal");
        assert!(
            answer
                .text
                .contains("event 3 of the audit log can't be read"),
            "{}",
            answer.text
        );
        let rest = client.audit("after=3").await;
        assert_eq!(rest.expect(200)["items"][0]["seq"], 4, "{change}");
        files.export(&installation, "export.ndjson", &[]);
        let (code, text) = files.verify(&installation, "export.ndjson", &["checkpoint"]);
        assert_eq!(code, 1, "{text}");
        let found = "event 3 was changed in the table that GET /v1/audit reads\n";
        assert_eq!(text.matches("event ").count(), 2, "{text}");
        assert!(text.starts_with(found), "{change}: {text}");
    }
}

#[tokio::test]
async fn an_event_that_can_not_be_added_to_the_tree_makes_the_log_broken() {
    let files = Files::new();
    let installation = with_events(&files).await;
    let deep = format!("'{}{}'", "[".repeat(3000), "]".repeat(3000));
    installation
        .database
        .execute(&event_sql("writer", &deep))
        .await;
    let reason = broken(&installation).await;
    assert!(
        reason.contains("event 5 of the audit log has a detail that can't be read"),
        "{reason}"
    );
}

#[tokio::test]
async fn an_event_that_can_not_be_numbered_makes_the_log_broken() {
    let files = Files::new();
    let installation = with_events(&files).await;
    // Somebody has taken the next number.
    let taken = "INSERT INTO audit_events SELECT (jsonb_populate_record(e, '{\"seq\": 5}')).*
                 FROM audit_events e WHERE seq = 4";
    tamper(&installation, taken).await;
    installation.client().delete("one").await.expect(200);
    let reason = broken(&installation).await;
    assert!(reason.contains("events can't be numbered"), "{reason}");
    tamper(&installation, "DELETE FROM audit_events WHERE seq = 5").await;
    eventually("the log is in order again", async || {
        (readiness(&installation).await["audit"] == "ok").then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_event_after_the_head_is_not_shown_and_makes_the_log_broken() {
    let files = Files::new();
    let installation = with_events(&files).await;
    let forged = "INSERT INTO audit_events SELECT (jsonb_populate_record(e, '{\"seq\": 5000}')).*
                  FROM audit_events e WHERE seq = 4";
    tamper(&installation, forged).await;
    let client = installation.client();
    for query in ["", "cluster=two", "action=provisioned"] {
        let page = client.audit(query).await;
        let page = page.expect(200);
        let items = page["items"].as_array().expect("items");
        assert!(items.iter().all(|event| event["seq"] != 5000), "{query}");
        assert_eq!(page["next_after"], 4, "{query}");
    }
    client.delete("one").await.expect(200);
    let reason = broken(&installation).await;
    assert!(
        reason.contains("event 5000 of the audit log was added by somebody else"),
        "{reason}"
    );
}
