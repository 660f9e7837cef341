//! Transitions that a check of an active binding causes.

use chrono::{DateTime, Utc};

use crate::binding::drift::Drift;
use crate::binding::event::EventDetail;
use crate::binding::lifecycle::stage::Lifecycle;
use crate::binding::lifecycle::{Transition, WrongState};
use crate::binding::record::Binding;
use crate::resources::step::Step;

/// A repair step that AWS denied.
#[derive(Clone, Debug)]
pub struct DeniedStep {
    /// The step that was sent.
    pub step: Step,
    /// The missing permission, such as `iam:PutRolePolicy`.
    pub permission: String,
}

/// A check read AWS and found no drift.
///
/// # Errors
/// When the binding is not active.
pub fn verified(binding: Binding, now: DateTime<Utc>) -> Result<Transition, WrongState> {
    let binding = active("verified", binding)?;
    let event = (!binding.drift.is_empty()).then_some(EventDetail::DriftRepairedByOthers);
    let binding = Binding {
        drift: Vec::new(),
        verified_at: Some(now),
        updated_at: now,
        ..binding
    };
    Ok(Transition { binding, event })
}

/// A check read AWS and found drift from the applied spec.
///
/// # Errors
/// When the binding is not active.
pub fn drift_found(
    binding: Binding,
    found: Vec<Drift>,
    now: DateTime<Utc>,
) -> Result<Transition, WrongState> {
    let binding = active("drift_found", binding)?;
    let event = EventDetail::DriftFound {
        drift: found.clone(),
    };
    let binding = Binding {
        drift: found,
        updated_at: now,
        ..binding
    };
    Ok(Transition::with(binding, event))
}

/// A repair was attempted. The drift stays recorded until a read shows that it is gone. Where AWS
/// denied a step, the drift names the missing permission.
///
/// # Errors
/// When the binding is not active.
pub fn drift_repaired(
    binding: Binding,
    steps: Vec<String>,
    denied: &[DeniedStep],
    now: DateTime<Utc>,
) -> Result<Transition, WrongState> {
    let mut binding = active("drift_repaired", binding)?;
    for drift in &mut binding.drift {
        let denied = denied.iter().find(|denied| denied.step.repairs(drift.kind));
        if let Some(denied) = denied {
            drift.missing_permission = Some(denied.permission.clone());
        }
    }
    let event = (!steps.is_empty()).then_some(EventDetail::DriftRepaired { steps });
    let binding = Binding {
        updated_at: now,
        ..binding
    };
    Ok(Transition { binding, event })
}

fn active(event: &'static str, binding: Binding) -> Result<Binding, WrongState> {
    match binding.lifecycle {
        Lifecycle::Active { .. } => Ok(binding),
        _ => Err(WrongState::new(event, &binding)),
    }
}
