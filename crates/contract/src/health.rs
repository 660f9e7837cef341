//! How the service is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::open::Open;

/// How the service is as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadinessStatus {
    Ready,
    /// It serves, but AWS is in trouble.
    Degraded,
    Unready,
}

/// How the database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseStatus {
    Ok,
    Unreachable,
    MigrationsPending,
}

/// How the reconciler is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReconcilerStatus {
    Ok,
    /// It has not run for too long.
    Stalled,
}

/// What is known of the AWS account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AwsStatus {
    Ok,
    /// STS has not said which account it is.
    Unknown,
    /// Live bindings of this namespace were made in another account.
    OtherAccount,
}

/// How the service is, by its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// `ready`, `degraded` (it serves, but AWS is in trouble) or `unready`.
    #[schema(value_type = String)]
    pub status: Open<ReadinessStatus>,
    /// `ok`, `unreachable` or `migrations_pending`.
    #[schema(value_type = String)]
    pub database: Open<DatabaseStatus>,
    /// `ok` or `stalled`.
    #[schema(value_type = String)]
    pub reconciler: Open<ReconcilerStatus>,
    /// `ok`, `unknown` while STS has not said who we are, or `other_account` where live bindings
    /// of this namespace were made in another: they are left alone, and nothing new is begun.
    #[schema(value_type = String)]
    pub aws: Open<AwsStatus>,
    /// How many live bindings were made in another account.
    pub bindings_elsewhere: i64,
    /// What is off for want of a permission.
    pub missing: Vec<MissingExtra>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissingExtra {
    /// `orphans` (nothing is found that nobody knows) or `quota` (a full account shows only when
    /// AWS says so).
    pub extra: String,
    /// The IAM action.
    pub permission: String,
}
