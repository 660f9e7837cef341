//! Tests of which calls the gateway admits and how it handles the answers, with a real database and
//! the IAM sandbox.

use engine_roles_domain::resources::{Namespace, ProfileName, RoleName};
use engine_roles_embedded_postgres::{TestDatabase, test_database};
use engine_roles_iam::{Endpoint, IamConfig};
use engine_roles_iam_sandbox::{Effect, Fault, Sandbox, SandboxConfig, When};
use engine_roles_store::{BootTime, StoreConfig};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use super::*;

const WAIT: Duration = Duration::from_secs(30);
const LIMITS: BudgetLimits = BudgetLimits {
    rate: 16.0,
    burst: 10.0,
};

struct Account {
    _database: TestDatabase,
    sandbox: Sandbox,
    sql: Client,
    store: Store,
    gateway: Gateway,
    id: AccountId,
}

impl Account {
    /// Stops the database's clock, so that the bucket is not refilled.
    async fn new() -> Self {
        let database = test_database().await;
        let sandbox = Sandbox::start(SandboxConfig::default());
        let sandbox = sandbox.await.expect("a sandbox");
        let config = StoreConfig {
            max_connections: 4,
            acquire_timeout: Duration::from_mins(1),
            lease: Duration::from_mins(1),
            consistency_window: Duration::from_mins(1),
            ..StoreConfig::new(database.url())
        };
        let namespace = Namespace::parse("gateway").expect("a namespace");
        let store = Store::new(&config, namespace).expect("a store");
        store.migrate().await.expect("migrations");
        let endpoint = Endpoint {
            url: sandbox.endpoint(),
            access_key_id: "AKIASANDBOX000000000".to_owned(),
            secret_access_key: "sandbox".to_owned(),
        };
        let iam = IamConfig {
            region: None,
            call_timeout: Duration::from_secs(20),
        };
        let iam = Iam::connect_to(&endpoint, &iam).await;
        let (sql, connection) = tokio_postgres::connect(database.url(), NoTls)
            .await
            .expect("a connection");
        tokio::spawn(connection);
        let stop = "CREATE OR REPLACE FUNCTION service_now() RETURNS timestamptz LANGUAGE sql
                    VOLATILE AS $$ SELECT '2026-01-01T00:00:00Z'::timestamptz $$";
        sql.batch_execute(stop).await.expect("time stands still");
        Self {
            _database: database,
            sandbox,
            sql,
            store: store.clone(),
            gateway: Gateway::new(iam, store, LIMITS, None),
            id: AccountId::parse("123456789012").expect("an account"),
        }
    }

    fn terms(&self, wait: Duration) -> Terms<'_> {
        Terms::interactive(&self.id, wait)
    }

    /// Returns for how many reads there are tokens, in hand and in the bucket.
    async fn reads_left(&self) -> f64 {
        let purpose = Purpose {
            kind: CallKind::Read,
            urgency: Urgency::Interactive,
        };
        let tokens = "SELECT tokens FROM call_budgets WHERE kind = 'read'";
        let row = self.sql.query_opt(tokens, &[]).await.expect("an answer");
        let in_bucket = row.map_or(LIMITS.burst, |row| row.get(0));
        in_bucket + f64::from(self.gateway.budget.in_hand(purpose))
    }

    async fn assert_reads_left(&self, expected: f64) {
        let left = self.reads_left().await;
        assert!((left - expected).abs() < f64::EPSILON, "{left} reads left");
    }

    fn calls(&self) -> Vec<String> {
        let calls = self.sandbox.calls(0).into_iter();
        calls.map(|call| call.action).collect()
    }

    async fn throttled(&self) -> i64 {
        let throttled = "SELECT count(*) FROM call_budgets WHERE throttled_at IS NOT NULL";
        let row = self.sql.query_one(throttled, &[]).await;
        row.expect("a count").get(0)
    }
}

fn role() -> RoleName {
    RoleName::parse("prepared").expect("a name")
}

#[tokio::test]
async fn reserved_calls_that_are_not_made_are_given_back() {
    let account = Account::new().await;
    let held = account
        .gateway
        .held_role(&role(), None, account.terms(WAIT))
        .await;
    assert!(held.expect("IAM answers").is_none());
    assert_eq!(account.calls().len(), 3, "four were reserved");
    account.assert_reads_left(7.0).await;
}

#[tokio::test]
async fn a_dropped_caller_gives_back_the_calls_that_it_has_not_sent() {
    let account = Account::new().await;
    let admitted = account
        .gateway
        .admit(account.terms(WAIT), CallKind::Read, 6)
        .await;
    drop(admitted.expect("tokens are available"));
    account.assert_reads_left(10.0).await;
}

#[tokio::test]
async fn a_read_that_exceeds_the_call_budget_is_not_sent_in_part_and_slows_nobody_down() {
    let account = Account::new().await;
    let admitted = account
        .gateway
        .admit(account.terms(WAIT), CallKind::Read, 7)
        .await;
    let target = Target {
        role: Some(role()),
        profile: Some(role().into()),
    };
    // The three missing tokens are refilled after this.
    let terms = account.terms(Duration::from_millis(100));
    let read = account
        .gateway
        .observe(&target, Depth::Dependants, terms)
        .await;
    assert!(read.is_err_and(|error| error.is_not_sent()));
    assert_eq!(account.calls(), Vec::<String>::new());
    assert_eq!(account.throttled().await, 0);
    // Other callers can use the tokens that were left.
    account.assert_reads_left(3.0).await;
    drop(admitted);
}

