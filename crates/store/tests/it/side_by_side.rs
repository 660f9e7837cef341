//! The release before this one runs beside ours: its statements, as it sends them, on this schema.
//!
//! It keeps lease, due time and consistency times in `bindings`, and its leases name no replica.

use engine_roles_domain::binding::State;
use engine_roles_store::{Operation, Recorded};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::test_store::{DONE, TestStore, activate, changed, provision, release, test_store};

/// A replica of the older release.
struct Older<'a>(&'a TestStore);

impl Older<'_> {
    async fn connect(&self) -> PgConnection {
        let connection = PgConnection::connect(self.0.database.url()).await;
        connection.expect("a connection")
    }

    /// Takes leases on bindings that are due; returns their tokens.
    async fn lease_due(&self) -> Vec<Uuid> {
        let sql = "WITH clock AS MATERIALIZED (SELECT service_now() AS now),
               due AS (
                   SELECT id FROM bindings
                   WHERE namespace = 'test'
                     AND due_at <= (SELECT now FROM clock)
                     AND (lease_until IS NULL OR lease_until <= (SELECT now FROM clock))
                   ORDER BY due_at
                   LIMIT 9
                   FOR UPDATE SKIP LOCKED
               )
               UPDATE bindings b
               SET lease_token = gen_random_uuid(),
                   lease_until = clock.now + make_interval(secs => 30),
                   due_at = clock.now + make_interval(secs => 30),
                   writes_settle_at = GREATEST(
                       b.writes_settle_at, b.lease_until + make_interval(secs => 60))
               FROM due, clock
               WHERE b.id = due.id
               RETURNING b.lease_token";
        let mut connection = self.connect().await;
        let tokens = sqlx::query_scalar(sql).fetch_all(&mut connection).await;
        tokens.expect("an answer")
    }

    /// Takes the lease on one binding for a request; returns its token.
    async fn lease_within(&self, id: Uuid) -> Option<Uuid> {
        let sql = "WITH clock AS MATERIALIZED (SELECT service_now() AS now)
               UPDATE bindings b
               SET lease_token = gen_random_uuid(),
                   lease_until = clock.now + make_interval(secs => 30),
                   due_at = clock.now + make_interval(secs => 30),
                   writes_settle_at = GREATEST(
                       b.writes_settle_at, b.lease_until + make_interval(secs => 60))
               FROM clock
               WHERE b.id = $1 AND (b.lease_until IS NULL OR b.lease_until <= clock.now)
               RETURNING b.lease_token";
        let token = sqlx::query_scalar(sql).bind(id);
        let token = token.fetch_optional(&mut self.connect().await).await;
        token.expect("an answer")
    }

    /// Records an outcome and releases the lease; returns whether the lease was still held.
    async fn record(&self, id: Uuid, token: Uuid, state: &str, due: &str) -> bool {
        let sql = format!(
            "UPDATE bindings SET state = '{state}', applied_generation = generation,
                 applied_spec = spec, reads_settle_at = service_now() + interval '20 seconds',
                 writes_settle_at = GREATEST(writes_settle_at, NULL), updated_at = service_now(),
                 lease_token = NULL, lease_until = NULL, due_at = {due}
             WHERE id = $1 AND lease_token = $2 AND lease_until > service_now()
             RETURNING id"
        );
        let recorded = sqlx::query_scalar::<_, Uuid>(AssertSqlSafe(sql))
            .bind(id)
            .bind(token)
            .fetch_optional(&mut self.connect().await)
            .await;
        recorded.expect("an answer").is_some()
    }

    /// Records a change of the intent, as a request does.
    async fn change_intent(&self, id: Uuid) {
        let sql = "UPDATE bindings SET state = 'provisioning', generation = generation + 1,
                       reads_settle_at = reads_settle_at,
                       writes_settle_at = GREATEST(writes_settle_at, NULL),
                       updated_at = service_now()
                   WHERE id = $1";
        let mut connection = self.connect().await;
        let done = sqlx::query(sql).bind(id).execute(&mut connection).await;
        done.expect("updated");
        let sql = "UPDATE clusters SET generation = generation + 1";
        let done = sqlx::query(sql).execute(&mut connection).await;
        done.expect("updated");
    }
}

