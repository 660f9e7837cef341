//! How many statements Postgres executes for a request.

use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_e2e::binary::service_binary;
use engine_roles_e2e::measuring::{Counts, round_trips};
use engine_roles_e2e::statements::{StatementLog, Statements};
use engine_roles_e2e::{Installation, eventually};
use serde::Deserialize;
use serde_json::json;

/// The statements of each request, without background work.
const STATEMENTS: Counts = Counts {
    put: 3,
    repeated_put: 1,
    get: 1,
    delete: 3,
};

/// The number of kinds of sweeps.
const SWEEPS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_takes_a_fixed_number_of_statements() {
    let found = round_trips(&service_binary()).await;
    assert_eq!(found.of_requests(), STATEMENTS, "{found:#?}");
    // Each statement is one round trip: no connection is asked whether it still works.
    let none = Counts {
        put: 0,
        repeated_put: 0,
        get: 0,
        delete: 0,
    };
    assert_eq!(found.pings(), none);
}

/// Returns when each kind of sweep is due.
async fn swept(installation: &Installation) -> Vec<(String, DateTime<Utc>)> {
    #[derive(Deserialize)]
    struct Sweep {
        kind: String,
        next_at: DateTime<Utc>,
    }
    let sweeps = "SELECT kind, next_at FROM sweeps ORDER BY kind";
    let sweeps: Vec<Sweep> = installation.database.rows(sweeps).await;
    let sweeps = sweeps.into_iter();
    sweeps.map(|sweep| (sweep.kind, sweep.next_at)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_begins_with_a_comment_that_says_what_it_is_for() {
    let mut installation = Installation::build()
        .own_postgres()
        .prepared("prepared-for-engines")
        .start()
        .await;
    let log = StatementLog::start(&mut installation).await;
    let start = log.mark(&installation).await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    let passed = json!({"mode": "pass_through", "iam_role": "prepared-for-engines"});
    client.put("two", passed).await.expect(201);
    client
        .put("one", json!({"secrets": ["a"]}))
        .await
        .expect(200);
    client.plan("one", json!({})).await.expect(200);
    client.access("one").await.expect(200);
    for path in [
        "/v1/clusters",
        "/v1/audit",
        "/v1/pass-through-roles",
        "/metrics",
        "/readyz",
    ] {
        assert_eq!(client.fetch(path).await.status, 200, "{path}");
    }
    client.delete("one").await.expect(200);
    let before = eventually("each sweep is planned", async || {
        let sweeps = swept(&installation).await;
        (sweeps.len() == SWEEPS).then_some(sweeps)
    })
    .await;
    installation.advance(Duration::from_hours(48)).await;
    eventually("each sweep has run", async || {
        let now = swept(&installation).await;
        let are_later = before.iter().zip(&now).all(|(before, now)| before < now);
        are_later.then_some(())
    })
    .await;
    let answered = log.mark(&installation).await;
    log.settles(answered).await;
    let end = log.mark(&installation).await;
    let found = log.between(start, end);
    assert_eq!(found.without_comment(), [""; 0]);
}

#[test]
fn statements_are_divided_by_their_comments() {
    let log = "\
|7|main|engine-roles|LOG:  execute sqlx_s_1: /* provision */ SELECT a
|8|main|engine-roles|LOG:  execute sqlx_s_9: /* tick */
\tUPDATE replicas
\t  SET heartbeat = 1
|7|main|engine-roles|LOG:  execute sqlx_s_2: /* task: reconcile */ SELECT b
|7|main|engine-roles|LOG:  execute <unnamed>: SELECT c
|7|main|engine-roles|ERROR:  canceling statement due to lock timeout
|7|main|engine-roles|STATEMENT:  SELECT d
|7|other|engine-roles|LOG:  execute sqlx_s_3: SELECT e
|7|main|tests|LOG:  statement: SELECT f
";
    let expected = Statements {
        of_requests: ["/* provision */ SELECT a", "SELECT c"]
            .map(str::to_owned)
            .into(),
        of_background: [
            "/* tick */\nUPDATE replicas\n  SET heartbeat = 1",
            "/* task: reconcile */ SELECT b",
        ]
        .map(str::to_owned)
        .into(),
        pings: 0,
    };
    assert_eq!(Statements::read(log, "main", &(0..log.len())), expected);
}

#[test]
fn begin_and_commit_belong_to_the_statements_between_them() {
    let log = "\
|7|main|engine-roles|LOG:  statement: BEGIN
|8|main|engine-roles|LOG:  statement: BEGIN
|7|main|engine-roles|LOG:  execute sqlx_s_1: SELECT pg_advisory_xact_lock(1)
|8|main|engine-roles|LOG:  execute sqlx_s_2: /* provision */ SELECT a
|7|main|engine-roles|LOG:  execute sqlx_s_3: /* sequence */ SELECT b
|7|main|engine-roles|LOG:  statement: COMMIT
|8|main|engine-roles|LOG:  statement: ROLLBACK
";
    let found = Statements::read(log, "main", &(0..log.len()));
    assert_eq!(
        found.of_requests,
        ["BEGIN", "/* provision */ SELECT a", "ROLLBACK"]
    );
    assert_eq!(found.of_background.len(), 4, "{found:?}");
    let end = log.find("|7|main|engine-roles|LOG:  statement: COMMIT");
    let ends = end.expect("the line exists")..log.len();
    let found = Statements::read(log, "main", &ends);
    assert_eq!(found.of_requests, ["ROLLBACK"]);
    assert_eq!(found.of_background, ["COMMIT"]);
}
