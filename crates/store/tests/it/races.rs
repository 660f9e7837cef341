//! Statements that meet: what a request read was changed before it wrote, or row locks are waited for.

use std::time::Duration;

use engine_roles_domain::audit::Cause;
use engine_roles_domain::binding::State;
use engine_roles_domain::binding::lifecycle;
use engine_roles_store::{AuditFilter, Intent, Operation, Recorded, Store};
use futures::future::join_all;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::test_store::{
    DONE, TestStore, activate, activated, change, changed, log, new_binding, provision, read,
    record_intent, reject, remove, spec, tear_down, test_store,
};

/// Returns how many events were written.
async fn events(store: &Store) -> usize {
    log(store, &AuditFilter::default()).await.len()
}

fn teardown_of(latest: &engine_roles_store::Latest) -> Intent {
    let live = latest.binding.clone().expect("a binding");
    let begun = lifecycle::teardown_begun(live, latest.now);
    Intent::Changed(Box::new(begun.expect("a live binding")))
}

#[tokio::test]
async fn an_outcome_between_read_and_write_makes_the_request_read_again() {
    let test = test_store().await;
    let mut lease = test.provision("one").await.lease.expect("a lease");
    let stale = read(&test.store, "one").await;
    assert_eq!(activate(&test.store, &mut lease).await, Recorded::Written);
    let (before, written) = (test.latest("one").await, events(&test.store).await);
    let refused = record_intent(&test.store, &stale, &teardown_of(&stale)).await;
    assert!(refused.is_none(), "the generation alone would have matched");
    assert_eq!(test.latest("one").await, before);
    assert_eq!(events(&test.store).await, written);
    let fresh = read(&test.store, "one").await;
    let begun = record_intent(&test.store, &fresh, &teardown_of(&fresh)).await;
    let begun = begun.expect("nothing changed since").binding;
    // What the worker recorded is part of the new intent's record.
    assert_eq!((begun.generation, begun.applied_generation), (2, Some(1)));
    assert_eq!(test.latest("one").await, Some(begun));
}

#[tokio::test]
async fn a_statement_whose_comparison_fails_writes_no_part_of_the_change() {
    let test = test_store().await;
    test.provision("one").await;
    let stale = read(&test.store, "one").await;
    provision(&test.store, "one", changed()).await;
    let rows = "SELECT jsonb_build_array(
                    (SELECT jsonb_agg(to_jsonb(c)) FROM clusters c),
                    (SELECT jsonb_agg(to_jsonb(b)) FROM bindings b),
                    (SELECT jsonb_agg(to_jsonb(w)) FROM work w),
                    (SELECT jsonb_agg(to_jsonb(s)) FROM schedule s))::text";
    let before = text(&test, rows).await;
    let written = events(&test.store).await;
    let refused = record_intent(&test.store, &stale, &teardown_of(&stale)).await;
    assert!(refused.is_none());
    // A first intent for a cluster that has got its first intent from somebody else.
    let new = new_binding(&test.store, "one", spec(), 1);
    let unknown = engine_roles_store::Latest {
        binding: None,
        generation: 0,
        now: stale.now,
    };
    let first = Intent::New(Box::new(lifecycle::provision_requested(new, stale.now)));
    let refused = record_intent(&test.store, &unknown, &first).await;
    assert!(refused.is_none());
    assert_eq!(text(&test, rows).await, before);
    assert_eq!(events(&test.store).await, written);
}

