//! A binding as the interface shows it.

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::{Binding, Drift, Failure, ProfileRecord, Receipt, RoleRecord};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

/// The record that a cluster has a role.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Binding)]
pub(crate) struct BindingBody {
    cluster: String,
    /// One life of the cluster's role.
    binding_id: Uuid,
    /// `provisioning`, `active`, `deleting`, `deleted`, `failed` or `blocked`.
    state: &'static str,
    /// `create` or `pass_through`.
    mode: &'static str,
    /// The intent; also the `ETag`.
    generation: i64,
    /// The last intent that IAM took in full.
    applied_generation: Option<i64>,
    account_id: String,
    partition: &'static str,
    role: Option<RoleBody>,
    instance_profile: Option<InstanceProfileBody>,
    /// The inline policy as applied; none in pass-through.
    #[schema(value_type = Option<Object>)]
    policy: Option<Value>,
    /// The request as resolved.
    #[schema(value_type = Object)]
    spec: Value,
    /// When EC2 is expected to know the instance profile.
    usable_after: Option<DateTime<Utc>>,
    /// When IAM was last read and held what is meant.
    verified_at: Option<DateTime<Utc>>,
    drift: Vec<DriftBody>,
    last_error: Option<LastErrorBody>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// What the teardown did; none before.
    receipt: Option<ReceiptBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Role)]
struct RoleBody {
    name: String,
    arn: Option<String>,
    /// `AROA…`
    id: Option<String>,
    path: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InstanceProfile)]
struct InstanceProfileBody {
    name: String,
    arn: Option<String>,
    /// `AIPA…`
    id: Option<String>,
    /// Whether this service made it and removes it.
    managed: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Drift)]
struct DriftBody {
    kind: &'static str,
    detail: String,
    missing_permission: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LastError)]
struct LastErrorBody {
    code: &'static str,
    detail: String,
    missing_permissions: Vec<String>,
    blockers: Vec<String>,
    at: DateTime<Utc>,
    attempts: i32,
    next_attempt_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Receipt)]
struct ReceiptBody {
    /// When the engine's own grant ended.
    grant_ended_at: Option<DateTime<Utc>>,
    /// When all access ended; none in pass-through, where the role stays.
    access_ended_at: Option<DateTime<Utc>>,
    removed: Vec<String>,
    left: Vec<String>,
}

impl From<&Binding> for BindingBody {
    fn from(binding: &Binding) -> Self {
        Self {
            cluster: binding.cluster.to_string(),
            binding_id: binding.id.0,
            state: binding.state.as_str(),
            mode: binding.mode().as_str(),
            generation: binding.generation,
            applied_generation: binding.applied_generation,
            account_id: binding.scope.account.to_string(),
            partition: binding.scope.partition.as_str(),
            role: binding.role.as_ref().map(RoleBody::from),
            instance_profile: binding.profile.as_ref().map(InstanceProfileBody::from),
            policy: binding.policy.clone(),
            spec: json!(binding.spec),
            usable_after: binding.usable_after,
            verified_at: binding.verified_at,
            drift: binding.drift.iter().map(DriftBody::from).collect(),
            last_error: binding.last_error.as_ref().map(LastErrorBody::from),
            created_at: binding.created_at,
            updated_at: binding.updated_at,
            receipt: binding.receipt.as_ref().map(ReceiptBody::from),
        }
    }
}

impl From<&RoleRecord> for RoleBody {
    fn from(role: &RoleRecord) -> Self {
        let RoleRecord {
            name,
            arn,
            id,
            path,
        } = role.clone();
        Self {
            name: name.into(),
            arn,
            id,
            path,
        }
    }
}

impl From<&ProfileRecord> for InstanceProfileBody {
    fn from(profile: &ProfileRecord) -> Self {
        let ProfileRecord {
            name,
            arn,
            id,
            managed,
        } = profile.clone();
        Self {
            name: name.into(),
            arn,
            id,
            managed,
        }
    }
}

impl From<&Drift> for DriftBody {
    fn from(drift: &Drift) -> Self {
        let Drift {
            kind,
            detail,
            missing_permission,
        } = drift.clone();
        Self {
            kind: kind.as_str(),
            detail,
            missing_permission,
        }
    }
}

impl From<&Failure> for LastErrorBody {
    fn from(failure: &Failure) -> Self {
        let failure = failure.clone();
        Self {
            code: failure.code.as_str(),
            detail: failure.detail,
            missing_permissions: failure.missing_permissions,
            blockers: failure.blockers,
            at: failure.at,
            attempts: failure.attempts,
            next_attempt_at: failure.next_attempt_at,
        }
    }
}

impl From<&Receipt> for ReceiptBody {
    fn from(receipt: &Receipt) -> Self {
        let Receipt {
            grant_ended_at,
            access_ended_at,
            removed,
            left,
        } = receipt.clone();
        Self {
            grant_ended_at,
            access_ended_at,
            removed,
            left,
        }
    }
}
