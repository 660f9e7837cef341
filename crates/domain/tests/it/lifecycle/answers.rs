//! What a binding records of AWS's answers.

use engine_roles_domain::binding::{
    Binding, Consistency, resources_found, resources_left, step_applied, step_removed,
    write_unresolved,
};
use engine_roles_domain::resources::{Applied, Observed, Step};

use super::{NOW, receipt_of};
use crate::fixtures::{
    Stage, active, at, binding, binding_of, deleting, in_stage, pass_through_spec, profile_record,
    role_record, whole_profile, whole_role,
};

fn policy_of(binding: &Binding) -> Step {
    Step::DeleteRolePolicy {
        role: binding.role_name(),
        policy: "engine-access".to_owned(),
    }
}

fn role_of(binding: &Binding) -> Step {
    Step::DeleteRole {
        role: binding.role_name(),
    }
}

fn profile_of(binding: &Binding) -> Step {
    Step::DeleteInstanceProfile {
        profile: binding.resource_name().into(),
    }
}

fn membership_of(binding: &Binding) -> Step {
    Step::RemoveRoleFromInstanceProfile {
        profile: binding.resource_name().into(),
        role: binding.role_name(),
    }
}

#[test]
fn an_answered_step_sets_reads_consistent_at_and_records_the_created_resource() {
    let before = binding();
    let (role, profile) = (role_record(&before), profile_record(&before));
    for (applied, expected_role, expected_profile) in [
        (Applied::Role(role.clone()), Some(role), None),
        (Applied::Profile(profile.clone()), None, Some(profile)),
        (Applied::Done, None, None),
        (Applied::AlreadyGone, None, None),
        (Applied::Unseen, None, None),
    ] {
        let after = step_applied(before.clone(), &applied, at(20));
        let expected = Binding {
            role: expected_role,
            profile: expected_profile,
            consistency: Consistency {
                reads_consistent_at: Some(at(20)),
                writes_resolved_at: None,
            },
            ..before.clone()
        };
        assert_eq!(after, expected, "{applied:?}");
    }
}

#[test]
fn an_unanswered_step_sets_writes_resolved_at() {
    let after = write_unresolved(binding(), at(20));
    let expected = Binding {
        consistency: Consistency::default().after_unanswered_write(at(20)),
        ..binding()
    };
    assert_eq!(after, expected);
}

#[test]
fn a_read_adds_the_resources_that_it_shows_and_removes_none() {
    let recorded = active();
    let mut found = Observed {
        role: Some(whole_role(&recorded)),
        profile: Some(whole_profile(&recorded)),
    };
    assert_eq!(
        resources_found(recorded.clone(), &Observed::nothing()),
        recorded
    );
    let nothing_recorded = Binding {
        role: None,
        profile: None,
        ..recorded.clone()
    };
    assert_eq!(resources_found(nothing_recorded.clone(), &found), recorded);
    found.profile = None;
    let expected = Binding {
        role: recorded.role,
        ..nothing_recorded.clone()
    };
    assert_eq!(resources_found(nothing_recorded, &found), expected);
}

#[test]
fn the_receipt_has_the_times_at_which_the_grant_and_all_access_ended() {
    let going = deleting(active());
    let step = policy_of(&going);
    let going = step_removed(going, &step, true, at(10));
    let receipt = receipt_of(&going);
    assert_eq!(
        (receipt.grant_ended_at, receipt.access_ended_at),
        (Some(at(10)), None)
    );
    let step = role_of(&going);
    let going = step_removed(going, &step, true, at(20));
    let receipt = receipt_of(&going);
    assert_eq!(
        (receipt.grant_ended_at, receipt.access_ended_at),
        (Some(at(10)), Some(at(20)))
    );
    // A second answer changes neither time and lists nothing twice.
    let (policy, role) = (policy_of(&going), role_of(&going));
    let again = step_removed(going.clone(), &policy, true, at(30));
    let again = step_removed(again, &role, true, at(30));
    assert_eq!(again, going);
}

#[test]
fn deleting_a_role_whose_policy_was_gone_sets_both_times() {
    let going = deleting(active());
    let step = role_of(&going);
    let receipt = receipt_of(&step_removed(going, &step, true, at(20)));
    assert_eq!(
        (receipt.grant_ended_at, receipt.access_ended_at),
        (Some(at(20)), Some(at(20)))
    );
}

#[test]
fn removing_the_role_from_its_profile_ends_the_grant_in_pass_through_only() {
    let created = deleting(active());
    let passed = deleting(binding_of(pass_through_spec("engine", None)));
    for (going, grant_ended_at) in [(created, None), (passed, Some(at(10)))] {
        let step = membership_of(&going);
        let after = step_removed(going, &step, true, at(10));
        let step = profile_of(&after);
        let receipt = receipt_of(&step_removed(after, &step, true, at(20)));
        assert_eq!(receipt.grant_ended_at, grant_ended_at);
        assert_eq!(receipt.access_ended_at, None);
    }
}

#[test]
fn a_removed_resource_leaves_the_record_and_a_resource_that_did_not_exist_is_not_listed() {
    let before = deleting(active());
    let targets = |steps: &[Step]| steps.iter().map(Step::target).collect::<Vec<_>>();
    let steps = [
        policy_of(&before),
        membership_of(&before),
        role_of(&before),
        profile_of(&before),
    ];
    for removed in [true, false] {
        let mut going = before.clone();
        for step in &steps {
            going = step_removed(going, step, removed, at(10));
            let is_role_left = !matches!(
                step,
                Step::DeleteRole { .. } | Step::DeleteInstanceProfile { .. }
            );
            assert_eq!(going.role.is_some(), is_role_left, "{step}");
        }
        assert_eq!(going.profile, None);
        let receipt = receipt_of(&going);
        let listed = if removed { targets(&steps) } else { Vec::new() };
        assert_eq!(receipt.removed, listed);
        assert_eq!(receipt.access_ended_at, Some(at(10)));
    }
}

#[test]
fn every_state_that_removes_resources_lists_them_in_its_receipt() {
    for stage in Stage::all() {
        let before = in_stage(stage);
        let step = role_of(&before);
        let after = step_removed(before.clone(), &step, true, at(NOW));
        match stage {
            Stage::Provisioning | Stage::WithdrawingChange | Stage::Active => {
                assert_eq!(after, before, "{stage:?}");
            }
            Stage::Deleting
            | Stage::Blocked
            | Stage::WithdrawingProvision
            | Stage::Failed
            | Stage::Deleted => {
                let receipt = receipt_of(&after);
                assert_eq!(receipt.removed.last(), Some(&step.target()), "{stage:?}");
                assert_eq!(receipt.access_ended_at, Some(at(NOW)));
                assert_eq!(receipt.grant_ended_at, receipt_of(&before).grant_ended_at);
                assert_eq!((Stage::of(&after), after.role), (stage, None));
            }
        }
    }
}

#[test]
fn a_resource_that_is_left_is_in_the_receipt_once() {
    let left = [
        "instance profile x: it is not ours".to_owned(),
        "role x: it is not ours".to_owned(),
    ];
    for stage in Stage::all() {
        let before = in_stage(stage);
        let after = resources_left(before.clone(), &left);
        if let Some(receipt) = before.receipt() {
            assert_eq!(receipt.left[..], left[..1], "{stage:?}");
            assert_eq!(receipt_of(&after).left, left, "{stage:?}");
        } else {
            assert_eq!(after, before, "{stage:?}");
        }
    }
}
