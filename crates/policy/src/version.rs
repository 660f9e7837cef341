//! The versions of the policy language.

/// The version of the policy language (not of the policy).
///
/// "IAM JSON policy elements: Version", IAM User Guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// `2008-10-17`, also meant where none is written: without policy variables.
    V2008,
    /// `2012-10-17`.
    V2012,
}

impl Version {
    /// The date in the document.
    pub fn name(self) -> &'static str {
        match self {
            Version::V2008 => "2008-10-17",
            Version::V2012 => "2012-10-17",
        }
    }
}