#[tokio::test]
async fn a_throttled_call_discards_the_tokens_in_hand_and_slows_all_replicas_down() {
    let account = Account::new().await;
    account.sandbox.set_faults(vec![Fault {
        action: "GetAccountSummary".to_owned(),
        when: When::Before,
        effect: Effect::Error("Throttling".to_owned()),
        times: 1,
        skip: 0,
        params: std::collections::BTreeMap::new(),
        chance: 1.0,
    }]);
    let usage = account.gateway.quota_usage(account.terms(WAIT)).await;
    assert!(usage.is_err_and(|error| error.kind == ErrorKind::Throttled && !error.is_not_sent()));
    assert_eq!(account.throttled().await, 1);
    account.assert_reads_left(0.0).await;
}

#[tokio::test]
async fn calls_to_sts_do_not_use_the_call_budget() {
    let account = Account::new().await;
    for _ in 0..20 {
        account.gateway.caller().await.expect("STS answers");
    }
    assert_eq!(account.calls().len(), 20);
    account.assert_reads_left(10.0).await;
}

#[tokio::test]
async fn no_call_to_iam_is_sent_before_the_account_is_known() {
    let account = Account::new().await;
    let gate = StsOnly(&account.gateway);
    let usage = account.gateway.iam.through(gate).quota_usage().await;
    assert!(usage.is_err_and(|error| error.is_not_sent()));
    assert_eq!(account.calls(), Vec::<String>::new());
}

fn step() -> Step {
    Step::AddRoleToInstanceProfile {
        profile: ProfileName::parse("profile").expect("a name"),
        role: role(),
    }
}

/// Returns terms of a worker whose lease this replica took.
fn terms_of(account: &Account, replica: Option<ReplicaId>) -> Terms<'_> {
    Terms {
        lease_of: replica,
        ..account.terms(WAIT)
    }
}

/// Applies a step, and returns whether it was sent.
async fn is_sent(account: &Account, terms: Terms<'_>) -> bool {
    let applied = account.gateway.apply(&step(), terms).await;
    let error = applied.expect_err("the profile does not exist");
    let reason = error.message.as_deref().unwrap_or_default();
    assert_eq!(
        error.is_not_sent(),
        reason.contains("heartbeat"),
        "{reason}"
    );
    !error.is_not_sent()
}

#[tokio::test]
async fn a_write_is_sent_only_while_the_heartbeat_of_the_replica_with_the_lease_is_fresh() {
    let account = Account::new().await;
    let [holder, other] = [(); 2].map(|()| ReplicaId(Uuid::now_v7()));
    assert!(
        !is_sent(&account, terms_of(&account, None)).await,
        "no lease"
    );
    let terms = terms_of(&account, Some(holder));
    assert!(!is_sent(&account, terms).await, "no heartbeat yet");
    account
        .store
        .heartbeat_acknowledged(holder, BootTime::now());
    assert!(is_sent(&account, terms).await);
    assert!(
        !is_sent(&account, terms_of(&account, None)).await,
        "no lease"
    );
    account.store.heartbeat_acknowledged(other, BootTime::now());
    assert!(!is_sent(&account, terms).await, "declared dead since");
    let stale = BootTime::now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    account.store.heartbeat_acknowledged(holder, stale);
    assert!(!is_sent(&account, terms).await, "stale");
    assert_eq!(account.calls(), ["AddRoleToInstanceProfile"]);
}

#[tokio::test]
async fn a_read_of_a_worker_needs_a_fresh_heartbeat_and_other_reads_do_not() {
    let account = Account::new().await;
    let replica = ReplicaId(Uuid::now_v7());
    let target = Target {
        role: Some(role()),
        profile: None,
    };
    let read = async |terms: Terms<'_>| {
        let observed = account.gateway.observe(&target, Depth::Existence, terms);
        observed.await.map_err(|error| error.is_not_sent())
    };
    read(account.terms(WAIT)).await.expect("sent");
    let terms = terms_of(&account, Some(replica));
    assert!(read(terms).await.expect_err("not sent"));
    account
        .store
        .heartbeat_acknowledged(replica, BootTime::now());
    read(terms).await.expect("sent");
}

#[tokio::test]
async fn a_heartbeat_that_became_stale_during_the_wait_for_the_call_budget_stops_the_call() {
    let account = Account::new().await;
    let replica = ReplicaId(Uuid::now_v7());
    account
        .store
        .heartbeat_acknowledged(replica, BootTime::now());
    let terms = terms_of(&account, Some(replica));
    // The bucket holds ten tokens, and the others are refilled within four seconds.
    let first = account
        .gateway
        .admit(account.terms(WAIT), CallKind::Write, 74);
    let (first, sent) = tokio::join!(first, is_sent(&account, terms));
    assert!(first.is_ok());
    assert!(!sent);
    assert_eq!(account.calls(), Vec::<String>::new());
}
