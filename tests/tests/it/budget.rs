//! With the smallest call budget no call to IAM bypasses it, and an operation that gets no call
//! reports that.

use std::pin::pin;
use std::time::Duration;

use engine_roles_e2e::{Answer, Client, Database, Installation, InstallationBuilder, eventually};
use engine_roles_iam_sandbox::Call;
use futures::future::{join, join_all, select};
use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};

/// The smallest values that the configuration allows.
const RATE: u64 = 1;
const BURST: u64 = 10;
/// How long the account tasks run before their calls are counted.
const WATCHED: Duration = Duration::from_secs(12);

/// An installation with live clusters that was restarted with a small budget.
struct Scarce {
    installation: Installation,
    clusters: Vec<String>,
    /// The number of the last call before the restart.
    since: u64,
    /// The time of that call in the sandbox's log.
    started_ms: u64,
}

impl Scarce {
    async fn start(builder: InstallationBuilder, clusters: usize) -> Self {
        let installation = builder
            .env("ENGINE_ROLES_CALL_RATE", "10000")
            .env("ENGINE_ROLES_CALL_BURST", "10000")
            .env("ENGINE_ROLES_CONSISTENCY_WINDOW", "1s")
            .start()
            .await;
        let clusters: Vec<String> = (0..clusters)
            .map(|number| format!("cluster-{number}"))
            .collect();
        let client = installation.client().waiting_longest();
        for created in join_all(clusters.iter().map(|name| client.provision(name))).await {
            created.expect(201);
        }
        let mut scarce = Self {
            installation,
            clusters,
            since: 0,
            started_ms: 0,
        };
        scarce.restart().await;
        scarce
    }

    async fn restart(&mut self) {
        let installation = &mut self.installation;
        installation.set_env("ENGINE_ROLES_CALL_RATE", &RATE.to_string());
        installation.set_env("ENGINE_ROLES_CALL_BURST", &BURST.to_string());
        installation.replicas[0].kill().await;
        installation.administrator.get_caller_identity().await;
        let last = installation.sandbox.calls(0).pop();
        let last = last.expect("a call was just made");
        (self.since, self.started_ms) = (last.n, last.started_ms);
        installation.restart_during_faults(0).await;
    }

    fn client(&self) -> Client {
        self.installation.client()
    }

    fn calls(&self, is_of_kind: impl Fn(&Call) -> bool) -> Vec<Call> {
        let mut calls = self.installation.iam_calls(self.since);
        calls.retain(is_of_kind);
        calls.sort_by_key(|call| call.started_ms);
        calls
    }

    fn reads(&self) -> Vec<Call> {
        self.calls(is_read)
    }

    /// Checks that at every time since the start, no more calls of a kind had reached IAM than the
    /// budget had issued tokens.
    ///
    /// The bucket has at most `BURST` tokens when the process starts, and gets `RATE` per second.
    /// Every call takes one token before it is sent. The count begins at the start of the process
    /// because a replica takes up to 16 tokens at once: in a later interval, calls may use tokens
    /// that were taken before the interval. A call's time is known to a millisecond.
    fn assert_within_budget(&self) {
        for (kind, calls) in [
            ("read", self.reads()),
            ("write", self.calls(|call| !is_read(call))),
        ] {
            for (call, count) in calls.iter().zip(1..) {
                let elapsed_ms = call.started_ms + 1 - self.started_ms;
                let tokens_ms = BURST * 1000 + RATE * elapsed_ms;
                assert!(
                    count * 1000 <= tokens_ms,
                    "{count} {kind} calls within {elapsed_ms} ms, the last is {}",
                    call.action
                );
            }
        }
    }

    /// Requests plans for all clusters, so that some request always waits for a read.
    async fn plan_all(&self, times: usize) -> Vec<Answer> {
        self.plan(&self.clusters, times).await
    }

    async fn plan(&self, clusters: &[String], times: usize) -> Vec<Answer> {
        let client = self.client();
        let plans = (0..times).flat_map(|_| clusters);
        join_all(plans.map(|cluster| client.plan(cluster, json!({})))).await
    }

