//! Decides what a request for a teardown changes, given the cluster's newest binding.

use crate::account::Scope;
use crate::binding::lifecycle::stage::Lifecycle;
use crate::binding::precondition::{Conditions, sent_before};
use crate::binding::record::Binding;
use crate::binding::rejection::Rejection;

/// What a request for a teardown changes. Each case holds the binding as it was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Deletion {
    /// A teardown of the live binding begins.
    Begin(Box<Binding>),
    /// A blocked teardown is attempted again at once.
    Resume(Box<Binding>),
    /// Nothing changes: the teardown is in progress.
    Continue(Box<Binding>),
    /// The record is closed without a call to AWS, because nothing of the binding exists there.
    Close(Box<Binding>),
    /// Nothing changes: the binding is torn down already.
    Done(Box<Binding>),
}

/// Decides what a request for a teardown changes. `scope` is the account in which this service
/// works; none where the account is not known.
///
/// # Errors
/// When the request is rejected; the caller then writes nothing.
pub fn decide_delete(
    latest: Option<&Binding>,
    scope: Option<&Scope>,
    conditions: &Conditions,
) -> Result<Deletion, Rejection> {
    let binding = latest.ok_or(Rejection::NotFound)?;
    if sent_before(latest, conditions).is_none() {
        conditions.must_hold(latest)?;
    }
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
