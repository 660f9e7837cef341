//! What a request for a teardown asks for, given the cluster's newest binding.

use crate::account::Scope;
use crate::binding::lifecycle::stage::Lifecycle;
use crate::binding::precondition::{IfMatch, check_precondition};
use crate::binding::record::Binding;
use crate::binding::rejection::Rejection;

/// What a request for a teardown asks for. Each case has the binding as it was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Deletion {
    /// A teardown of the live binding.
    Begin(Box<Binding>),
    /// Another attempt, now, at a teardown that is blocked.
    Resume(Box<Binding>),
    /// Nothing new: the teardown is in progress.
    Continue(Box<Binding>),
    /// A record that is closed without a call, because nothing of it exists at AWS.
    Close(Box<Binding>),
    /// Nothing new: the binding is torn down.
    Done(Box<Binding>),
}

/// Decides what a request for a teardown asks for. `scope` is the account in which this service works, where that is
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
