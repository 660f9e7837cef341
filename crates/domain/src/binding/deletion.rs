//! What a DELETE means for a cluster, given what is recorded of it.

use crate::account::Scope;
use crate::binding::lifecycle::stage::Lifecycle;
use crate::binding::precondition::{IfMatch, check_precondition};
use crate::binding::record::Binding;
use crate::binding::rejection::Rejection;

/// What a DELETE means.
#[derive(Clone, Debug, PartialEq)]
pub enum Deletion {
    /// The live binding is to be removed.
    Begin(Box<Binding>),
    /// Its teardown is blocked: it is tried again now.
    Resume(Box<Binding>),
    /// It is being removed already.
    Continue(Box<Binding>),
    /// Nothing was made: the record alone is closed.
    Close(Box<Binding>),
    /// It is gone.
    Done(Box<Binding>),
}

/// Decides what a DELETE means. `scope` is the account in which this service works, where that is
/// known.
///
/// # Errors
/// When the request may not be carried out; nothing is then to be written.
pub fn decide_delete(
    latest: Option<&Binding>,
    scope: Option<&Scope>,
    if_match: Option<IfMatch>,
) -> Result<Deletion, Rejection> {
    let binding = latest.ok_or(Rejection::NotFound)?;
    check_precondition(latest, if_match)?;
    if let Some(scope) = scope.filter(|_| binding.is_live()) {
        binding.scope.must_be(scope)?;
    }
    let decided = Box::new(binding.clone());
    Ok(match &binding.lifecycle {
        Lifecycle::Provisioning { .. }
        | Lifecycle::WithdrawingChange { .. }
        | Lifecycle::Active { .. }
        | Lifecycle::WithdrawingProvision { .. } => Deletion::Begin(decided),
        Lifecycle::Blocked { .. } => Deletion::Resume(decided),
        Lifecycle::Deleting { .. } => Deletion::Continue(decided),
        Lifecycle::Failed { .. } => Deletion::Close(decided),
        Lifecycle::Deleted { .. } => Deletion::Done(decided),
    })
}
