//! Proofs about the audit log, as a transparency log after RFC 6962.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Selects the tree to whose root a proof of inclusion leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InclusionQuery {
    /// The size of the tree; by default that of the signed checkpoint if it has the event, else that of
    /// the whole tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
}

/// Selects two trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConsistencyQuery {
    /// The size of the smaller tree, such as that of a checkpoint that was kept.
    pub from: i64,
    /// The size of the larger tree, such as that of a later checkpoint.
    pub to: i64,
}

/// The proof that an event is in the audit log (RFC 6962, section 2.1.1). Hashes are in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditInclusion {
    /// The number of the event. Its leaf has the index `seq` - 1.
    pub seq: i64,
    /// The size of the tree to whose root the proof leads.
    pub size: i64,
    /// The hash of the leaf: SHA-256 of a zero byte and the entry.
    pub leaf: String,
    /// The root of the tree.
    pub root: String,
    /// The hashes from the sibling of the leaf to a child of the root.
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
    pub from: i64,
    /// The size of the larger tree.
    pub to: i64,
    /// The root of the smaller tree.
    pub from_root: String,
    /// The root of the larger tree.
    pub to_root: String,
    /// The hashes in the order of RFC 6962.
    pub hashes: Vec<String>,
}
