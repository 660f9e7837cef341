//! A database, a store on it, and intents to write down.

use std::time::Duration;

use engine_roles_domain::account::{Partition, Scope};
use engine_roles_domain::binding::{
    Actor, Binding, Deletion, Event, EventAction, Intent, State, decide_delete,
};
use engine_roles_domain::cluster::{ModeSpec, PassThroughSpec, RoleReference, RoleSpec, Secrets};
use engine_roles_domain::resources::{Namespace, RolePrefix, Tags};
use engine_roles_embedded_postgres::{TestDatabase, test_database};
use engine_roles_store::{Claim, Declaration, Declared, Next, Recorded, Store, StoreConfig};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

pub(crate) const LEASE: Duration = Duration::from_secs(30);
pub(crate) const WINDOW: Duration = Duration::from_mins(1);

pub(crate) struct TestStore {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
}

pub(crate) fn config(url: &str) -> StoreConfig {
    StoreConfig {
        url: url.to_owned(),
        max_connections: 5,
        acquire_timeout: Duration::from_secs(20),
        lease: LEASE,
        consistency_window: WINDOW,
    }
}

pub(crate) fn store_of(database: &TestDatabase, namespace: &str) -> Store {
    let namespace = Namespace::parse(namespace).expect("a namespace");
    Store::new(&config(database.url()), namespace).expect("a store")
}

pub(crate) async fn test_store() -> TestStore {
    let database = test_database().await;
    let store = store_of(&database, "test");
    store.migrate().await.expect("migrated");
    TestStore { database, store }
}

impl TestStore {
    /// Another replica, or another installation.
    pub(crate) fn other(&self, namespace: &str) -> Store {
        store_of(&self.database, namespace)
    }

    /// Runs SQL that no function of the store would.
    pub(crate) async fn sql(&self, sql: &str) -> Result<(), sqlx::Error> {
        let mut connection = PgConnection::connect(self.database.url()).await?;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await
            .map(drop)
    }

    /// Stops the database's clock at so many seconds of the tests' own time.
    pub(crate) async fn clock(&self, seconds: u64) {
        let sql = format!(
            "CREATE OR REPLACE FUNCTION service_now() RETURNS timestamptz LANGUAGE sql VOLATILE
             AS $$ SELECT timestamptz '2027-01-01' + make_interval(secs => {seconds}) $$"
        );
        self.sql(&sql).await.expect("the clock is set");
    }

    pub(crate) async fn provision(&self, cluster: &str) -> Declared {
        provision(&self.store, cluster, spec()).await
    }

    pub(crate) async fn current(&self, binding: &Binding) -> Binding {
        let found = self.store.binding(binding.id).await.expect("an answer");
        found.expect("the binding")
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
    }
}

pub(crate) fn changed() -> RoleSpec {
    RoleSpec {
        session_manager: true,
        ..spec()
    }
}

pub(crate) fn declaration(cluster: &str) -> Declaration {
    Declaration {
        cluster: cluster.parse().expect("a cluster"),
        actor: Actor("somebody".to_owned()),
        request_id: Some("r-1".to_owned()),
    }
}

/// Asks for this spec as the domain would decide it.
pub(crate) async fn provision(store: &Store, cluster: &str, spec: RoleSpec) -> Declared {
    let decide = |latest: Option<&Binding>| {
        let live = latest.filter(|binding| binding.live);
        Ok::<_, ()>(match live {
            None => Intent::New(spec),
            Some(live) if live.spec == spec => Intent::Unchanged,
            Some(_) => Intent::Change(spec),
        })
    };
    let declared = store
        .declare_role(&declaration(cluster), &scope(), decide)
        .await;
    declared.expect("an answer").expect("no refusal")
}

pub(crate) async fn tear_down(store: &Store, cluster: &str) -> Declared {
    let decide = |latest: Option<&Binding>| {
        let latest = latest.ok_or(())?;
        decide_delete(Some(latest), None, None).map_err(drop)
    };
    let declared = store.declare_teardown(&declaration(cluster), decide).await;
    declared.expect("an answer").expect("no refusal")
}

pub(crate) async fn refuse_teardown(store: &Store, cluster: &str) {
    let decide = |latest: Option<&Binding>| match latest {
        None => Err(()),
        Some(_) => Ok(Deletion::Begin),
    };
    let declared = store.declare_teardown(&declaration(cluster), decide).await;
    declared
        .expect("an answer")
        .expect_err("there never was a binding");
}

pub(crate) fn event(action: EventAction) -> Event {
    Event {
        action,
        actor: Actor::reconciler(),
        request_id: None,
        detail: json!({}),
    }
}

pub(crate) const DONE: Next = Next::Release { due_at: None };

/// Records that IAM took everything.
pub(crate) async fn activate(store: &Store, claim: &mut Claim) -> Recorded {
    let mut known = claim.binding.clone();
    known.state = State::Active;
    known.applied_generation = Some(known.generation);
    known.applied_spec = Some(known.spec.clone());
    let event = event(EventAction::Provisioned);
    let recorded = store.record(claim, &known, Some(&event), DONE).await;
    recorded.expect("an answer")
}

/// Records that everything of ours is gone.
pub(crate) async fn bury(store: &Store, claim: &mut Claim) -> Recorded {
    let mut known = claim.binding.clone();
    known.state = State::Deleted;
    known.live = false;
    let event = event(EventAction::TornDown);
    let recorded = store.record(claim, &known, Some(&event), DONE).await;
    recorded.expect("an answer")
}
