//! Proofs about the audit log, as a transparency log after RFC 6962.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::text::TreeHash;

/// Selects the tree to whose root a proof of inclusion leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InclusionQuery {
    /// The size of the tree; by default that of the signed checkpoint if it has the event, else that of
    /// the whole tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 256)]
    pub size: Option<i64>,
}

/// Selects two trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConsistencyQuery {
    /// The size of the smaller tree, such as that of a checkpoint that was kept.
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 100)]
    pub from: i64,
    /// The size of the larger tree, such as that of a later checkpoint.
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 256)]
    pub to: i64,
}

/// The proof that an event is in the audit log (RFC 6962, section 2.1.1). Hashes are in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditInclusion {
    /// The number of the event. Its leaf has the index `seq` - 1.
    #[schema(minimum = 1)]
    pub seq: i64,
    /// The size of the tree to whose root the proof leads.
    #[schema(minimum = 1)]
    pub size: i64,
    /// The hash of the leaf: SHA-256 of a zero byte and the entry.
    #[schema(value_type = TreeHash)]
    pub leaf: String,
    /// The root of the tree.
    #[schema(value_type = TreeHash)]
    pub root: String,
    /// The hashes from the sibling of the leaf to a child of the root.
    #[schema(value_type = Vec<TreeHash>, max_items = 64)]
    pub hashes: Vec<String>,
    /// The entry: the event as it was hashed, in JSON. Null where the event has expired.
    pub entry: Option<String>,
    /// The proof and the signed checkpoint in one text (C2SP tlog-proof); null where no checkpoint of
    /// this size was signed.
    pub proof: Option<String>,
}

/// The proof that the audit log only grew (RFC 6962, section 2.1.2). Hashes are in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditConsistency {
    /// The size of the smaller tree.
    #[schema(minimum = 0)]
    pub from: i64,
    /// The size of the larger tree.
    #[schema(minimum = 0)]
    pub to: i64,
    /// The root of the smaller tree.
    #[schema(value_type = TreeHash)]
    pub from_root: String,
    /// The root of the larger tree.
    #[schema(value_type = TreeHash)]
    pub to_root: String,
    /// The hashes in the order of RFC 6962.
    #[schema(value_type = Vec<TreeHash>, max_items = 128)]
    pub hashes: Vec<String>,
}
