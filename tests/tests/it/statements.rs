//! How many statements Postgres executes for a request.

use engine_roles_e2e::binary::service_binary;
use engine_roles_e2e::measuring::{Counts, round_trips};
use engine_roles_e2e::statements::Statements;

/// The statements of each request, without background work.
const STATEMENTS: Counts = Counts {
    put: 3,
    repeated_put: 1,
    get: 1,
    delete: 3,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_takes_a_fixed_number_of_statements() {
    let found = round_trips(&service_binary()).await;
    assert_eq!(found.of_requests(), STATEMENTS, "{found:#?}");
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