    /// Runs a future while the budget for reads is used up, and checks that the budget was kept.
    async fn run_while_reads_are_scarce<T>(&self, action: impl Future<Output = T>) -> T {
        let (_, done) = join(self.plan_all(5), action).await;
        self.assert_within_budget();
        // With fewer reads than the burst, an exceeded budget could not be noticed.
        assert!(self.reads().len() >= usize::try_from(BURST).expect("the number is small"));
        done
    }
}

fn is_read(call: &Call) -> bool {
    let reads = ["Get", "List", "Simulate"];
    reads.iter().any(|verb| call.action.starts_with(verb))
}

fn count_of(plans: &[Answer], basis: &str) -> usize {
    let of_basis = |plan: &&Answer| plan.expect(200)["basis"] == basis;
    plans.iter().filter(of_basis).count()
}

#[tokio::test]
async fn two_hundred_concurrent_plans_read_iam_within_the_budget_and_use_the_record_otherwise() {
    let scarce = Scarce::start(Installation::build().rarely_checked(), 20).await;
    let plans = scarce.plan_all(10).await;
    scarce.assert_within_budget();
    let (observed, recorded) = (count_of(&plans, "observed"), count_of(&plans, "recorded"));
    assert_eq!(observed + recorded, 200);
    assert!(recorded > 100, "{recorded}");
    // A plan from the record made no call: the reads of a plan are admitted together or not at all.
    let actions = ["GetRole", "GetRolePolicy", "GetInstanceProfile"];
    let name = |call: &Call| {
        let names = [
            &call.params.get("RoleName"),
            &call.params.get("InstanceProfileName"),
        ];
        names
            .iter()
            .any(|name| name.is_some_and(|name| name.contains("cluster-")))
    };
    let calls = scarce.calls(|call| actions.contains(&call.action.as_str()) && name(call));
    assert_eq!(calls.len(), observed * 3);
    // After the requests are answered, a plan can read IAM again.
    eventually("a plan is observed again", async || {
        let plan = scarce.client().plan("cluster-0", json!({})).await;
        (count_of(&[plan], "observed") == 1).then_some(())
    })
    .await;
    scarce.assert_within_budget();
}

#[tokio::test]
async fn attestations_for_requests_and_by_the_account_task_keep_to_the_budget() {
    let roles = ["prepared-a", "prepared-b", "prepared-c"];
    let mut builder = Installation::build().env("ENGINE_ROLES_RECONCILE_INTERVAL", "2s");
    for role in roles {
        builder = builder.prepared(role);
    }
    let scarce = Scarce::start(builder, 2).await;
    let client = scarce.client().without_waiting();
    let pass = (0..30).map(|number| {
        let body = json!({"mode": "pass_through", "iam_role": roles[number % roles.len()]});
        let client = client.clone();
        async move { client.put(&format!("passing-{number}"), body).await }
    });
    let passed = scarce.run_while_reads_are_scarce(join_all(pass)).await;
    for answer in passed {
        answer.expect(202);
    }
    let listed = client.fetch("/v1/pass-through-roles").await;
    let listed = listed.expect(200)["items"].as_array().cloned();
    for role in listed.expect("a list") {
        assert_ne!(role["verdict"], "unfit", "{role:#}");
    }
    tokio::time::sleep(WATCHED).await;
    scarce.assert_within_budget();
}

#[tokio::test]
async fn sweeps_keep_to_the_budget_and_still_run() {
    let builder = Installation::build().env("ENGINE_ROLES_RECONCILE_INTERVAL", "1s");
    let scarce = Scarce::start(builder, 3).await;
    for action in [
        "ListRoles",
        "ListInstanceProfiles",
        "GetAccountAuthorizationDetails",
    ] {
        scarce.installation.reached(action, scarce.since).await;
    }
    tokio::time::sleep(WATCHED).await;
    scarce.assert_within_budget();
}

