//! How an intent ended. Pure: read from the binding that it was written to.

use crate::binding::failure::Failure;
use crate::binding::id::Generation;
use crate::binding::record::Binding;
use crate::binding::state::State;

/// How an intent ended, as far as it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is on its way.
    Pending,
    /// It is so.
    Done,
    /// It was refused, and withdrawn.
    Failed(Failure),
    /// Another request changed the intent.
    Superseded,
}

/// How the intent of `generation` ended, read from the binding that it was written to.
pub fn verdict(binding: &Binding, generation: Generation) -> Verdict {
    let failure = binding
        .last_error
        .as_ref()
        .filter(|failure| failure.generation == generation && failure.next_attempt_at.is_none());
    if binding.generation > generation {
        // A refused change withdraws itself by a newer intent: the spec that was before.
        return match failure {
            Some(_) if binding.state == State::Provisioning => Verdict::Pending,
            Some(failure) => Verdict::Failed(failure.clone()),
            None => Verdict::Superseded,
        };
    }
    match binding.state {
        State::Active if binding.applied_generation == Some(binding.generation) => match failure {
            Some(failure) => Verdict::Failed(failure.clone()),
            None => Verdict::Done,
        },
        State::Active | State::Provisioning | State::Deleting => Verdict::Pending,
        State::Deleted => Verdict::Done,
        State::Failed if binding.live => Verdict::Pending,
        State::Failed | State::Blocked => match (failure, &binding.last_error) {
            (Some(failure), _) | (None, Some(failure)) => Verdict::Failed(failure.clone()),
            (None, None) => Verdict::Pending,
        },
    }
}
