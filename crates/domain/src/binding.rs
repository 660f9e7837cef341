//! A binding: this service's record that a cluster has a role.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ClusterName, ModeSpec, Namespace, ProfileName, RoleName, RoleSpec, Scope, resource_name,
    role_arn,
};

/// One life of a cluster's role. A cluster torn down and deployed again gets another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BindingId(pub Uuid);

impl fmt::Display for BindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Goes up whenever a cluster's intent changes, and never starts again, not even across lives.
pub type Generation = i64;

/// Where the role of a binding comes from, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Made by this service.
    Create,
    /// Prepared by the administrator.
    PassThrough,
}

impl Mode {
    /// The word that stands in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::PassThrough => "pass_through",
        }
    }
}

impl FromStr for Mode {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Create, Self::PassThrough]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or(UnknownWord)
    }
}

/// Where a binding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// On its way to what its spec says.
    Provisioning,
    /// IAM took everything.
    Active,
    /// On its way to nothing.
    Deleting,
    /// A tombstone.
    Deleted,
    /// Needs a changed request or a person.
    Failed,
    /// The teardown met something that it may not remove.
    Blocked,
}

impl State {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Provisioning,
        Self::Active,
        Self::Deleting,
        Self::Deleted,
        Self::Failed,
        Self::Blocked,
    ];

    /// The word that stands in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Active => "active",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is none of those known.
#[derive(Debug, thiserror::Error)]
#[error("unknown word")]
pub struct UnknownWord;

impl FromStr for State {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(UnknownWord)
    }
}

/// A role as IAM answered it, or as the administrator named it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRecord {
    /// Its name.
    pub name: RoleName,
    /// Its ARN, where it is known.
    pub arn: Option<String>,
    /// Its unique id (`AROA…`), where IAM was asked.
    pub id: Option<String>,
    /// Its path, where it is known.
    pub path: Option<String>,
}

/// An instance profile as IAM answered it, or as the administrator named it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileRecord {
    /// Its name.
    pub name: ProfileName,
    /// Its ARN, where it is known.
    pub arn: Option<String>,
    /// Its unique id (`AIPA…`), where IAM was asked.
    pub id: Option<String>,
    /// Whether this service made it and removes it.
    pub managed: bool,
}

/// One way in which IAM holds something else than what is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Which way.
    pub kind: DriftKind,
    /// What was seen.
    pub detail: String,
    /// The permission without which it can't be put right, where that is why it stands.
    pub missing_permission: Option<String>,
}

/// The kinds of drift, by the thing that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// Our inline policy says something else.
    PolicyChanged,
    /// Our inline policy is gone.
    PolicyMissing,
    /// Tags of the role or the profile differ.
    TagsChanged,
    /// The role is not in its instance profile.
    RoleOutOfProfile,
    /// Another role is in our instance profile.
    OtherRoleInProfile,
    /// An inline policy that is not ours.
    ForeignInlinePolicy,
    /// A managed policy is attached.
    ForeignManagedPolicy,
    /// The trust policy says something else.
    TrustChanged,
    /// The permissions boundary is another or gone.
    BoundaryChanged,
    /// The role is gone.
    RoleDeleted,
    /// The instance profile is gone.
    ProfileDeleted,
    /// Somebody else made a role of this name.
    RoleRecreated,
    /// Somebody else made an instance profile of this name.
    ProfileRecreated,
}

impl DriftKind {
    /// The word that stands in JSON, in the audit log and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PolicyChanged => "policy_changed",
            Self::PolicyMissing => "policy_missing",
            Self::TagsChanged => "tags_changed",
            Self::RoleOutOfProfile => "role_out_of_profile",
            Self::OtherRoleInProfile => "other_role_in_profile",
            Self::ForeignInlinePolicy => "foreign_inline_policy",
            Self::ForeignManagedPolicy => "foreign_managed_policy",
            Self::TrustChanged => "trust_changed",
            Self::BoundaryChanged => "boundary_changed",
            Self::RoleDeleted => "role_deleted",
            Self::ProfileDeleted => "profile_deleted",
            Self::RoleRecreated => "role_recreated",
            Self::ProfileRecreated => "profile_recreated",
        }
    }
}

/// The stable codes that a binding's `last_error` may have; the HTTP interface answers the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// AWS refused our own identity.
    MissingPermission,
    /// The account is full.
    QuotaExceeded,
    /// Somebody else holds the name.
    NameTaken,
    /// The permissions boundary does not exist or may not be used.
    BoundaryNotAllowed,
    /// The inline policy is larger than IAM takes.
    PolicyTooLarge,
    /// The administrator's role is not there or does not serve.
    PassThroughRoleUnfit,
    /// The teardown met something that it may not remove.
    TeardownBlocked,
    /// IAM is throttling, down, or did not answer; the work goes on.
    IamUnavailable,
    /// IAM refused what should have been right.
    Internal,
}

