//! The readiness of the service.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::open::Open;

/// Whether the service can answer requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadinessStatus {
    /// The service answers requests and works with AWS.
    Ready,
    /// The service answers requests, but `aws` is not `ok`.
    Degraded,
    /// The service can't answer requests.
    Unready,
}

/// Whether the database can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// The database answers, but accepts no writes: it is a standby, or a failover is in progress.
    ReadOnly,
    /// The database answers, but its schema is not up to date.
    MigrationsPending,
    /// The database answers, but a newer release has changed its schema so that this one can't work.
    SchemaTooNew,
}

/// Whether the reconciler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReconcilerStatus {
    /// The reconciler runs.
    Ok,
    /// The reconciler's last run, or this replica's last heartbeat, was too long ago.
    Stalled,
    /// The service is about to stop.
    Stopping,
}

/// Whether the service works in the AWS account of its bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AwsStatus {
    /// The account is known, and no live binding belongs to another account.
    Ok,
    /// STS has not yet answered which account the service works in, or the bindings of other accounts
    /// have not been counted yet.
    Unknown,
    /// Live bindings of this namespace belong to another account.
    OtherAccount,
}

/// The readiness of the service and of its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// `ready`, `degraded` (the service answers requests, but `aws` is not `ok`) or `unready` (the
    /// database or the reconciler is not `ok`).
    #[schema(value_type = String)]
    pub status: Open<ReadinessStatus>,
    /// `ok`, `unreachable`, `stale` (the database last answered more than two seconds ago),
    /// `login_refused`, `read_only` (a standby, or a failover is in progress), `migrations_pending`
    /// (the schema is not up to date) or `schema_too_new` (a newer release has changed the schema so
    /// that this one can't work).
    #[schema(value_type = String)]
    pub database: Open<DatabaseStatus>,
    /// `ok`, `stalled` (the reconciler's last run, or this replica's last heartbeat, was too long
    /// ago) or `stopping` (the service is about to stop).
    #[schema(value_type = String)]
    pub reconciler: Open<ReconcilerStatus>,
    /// `ok`, `unknown` (STS has not yet answered which account the service works in, or the bindings
    /// of other accounts have not been counted yet) or `other_account` (live bindings of this namespace belong to another account: the service
    /// leaves them unchanged and provisions nothing).
    #[schema(value_type = String)]
    pub aws: Open<AwsStatus>,
    /// How many live bindings of this namespace belong to another account; null until they have been
    /// counted, and for a caller without a valid API key.
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
    pub feature: String,
    /// The IAM action that AWS denied.
    pub permission: String,
}
