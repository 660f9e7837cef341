//! A binding, as the HTTP interface returns it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::mode::Mode;
use crate::open::Open;
use crate::problem::{Code, OpenCode};
use crate::spec::{EffectiveSpec, Spec};
use crate::text::{
    AccountId, ClusterName, IamPath, Partition, Permission, ProfileArn, ProfileId, ProfileName,
    RoleArn, RoleId, RoleName, Word,
};

/// The state of a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The role is being created or changed.
    Provisioning,
    /// AWS has everything that the spec describes.
    Active,
    /// The role is being removed.
    Deleting,
    /// The role was removed; the binding is kept as a record.
    Deleted,
    /// The request can't be fulfilled as it is; `last_error` says why.
    Failed,
    /// The teardown can't remove something; `last_error` names the blockers.
    Blocked,
}

/// The record that ties a cluster to its role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Binding {
    /// The cluster's name.
    #[schema(value_type = ClusterName)]
    pub cluster: String,
    /// Identifies this incarnation of the cluster's role: a role that is provisioned again after a
    /// teardown has another `binding_id`.
    pub binding_id: Uuid,
    /// `provisioning` (the role is being created or changed), `active` (AWS has everything that the
    /// spec describes), `deleting` (the role is being removed), `deleted` (the role was removed),
    /// `failed` (the request can't be fulfilled as it is; see `last_error`) or `blocked` (the
    /// teardown can't remove something; see `last_error`).
    #[schema(value_type = State)]
    pub state: Open<State>,
    /// `create` (the service creates a role for the cluster) or `pass_through` (the cluster uses a
    /// role that the administrator prepared).
    #[schema(value_type = Mode)]
    pub mode: Open<Mode>,
    /// The number of the current intent, which is what was last requested for the cluster. This
    /// number only grows; the `ETag` begins with it.
    #[schema(minimum = 1)]
    pub generation: i64,
    /// The last generation that AWS accepted in full; null before AWS has accepted one. When this
    /// number equals `generation`, the role has what the current intent asks for.
    #[schema(minimum = 1)]
    pub applied_generation: Option<i64>,
    /// The AWS account of the role, 12 digits.
    #[schema(value_type = AccountId)]
    pub account_id: String,
    /// The AWS partition of the role, such as `aws` or `aws-us-gov`.
    #[schema(value_type = Partition)]
    pub partition: String,
    /// The role, whose name and ARN are known before AWS has created it; null where the cluster has no
    /// role now.
    pub role: Option<Role>,
    /// The instance profile that contains the role, known like `role`; null where the cluster has no
    /// role now.
    pub instance_profile: Option<InstanceProfile>,
    /// The role's inline policy as AWS last accepted it; null in mode `pass_through`, and where the
    /// cluster has no role now.
    #[schema(value_type = Option<Object>)]
    pub policy: Option<Value>,
    /// What the role should be. Sending it back in a PUT changes nothing.
    pub spec: Spec,
    /// The spec with what the configuration adds: the administrator's tags, the KMS key that encrypts
    /// the secrets, and the instance profile that the administrator prepared.
    pub effective: EffectiveSpec,
    /// An estimate of when EC2 knows the instance profile; null where the service has no estimate, and
    /// where the cluster has no role now.
    #[serde(with = "crate::time::optional")]
    pub usable_after: Option<DateTime<Utc>>,
    /// When a read of IAM last confirmed that AWS has what the spec describes; null before the
    /// first such read.
    #[serde(with = "crate::time::optional")]
    pub verified_at: Option<DateTime<Utc>>,
    /// How AWS differed from the applied spec at the last check; empty where AWS did not differ.
    pub drift: Vec<Drift>,
    /// What went wrong last with the current intent; null where nothing went wrong.
    pub last_error: Option<LastError>,
    /// When the binding was recorded, by the database's clock.
    #[serde(with = "crate::time")]
    pub created_at: DateTime<Utc>,
    /// When the binding last changed, by the database's clock.
    #[serde(with = "crate::time")]
    pub updated_at: DateTime<Utc>,
    /// What the teardown removed and left, and when access ended; null before a teardown.
    pub receipt: Option<Receipt>,
}

/// An IAM role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Role {
    /// The role's name.
    #[schema(value_type = RoleName)]
    pub name: String,
    /// The role's ARN; null for a prepared role that the administrator listed by name and that was
    /// not read from IAM.
    #[schema(value_type = Option<RoleArn>)]
    pub arn: Option<String>,
    /// The role's unique id (`AROA…`), which changes when a role of the same name is created
    /// again; null before AWS has created the role, and where IAM was not read.
    #[schema(value_type = Option<RoleId>)]
    pub id: Option<String>,
    /// The role's path, such as `/ai-unlimited/engine/default/`; null where it is not known.
    #[schema(value_type = Option<IamPath>)]
    pub path: Option<String>,
}

/// An IAM instance profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstanceProfile {
    /// The instance profile's name.
    #[schema(value_type = ProfileName)]
    pub name: String,
    /// The instance profile's ARN; null for a profile that the administrator prepared.
    #[schema(value_type = Option<ProfileArn>)]
    pub arn: Option<String>,
    /// The instance profile's unique id (`AIPA…`), which changes when a profile of the same name is
    /// created again; null for a profile that the administrator prepared.
    #[schema(value_type = Option<ProfileId>)]
    pub id: Option<String>,
    /// Whether this service created the instance profile and removes it at the teardown.
    pub managed: bool,
}

/// One way in which AWS differs from the applied spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drift {
    /// What differs, such as `policy_changed`, `trust_changed` or `role_deleted`. Later versions
    /// may add kinds.
    #[schema(value_type = Word)]
    pub kind: String,
    /// What the check found, for a person.
    pub detail: String,
    /// The IAM action that a repair of the drift needs and that the service can't use, because AWS
    /// denied the action or the service never uses it; null for other drift.
    #[schema(value_type = Option<Permission>)]
    pub missing_permission: Option<String>,
}

/// What went wrong last with a binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastError {
    /// The stable code, from the same list as the code of a problem.
    #[schema(value_type = OpenCode)]
    pub code: Open<Code>,
    /// What happened, for a person.
    pub detail: String,
    /// The IAM actions that AWS denied, such as `iam:CreateRole`.
    #[schema(value_type = Vec<Permission>)]
    pub missing_permissions: Vec<String>,
    /// The resources that block the teardown, each with the reason.
    pub blockers: Vec<String>,
    /// When the attempt failed, by the database's clock.
    #[serde(with = "crate::time")]
    pub at: DateTime<Utc>,
    /// How many attempts at the current intent have failed.
    #[schema(minimum = 0)]
    pub attempts: i32,
    /// When the service tries again; null where the service does not try again.
    #[serde(with = "crate::time::optional")]
    pub next_attempt_at: Option<DateTime<Utc>>,
}

/// What a teardown removed and left, and when access ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// When AWS had removed the inline policy or, in mode `pass_through`, had taken the role out of
    /// its instance profile: the access that this service granted ended then. Null before.
    #[serde(with = "crate::time::optional")]
    pub grant_ended_at: Option<DateTime<Utc>>,
    /// When AWS had removed the role: all access of the role ended then. Null before, and always
    /// null in mode `pass_through`, where the role stays.
    #[serde(with = "crate::time::optional")]
    pub access_ended_at: Option<DateTime<Utc>>,
    /// The resources that were removed, each by kind and name.
    pub removed: Vec<String>,
    /// The resources that were found and not removed, each with the reason.
    pub left: Vec<String>,
}