#[tokio::test]
async fn an_event_has_the_values_that_its_statement_wrote() {
    let test = test_store().await;
    let mut lease = test.provision("one").await.lease.expect("a lease");
    activate(&test.store, &mut lease).await;
    tear_down(&test.store, "one").await;
    let log = log(&test.store, &AuditFilter::default()).await;
    let seen: Vec<_> = log
        .iter()
        .map(|event| {
            (
                change(event).generation,
                change(event).from_state,
                change(event).to_state,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (1, None, State::Provisioning),
            (1, Some(State::Provisioning), State::Active),
            (2, Some(State::Active), State::Deleting),
        ]
    );
}

#[tokio::test]
async fn a_lease_that_is_renewed_during_a_lock_wait_is_not_taken_over() {
    let test = test_store().await;
    test.clock(0).await;
    let lease = test.provision("one").await.lease.expect("a lease");
    let mut other = test.connect().await;
    let renew = "BEGIN; UPDATE work SET lease_until = lease_until + interval '30 seconds'";
    run(&mut other, renew).await;
    let change = {
        let store = test.store.clone();
        tokio::spawn(async move { provision(&store, "one", changed()).await })
    };
    is_waiting(&test).await;
    // The lease that the statement's snapshot contains has ended by now; the renewed one has not.
    test.clock(40).await;
    run(&mut other, "COMMIT").await;
    let change = change.await.expect("no panic");
    assert!(change.lease.is_none(), "the holder still has the lease");
    let mut lease = lease;
    let renewed = test.store.renew(&mut lease, Operation::Reconcile).await;
    assert!(renewed.expect("an answer"));
}

#[tokio::test]
async fn a_stuck_row_stops_its_own_cluster_after_the_lock_limit() {
    let test = test_store().await;
    test.provision("stuck").await;
    let mut other = test.connect().await;
    let lock = "BEGIN; SELECT FROM work FOR UPDATE";
    run(&mut other, lock).await;
    let latest = read(&test.store, "stuck").await;
    let (intent, ids) = (
        teardown_of(&latest),
        engine_roles_store::IntentIds::new(None),
    );
    let cause = Cause::reconciler();
    let stuck = test
        .store
        .record_intent(&latest, &intent, ids, &cause, Operation::TearDown);
    let (stuck, free) = tokio::join!(stuck, test.provision("free"));
    assert!(free.lease.is_some());
    let error = stuck.expect_err("the lock limit was reached");
    assert!(error.is_transient(), "{error:?}");
    // The reconciler leaves the locked row out and takes the others.
    assert!(test.due().await.is_empty());
}

#[tokio::test]
async fn two_first_requests_at_once_record_one_binding() {
    let test = test_store().await;
    for number in 0..40 {
        let name = format!("c{number}");
        let latest = read(&test.store, &name).await;
        let requests = (0..4).map(|_| {
            let new = new_binding(&test.store, &name, spec(), 1);
            let intent = Intent::New(Box::new(lifecycle::provision_requested(new, latest.now)));
            let (store, latest) = (&test.store, &latest);
            async move { record_intent(store, latest, &intent).await }
        });
        let recorded = join_all(requests).await;
        let recorded: Vec<_> = recorded.into_iter().flatten().collect();
        assert_eq!(recorded.len(), 1, "{name}");
        assert_eq!(
            test.latest(&name).await.map(|binding| binding.id),
            Some(recorded[0].binding.id)
        );
    }
    assert_eq!(events(&test.store).await, 40);
}

#[tokio::test]
async fn a_new_binding_locks_the_one_that_it_replaces_before_the_cluster() {
    let test = test_store().await;
    let mut lease = test.provision("one").await.lease.expect("a lease");
    reject(&test.store, &mut lease).await;
    remove(&test.store, &mut lease).await;
    let latest = read(&test.store, "one").await;
    let new = new_binding(&test.store, "one", spec(), latest.generation + 1);
    let intent = Intent::New(Box::new(lifecycle::provision_requested(new, latest.now)));
    // As a request does that closes the record of the failed binding.
    let mut other = test.connect().await;
    run(
        &mut other,
        "BEGIN; UPDATE bindings SET updated_at = updated_at",
    )
    .await;
    let recorded = record_intent(&test.store, &latest, &intent);
    let (recorded, ()) = tokio::join!(recorded, async {
        is_waiting(&test).await;
        // Postgres would end one of the two as a deadlock.
        run(
            &mut other,
            "UPDATE clusters SET generation = generation; COMMIT",
        )
        .await;
    });
    let recorded = recorded.expect("the generation is still the one that was read");
    let newest = test.latest("one").await.expect("a binding");
    assert_eq!(newest.id, recorded.binding.id);
}

/// Closing the record of a failed binding changes no live binding, and a new binding changes nothing of
/// the failed one: only the comparison with the newest binding lets one of the two fail.
#[tokio::test]
async fn of_a_new_binding_and_the_closing_of_the_failed_one_the_second_reads_again() {
    let test = test_store().await;
    for number in 0..30 {
        let name = format!("c{number}");
        let mut lease = test.provision(&name).await.lease.expect("a lease");
        reject(&test.store, &mut lease).await;
        remove(&test.store, &mut lease).await;
        let latest = read(&test.store, &name).await;
        let failed = latest.binding.clone().expect("a binding");
        let closed = lifecycle::closed(failed, latest.now).expect("a failed binding");
        let close = Intent::Changed(Box::new(closed));
        let new = new_binding(&test.store, &name, spec(), latest.generation + 1);
        let new = Intent::New(Box::new(lifecycle::provision_requested(new, latest.now)));
        let (closed, created) = match number % 3 {
            0 => {
                let closed = record_intent(&test.store, &latest, &close).await;
                (closed, record_intent(&test.store, &latest, &new).await)
            }
            1 => {
                let created = record_intent(&test.store, &latest, &new).await;
                (record_intent(&test.store, &latest, &close).await, created)
            }
            _ => tokio::join!(
                record_intent(&test.store, &latest, &close),
                record_intent(&test.store, &latest, &new),
            ),
        };
        assert!(closed.is_some() != created.is_some(), "{name}");
    }
    let twice = "SELECT count(*) FROM (SELECT FROM bindings
                 GROUP BY cluster, generation HAVING count(*) > 1) same";
    assert_eq!(test.number(twice).await, 0);
}

