//! The conditions of a request (RFC 9110, section 13), and how a request that was sent before is
//! recognised.

use serde::Serialize;

use crate::binding::id::Generation;
use crate::binding::intent_key::IntentKey;
use crate::binding::record::Binding;
use crate::binding::rejection::Rejection;

/// One state of a binding's representation, for which an entity tag stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Revised {
    /// The generation of the binding.
    pub generation: Generation,
    /// The revision of the binding.
    pub revision: i64,
}

impl Revised {
    /// Returns the current state of a binding.
    pub fn of(binding: &Binding) -> Self {
        Self {
            generation: binding.generation,
            revision: binding.revision,
        }
    }
}

/// The value of the header `If-Match`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum IfMatch {
    /// `*`: the cluster has a live binding.
    Any,
    /// The cluster's newest binding has the generation of one of these. The revisions are not compared,
    /// so that the service's own checks invalidate no condition.
    Revisions(Vec<Revised>),
}

/// The value of the header `If-None-Match`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum IfNoneMatch {
    /// `*`: the cluster never had a binding.
    Any,
    /// The cluster's newest binding is none of these.
    Revisions(Vec<Revised>),
}

/// The conditions of a request. Both must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Conditions {
    /// Which binding must exist.
    pub if_match: Option<IfMatch>,
    /// Which binding must not exist.
    pub if_none_match: Option<IfNoneMatch>,
    /// The digest of the request with these conditions; see [`IntentKey::digest`]. None where the
    /// request has no condition.
    #[serde(skip)]
    pub digest: Option<String>,
}

impl Conditions {
    /// Returns whether the request has no condition.
    pub fn is_empty(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }

    /// Returns whether `If-Match` holds for a read of a binding. A read compares the revision, too.
    pub fn holds_if_match(&self, binding: &Binding) -> bool {
        match &self.if_match {
            None | Some(IfMatch::Any) => true,
            Some(IfMatch::Revisions(revisions)) => revisions.contains(&Revised::of(binding)),
        }
    }

    /// Returns whether `If-None-Match` holds for a cluster's newest binding.
    pub fn holds_if_none_match(&self, latest: Option<&Binding>) -> bool {
        match &self.if_none_match {
            None => true,
            Some(IfNoneMatch::Any) => latest.is_none(),
            Some(IfNoneMatch::Revisions(revisions)) => {
                let current = latest.map(Revised::of);
                current.is_none_or(|current| !revisions.contains(&current))
            }
        }
    }

    /// Returns whether the conditions of a change hold for a cluster's newest binding.
    fn hold(&self, latest: Option<&Binding>) -> bool {
        let matches = match &self.if_match {
            None => true,
            Some(IfMatch::Any) => latest.is_some_and(Binding::is_live),
            Some(IfMatch::Revisions(revisions)) => latest.is_some_and(|binding| {
                let mut named = revisions.iter();
                named.any(|revised| revised.generation == binding.generation)
            }),
        };
        matches && self.holds_if_none_match(latest)
    }

    pub(crate) fn must_hold(&self, latest: Option<&Binding>) -> Result<(), Rejection> {
        let current = latest.map(|binding| binding.generation);
        let holds = self.hold(latest);
        holds
            .then_some(())
            .ok_or(Rejection::PreconditionFailed { current })
    }
}

/// Returns the key of the binding's current intent if this request recorded it.
pub(crate) fn sent_before<'a>(
    latest: Option<&'a Binding>,
    conditions: &Conditions,
) -> Option<&'a IntentKey> {
    let binding = latest?;
    let key = binding.intent_key.as_ref()?;
    let is_current = key.generation == binding.generation;
    (is_current && conditions.digest.as_ref() == Some(&key.digest)).then_some(key)
}
