//! The reasons for which a request is rejected.

use crate::account::{OtherAccount, Partition, Region};
use crate::binding::id::Generation;
use crate::cluster::limits::WrongField;
use crate::cluster::request::RequestField;
use crate::cluster::spec::RoleReference;
use crate::grant::boundary::BoundaryArn;
use crate::grant::error::RolePolicyError;

/// Why a request is rejected. A rejected request changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// A condition of the request does not hold.
    #[error("a condition of the request (If-Match or If-None-Match) does not hold: {}", .current.map_or_else(|| "the cluster never had a binding".to_owned(), |current| format!("the binding's generation is {current}")))]
    PreconditionFailed {
        /// The binding's generation; none where the cluster has no binding.
        current: Option<Generation>,
    },
    /// The cluster's role is being removed.
    #[error("the cluster's role is being removed; provision it again when that is done")]
    TeardownInProgress,
    /// The removal of the cluster's role is blocked.
    #[error("the removal of the cluster's role is blocked: {}; correct that, then send the DELETE again", .blockers.join("; "))]
    TeardownBlocked {
        /// What blocks the removal, each with the reason.
        blockers: Vec<String>,
    },
    /// The request names other values than the binding has for these fields, which a live binding keeps.
    #[error("{} can't change while the cluster has a role; tear the role down first", names(.0))]
    ImmutableFields(Vec<RequestField>),
    /// A field is not allowed in the mode, or is missing and has no default.
    #[error("{field} {rule}")]
    NotApplicable {
        /// The field that is not allowed or missing.
        field: RequestField,
        /// The rule that the field breaks, to be read after the field's name.
        rule: &'static str,
    },
    /// The region belongs to a partition other than the account's.
    #[error("region {region} is not in partition {partition}, in which this service works")]
    RegionOfOtherPartition {
        /// The region that the request or the configuration names.
        region: Region,
        /// The partition in which this service works.
        partition: Partition,
    },
    /// The secrets' KMS key is in another region, and is not a multi-Region key.
    #[error(
        "the secrets' KMS key is a single-Region key in {key_region}; it can't be used in {region}"
    )]
    KeyOfOtherRegion {
        /// The region of the cluster.
        region: Region,
        /// The region of the key.
        key_region: Region,
    },
    /// The role is not on the administrator's list.
    #[error("the role {0} is not on the administrator's list of pass-through roles")]
    RoleNotAllowed(RoleReference),
    /// The boundary is not on the administrator's list.
    #[error(
        "the permissions boundary {0} is not on the administrator's list of allowed boundaries"
    )]
    BoundaryNotAllowed(BoundaryArn),
    /// The administrator's limits forbid what the request asks for.
    #[error("{}", WrongField::in_words(.0))]
    NotPermitted(Vec<WrongField>),
    /// Tags of the request can't be set beside the administrator's.
    #[error("{}", WrongField::in_words(.0))]
    InvalidTags(Vec<WrongField>),
    /// The spec makes no policy that IAM would accept.
    #[error("the role's inline policy can't be built")]
    Policy(#[source] RolePolicyError),
    /// Attestation found the pass-through role unfit.
    #[error("the pass-through role {role} is unfit: {reasons}")]
    RoleUnfit {
        /// The pass-through role that the request or the configuration names.
        role: RoleReference,
        /// The findings of the attestation, in sentences.
        reasons: String,
    },
    /// The cluster has no binding and never had one.
    #[error("the cluster never had a role")]
    NotFound,
    /// Live bindings belong to an account other than the one in which this service works.
    #[error(transparent)]
    OtherAccount(#[from] OtherAccount),
}

fn names(fields: &[RequestField]) -> String {
    let names: Vec<&str> = fields.iter().map(|field| field.as_str()).collect();
    names.join(", ")
}