#[tokio::test]
async fn capabilities_are_unknown_and_never_missing_when_the_budget_is_used_up() {
    let mut scarce = Scarce::start(Installation::build().rarely_checked(), 20).await;
    let mut unknown = 0;
    // The detection at the start may have been finished before the plans used the budget up.
    for _ in 0..5 {
        let ask =
            join_all((0..30).map(|_| async { scarce.client().fetch("/v1/capabilities").await }));
        for answer in scarce.run_while_reads_are_scarce(ask).await {
            let features = answer.expect(200)["features"].as_array();
            for feature in features.expect("a list") {
                assert_ne!(feature["status"], "missing", "{feature:#}");
                if feature["status"] == "unknown" {
                    unknown += 1;
                    assert_ne!(feature["reasons"], json!([]), "{feature:#}");
                }
            }
        }
        if unknown > 0 {
            break;
        }
        scarce.restart().await;
    }
    assert!(unknown > 0);
}

#[tokio::test]
async fn access_reports_that_get_no_call_answer_iam_unavailable() {
    let scarce = Scarce::start(Installation::build().rarely_checked(), 20).await;
    let client = scarce.client();
    let ask = join_all(scarce.clusters.iter().map(|cluster| client.access(cluster)));
    let reports = scarce.run_while_reads_are_scarce(ask).await;
    let mut unavailable = 0;
    for report in reports {
        if report.status == 200 {
            assert_ne!(report.body["role"], Value::Null);
            continue;
        }
        report.expect_problem(503, "iam_unavailable");
        unavailable += 1;
    }
    assert!(unavailable > 0);
}

#[tokio::test]
async fn the_read_after_a_denied_delete_keeps_to_the_budget() {
    let scarce = Scarce::start(Installation::build().rarely_checked(), 20).await;
    let installation = &scarce.installation;
    installation
        .deny(&["iam:DeleteRole", "iam:DeleteInstanceProfile"])
        .await;
    let (torn_down, planned) = scarce.clusters.split_at(8);
    let client = scarce.client();
    let tear_down = async {
        for cluster in torn_down {
            client.without_waiting().delete(cluster).await.expect(202);
        }
        for cluster in torn_down {
            installation.reaches(cluster, "blocked").await;
        }
    };
    let keep_reads_scarce = async {
        loop {
            scarce.plan(planned, 5).await;
        }
    };
    select(pin!(tear_down), pin!(keep_reads_scarce)).await;
    scarce.assert_within_budget();
    let denied = scarce.calls(|call| call.error.as_deref() == Some("AccessDenied"));
    assert!(denied.len() >= torn_down.len(), "{denied:?}");
}

/// Counts the statements that update the budget's row, those included that change no row.
async fn count_budget_statements(database: &Database) {
    let count = "
        CREATE SEQUENCE budget_statements MINVALUE 0;
        SELECT nextval('budget_statements');
        CREATE FUNCTION count_budget_statement() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN PERFORM nextval('budget_statements'); RETURN NULL; END $$;
        CREATE TRIGGER count_budget_statements AFTER UPDATE ON call_budgets
        FOR EACH STATEMENT EXECUTE FUNCTION count_budget_statement();";
    database.execute(count).await;
}

async fn budget_statements(database: &Database) -> usize {
    #[derive(Deserialize)]
    struct Counted {
        last_value: usize,
    }
    let counted: Vec<Counted> = database
        .rows("SELECT last_value FROM budget_statements")
        .await;
    counted.first().expect("a sequence has one row").last_value
}

#[tokio::test]
async fn a_hundred_waiting_callers_use_the_budget_once_for_many_calls() {
    let installation = Installation::build()
        // So few that callers wait for the budget and not for the machine.
        .env("ENGINE_ROLES_CALL_RATE", "40")
        .env("ENGINE_ROLES_CALL_BURST", BURST.to_string())
        .rarely_checked()
        .start()
        .await;
    count_budget_statements(&installation.database).await;
    let client = installation.client().waiting_longest();
    let names: Vec<String> = (0..100).map(|number| format!("cluster-{number}")).collect();
    let created: Vec<Answer> = stream::iter(&names)
        .map(|name| client.provision(name))
        .buffer_unordered(100)
        .collect()
        .await;
    for answer in &created {
        answer.expect(201);
    }
    let calls = installation.mutations(0).len();
    assert_eq!(calls, 100 * 4);
    // Callers that ask again and again until there is a token need hundreds of statements.
    let statements = budget_statements(&installation.database).await;
    assert!(
        statements * 10 <= calls,
        "{statements} statements for {calls} calls"
    );
    assert!(statements > 0);
}
