//! The kinds of policy documents.

/// What a document is attached to; this decides which elements it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A permissions policy of a role or user: no Principal, always a Resource.
    Identity,
    /// A role's trust policy: always a Principal, never a Resource.
    Trust,
    /// A permissions boundary: it has the grammar of an identity policy, but grants nothing.
    Boundary,
}

impl Kind {
    /// Returns `identity`, `trust` or `boundary`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Identity => "identity",
            Kind::Trust => "trust",
            Kind::Boundary => "boundary",
        }
    }
}
