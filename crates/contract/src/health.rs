//! The readiness of the service.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::open::Open;
use crate::text::{Permission, Word};

/// Whether the service can answer requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadinessStatus {
    /// The service answers requests and works with AWS.
    Ready,
    /// The service answers requests, but `aws` is not `ok` or `audit` is `broken`.
    Degraded,
    /// The service can't answer requests.
    Unready,
}

/// Whether the database can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseStatus {
    /// The database answers and its schema is up to date.
    Ok,
    /// The database does not answer.
    Unreachable,
    /// The database last answered more than two seconds ago.
    Stale,
    /// The database refuses the service's user or password.
    LoginRefused,
    /// The database user lacks a right that serving needs.
    NoRights,
    /// The database answers, but accepts no writes: it is a standby, or a failover is in progress.
    ReadOnly,
    /// The database answers, but its schema is not up to date.
    MigrationsPending,
    /// The database answers, but a newer release has changed its schema so that this one can't work.
    SchemaTooNew,
}

/// Whether the reconciler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReconcilerStatus {
    /// The reconciler runs.
    Ok,
    /// The reconciler's last run, or this replica's last heartbeat, was too long ago.
    Stalled,
    /// The service is about to stop.
    Stopping,
}

/// How AWS answered the service's recent calls, and whether the service works in the AWS account of
/// its bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AwsStatus {
    /// AWS answered the last call, and no live binding belongs to another account.
    Ok,
    /// AWS throttled the last call.
    Throttled,
    /// AWS did not accept the service's credentials, or there were none.
    InvalidCredentials,
    /// AWS did not answer the last call, or something else answered it.
    Unreachable,
    /// AWS denied the last change that a binding needed.
    Denied,
    /// No call was answered lately, or the bindings of other accounts have not been counted yet.
    Unknown,
    /// Live bindings of this namespace belong to another account, or the credentials belong to another
    /// account than the configured one.
    OtherAccount,
}

/// Whether the audit log can be proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditStatus {
    /// Every event is in the tree over the audit log, and the checkpoint is signed where the service
    /// has a key.
    Ok,
    /// Events wait to be added to the tree.
    Behind,
    /// The tree, the log and the earlier checkpoints contradict each other. Nothing is added to the
    /// tree and nothing is signed.
    Broken,
    /// The tree has not been checked yet.
    Unknown,
}

/// The readiness of the service and of its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// `ready`, `degraded` (the service answers requests, but `aws` is not `ok` or `audit` is `broken`)
    /// or `unready` (the database or the reconciler is not `ok`).
    #[schema(value_type = ReadinessStatus)]
    pub status: Open<ReadinessStatus>,
    /// `ok`, `unreachable`, `stale` (the database last answered more than two seconds ago),
    /// `login_refused`, `no_rights` (the database user lacks a right that serving needs), `read_only` (a standby, or a failover is in progress), `migrations_pending`
    /// (the schema is not up to date) or `schema_too_new` (a newer release has changed the schema so
    /// that this one can't work).
    #[schema(value_type = DatabaseStatus)]
    pub database: Open<DatabaseStatus>,
    /// `ok`, `stalled` (the reconciler's last run, or this replica's last heartbeat, was too long
    /// ago) or `stopping` (the service is about to stop).
    #[schema(value_type = ReconcilerStatus)]
    pub reconciler: Open<ReconcilerStatus>,
    /// How AWS answered the recent calls of this replica: `ok`, `throttled`, `invalid_credentials` (AWS
    /// did not accept them, or there were none), `unreachable` (no answer of AWS), `denied` (AWS denied
    /// the last change that a binding needed), `other_account` (live bindings of this namespace, or the
    /// configuration, belong to another account than the credentials: the service leaves everything
    /// unchanged and provisions nothing) or `unknown` (no call was answered lately).
    #[schema(value_type = AwsStatus)]
    pub aws: Open<AwsStatus>,
    /// When AWS last answered a call of this replica with success; null before the first time.
    #[serde(with = "crate::time::optional")]
    pub aws_last_success: Option<DateTime<Utc>>,
    /// `ok`, `behind` (events wait to be added to the tree over the audit log), `broken` (the tree, the
    /// log and the earlier checkpoints contradict each other: nothing is added or signed, and a person
    /// has to look) or `unknown` (not checked yet).
    #[schema(value_type = AuditStatus)]
    pub audit: Open<AuditStatus>,
    /// Why `audit` is `broken`; null otherwise, and for a caller without a valid API key.
    pub audit_reason: Option<String>,
    /// How many live bindings of this namespace belong to another account; null until they have been
    /// counted, and for a caller without a valid API key.
    #[schema(minimum = 0)]
    pub other_account_bindings: Option<i64>,
    /// The optional features that are off because AWS denied a call; null for a caller without a
    /// valid API key.
    pub missing: Option<Vec<MissingFeature>>,
}

/// An optional feature that is off because AWS denied a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissingFeature {
    /// `orphans` (resources that no binding accounts for are not found), `bulk_sweep` (roles are
    /// checked one by one instead of with one listing) or `quota` (a full account is noticed only
    /// when a create call fails).
    #[schema(value_type = Word)]
    pub feature: String,
    /// The IAM action that AWS denied.
    #[schema(value_type = Permission)]
    pub permission: String,
}
