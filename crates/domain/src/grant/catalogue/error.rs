//! The errors of filling in a policy document.

use engine_roles_policy::PolicyError;
use engine_roles_policy::render::RenderError;

use crate::account::Region;
use crate::grant::error::RolePolicyError;

/// Why a document can't be filled in.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields hold")]
pub enum CatalogueError {
    /// The value of a placeholder is not given.
    #[error("{document} needs a value for {field}, to fill in <{placeholder}>")]
    Missing {
        /// The field that gives the value.
        field: &'static str,
        document: &'static str,
        /// The placeholder that the value would replace.
        placeholder: String,
    },
    /// A cluster is given for a document that has no place for one. The document would seem
    /// narrower than it is.
    #[error("{document} can't be limited to one cluster")]
    NotOfOneCluster { document: &'static str },
    /// The region belongs to a partition other than the given one, or to one that this service does
    /// not support.
    #[error("region {region} is not in the given partition, or its partition is not supported")]
    RegionOfOtherPartition { region: Region },
    /// The secrets' KMS key is in another region, and is not a multi-Region key.
    #[error(
        "the secrets' KMS key is a single-Region key in {key_region}; it can't be used in {region}"
    )]
    KeyOfOtherRegion { region: Region, key_region: Region },
    /// A value can't be put into the document, or the document itself has a flaw.
    #[error("{document} could not be filled in")]
    Fill {
        document: &'static str,
        #[source]
        source: RenderError,
    },
    /// The filled-in document is not a policy.
    #[error("{document} is not a valid policy after it was filled in")]
    Invalid {
        document: &'static str,
        #[source]
        source: PolicyError,
    },
    /// The filled-in document grants more than an engine may have.
    #[error("could not prove that {document}, filled in, stays within its engines' secrets")]
    Unproved {
        document: &'static str,
        #[source]
        source: RolePolicyError,
    },
}

impl CatalogueError {
    /// Returns the field whose value is missing or does not fit the other values; none where the
    /// error is not about one field.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Missing { field, .. } => Some(field),
            Self::NotOfOneCluster { .. } => Some("cluster"),
            Self::RegionOfOtherPartition { .. } | Self::KeyOfOtherRegion { .. } => Some("region"),
            Self::Fill { .. } | Self::Invalid { .. } | Self::Unproved { .. } => None,
        }
    }
}
