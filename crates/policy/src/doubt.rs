//! What AWS's documentation does not settle, or what was not understood.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// A part of a policy of which it is not known what it means for a request: AWS's documentation does
/// not say, or the part is not of the policy language.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub struct Doubt {
    /// The part: a condition, an action, a resource, or a path in the document.
    pub part: String,
    /// Why its meaning is not known, as a sentence without a full stop.
    pub reason: Cow<'static, str>,
}

impl Doubt {
    pub(crate) fn new(part: impl Into<String>, reason: impl Into<Cow<'static, str>>) -> Doubt {
        Doubt {
            part: part.into(),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.reason)
    }
}
