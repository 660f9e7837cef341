//! What the outcome of an attempt changes of a binding, and that the rest stays.

use std::collections::BTreeSet;

use engine_roles_domain::binding::lifecycle::{
    Activation, Lifecycle, activated, closed, delayed, rejected, superseded, teardown_begun,
};
use engine_roles_domain::binding::{
    Binding, Consistency, EventDetail, Failure, FailureCode, ProfileRecord, RoleRecord,
};
use engine_roles_domain::cluster::RoleSpec;

use super::{
    Case, LATER, NOW, activation, apply, changed_spec, receipt_of, touched, with_next_intent,
};
use crate::fixtures::{
    GENERATION, Stage, active, at, binding_of, in_stage, pass_through_spec, profile_record,
    rejection_of, role_record, spec, tags,
};

/// The active binding that results when AWS accepted the spec of `before`.
fn activated_from(before: &Binding, last_error: Option<Failure>) -> Binding {
    Binding {
        lifecycle: Lifecycle::Active { last_error },
        applied_generation: Some(before.generation),
        applied_spec: Some(before.spec.clone()),
        unapplied_tags: BTreeSet::new(),
        policy: activation().policy,
        usable_after: Some(at(LATER)),
        attempts: 0,
        ..touched(before)
    }
}

#[test]
fn an_accepted_spec_is_applied_and_a_withdrawn_change_keeps_its_rejection() {
    let provisioning = in_stage(Stage::Provisioning);
    let first = Binding {
        applied_generation: None,
        applied_spec: None,
        ..provisioning.clone()
    };
    let withdrawing = in_stage(Stage::WithdrawingChange);
    let rejection = Some(rejection_of(GENERATION - 1));
    let provisioned = EventDetail::Provisioned {
        calls: 3,
        role: first.known_role(),
    };
    for (before, last_error, event) in [
        (first, None, provisioned),
        (provisioning, None, EventDetail::Updated { calls: 3 }),
        (
            withdrawing,
            rejection,
            EventDetail::ChangeWithdrawn { calls: 3 },
        ),
    ] {
        let after = apply(Case::Activated, &before);
        assert_eq!(after.binding, activated_from(&before, last_error));
        assert_eq!(after.event, Some(event));
    }
}

#[test]
fn an_activation_without_a_new_policy_or_profile_keeps_the_recorded_ones() {
    let before = in_stage(Stage::Provisioning);
    let nothing_new = Activation {
        policy: None,
        usable_after: None,
        calls: 0,
    };
    let after =
        activated(before.clone(), nothing_new, at(NOW)).expect("the binding becomes active");
    let expected = Binding {
        policy: before.policy.clone(),
        usable_after: before.usable_after,
        ..activated_from(&before, None)
    };
    assert_eq!(after.binding, expected);
}

#[test]
fn an_active_pass_through_records_the_prepared_role_and_profile() {
    let arn = "arn:aws:iam::123456789012:role/a/engine";
    let named = binding_of(pass_through_spec(arn, Some("theirs")));
    let after = apply(Case::Activated, &named).binding;
    let role = RoleRecord {
        name: "engine".parse().expect("a role"),
        arn: Some(arn.to_owned()),
        id: None,
        path: Some("/a/".to_owned()),
    };
    let profile = ProfileRecord {
        name: "theirs".parse().expect("a profile"),
        arn: None,
        id: None,
        managed: false,
    };
    assert_eq!((after.role, after.profile), (Some(role), Some(profile)));

    // Our own profile for the administrator's role stays as AWS returned it.
    let around = binding_of(pass_through_spec("engine", None));
    let around = Binding {
        profile: Some(profile_record(&around)),
        ..around
    };
    let after = apply(Case::Activated, &around).binding;
    assert_eq!(after.profile, around.profile);
    let role = after.role.expect("the role");
    assert_eq!(
        (role.name.as_str(), role.arn, role.path),
        ("engine", None, None)
    );
}

fn rejected_event() -> EventDetail {
    let failure = rejection_of(GENERATION);
    EventDetail::Rejected {
        code: failure.code,
        reason: failure.detail,
        missing_permissions: failure.missing_permissions,
    }
}

