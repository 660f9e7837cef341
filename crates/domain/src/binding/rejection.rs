//! Why a request changes nothing.

use crate::account::{OtherAccount, Partition, Region};
use crate::binding::id::Generation;
use crate::cluster::request::RequestField;
use crate::cluster::spec::RoleReference;
use crate::grant::boundary::BoundaryArn;
use crate::grant::error::RolePolicyError;

/// Why a request changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// `If-Match` names another generation than the binding has.
    #[error("the binding's generation is {}, not the one that If-Match names", .current.map_or_else(|| "none".to_owned(), |g| g.to_string()))]
    PreconditionFailed {
        /// The generation that is; none where there is no binding.
        current: Option<Generation>,
    },
    /// The cluster's role is being removed.
    #[error("the cluster's role is being removed; provision it again when that is done")]
    TeardownInProgress,
    /// A field that can't change once something has been made.
    #[error("{field} can't change once something has been made; tear the role down first")]
    ImmutableField {
        /// The field for which the request names another value than the binding has.
        field: RequestField,
    },
    /// A field that the mode does not know, or that is missing and has no default.
    #[error("{field} {rule}")]
    NotApplicable {
        /// The field that is there or missing.
        field: RequestField,
        /// The rule that it breaks, to be read after the field's name.
        rule: &'static str,
    },
    /// The region belongs to another partition than the account.
    #[error("the region {region} is not of the partition {partition}")]
    RegionOfOtherPartition {
        /// The region that the request or the configuration names.
        region: Region,
        /// The partition in which this service works.
        partition: Partition,
    },
    /// The secrets' key is in another region, and has no replicas.
    #[error(
        "the secrets' KMS key is in {key_region}, and is no multi-Region key: {region} has none"
    )]
    KeyOfOtherRegion {
        /// The region in which the engine runs.
        region: Region,
        /// The region in which the key is.
        key_region: Region,
    },
    /// The role is not on the administrator's list.
    #[error("the role {0} is not on the administrator's list of pass-through roles")]
    RoleNotAllowed(RoleReference),
    /// The boundary is not one that the administrator allows.
    #[error("the permissions boundary {0} is not one that the administrator allows")]
    BoundaryNotAllowed(BoundaryArn),
    /// The policy can't be written.
    #[error("the role's policy can't be written")]
    Policy(#[source] RolePolicyError),
    /// The administrator's role does not serve.
    #[error("the role {role} does not serve: {reasons}")]
    RoleUnfit {
        /// The pass-through role that the request or the configuration names.
        role: RoleReference,
        /// What attestation found against it, in sentences.
        reasons: String,
    },
    /// The cluster never had a binding.
    #[error("the cluster never had a role")]
    NotFound,
    /// Live bindings belong to another account than the one in which this service works.
    #[error(transparent)]
    OtherAccount(#[from] OtherAccount),
}
