//! The errors of filling a policy document.

use engine_roles_policy::PolicyError;
use engine_roles_policy::render::RenderError;

use crate::account::Region;
use crate::grant::error::RolePolicyError;

/// Why a document can't be filled.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields hold")]
pub enum CatalogueError {
    /// A value is not given.
    #[error("{field} is missing: {document} needs it for <{placeholder}>")]
    Missing {
        /// The value, by the field that gives it.
        field: &'static str,
        document: &'static str,
        /// Where the value would stand.
        placeholder: String,
    },
    /// A cluster is given for a document without a place for it, which would seem narrower than
    /// it is.
    #[error("{document} is not about one cluster")]
    NotOfOneCluster { document: &'static str },
    /// The region belongs to another partition, or to none that this service knows.
    #[error("the region {region} is of no partition that is meant")]
    RegionOfOtherPartition { region: Region },
    /// The secrets' key is in another region, and has no replicas.
    #[error(
        "the secrets' KMS key is in {key_region}, and is no multi-Region key: {region} has none"
    )]
    KeyOfOtherRegion { region: Region, key_region: Region },
    /// A value can't stand in a document, or the document has a flaw.
    #[error("{document} could not be filled")]
    Fill {
        document: &'static str,
        #[source]
        source: RenderError,
    },
    /// What came out is no policy.
    #[error("{document}, filled, is no valid policy")]
    Invalid {
        document: &'static str,
        #[source]
        source: PolicyError,
    },
    /// What came out reaches beyond what an engine may have.
    #[error("{document}, filled, could not be proved to stay within its engines' secrets")]
    Unproved {
        document: &'static str,
        #[source]
        source: RolePolicyError,
    },
}

impl CatalogueError {
    /// The field to be changed, where a value is missing or does not go with the others.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Missing { field, .. } => Some(field),
            Self::NotOfOneCluster { .. } => Some("cluster"),
            Self::RegionOfOtherPartition { .. } | Self::KeyOfOtherRegion { .. } => Some("region"),
            Self::Fill { .. } | Self::Invalid { .. } | Self::Unproved { .. } => None,
        }
    }
}