#[test]
fn a_rejected_first_intent_is_withdrawn_under_its_own_generation() {
    let before = Binding {
        applied_generation: None,
        applied_spec: None,
        ..in_stage(Stage::Provisioning)
    };
    let after = apply(Case::Rejected, &before);
    let expected = Binding {
        lifecycle: Lifecycle::WithdrawingProvision {
            rejection: rejection_of(GENERATION),
            receipt: None,
        },
        attempts: 0,
        ..touched(&before)
    };
    assert_eq!(after.binding, expected);
    assert_eq!(after.event, Some(rejected_event()));
}

#[test]
fn a_rejected_change_restores_the_previous_spec_as_a_new_intent() {
    let applied = RoleSpec {
        tags: tags(&[("owner", "y")]),
        ..spec()
    };
    let before = Binding {
        applied_spec: Some(applied.clone()),
        ..in_stage(Stage::Provisioning)
    };
    let after = apply(Case::Rejected, &before);
    let expected = Binding {
        lifecycle: Lifecycle::WithdrawingChange {
            rejection: rejection_of(GENERATION),
        },
        spec: applied,
        unapplied_tags: ["formerly", "owner", "team"].map(str::to_owned).into(),
        ..with_next_intent(&before)
    };
    assert_eq!(after.binding, expected);
    assert_eq!(after.event, Some(rejected_event()));
}

#[test]
fn if_the_previous_spec_is_rejected_too_the_binding_stays_active_with_the_first_rejection() {
    for (stage, expected) in [
        (Stage::Provisioning, rejection_of(GENERATION)),
        (Stage::WithdrawingChange, rejection_of(GENERATION - 1)),
    ] {
        let before = in_stage(stage);
        let after = apply(Case::Rejected, &before);
        let expected = Binding {
            lifecycle: Lifecycle::Active {
                last_error: Some(expected),
            },
            applied_generation: Some(GENERATION),
            ..touched(&before)
        };
        assert_eq!(after.binding, expected, "{stage:?}");
        assert_eq!(after.event, Some(rejected_event()));
    }
}

#[test]
fn a_delay_becomes_the_last_error_unless_a_caller_waits_for_a_rejection() {
    for stage in Stage::all() {
        let before = in_stage(stage);
        let delay = Failure {
            code: FailureCode::IamUnavailable,
            detail: "IAM is throttling".to_owned(),
            missing_permissions: Vec::new(),
            denied_by: None,
            blockers: Vec::new(),
            generation: GENERATION,
            at: at(NOW),
            attempts: 5,
            next_attempt_at: Some(at(LATER)),
        };
        let receipt = before.receipt().cloned();
        let lifecycle = match stage {
            Stage::Active => continue,
            Stage::Provisioning => Lifecycle::Provisioning {
                last_error: Some(delay),
            },
            Stage::Deleting => Lifecycle::Deleting {
                last_error: Some(delay),
                receipt: receipt_of(&before),
            },
            Stage::Blocked => Lifecycle::Blocked {
                last_error: delay,
                receipt: receipt_of(&before),
            },
            Stage::Deleted => Lifecycle::Deleted {
                last_error: Some(delay),
                receipt,
            },
            Stage::WithdrawingChange | Stage::WithdrawingProvision | Stage::Failed => {
                before.lifecycle.clone()
            }
        };
        let expected = Binding {
            lifecycle,
            attempts: 5,
            ..touched(&before)
        };
        let after = apply(Case::Delayed, &before);
        assert_eq!(after.binding, expected, "{stage:?}");
        let reason = "IAM is throttling".to_owned();
        // Where a rejection is kept, the first attempt that failed wrote the event.
        let keeps_rejection = matches!(
            stage,
            Stage::WithdrawingChange | Stage::WithdrawingProvision | Stage::Failed
        );
        let event = (!keeps_rejection).then_some(EventDetail::Delayed { reason });
        assert_eq!(after.event, event, "{stage:?}");
    }
}

