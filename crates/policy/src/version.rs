//! The versions of the policy language.

/// The version of the policy language (not of the policy).
///
/// "IAM JSON policy elements: Version", IAM User Guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// `2008-10-17`, which also applies if the document states no version: the language without
    /// policy variables.
    V2008,
    /// `2012-10-17`.
    V2012,
}

impl Version {
    /// Returns the date as the document writes it.
    pub fn name(self) -> &'static str {
        match self {
            Version::V2008 => "2008-10-17",
            Version::V2012 => "2012-10-17",
        }
    }
}
