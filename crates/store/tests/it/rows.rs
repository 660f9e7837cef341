//! Rows are read as they were written, the database keeps revisions and unique ids by itself, and an
//! error names a row that can't be read.

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::lifecycle::{Lifecycle, Transition};
use engine_roles_domain::binding::{
    Binding, Consistency, Drift, DriftKind, Failure, FailureCode, ProfileRecord, Receipt,
    RoleRecord,
};
use engine_roles_domain::identity::DeniedBy;
use engine_roles_store::{Next, Operation, Recorded, StoreError};
use serde_json::json;

use crate::test_store::{DONE, TestStore, changed, record, release, spec, test_store};

fn time() -> DateTime<Utc> {
    "2027-01-01T00:00:00Z".parse().expect("a time")
}

/// The rejection of the first intent.
fn rejection() -> Failure {
    Failure {
        code: FailureCode::MissingPermission,
        detail: "denied".to_owned(),
        missing_permissions: vec!["iam:CreateRole".to_owned()],
        denied_by: None,
        blockers: Vec::new(),
        generation: 1,
        at: time(),
        attempts: 2,
        next_attempt_at: None,
    }
}

/// A failure after which the attempt is retried.
fn delay() -> Failure {
    Failure {
        code: FailureCode::TeardownBlocked,
        blockers: vec!["somebody's profile".to_owned()],
        next_attempt_at: Some(time()),
        ..rejection()
    }
}

fn receipt() -> Receipt {
    Receipt {
        grant_ended_at: Some(time()),
        access_ended_at: None,
        removed: vec!["role one".to_owned()],
        left: vec!["profile two".to_owned()],
    }
}

/// Every state, with and without its optional error and receipt.
fn lifecycles() -> Vec<Lifecycle> {
    let errors = [None, Some(delay())];
    let receipts = [None, Some(receipt())];
    let mut all = vec![
        Lifecycle::WithdrawingChange {
            rejection: rejection(),
        },
        Lifecycle::Blocked {
            last_error: delay(),
            receipt: receipt(),
        },
        Lifecycle::Deleted {
            last_error: Some(rejection()),
            receipt: Some(Receipt::default()),
        },
        Lifecycle::Active {
            last_error: Some(rejection()),
        },
    ];
    for last_error in errors {
        all.push(Lifecycle::Provisioning {
            last_error: last_error.clone(),
        });
        all.push(Lifecycle::Active {
            last_error: last_error.clone(),
        });
        all.push(Lifecycle::Deleting {
            last_error,
            receipt: receipt(),
        });
    }
    for receipt in receipts {
        all.push(Lifecycle::WithdrawingProvision {
            rejection: rejection(),
            receipt: receipt.clone(),
        });
        all.push(Lifecycle::Failed {
            rejection: rejection(),
            receipt: receipt.clone(),
        });
        all.push(Lifecycle::Deleted {
            last_error: None,
            receipt,
        });
    }
    let message = "because no session policy allows the iam:CreateRole action";
    all.push(Lifecycle::Active {
        last_error: Some(Failure {
            denied_by: DeniedBy::parse(message),
            ..rejection()
        }),
    });
    all
}

/// The binding with a value in every column that can change.
fn full(binding: Binding, lifecycle: Lifecycle) -> Binding {
    Binding {
        lifecycle,
        generation: 2,
        applied_generation: Some(1),
        spec: changed(),
        applied_spec: Some(spec()),
        unapplied_tags: ["team".to_owned()].into(),
        role: Some(RoleRecord {
            name: "made".parse().expect("a role"),
            arn: Some("arn:aws:iam::123456789012:role/made".to_owned()),
            id: Some("AROAMADE".to_owned()),
            path: Some("/".to_owned()),
        }),
        profile: Some(ProfileRecord {
            name: "made".parse().expect("a profile"),
            arn: None,
            id: Some("AIPAMADE".to_owned()),
            managed: true,
        }),
        policy: Some(json!({ "Version": "2012-10-17" })),
        usable_after: Some(time()),
        verified_at: Some(time()),
        drift: vec![Drift {
            kind: DriftKind::TagsChanged,
            detail: "a tag is gone".to_owned(),
            missing_permission: Some("iam:TagRole".to_owned()),
        }],
        attempts: 3,
        consistency: Consistency {
            reads_consistent_at: Some(time()),
            writes_resolved_at: Some(time()),
        },
        ..binding
    }
}

#[tokio::test]
async fn a_binding_in_any_state_is_read_as_it_was_written() {
    let test = test_store().await;
    for (number, lifecycle) in lifecycles().into_iter().enumerate() {
        let created = test.provision(&format!("c{number}")).await;
        let mut lease = created.lease.expect("a lease");
        let written = Transition::silent(full(created.binding, lifecycle));
        let recorded = record(&test.store, &mut lease, &written, Next::Keep).await;
        assert_eq!(recorded, Recorded::Written);
        let read = test.current(&lease.binding).await;
        // The database sets the time of the write, and the lease has it afterwards.
        assert!(read.updated_at > written.binding.updated_at);
        assert_eq!(read, lease.binding);
        let expected = Binding {
            updated_at: read.updated_at,
            revision: written.binding.revision + 1,
            ..written.binding
        };
        assert_eq!(read, expected);
    }
}

