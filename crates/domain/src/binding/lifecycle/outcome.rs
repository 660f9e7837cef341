//! Transitions that the outcome of an attempt to converge causes.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::binding::consistency::Consistency;
use crate::binding::event::EventDetail;
use crate::binding::failure::{Failure, FailureCode};
use crate::binding::lifecycle::intent::{next_intent, tags_in_doubt};
use crate::binding::lifecycle::stage::Lifecycle;
use crate::binding::lifecycle::{Transition, WrongState};
use crate::binding::record::{Binding, ProfileRecord, RoleRecord};
use crate::cluster::spec::{ModeSpec, PassThroughSpec};

/// What is known once AWS has accepted the whole spec.
#[derive(Clone, Debug)]
pub struct Activation {
    /// The inline policy that was written; none in mode pass-through, or where nothing was written.
    pub policy: Option<Value>,
    /// When EC2 is expected to know the instance profile; none where the profile did not change.
    pub usable_after: Option<DateTime<Utc>>,
    /// The number of calls that the attempt made.
    pub calls: usize,
}

/// AWS accepted everything that the spec asks for.
///
/// # Errors
/// When the binding was not being converged to a spec.
pub fn activated(
    binding: Binding,
    activation: Activation,
    now: DateTime<Utc>,
) -> Result<Transition, WrongState> {
    let last_error = match &binding.lifecycle {
        Lifecycle::Provisioning { .. } => None,
        Lifecycle::WithdrawingChange { rejection } => Some(rejection.clone()),
        _ => return Err(WrongState::new("activated", &binding)),
    };
    let calls = activation.calls;
    let event = match (binding.applied_generation, &last_error) {
        (None, _) => EventDetail::Provisioned {
            calls,
            role: binding.known_role(),
        },
        (Some(_), Some(_)) => EventDetail::ChangeWithdrawn { calls },
        (Some(_), None) => EventDetail::Updated { calls },
    };
    let binding = match &binding.spec.mode {
        ModeSpec::Create(_) => binding,
        ModeSpec::PassThrough(pass) => {
            let pass = pass.clone();
            with_prepared_role(binding, &pass)
        }
    };
    let binding = Binding {
        lifecycle: Lifecycle::Active { last_error },
        attempts: 0,
        applied_generation: Some(binding.generation),
        applied_spec: Some(binding.spec.clone()),
        unapplied_tags: std::collections::BTreeSet::new(),
        policy: activation.policy.or(binding.policy),
        usable_after: activation.usable_after.or(binding.usable_after),
        updated_at: now,
        ..binding
    };
    Ok(Transition::with(binding, event))
}

fn with_prepared_role(binding: Binding, pass: &PassThroughSpec) -> Binding {
    let arn = pass.iam_role.arn();
    let role = RoleRecord {
        name: pass.iam_role.name().clone(),
        path: arn.as_ref().map(|arn| arn.path.clone()),
        arn: arn.map(|arn| arn.to_string()),
        id: None,
    };
    let profile = pass.instance_profile.clone().map(|name| ProfileRecord {
        name,
        arn: None,
        id: None,
        managed: false,
    });
    Binding {
        role: Some(role),
        profile: profile.or(binding.profile),
        ..binding
    }
}

/// The intent can't be carried out, and another attempt would end the same way. Where a spec was
/// applied before, that spec becomes a new intent; else the resources created so far are removed.
/// Where even the earlier spec can't be applied again, the binding stays as AWS has it, and checks
/// report the difference as drift.
///
/// # Errors
/// When the binding was not being converged to a spec.
pub fn rejected(
    binding: Binding,
    failure: Failure,
    now: DateTime<Utc>,
) -> Result<Transition, WrongState> {
    let event = rejection_of(&failure);
    // The caller waits for the rejection of its own intent, not for one of the withdrawal.
    let rejection = match &binding.lifecycle {
        Lifecycle::Provisioning { .. } => failure,
        Lifecycle::WithdrawingChange { rejection } => rejection.clone(),
        _ => return Err(WrongState::new("rejected", &binding)),
    };
    let binding = match binding.applied_spec.clone() {
        None => Binding {
            lifecycle: Lifecycle::WithdrawingProvision {
                rejection,
                receipt: None,
            },
            attempts: 0,
            updated_at: now,
            ..binding
        },
        Some(applied) if applied != binding.spec => Binding {
            lifecycle: Lifecycle::WithdrawingChange { rejection },
            spec: applied,
            unapplied_tags: tags_in_doubt(&binding),
            ..next_intent(binding, now)
        },
        Some(_) => Binding {
            lifecycle: Lifecycle::Active {
                last_error: Some(rejection),
            },
            applied_generation: Some(binding.generation),
            updated_at: now,
            ..binding
        },
    };
    Ok(Transition::with(binding, event))
}

