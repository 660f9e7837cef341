//! What a request changes of a binding, and that the rest stays.

use std::collections::BTreeSet;

use engine_roles_domain::binding::lifecycle::{
    Lifecycle, adopted, adopted_as_deleted, change_requested, closed, provision_requested,
    teardown_begun, teardown_resumed,
};
use engine_roles_domain::binding::{Binding, Consistency, EventDetail, Receipt};
use engine_roles_domain::cluster::RoleSpec;

use super::{NOW, changed_spec, receipt_of, touched, with_next_intent};
use crate::fixtures::{GENERATION, Stage, at, in_stage, new_binding, rejection_of, spec, tags};

#[test]
fn a_new_binding_is_provisioning_and_has_no_resources() {
    let new = provision_requested(new_binding(spec()), at(NOW));
    let binding = new.binding;
    assert_eq!(
        binding.lifecycle,
        Lifecycle::Provisioning { last_error: None }
    );
    assert_eq!((binding.generation, binding.attempts), (1, 0));
    assert_eq!((binding.created_at, binding.updated_at), (at(NOW), at(NOW)));
    assert_eq!((&binding.role, &binding.profile), (&None, &None));
    assert_eq!(
        (binding.applied_generation, binding.applied_spec),
        (None, None)
    );
    assert_eq!(binding.consistency, Consistency::default());
    assert_eq!((binding.policy, binding.usable_after), (None, None));
    assert!(binding.verified_at.is_none() && binding.drift.is_empty());
    assert!(binding.unapplied_tags.is_empty());
    let event = EventDetail::ProvisionRequested {
        adopted: false,
        spec: spec(),
    };
    assert_eq!(new.event, Some(event));
}

#[test]
fn an_adopted_orphan_is_a_new_binding_or_a_tombstone() {
    let new = provision_requested(new_binding(spec()), at(NOW)).binding;
    let live = adopted(new_binding(spec()), at(NOW));
    assert_eq!(live.binding, new);
    let event = EventDetail::ProvisionRequested {
        adopted: true,
        spec: spec(),
    };
    assert_eq!(live.event, Some(event));

    let ended = adopted_as_deleted(new_binding(spec()), at(NOW));
    let tombstone = Binding {
        lifecycle: Lifecycle::Deleted {
            last_error: None,
            receipt: None,
        },
        ..new
    };
    assert_eq!(ended.binding, tombstone);
    let event = EventDetail::TeardownRequested {
        again: false,
        adopted: Some(spec()),
    };
    assert_eq!(ended.event, Some(event));
}

#[test]
fn a_change_is_a_new_intent_that_keeps_the_tag_keys_of_an_incomplete_one() {
    let incomplete = BTreeSet::from(["formerly".to_owned(), "team".to_owned()]);
    let applied = BTreeSet::from(["formerly".to_owned()]);
    for (stage, in_doubt) in [
        (Stage::Provisioning, &incomplete),
        (Stage::WithdrawingChange, &incomplete),
        (Stage::Active, &applied),
    ] {
        let before = in_stage(stage);
        let wanted = RoleSpec {
            tags: tags(&[("owner", "y")]),
            ..changed_spec()
        };
        let after = change_requested(before.clone(), wanted.clone(), at(NOW)).expect("a change");
        let expected = Binding {
            lifecycle: Lifecycle::Provisioning { last_error: None },
            spec: wanted.clone(),
            unapplied_tags: in_doubt.clone(),
            ..with_next_intent(&before)
        };
        assert_eq!(after.binding, expected, "{stage:?}");
        let event = EventDetail::UpdateRequested { spec: wanted };
        assert_eq!(after.event, Some(event));
    }
}

#[test]
fn a_teardown_begins_with_an_empty_receipt_and_without_drift() {
    for stage in [
        Stage::Provisioning,
        Stage::WithdrawingChange,
        Stage::Active,
        Stage::WithdrawingProvision,
    ] {
        let before = in_stage(stage);
        let after = teardown_begun(before.clone(), at(NOW)).expect("a teardown");
        let expected = Binding {
            lifecycle: Lifecycle::Deleting {
                last_error: None,
                receipt: Receipt::default(),
            },
            drift: Vec::new(),
            ..with_next_intent(&before)
        };
        assert_eq!(after.binding, expected, "{stage:?}");
        let event = EventDetail::TeardownRequested {
            again: false,
            adopted: None,
        };
        assert_eq!(after.event, Some(event));
    }
}

#[test]
fn a_resumed_teardown_continues_its_receipt() {
    let before = in_stage(Stage::Blocked);
    let after = teardown_resumed(before.clone(), at(NOW)).expect("the teardown is resumed");
    let expected = Binding {
        lifecycle: Lifecycle::Deleting {
            last_error: None,
            receipt: receipt_of(&before),
        },
        ..with_next_intent(&before)
    };
    assert_eq!(after.binding, expected);
    let event = EventDetail::TeardownRequested {
        again: true,
        adopted: None,
    };
    assert_eq!(after.event, Some(event));
}

#[test]
fn a_closed_record_keeps_its_rejection_and_its_attempts_and_what_was_left() {
    let with_left = in_stage(Stage::Failed);
    let left = receipt_of(&with_left);
    assert!(!left.left.is_empty());
    let with_nothing = Binding {
        lifecycle: Lifecycle::Failed {
            rejection: rejection_of(GENERATION),
            receipt: None,
        },
        ..with_left.clone()
    };
    let torn_down = EventDetail::TornDown {
        receipt: left.clone(),
    };
    for (before, receipt, event) in [
        (
            with_nothing,
            Receipt::default(),
            EventDetail::NothingToTearDown,
        ),
        (with_left, left, torn_down),
    ] {
        let after = closed(before.clone(), at(NOW)).expect("the record is closed");
        let expected = Binding {
            lifecycle: Lifecycle::Deleted {
                last_error: Some(rejection_of(GENERATION)),
                receipt: Some(receipt),
            },
            generation: GENERATION + 1,
            ..touched(&before)
        };
        assert_eq!(after.binding, expected);
        assert_eq!(after.event, Some(event));
    }
}
