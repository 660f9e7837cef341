//! A database for one test, a store on it, and functions that record what requests and workers do.

use std::collections::BTreeSet;
use std::time::Duration;

use engine_roles_domain::account::{Partition, Scope};
use engine_roles_domain::audit::{Actor, BindingChange, Cause, SequencedEvent};
use engine_roles_domain::binding::lifecycle::{self, Activation, NewBinding, Transition};
use engine_roles_domain::binding::{
    Binding, BindingId, Conditions, Deletion, Failure, FailureCode, Generation, Rejection,
    decide_delete,
};
use engine_roles_domain::cluster::{
    ClusterName, ModeSpec, PassThroughSpec, RoleReference, RoleSpec, Secrets,
};
use engine_roles_domain::resources::{Namespace, RolePrefix, Tags};
use engine_roles_embedded_postgres::{TestDatabase, test_database};
use engine_roles_store::{
    AuditFilter, BootTime, Change, Intent, IntentIds, Latest, Lease, Next, Operation, Recorded,
    RecordedIntent, ReplicaId, Store, StoreConfig,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

pub(crate) const LEASE: Duration = Duration::from_secs(30);
pub(crate) const WINDOW: Duration = Duration::from_mins(1);

pub(crate) struct TestStore {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
}

pub(crate) fn config(url: &str) -> StoreConfig {
    StoreConfig {
        max_connections: 5,
        acquire_timeout: Duration::from_secs(20),
        lease: LEASE,
        consistency_window: WINDOW,
        ..StoreConfig::new(url)
    }
}

pub(crate) fn store_of(database: &TestDatabase, namespace: &str) -> Store {
    let store = starting_store(database, namespace);
    has_heartbeat(&store);
    store
}

/// Returns the store of a replica whose first heartbeat was not acknowledged yet.
fn starting_store(database: &TestDatabase, namespace: &str) -> Store {
    let namespace = Namespace::parse(namespace).expect("a namespace");
    Store::new(&config(database.url()), namespace).expect("a store")
}

/// Makes the store take leases without a heartbeat, for an hour.
pub(crate) fn has_heartbeat(store: &Store) {
    let sent_at = BootTime::now() + Duration::from_hours(1);
    store.heartbeat_acknowledged(ReplicaId(Uuid::now_v7()), sent_at);
}

pub(crate) async fn test_store() -> TestStore {
    let database = test_database().await;
    let store = store_of(&database, "test");
    store.migrate().await.expect("migrated");
    TestStore { database, store }
}

impl TestStore {
    /// Returns a second store on the same database: another replica, or another installation.
    pub(crate) fn other(&self, namespace: &str) -> Store {
        store_of(&self.database, namespace)
    }

    /// Returns a second store whose first heartbeat was not acknowledged yet.
    pub(crate) fn starting(&self, namespace: &str) -> Store {
        starting_store(&self.database, namespace)
    }

    /// Runs SQL directly, for what no function of the store does.
    pub(crate) async fn sql(&self, sql: &str) -> Result<(), sqlx::Error> {
        let mut connection = PgConnection::connect(self.database.url()).await?;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await
            .map(drop)
    }

    /// Opens a connection that does not go through the store.
    pub(crate) async fn connect(&self) -> PgConnection {
        let connected = PgConnection::connect(self.database.url()).await;
        connected.expect("a connection")
    }

    /// Runs a query that returns one number.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
        query
            .fetch_one(&mut self.connect().await)
            .await
            .expect("a number")
    }

    /// Waits until no connection of a store is open. Postgres counts what a connection did at the latest when it
    /// ends, which may be after its store was closed.
    pub(crate) async fn connections_end(&self) {
        let mut connection = self.connect().await;
        let open = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'engine-roles'";
        loop {
            let count = sqlx::query_scalar(open).fetch_one(&mut connection).await;
            let count: i64 = count.expect("a count");
            if count == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Stops the database's clock this many seconds after the start of 2027.
    pub(crate) async fn clock(&self, seconds: u64) {
        let sql = format!(
            "CREATE OR REPLACE FUNCTION service_now() RETURNS timestamptz LANGUAGE sql VOLATILE
             AS $$ SELECT timestamptz '2027-01-01' + make_interval(secs => {seconds}) $$"
        );
        self.sql(&sql).await.expect("the clock is set");
    }

    pub(crate) async fn provision(&self, cluster: &str) -> RecordedIntent {
        provision(&self.store, cluster, spec()).await
    }

    pub(crate) async fn current(&self, binding: &Binding) -> Binding {
        let found = self.store.binding(binding.id).await.expect("an answer");
        found.expect("the binding")
    }

    pub(crate) async fn latest(&self, name: &str) -> Option<Binding> {
        let found = self.store.latest(&cluster(name)).await;
        found.expect("an answer")
    }

    /// Leases all due bindings and returns their clusters.
    pub(crate) async fn due(&self) -> Vec<String> {
        let leases = self.store.lease_due(9).await.expect("an answer");
        let clusters = leases.iter().map(|lease| lease.binding.cluster.to_string());
        clusters.collect()
    }
}

pub(crate) fn scope() -> Scope {
    Scope {
        account: "123456789012".parse().expect("an account"),
        partition: Partition::Aws,
    }
}

pub(crate) fn spec() -> RoleSpec {
    RoleSpec {
        mode: ModeSpec::PassThrough(PassThroughSpec {
            iam_role: RoleReference::parse("engine").expect("a role"),
            instance_profile: None,
        }),
        secrets: Secrets::All,
        session_manager: false,
        region: "us-west-2".parse().expect("a region"),
        kms_key: None,
        role_prefix: RolePrefix::parse("").expect("a prefix"),
        tags: Tags::default(),
        administrator_tag_keys: BTreeSet::new(),
    }
}

pub(crate) fn changed() -> RoleSpec {
    RoleSpec {
        session_manager: true,
        ..spec()
    }
}

pub(crate) fn cluster(name: &str) -> ClusterName {
    name.parse().expect("a cluster")
}

/// The cause of the intents in these tests.
pub(crate) fn caller() -> Cause {
    Cause {
        request_id: Some("r-1".to_owned()),
        ..Cause::without_request(Actor("somebody".to_owned()))
    }
}

/// Returns how the binding changed that an event is about.
pub(crate) fn change(event: &SequencedEvent) -> &BindingChange {
    event.change.as_ref().expect("an event about a binding")
}

pub(crate) fn new_binding(
    store: &Store,
    name: &str,
    spec: RoleSpec,
    generation: Generation,
) -> NewBinding {
    NewBinding {
        id: BindingId(Uuid::now_v7()),
        cluster: cluster(name),
        namespace: store.namespace().clone(),
        scope: scope(),
        spec,
        generation,
    }
}

/// Records the intent to have a role with this spec.
pub(crate) async fn provision(store: &Store, name: &str, spec: RoleSpec) -> RecordedIntent {
    loop {
        let latest = read(store, name).await;
        let live = latest.binding.clone().filter(Binding::is_live);
        let intent = match live {
            None => {
                let new = new_binding(store, name, spec.clone(), latest.generation + 1);
                Intent::New(Box::new(lifecycle::provision_requested(new, latest.now)))
            }
            Some(live) if live.spec == spec => return unchanged(live),
            Some(live) => {
                let change = lifecycle::change_requested(live, spec.clone(), latest.now);
                Intent::Changed(Box::new(change.expect("a binding that may be changed")))
            }
        };
        if let Some(recorded) = record_intent(store, &latest, &intent).await {
            return recorded;
        }
    }
}

pub(crate) async fn read(store: &Store, name: &str) -> Latest {
    let (cluster, operation) = (cluster(name), Operation::Provision);
    let latest = store.read_latest(&cluster, operation).await;
    latest.expect("an answer")
}

/// Records an intent that was decided from `latest`; none when the cluster was changed since.
pub(crate) async fn record_intent(
    store: &Store,
    latest: &Latest,
    intent: &Intent,
) -> Option<RecordedIntent> {
    let (ids, operation) = (
        IntentIds::new(store.current_replica()),
        Operation::Provision,
    );
    store
        .record_intent(latest, intent, ids, &caller(), operation)
        .await
        .expect("an answer")
}

fn unchanged(binding: Binding) -> RecordedIntent {
    RecordedIntent {
        binding,
        change: Change::Unchanged,
        lease: None,
    }
}

/// Records the intent to remove the cluster's role.
pub(crate) async fn request_teardown(
    store: &Store,
    name: &str,
) -> Result<RecordedIntent, Rejection> {
    loop {
        let latest = read(store, name).await;
        let changed = match decide_delete(latest.binding.as_ref(), None, &Conditions::default())? {
            Deletion::Begin(live) => lifecycle::teardown_begun(*live, latest.now),
            Deletion::Resume(blocked) => lifecycle::teardown_resumed(*blocked, latest.now),
            Deletion::Close(failed) => lifecycle::closed(*failed, latest.now),
            Deletion::Continue(same) | Deletion::Done(same) => return Ok(unchanged(*same)),
        };
        let intent = Intent::Changed(Box::new(changed.expect("what was decided")));
        if let Some(recorded) = record_intent(store, &latest, &intent).await {
            return Ok(recorded);
        }
    }
}

pub(crate) async fn tear_down(store: &Store, name: &str) -> RecordedIntent {
    let recorded = request_teardown(store, name).await;
    recorded.expect("a recorded intent")
}

pub(crate) const DONE: Next = Next::Release { due_at: None };

/// Records what a worker's transition returned.
pub(crate) async fn record(
    store: &Store,
    lease: &mut Lease,
    transition: &Transition,
    next: Next,
) -> Recorded {
    let recorded = store
        .record(
            lease,
            transition,
            &Cause::reconciler(),
            &[],
            next,
            Operation::Reconcile,
        )
        .await;
    recorded.expect("an answer")
}

/// Releases the lease and leaves the binding as it is.
pub(crate) async fn release(store: &Store, lease: &mut Lease, next: Next) -> Recorded {
    let same = Transition::silent(lease.binding.clone());
    record(store, lease, &same, next).await
}

/// Returns the transition for a binding whose spec AWS has applied.
pub(crate) fn activated(lease: &Lease, binding: Binding) -> Transition {
    let activation = Activation {
        policy: None,
        usable_after: None,
        calls: 0,
    };
    lifecycle::activated(binding, activation, lease.now()).expect("a binding in progress")
}

/// Records that AWS has applied the spec.
pub(crate) async fn activate(store: &Store, lease: &mut Lease) -> Recorded {
    let transition = activated(lease, lease.binding.clone());
    record(store, lease, &transition, DONE).await
}

/// Records that all resources of the binding are gone.
pub(crate) async fn remove(store: &Store, lease: &mut Lease) -> Recorded {
    let transition = lifecycle::resources_gone(lease.binding.clone(), true, lease.now());
    record(store, lease, &transition.expect("a removal"), DONE).await
}

/// Describes a final failure of the binding's intent.
pub(crate) fn failure(lease: &Lease) -> Failure {
    let detail = "no".to_owned();
    lease
        .binding
        .failure(FailureCode::Internal, detail, lease.now())
}

/// Records that the intent is rejected, and keeps the lease.
pub(crate) async fn reject(store: &Store, lease: &mut Lease) -> Recorded {
    let transition = lifecycle::rejected(lease.binding.clone(), failure(lease), lease.now());
    let transition = transition.expect("a binding in progress");
    record(store, lease, &transition, Next::Keep).await
}

/// Numbers all events that have no number yet, and returns how many those were.
pub(crate) async fn number(store: &Store) -> u64 {
    let mut numbered = 0;
    loop {
        let sequenced = store.sequence_audit().await.expect("numbered");
        numbered += sequenced.numbered;
        if !sequenced.more {
            return numbered;
        }
    }
}

/// Returns the audit log with all events that were written before.
pub(crate) async fn log(store: &Store, filter: &AuditFilter) -> Vec<SequencedEvent> {
    number(store).await;
    store.audit(filter, 1000).await.expect("the log").events
}
