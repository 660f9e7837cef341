//! What a DELETE means.

use engine_roles_domain::account::{OtherAccount, Scope};
use engine_roles_domain::binding::{Deletion, IfMatch, Rejection, decide_delete};

use crate::fixtures::{Stage, active, in_stage, scope};

#[test]
fn a_delete_means_by_state() {
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
            let meaning = decide_delete(Some(&latest), known.as_ref(), None);
            assert_eq!(meaning.expect("a meaning"), meant, "{stage:?}");
        }
    }
}

#[test]
fn a_delete_needs_a_binding_of_this_generation() {
    let refused = decide_delete(None, None, None);
    assert!(matches!(refused, Err(Rejection::NotFound)));
    let refused = decide_delete(None, None, Some(IfMatch::Any));
    assert!(matches!(refused, Err(Rejection::NotFound)));

    let live = active();
    assert!(decide_delete(Some(&live), None, Some(IfMatch::Generation(1))).is_ok());
    assert!(decide_delete(Some(&live), None, Some(IfMatch::Any)).is_ok());
    let refused = decide_delete(Some(&live), None, Some(IfMatch::Generation(7)));
    let refused = refused.expect_err("the generation is another");
    assert!(matches!(
        refused,
        Rejection::PreconditionFailed { current: Some(1) }
    ));
    let told = "the binding's generation is 1, not the one that If-Match names";
    assert_eq!(refused.to_string(), told);
}

#[test]
fn a_delete_needs_the_account_in_which_the_role_was_made_as_long_as_it_may_exist() {
    let elsewhere = Scope {
        account: "210987654321".parse().expect("an account"),
        ..scope()
    };
    for stage in Stage::all() {
        let latest = in_stage(stage);
        let decided = decide_delete(Some(&latest), Some(&elsewhere), None);
        match stage {
            Stage::Failed | Stage::Deleted => {
                assert_eq!(
                    decided.expect("it is gone anywhere"),
                    decide_delete(Some(&latest), None, None).expect("a meaning"),
                );
            }
            Stage::Provisioning
            | Stage::WithdrawingChange
            | Stage::Active
            | Stage::Deleting
            | Stage::Blocked
            | Stage::WithdrawingProvision => {
                let Err(Rejection::OtherAccount(OtherAccount::Cluster { made, now })) = decided
                else {
                    panic!("{stage:?}: {decided:?}");
                };
                assert_eq!((made, now), (scope(), elsewhere.clone()));
            }
        }
    }
    // Which condition fails first: the caller's own.
    let refused = decide_delete(
        Some(&active()),
        Some(&elsewhere),
        Some(IfMatch::Generation(7)),
    );
    assert!(matches!(refused, Err(Rejection::PreconditionFailed { .. })));
}
