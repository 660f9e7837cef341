//! The verdict on an intent, derived from the binding to which the intent was written.

use crate::binding::failure::Failure;
use crate::binding::id::Generation;
use crate::binding::lifecycle::stage::Lifecycle;
use crate::binding::record::Binding;

/// The verdict on an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The intent is still being carried out.
    Pending,
    /// The intent is carried out: AWS matches it.
    Done,
    /// The intent was rejected and withdrawn, or its teardown is blocked.
    Failed(Failure),
    /// Another request replaced the intent before it was carried out.
    Superseded,
}

/// Returns the verdict on the intent of `generation`.
pub fn verdict(binding: &Binding, generation: Generation) -> Verdict {
    let rejection = binding
        .last_error()
        .filter(|failure| failure.generation == generation && failure.is_final());
    if binding.generation > generation {
        // The withdrawal of a rejected change is a newer intent, with the spec before the change.
        return match (rejection, &binding.lifecycle) {
            (None, _) => Verdict::Superseded,
            (Some(_), Lifecycle::WithdrawingChange { .. }) => Verdict::Pending,
            (Some(rejection), _) => Verdict::Failed(rejection.clone()),
        };
    }
    match &binding.lifecycle {
        Lifecycle::Active { .. } if binding.applied_generation == Some(binding.generation) => {
            match rejection {
                Some(rejection) => Verdict::Failed(rejection.clone()),
                None => Verdict::Done,
            }
        }
        Lifecycle::Active { .. }
        | Lifecycle::Provisioning { .. }
        | Lifecycle::WithdrawingChange { .. }
        | Lifecycle::WithdrawingProvision { .. }
        | Lifecycle::Deleting { .. } => Verdict::Pending,
        Lifecycle::Deleted { .. } => Verdict::Done,
        Lifecycle::Failed { rejection, .. } => Verdict::Failed(rejection.clone()),
        Lifecycle::Blocked { last_error, .. } => Verdict::Failed(last_error.clone()),
    }
}