#[test]
fn an_attempt_that_fails_for_the_same_reason_writes_no_further_event() {
    for stage in Stage::all() {
        let before = Binding {
            attempts: 0,
            ..in_stage(stage)
        };
        let Ok(first) = delayed(before, "no answer".to_owned(), at(LATER), at(NOW)) else {
            continue;
        };
        assert!(first.event.is_some(), "{stage:?}");
        let again = delayed(first.binding, "no answer".to_owned(), at(LATER), at(NOW));
        let again = again.expect("a delay");
        assert_eq!(again.event, None, "{stage:?}");
        assert_eq!(again.binding.attempts, 2, "{stage:?}");
    }
}

#[test]
fn a_changed_reason_writes_an_event() {
    for stage in [Stage::Provisioning, Stage::Deleting, Stage::Blocked] {
        let first = apply(Case::Delayed, &in_stage(stage)).binding;
        let changed = delayed(first, "no credentials".to_owned(), at(LATER), at(NOW));
        let reason = "no credentials".to_owned();
        let event = changed.expect("a delay").event;
        assert_eq!(event, Some(EventDetail::Delayed { reason }), "{stage:?}");
    }
}

#[test]
fn a_first_intent_that_was_rejected_before_anything_was_created_leaves_nothing_to_remove() {
    let before = Binding {
        applied_generation: None,
        applied_spec: None,
        ..in_stage(Stage::Provisioning)
    };
    let after = apply(Case::RejectedWithNothingCreated, &before);
    assert!(!after.binding.is_live() && !after.binding.is_intent_pending());
    assert_eq!(
        after.binding.lifecycle.last_error(),
        Some(&rejection_of(GENERATION))
    );
    assert_eq!(after.event, Some(rejected_event()));
}

#[test]
fn a_delay_keeps_the_rejection_of_a_closed_record() {
    let closed = closed(in_stage(Stage::Failed), at(NOW)).expect("the record is closed");
    let after = delayed(closed.binding.clone(), String::new(), at(LATER), at(NOW));
    let after = after.expect("the delay is recorded").binding;
    assert_eq!(after.lifecycle, closed.binding.lifecycle);
    assert_eq!(after.attempts, closed.binding.attempts + 1);
}

#[test]
fn a_rejection_that_a_caller_waits_for_is_kept_through_delays_and_late_blocks() {
    let first = rejection_of(GENERATION);
    let before = Binding {
        applied_generation: None,
        applied_spec: None,
        ..in_stage(Stage::Provisioning)
    };
    let mut binding = rejected(before, first.clone(), at(NOW))
        .expect("a rejection")
        .binding;
    for case in [
        Case::Delayed,
        Case::ResourcesGone,
        Case::Delayed,
        Case::Blocked,
        Case::Closed,
        Case::Delayed,
        Case::Blocked,
    ] {
        binding = apply(case, &binding).binding;
        assert_eq!(binding.last_error(), Some(&first), "{case:?}");
    }
}

#[test]
fn a_superseded_worker_adds_what_it_learned_and_changes_nothing_of_the_intent() {
    let claimed = active();
    let current = teardown_begun(in_stage(Stage::Active), at(NOW)).expect("a teardown");
    let current = current.binding;
    let learned = Binding {
        role: Some(role_record(&claimed)),
        profile: None,
        consistency: Consistency {
            reads_consistent_at: Some(at(70)),
            writes_resolved_at: Some(at(45)),
        },
        applied_generation: Some(2),
        applied_spec: Some(changed_spec()),
        policy: Some(serde_json::json!({"Statement": ["learned"]})),
        usable_after: Some(at(80)),
        ..claimed
    };
    let after = superseded(current.clone(), &learned);
    let expected = Binding {
        role: learned.role.clone(),
        profile: None,
        consistency: Consistency {
            reads_consistent_at: Some(at(70)),
            // The later time is kept.
            writes_resolved_at: Some(at(50)),
        },
        applied_generation: learned.applied_generation,
        applied_spec: learned.applied_spec.clone(),
        policy: learned.policy.clone(),
        usable_after: learned.usable_after,
        ..current
    };
    assert_eq!(after, expected);
}