/// Records a provision in the way of the older release, with its lease.
async fn provision_by(older: &Older<'_>, cluster: &str) -> (Uuid, Uuid) {
    let id = Uuid::now_v7();
    let sql = "INSERT INTO clusters (namespace, cluster, generation) VALUES ('test', $1, 1)";
    let mut connection = older.connect().await;
    let done = sqlx::query(sql).bind(cluster).execute(&mut connection);
    done.await.expect("inserted");
    let sql = r#"INSERT INTO bindings (id, namespace, cluster, account_id, aws_partition, state, live,
                               mode, generation, spec, resource_name, created_at, updated_at)
         VALUES ($1, 'test', $2, '123456789012', 'aws', 'provisioning', true, 'create', 1,
                 '{"mode": "create", "permissions_boundary": null, "secrets": "all",
                   "session_manager": false, "region": "us-west-2", "kms_key": null,
                   "role_prefix": "", "tags": {}}', $2, service_now(), service_now())"#;
    let done = sqlx::query(sql).bind(id).bind(cluster);
    done.execute(&mut connection).await.expect("inserted");
    let token = older.lease_within(id).await;
    (id, token.expect("a lease"))
}

#[tokio::test]
async fn a_lease_of_the_older_release_ends_by_time_alone() {
    let test = test_store().await;
    test.clock(0).await;
    let older = Older(&test);
    let (id, token) = provision_by(&older, "one").await;
    // Our reconciler and our requests see the lease, which names no replica.
    assert!(test.due().await.is_empty());
    let change = provision(&test.store, "one", changed()).await;
    assert!(change.lease.is_none(), "the older release has the lease");
    test.clock(29).await;
    assert!(test.due().await.is_empty());
    test.clock(31).await;
    let mut leases = test.store.lease_due(9).await.expect("an answer");
    let mut lease = leases.pop().expect("the binding is due");
    assert!(lease.binding.consistency.writes_resolved_at.is_some());
    assert!(!older.record(id, token, "active", "NULL").await);
    assert_eq!(activate(&test.store, &mut lease).await, Recorded::Written);
}

#[tokio::test]
async fn the_older_release_does_not_take_a_lease_that_we_hold() {
    let test = test_store().await;
    test.clock(0).await;
    let older = Older(&test);
    let mut lease = test.provision("one").await.lease.expect("a lease");
    let id = lease.binding.id.0;
    assert_eq!(older.lease_within(id).await, None);
    assert!(older.lease_due().await.is_empty());
    // Its change of the intent supersedes our next record.
    older.change_intent(id).await;
    assert_eq!(
        activate(&test.store, &mut lease).await,
        Recorded::Superseded
    );
    assert_eq!(lease.binding.generation, 2);
    assert_eq!(activate(&test.store, &mut lease).await, Recorded::Written);
    // A free lease can be taken; then it is the older release's, for us too.
    let token = older.lease_within(id).await.expect("the free lease");
    assert!(test.due().await.is_empty());
    let ours = test.store.lease_now(lease.binding.id, Operation::Provision);
    assert!(ours.await.expect("an answer").is_none());
    assert!(older.record(id, token, "active", "service_now()").await);
    let current = test.latest("one").await.expect("the binding");
    assert_eq!(current.state(), State::Active);
    // Its consistency times are read by us.
    assert!(current.consistency.reads_consistent_at.is_some());
}

#[tokio::test]
async fn when_our_lease_ends_the_older_release_knows_that_writes_may_be_unresolved() {
    let test = test_store().await;
    test.clock(0).await;
    let older = Older(&test);
    let lease = test.provision("one").await.lease.expect("a lease");
    test.clock(31).await;
    let token = older.lease_within(lease.binding.id.0).await;
    assert!(token.is_some());
    let sql = "DO $$ BEGIN ASSERT EXISTS (
                   SELECT FROM bindings b JOIN work w ON w.binding_id = b.id
                   WHERE b.writes_settle_at >= timestamptz '2027-01-01' + interval '90 seconds'
                     AND w.writes_resolved_at = b.writes_settle_at AND w.lease_replica IS NULL);
               END $$";
    test.sql(sql).await.expect("the times are in step");
}

#[tokio::test]
async fn a_binding_is_leased_by_one_release_at_a_time_and_is_due_for_both() {
    let test = test_store().await;
    test.clock(0).await;
    let older = Older(&test);
    let (id, token) = provision_by(&older, "one").await;
    assert!(older.record(id, token, "active", "service_now()").await);
    let mut lease = test.store.lease_due(9).await.expect("an answer");
    let mut lease = lease.pop().expect("the binding is due for us");
    // Once we have taken it, the older release leaves it alone.
    assert!(older.lease_due().await.is_empty());
    assert_eq!(
        release(&test.store, &mut lease, DONE).await,
        Recorded::Written
    );
    assert!(older.lease_due().await.is_empty());
    let token = older.lease_within(id).await.expect("the free lease");
    assert!(older.record(id, token, "active", "service_now()").await);
    assert_eq!(older.lease_due().await.len(), 1);
    assert!(test.due().await.is_empty());
}