/// A worker repeats its record after an error. Between the two, the record has read the new intent.
#[tokio::test]
async fn an_outcome_that_is_recorded_again_after_an_error_does_not_replace_a_new_intent() {
    let test = test_store().await;
    let mut lease = test.provision("one").await.lease.expect("a lease");
    let outcome = activated(&lease, lease.binding.clone());
    tear_down(&test.store, "one").await;
    let fail = "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION 'as if the server went away'; END $$;
                CREATE TRIGGER fail BEFORE UPDATE ON bindings
                FOR EACH ROW EXECUTE FUNCTION fail()";
    test.sql(fail).await.expect("created");
    let (cause, operation) = (Cause::reconciler(), Operation::Reconcile);
    let failed = test
        .store
        .record(&mut lease, &outcome, &cause, &[], DONE, operation)
        .await;
    assert!(failed.expect_err("the merge failed").is_transient());
    test.sql("DROP TRIGGER fail ON bindings")
        .await
        .expect("dropped");
    let found = test.store.find_outcome(&mut lease, &outcome, DONE).await;
    assert_eq!(found.expect("an answer"), None);
    let recorded = test
        .store
        .record(&mut lease, &outcome, &cause, &[], DONE, operation)
        .await;
    assert_eq!(recorded.expect("an answer"), Recorded::Superseded);
    let current = test.latest("one").await.expect("a binding");
    assert_eq!((current.generation, current.state()), (2, State::Deleting));
    assert_eq!(lease.binding.generation, 2);
}

async fn run(connection: &mut PgConnection, sql: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await;
    done.expect("the statement runs");
}

async fn text(test: &TestStore, sql: &str) -> String {
    let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
    let found = query.fetch_one(&mut test.connect().await).await;
    found.expect("one row")
}

/// Waits until a statement waits for a lock.
async fn is_waiting(test: &TestStore) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..200 {
        if test.number(waiting).await > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no statement waits for a lock");
}
