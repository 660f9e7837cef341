//! Records what AWS's answers show about a binding. None of these functions changes its state.

use chrono::{DateTime, Utc};

use crate::binding::record::Binding;
use crate::cluster::spec::Mode;
use crate::resources::observed::Observed;
use crate::resources::step::{Applied, Step};

/// Records that AWS answered a step with success. From `consistent_at` on, reads certainly show
/// the step's effect.
#[must_use]
pub fn step_applied(binding: Binding, applied: &Applied, consistent_at: DateTime<Utc>) -> Binding {
    let mut binding = Binding {
        consistency: binding.consistency.after_answered_write(consistent_at),
        ..binding
    };
    match applied {
        Applied::Role(record) => binding.role = Some(record.clone()),
        Applied::Profile(record) => binding.profile = Some(record.clone()),
        Applied::Done | Applied::AlreadyGone | Applied::Unseen => {}
    }
    binding
}

/// Records that a step was sent and not answered, or that a resource exists whose owner no read
/// shows. An unanswered step may take effect until `resolved_at`.
#[must_use]
pub fn write_unresolved(binding: Binding, resolved_at: DateTime<Utc>) -> Binding {
    Binding {
        consistency: binding.consistency.after_unanswered_write(resolved_at),
        ..binding
    }
}

/// Records the unique ids of resources that a read showed and that are proved to be ours.
#[must_use]
pub fn resources_found(binding: Binding, observed: &Observed) -> Binding {
    let role = observed.role.as_ref().map(|role| role.record.clone());
    let profile = observed.profile.as_ref();
    let profile = profile.map(|profile| profile.record.clone());
    Binding {
        role: role.or(binding.role),
        profile: profile.or(binding.profile),
        ..binding
    }
}

/// Records that the resource which `step` removes is gone. The receipt lists the resource only if
/// `removed` is true: this very step removed it.
#[must_use]
pub fn step_removed(binding: Binding, step: &Step, removed: bool, now: DateTime<Utc>) -> Binding {
    let mut binding = binding;
    let is_pass_through = binding.mode() == Mode::PassThrough;
    let Some(receipt) = binding.lifecycle.receipt_mut() else {
        return binding;
    };
    match step {
        Step::DeleteRolePolicy { .. } => {
            receipt.grant_ended_at.get_or_insert(now);
        }
        Step::RemoveRoleFromInstanceProfile { .. } if is_pass_through => {
            receipt.grant_ended_at.get_or_insert(now);
        }
        Step::DeleteRole { .. } => {
            receipt.grant_ended_at.get_or_insert(now);
            receipt.access_ended_at.get_or_insert(now);
        }
        _ => {}
    }
    let target = step.target();
    if removed && !receipt.removed.contains(&target) {
        receipt.removed.push(target);
    }
    match step {
        Step::DeleteRole { .. } => binding.role = None,
        Step::DeleteInstanceProfile { .. } => binding.profile = None,
        _ => {}
    }
    binding
}

/// Records the resources that a removal left because they are not ours, each with the reason.
#[must_use]
pub fn resources_left(binding: Binding, left: &[String]) -> Binding {
    let mut binding = binding;
    if let Some(receipt) = binding.lifecycle.receipt_mut() {
        for left in left {
            if !receipt.left.contains(left) {
                receipt.left.push(left.clone());
            }
        }
    }
    binding
}
