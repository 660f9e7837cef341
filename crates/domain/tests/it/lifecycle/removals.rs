//! How a removal ends, and how it is blocked.

use engine_roles_domain::binding::lifecycle::{
    Lifecycle, adopted_as_deleted, blocked, resources_gone,
};
use engine_roles_domain::binding::{
    Binding, EventDetail, Failure, State, Verdict, resources_left, verdict,
};

use super::{Case, LATER, NOW, apply, obstacle, receipt_of, touched};
use crate::fixtures::{GENERATION, Stage, at, in_stage, new_binding, rejection_of, spec};

fn blocked_event(before: &Binding) -> EventDetail {
    let failure = obstacle(before);
    EventDetail::Blocked {
        code: failure.code,
        reason: failure.detail,
        missing_permissions: failure.missing_permissions,
        blockers: failure.blockers,
    }
}

#[test]
fn a_blocked_teardown_reports_the_blockers_and_the_time_of_the_next_attempt() {
    for (stage, is_news) in [(Stage::Deleting, true), (Stage::Blocked, false)] {
        let before = in_stage(stage);
        let after = apply(Case::Blocked, &before);
        let expected = Binding {
            lifecycle: Lifecycle::Blocked {
                last_error: Failure {
                    next_attempt_at: Some(at(LATER)),
                    ..obstacle(&before)
                },
                receipt: receipt_of(&before),
            },
            ..touched(&before)
        };
        assert_eq!(after.binding, expected, "{stage:?}");
        assert_eq!(after.event, is_news.then(|| blocked_event(&before)));
    }
}

#[test]
fn a_blocked_withdrawal_becomes_a_blocked_teardown_that_says_why_the_intent_was_rejected() {
    let before = in_stage(Stage::WithdrawingProvision);
    let denied = Failure {
        missing_permissions: vec!["iam:DeleteRole".to_owned()],
        ..obstacle(&before)
    };
    let after = blocked(before.clone(), denied.clone(), at(LATER), at(NOW));
    let after = after.expect("a withdrawal can be blocked");
    assert_eq!(after.binding.state(), State::Blocked);
    assert_eq!(after.binding.receipt(), before.receipt());
    let error = after.binding.last_error().expect("a failure");
    for part in [&rejection_of(GENERATION).detail, &denied.detail] {
        assert!(error.detail.contains(part), "{}", error.detail);
    }
    let missing = ["iam:DeleteRole", "iam:CreateRole"];
    assert_eq!(error.missing_permissions, missing);
    assert_eq!(error.blockers, denied.blockers);
    assert_eq!(error.next_attempt_at, Some(at(LATER)));
    assert!(matches!(after.event, Some(EventDetail::Blocked { .. })));
    // The caller of the rejected request is answered.
    assert_eq!(
        verdict(&after.binding, GENERATION),
        Verdict::Failed(error.clone())
    );
}

#[test]
fn a_blocked_late_removal_counts_attempts_and_reports_the_first() {
    for stage in [Stage::Failed, Stage::Deleted] {
        for (attempts, is_news) in [(0, true), (1, false)] {
            let before = Binding {
                attempts,
                ..in_stage(stage)
            };
            let after = apply(Case::Blocked, &before);
            let expected = Binding {
                attempts: attempts + 1,
                ..touched(&before)
            };
            assert_eq!(after.binding, expected, "{stage:?}");
            assert_eq!(after.event, is_news.then(|| blocked_event(&before)));
        }
    }
}

fn with_nothing_left(binding: Binding) -> Binding {
    let mut lifecycle = binding.lifecycle;
    if let Lifecycle::Deleting { receipt, .. } | Lifecycle::Blocked { receipt, .. } = &mut lifecycle
    {
        receipt.left.clear();
    }
    if let Lifecycle::Deleted {
        receipt: Some(receipt),
        ..
    }
    | Lifecycle::WithdrawingProvision {
        receipt: Some(receipt),
        ..
    } = &mut lifecycle
    {
        receipt.left.clear();
    }
    Binding {
        lifecycle,
        ..binding
    }
}

fn without_resources(before: &Binding, lifecycle: Lifecycle) -> Binding {
    Binding {
        lifecycle,
        role: None,
        profile: None,
        ..touched(before)
    }
}

#[test]
fn a_finished_teardown_is_a_tombstone_with_its_receipt() {
    for stage in [Stage::Deleting, Stage::Blocked] {
        let before = with_nothing_left(in_stage(stage));
        let receipt = receipt_of(&before);
        let tombstone = Lifecycle::Deleted {
            last_error: None,
            receipt: Some(receipt.clone()),
        };
        for case in [Case::ResourcesGone, Case::NothingFound] {
            let after = apply(case, &before);
            let expected = without_resources(&before, tombstone.clone());
            assert_eq!(after.binding, expected, "{stage:?}");
            let receipt = receipt.clone();
            assert_eq!(after.event, Some(EventDetail::TornDown { receipt }));
        }
    }
}

#[test]
fn a_tombstone_keeps_our_unique_ids_where_something_was_left_under_our_name() {
    let before = in_stage(Stage::Deleting);
    let left = resources_left(
        before.clone(),
        &["role x: its unique id is another".to_owned()],
    );
    let after = resources_gone(left, true, at(NOW)).expect("a teardown ends");
    assert!(before.role.is_some() && before.profile.is_some());
    assert_eq!(after.binding.role, before.role);
    assert_eq!(after.binding.profile, before.profile);
    // A later attempt keeps them too.
    let again = resources_gone(after.binding, false, at(NOW)).expect("a late attempt ends");
    assert_eq!(again.binding.role, before.role);
    assert_eq!(again.event, None);
}

#[test]
fn a_finished_withdrawal_is_a_failure_and_reports_the_removed_resources() {
    let with_left = in_stage(Stage::WithdrawingProvision);
    for before in [with_nothing_left(with_left.clone()), with_left] {
        let receipt = receipt_of(&before);
        let failed = Lifecycle::Failed {
            rejection: rejection_of(GENERATION),
            receipt: (!receipt.left.is_empty()).then(|| receipt.clone()),
        };
        let after = apply(Case::ResourcesGone, &before);
        assert_eq!(after.binding, without_resources(&before, failed));
        let removed = receipt.removed;
        let event = EventDetail::ProvisionWithdrawn { removed };
        assert_eq!(after.event, Some(event));
    }
}

#[test]
fn removing_a_late_resource_does_not_change_the_state_of_a_finished_incarnation() {
    for stage in [Stage::Failed, Stage::Deleted] {
        let before = with_nothing_left(in_stage(stage));
        for (found_something, case) in [(true, Case::ResourcesGone), (false, Case::NothingFound)] {
            let after = apply(case, &before);
            let expected = without_resources(&before, before.lifecycle.clone());
            assert_eq!(after.binding, expected, "{stage:?}");
            let removed = receipt_of(&before).removed;
            let event = found_something.then_some(EventDetail::LateResourceRemoved { removed });
            assert_eq!(after.event, event);
        }
    }
    // This tombstone of an orphan has no receipt yet.
    let tombstone = adopted_as_deleted(new_binding(spec()), at(NOW)).binding;
    let after = resources_gone(tombstone.clone(), true, at(NOW)).expect("nothing is left");
    assert_eq!(after.binding, tombstone);
    let removed = Vec::new();
    assert_eq!(
        after.event,
        Some(EventDetail::LateResourceRemoved { removed })
    );
}