/// The first intent can't be carried out, and it is certain that nothing was created for it. Nothing
/// need be removed, so the cluster may be provisioned again at once.
///
/// # Errors
/// When the binding was not being provisioned for the first time.
pub fn rejected_with_nothing_created(
    binding: Binding,
    failure: Failure,
    now: DateTime<Utc>,
) -> Result<Transition, WrongState> {
    let is_provisioning = matches!(binding.lifecycle, Lifecycle::Provisioning { .. });
    if !is_provisioning || binding.applied_spec.is_some() {
        return Err(WrongState::new("rejected_with_nothing_created", &binding));
    }
    let event = rejection_of(&failure);
    let binding = Binding {
        lifecycle: Lifecycle::Failed {
            rejection: failure,
            receipt: None,
        },
        attempts: 0,
        updated_at: now,
        ..binding
    };
    Ok(Transition::with(binding, event))
}

fn rejection_of(failure: &Failure) -> EventDetail {
    EventDetail::Rejected {
        code: failure.code,
        reason: failure.detail.clone(),
        missing_permissions: failure.missing_permissions.clone(),
    }
}

/// An attempt failed and is repeated later. A withdrawal keeps the rejection that its caller waits
/// for, and so does a record that was closed after a rejection. An audit event is written when the
/// reason changes, and not for further attempts that fail for the same reason.
///
/// # Errors
/// When the binding is active, so that no attempt was in progress.
pub fn delayed(
    binding: Binding,
    reason: String,
    next_attempt_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Transition, WrongState> {
    let is_first_attempt = binding.attempts == 0;
    let mut binding = Binding {
        attempts: binding.attempts.saturating_add(1),
        updated_at: now,
        ..binding
    };
    let failure = Failure {
        next_attempt_at: Some(next_attempt_at),
        ..binding.failure(FailureCode::IamUnavailable, reason.clone(), now)
    };
    let is_new_reason = match &mut binding.lifecycle {
        Lifecycle::WithdrawingChange { .. }
        | Lifecycle::WithdrawingProvision { .. }
        | Lifecycle::Failed { .. } => is_first_attempt,
        Lifecycle::Deleted {
            last_error: Some(rejection),
            ..
        } if rejection.is_final() => is_first_attempt,
        Lifecycle::Provisioning { last_error }
        | Lifecycle::Deleting { last_error, .. }
        | Lifecycle::Deleted { last_error, .. } => {
            let last = last_error.replace(failure);
            last.is_none_or(|last| last.detail != reason)
        }
        Lifecycle::Blocked { last_error, .. } => {
            let last = std::mem::replace(last_error, failure);
            last.detail != reason
        }
        Lifecycle::Active { .. } => return Err(WrongState::new("delayed", &binding)),
    };
    let event = is_new_reason.then_some(EventDetail::Delayed { reason });
    Ok(Transition { binding, event })
}

/// A removal found a resource that it may not remove. The removal is retried at long intervals.
///
/// A blocked withdrawal becomes a blocked teardown, whose failure also says why the intent was rejected:
/// its caller is answered then. A finished record keeps its receipt. An audit event is written when the
/// removal becomes blocked, and not for further blocked attempts.
///
/// # Errors
/// When nothing is being removed.
pub fn blocked(
    binding: Binding,
    failure: Failure,
    next_attempt_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Transition, WrongState> {
    let event = EventDetail::Blocked {
        code: failure.code,
        reason: failure.detail.clone(),
        missing_permissions: failure.missing_permissions.clone(),
        blockers: failure.blockers.clone(),
    };
    let is_first_attempt = binding.attempts == 0;
    let attempts = binding.attempts.saturating_add(1);
    let mut binding = Binding {
        updated_at: now,
        ..binding
    };
    let is_first_report = match &mut binding.lifecycle {
        Lifecycle::Deleting { receipt, .. } => {
            binding.lifecycle = Lifecycle::Blocked {
                last_error: Failure {
                    next_attempt_at: Some(next_attempt_at),
                    ..failure
                },
                receipt: receipt.clone(),
            };
            true
        }
        Lifecycle::Blocked { last_error, .. } => {
            *last_error = Failure {
                next_attempt_at: Some(next_attempt_at),
                ..failure
            };
            false
        }
        Lifecycle::WithdrawingProvision { rejection, receipt } => {
            binding.lifecycle = Lifecycle::Blocked {
                last_error: Failure {
                    next_attempt_at: Some(next_attempt_at),
                    ..blocked_withdrawal(rejection, failure)
                },
                receipt: receipt.take().unwrap_or_default(),
            };
            true
        }
        Lifecycle::Failed { .. } | Lifecycle::Deleted { .. } => {
            binding.attempts = attempts;
            is_first_attempt
        }
        Lifecycle::Provisioning { .. }
        | Lifecycle::WithdrawingChange { .. }
        | Lifecycle::Active { .. } => return Err(WrongState::new("blocked", &binding)),
    };
    Ok(Transition {
        binding,
        event: is_first_report.then_some(event),
    })
}

/// Returns the failure of an intent that was rejected and can't be withdrawn.
fn blocked_withdrawal(rejection: &Failure, obstacle: Failure) -> Failure {
    let detail = format!(
        "the request was rejected ({}), and what it had created can't be removed: {}",
        rejection.detail, obstacle.detail
    );
    Failure {
        detail,
        ..obstacle.joined_with(rejection)
    }
}

/// All resources of the binding are gone. `found_something` is true where this attempt found
/// anything to remove; a check of a finished incarnation that found nothing writes no event.
///
/// # Errors
/// When nothing was being removed.
pub fn resources_gone(
    binding: Binding,
    found_something: bool,
    now: DateTime<Utc>,
) -> Result<Transition, WrongState> {
    let receipt = binding.lifecycle.receipt().cloned().unwrap_or_default();
    let removed = receipt.removed.clone();
    let (lifecycle, event) = match binding.lifecycle {
        Lifecycle::Deleting { .. } | Lifecycle::Blocked { .. } => (
            Lifecycle::Deleted {
                last_error: None,
                receipt: Some(receipt.clone()),
            },
            Some(EventDetail::TornDown { receipt }),
        ),
        Lifecycle::WithdrawingProvision { rejection, receipt } => (
            Lifecycle::Failed {
                rejection,
                receipt: receipt.filter(|receipt| !receipt.left.is_empty()),
            },
            Some(EventDetail::ProvisionWithdrawn { removed }),
        ),
        finished @ (Lifecycle::Failed { .. } | Lifecycle::Deleted { .. }) => (
            finished,
            found_something.then_some(EventDetail::LateResourceRemoved { removed }),
        ),
        Lifecycle::Provisioning { .. }
        | Lifecycle::WithdrawingChange { .. }
        | Lifecycle::Active { .. } => return Err(WrongState::new("resources_gone", &binding)),
    };
    // Where something that is not ours was left under our name, the tombstone keeps our unique ids:
    // they prove, at every later attempt, that it is not ours.
    let keeps_ids = match &lifecycle {
        Lifecycle::Deleted { receipt, .. } => receipt
            .as_ref()
            .is_some_and(|receipt| !receipt.left.is_empty()),
        _ => false,
    };
    let binding = Binding {
        lifecycle,
        role: binding.role.filter(|_| keeps_ids),
        profile: binding.profile.filter(|_| keeps_ids),
        updated_at: now,
        ..binding
    };
    Ok(Transition { binding, event })
}

/// Another request changed the intent while a worker was carrying out the previous one. Returns the
/// `current` record with what the worker learned about AWS in the meantime.
pub fn superseded(current: Binding, learned: &Binding) -> Binding {
    Binding {
        role: learned.role.clone(),
        profile: learned.profile.clone(),
        consistency: Consistency {
            reads_consistent_at: learned.consistency.reads_consistent_at,
            writes_resolved_at: current
                .consistency
                .writes_resolved_at
                .max(learned.consistency.writes_resolved_at),
        },
        applied_generation: learned.applied_generation,
        applied_spec: learned.applied_spec.clone(),
        policy: learned.policy.clone(),
        usable_after: learned.usable_after,
        ..current
    }
}