impl FailureCode {
    /// The word that stands in JSON and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingPermission => "missing_permission",
            Self::QuotaExceeded => "quota_exceeded",
            Self::NameTaken => "name_taken",
            Self::BoundaryNotAllowed => "boundary_not_allowed",
            Self::PolicyTooLarge => "policy_too_large",
            Self::PassThroughRoleUnfit => "pass_through_role_unfit",
            Self::TeardownBlocked => "teardown_blocked",
            Self::IamUnavailable => "iam_unavailable",
            Self::Internal => "internal",
        }
    }
}

/// The last thing that went wrong with a binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stable code.
    pub code: FailureCode,
    /// What happened, for a person.
    pub detail: String,
    /// The IAM actions that were refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_permissions: Vec<String>,
    /// What stands in the way of a teardown, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<String>,
    /// The intent that failed.
    pub generation: Generation,
    /// When.
    pub at: DateTime<Utc>,
    /// How often this intent was tried.
    pub attempts: i32,
    /// When it is tried again; none where it is not.
    pub next_attempt_at: Option<DateTime<Utc>>,
}

/// What a teardown did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// When the engine's own grant ended: its inline policy was gone.
    pub grant_ended_at: Option<DateTime<Utc>>,
    /// When all access ended: the role was gone. None in pass-through, where the role stays.
    pub access_ended_at: Option<DateTime<Utc>>,
    /// What was removed, by kind and name.
    pub removed: Vec<String>,
    /// What was found and left, with the reason.
    pub left: Vec<String>,
}

/// The record that a cluster has a role.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// This life.
    pub id: BindingId,
    /// Whose role it is.
    pub cluster: ClusterName,
    /// The installation that made it.
    pub namespace: Namespace,
    /// The account and partition in which it was made.
    pub scope: Scope,
    /// Where it stands.
    pub state: State,
    /// Whether anything of it may still be at AWS, so that the cluster can't have another.
    pub live: bool,
    /// The intent.
    pub generation: Generation,
    /// The last intent that IAM took in full.
    pub applied_generation: Option<Generation>,
    /// What should be.
    pub spec: RoleSpec,
    /// The last spec that IAM took in full.
    pub applied_spec: Option<RoleSpec>,
    /// Keys of tags that an intent which IAM never took in full may have set all the same; they
    /// are taken off again unless they are meant.
    pub unapplied_tags: BTreeSet<String>,
    /// The role, once it is made or named.
    pub role: Option<RoleRecord>,
    /// The instance profile, once it is made or named.
    pub profile: Option<ProfileRecord>,
    /// The inline policy as applied.
    pub policy: Option<serde_json::Value>,
    /// EC2 is expected to know the profile by then.
    pub usable_after: Option<DateTime<Utc>>,
    /// IAM was last read and held what is meant.
    pub verified_at: Option<DateTime<Utc>>,
    /// What differs.
    pub drift: Vec<Drift>,
    /// What went wrong last.
    pub last_error: Option<Failure>,
    /// How often the current intent was tried.
    pub attempts: i32,
    /// Until then reads of IAM may not yet show our own writes.
    pub reads_settle_at: Option<DateTime<Utc>>,
    /// Until then a write of ours that nobody saw answered may still take effect.
    pub writes_settle_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// What the teardown did.
    pub receipt: Option<Receipt>,
}

impl Binding {
    /// Where the role comes from.
    pub fn mode(&self) -> Mode {
        match self.spec.mode {
            ModeSpec::Create(_) => Mode::Create,
            ModeSpec::PassThrough(_) => Mode::PassThrough,
        }
    }

    /// The name of what this service makes for the binding.
    pub fn resource_name(&self) -> RoleName {
        resource_name(
            &self.spec.role_prefix,
            &self.cluster,
            &self.namespace,
            self.id,
        )
    }

    /// The name of the role that the engine gets: made for the binding, or the administrator's.
    pub fn role_name(&self) -> RoleName {
        match &self.spec.mode {
            ModeSpec::Create(_) => self.resource_name(),
            ModeSpec::PassThrough(pass) => pass.iam_role.name().clone(),
        }
    }

    /// What a statement that is to allow something with the role has for a resource: the
    /// administrator's role, or all that this installation makes.
    pub fn role_resource(&self) -> String {
        match &self.spec.mode {
            ModeSpec::Create(_) => {
                let Scope { account, partition } = &self.scope;
                let path = self.namespace.path();
                format!("arn:{partition}:iam::{account}:role{}*", path.as_str())
            }
            ModeSpec::PassThrough(pass) => role_arn(&pass.iam_role, &self.scope),
        }
    }

    /// Whether this service wants the role to be there.
    pub fn wants_presence(&self) -> bool {
        matches!(self.state, State::Provisioning | State::Active)
    }

    /// Whether IAM's answers about this binding are past the consistency window: what is then
    /// not seen is not there, and nothing of ours is still on its way.
    pub fn settled(&self, now: DateTime<Utc>) -> bool {
        self.reads_settle_at.is_none_or(|at| at <= now)
            && self.writes_settle_at.is_none_or(|at| at <= now)
    }
}
