//! Decisions about requests for a teardown.

use engine_roles_domain::account::{OtherAccount, Scope};
use engine_roles_domain::binding::{Conditions, Deletion, Rejection, decide_delete};

use crate::fixtures::{Stage, active, if_exists, if_match, in_stage, scope};

#[test]
fn the_state_of_the_binding_decides_what_a_delete_does() {
    for stage in Stage::all() {
        let latest = in_stage(stage);
        let same = Box::new(latest.clone());
        let meant = match stage {
            Stage::Provisioning
            | Stage::WithdrawingChange
            | Stage::Active
            | Stage::WithdrawingProvision => Deletion::Begin(same),
            Stage::Deleting => Deletion::Continue(same),
            Stage::Blocked => Deletion::Resume(same),
            Stage::Failed => Deletion::Close(same),
            Stage::Deleted => Deletion::Done(same),
        };
        for known in [None, Some(scope())] {
            let meaning = decide_delete(Some(&latest), known.as_ref(), &Conditions::default());
            assert_eq!(meaning.expect("a meaning"), meant, "{stage:?}");
        }
    }
}

#[test]
fn a_delete_needs_a_binding_and_the_generation_of_its_if_match() {
    let rejected = decide_delete(None, None, &Conditions::default());
    assert!(matches!(rejected, Err(Rejection::NotFound)));
    let rejected = decide_delete(None, None, &if_exists());
    assert!(matches!(rejected, Err(Rejection::NotFound)));

    let live = active();
    assert!(decide_delete(Some(&live), None, &if_match(&[(1, 5)])).is_ok());
    assert!(decide_delete(Some(&live), None, &if_exists()).is_ok());
    let rejected = decide_delete(Some(&live), None, &if_match(&[(7, 1)]));
    let rejected = rejected.expect_err("the generation is another");
    assert!(matches!(
        rejected,
        Rejection::PreconditionFailed { current: Some(1) }
    ));
    let message = "a condition of the request (If-Match or If-None-Match) does not hold: the binding's \
                   generation is 1";
    assert_eq!(rejected.to_string(), message);
}

#[test]
fn a_delete_of_a_live_binding_of_another_account_is_rejected() {
    let other = Scope {
        account: "210987654321".parse().expect("an account"),
        ..scope()
    };
    for stage in Stage::all() {
        let latest = in_stage(stage);
        let decided = decide_delete(Some(&latest), Some(&other), &Conditions::default());
        match stage {
            Stage::Failed | Stage::Deleted => {
                assert_eq!(
                    decided.expect("the account of a removed binding does not matter"),
                    decide_delete(Some(&latest), None, &Conditions::default()).expect("a meaning"),
                );
            }
            Stage::Provisioning
            | Stage::WithdrawingChange
            | Stage::Active
            | Stage::Deleting
            | Stage::Blocked
            | Stage::WithdrawingProvision => {
                let Err(Rejection::OtherAccount(OtherAccount::Cluster { created_in, now })) =
                    decided
                else {
                    panic!("{stage:?}: {decided:?}");
                };
                assert_eq!((created_in, now), (scope(), other.clone()));
            }
        }
    }
    // The caller's own condition is checked first.
    let rejected = decide_delete(Some(&active()), Some(&other), &if_match(&[(7, 1)]));
    assert!(matches!(
        rejected,
        Err(Rejection::PreconditionFailed { .. })
    ));
}
