//! The `If-Match` condition of a request.

use crate::binding::id::Generation;
use crate::binding::record::Binding;
use crate::binding::rejection::Rejection;

/// The value of the header `If-Match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: the cluster has a binding.
    Any,
    /// `"N"`: the cluster's newest binding has this generation.
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