/// Writes these columns of a binding with SQL, then reads the binding.
async fn stored(test: &TestStore, binding: &Binding, columns: &str) -> Result<Binding, StoreError> {
    let sql = format!(
        "UPDATE bindings SET generation = 2, state = 'provisioning', live = true,
                             last_error = NULL, receipt = NULL;
         UPDATE bindings SET {columns}"
    );
    test.sql(&sql).await.expect("updated");
    let read = test.store.binding(binding.id).await;
    read.map(|found| found.expect("the binding"))
}

#[tokio::test]
async fn rows_that_an_older_release_wrote_are_read() {
    let final_failure = r#"last_error = '{"code": "missing_permission", "detail": "denied",
        "missing_permissions": ["iam:CreateRole"], "generation": 1, "attempts": 2,
        "at": "2027-01-01T00:00:00Z", "next_attempt_at": null}'"#;
    let retried = r#"last_error = '{"code": "teardown_blocked", "detail": "denied",
        "missing_permissions": ["iam:CreateRole"], "blockers": ["somebody''s profile"],
        "generation": 1, "attempts": 2, "at": "2027-01-01T00:00:00Z",
        "next_attempt_at": "2027-01-01T00:00:00Z"}'"#;
    let removed = r#"receipt = '{"grant_ended_at": "2027-01-01T00:00:00Z",
        "access_ended_at": null, "removed": ["role one"], "left": ["profile two"]}'"#;
    let test = test_store().await;
    let binding = test.provision("one").await.binding;
    for (columns, lifecycle) in [
        (
            "state = 'provisioning'".to_owned(),
            Lifecycle::Provisioning { last_error: None },
        ),
        (
            format!("state = 'provisioning', {final_failure}"),
            Lifecycle::WithdrawingChange {
                rejection: rejection(),
            },
        ),
        (
            format!("state = 'active', {final_failure}"),
            Lifecycle::Active {
                last_error: Some(rejection()),
            },
        ),
        (
            format!("state = 'deleting', {removed}"),
            Lifecycle::Deleting {
                last_error: None,
                receipt: receipt(),
            },
        ),
        (
            format!("state = 'blocked', {retried}, {removed}"),
            Lifecycle::Blocked {
                last_error: delay(),
                receipt: receipt(),
            },
        ),
        (
            format!("state = 'failed', {final_failure}"),
            Lifecycle::WithdrawingProvision {
                rejection: rejection(),
                receipt: None,
            },
        ),
        (
            format!("state = 'failed', live = false, {final_failure}"),
            Lifecycle::Failed {
                rejection: rejection(),
                receipt: None,
            },
        ),
        (
            format!("state = 'deleted', live = false, {removed}"),
            Lifecycle::Deleted {
                last_error: None,
                receipt: Some(receipt()),
            },
        ),
    ] {
        let read = stored(&test, &binding, &columns).await;
        assert_eq!(read.expect(&columns).lifecycle, lifecycle);
    }
}

#[tokio::test]
async fn the_error_for_an_unreadable_row_names_the_binding_and_the_column() {
    let test = test_store().await;
    let binding = test.provision("one").await.binding;
    for (columns, column) in [
        ("state = 'blocked'", "state"),
        ("state = 'failed'", "state"),
        ("state = 'failed', live = false", "state"),
        ("state = 'deleted'", "state"),
        ("last_error = '{}'", "last_error"),
        ("spec = '{}'", "spec"),
    ] {
        let error = stored(&test, &binding, columns).await.expect_err(columns);
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
        assert!(!error.is_transient());
        assert_eq!(
            error.to_string(),
            format!(
                "the record {} has a {column} that can't be read",
                binding.id
            )
        );
    }
}

#[tokio::test]
async fn the_revision_grows_with_what_callers_see_and_with_nothing_else() {
    let test = test_store().await;
    let mut lease = test.provision("one").await.lease.expect("a lease");
    assert_eq!(lease.binding.revision, 1);
    let renewed = test.store.renew(&mut lease, Operation::Reconcile).await;
    assert!(renewed.expect("an answer"));
    let id = lease.binding.id;
    let released = release(&test.store, &mut lease, DONE).await;
    assert_eq!(released, Recorded::Written);
    let current = test.latest("one").await.expect("the binding");
    assert_eq!((current.id, current.revision), (id, 1));
    // An older release writes without naming the revision.
    test.sql("UPDATE bindings SET attempts = attempts + 1")
        .await
        .expect("updated");
    let current = test.latest("one").await.expect("the binding");
    assert_eq!(current.revision, 2);
}

#[tokio::test]
async fn the_unique_ids_stay_after_a_teardown() {
    let test = test_store().await;
    test.provision("one").await;
    let names = r#"UPDATE bindings SET role = '{"name": "r", "id": "AROAONE"}',
                                      profile = '{"name": "p", "id": "AIPAONE"}';
                  UPDATE bindings SET role = NULL, profile = NULL;"#;
    test.sql(names).await.expect("updated");
    let kept = "SELECT count(*) FROM bindings
                WHERE role_id = 'AROAONE' AND profile_id = 'AIPAONE' AND role IS NULL";
    assert_eq!(test.number(kept).await, 1);
    assert!(test.latest("one").await.is_some());
}
