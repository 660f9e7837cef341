//! The condition that a request states about the binding that it changes.

use crate::binding::id::Generation;
use crate::binding::record::Binding;
use crate::binding::rejection::Rejection;

/// The generation that a caller's `If-Match` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: there is a binding.
    Any,
    /// `"N"`: it has this generation.
    Generation(Generation),
}

pub(crate) fn check_precondition(
    latest: Option<&Binding>,
    if_match: Option<IfMatch>,
) -> Result<(), Rejection> {
    let current = latest.map(|binding| binding.generation);
    let holds = match if_match {
        None => true,
        Some(IfMatch::Any) => current.is_some(),
        Some(IfMatch::Generation(generation)) => current == Some(generation),
    };
    if holds {
        Ok(())
    } else {
        Err(Rejection::PreconditionFailed { current })
    }
}
