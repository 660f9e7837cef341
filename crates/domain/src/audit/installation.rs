//! Events that are about the installation and not about a binding.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, Serializer};

use crate::audit::action::EventAction;
use crate::caller::{ClusterPrefix, KeyId, KeyName, KeyScopes};

/// What happened, with the details that a reader of the audit log needs.
///
/// A detail is stored as a JSON object of the variant's fields; the action has a column of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum InstallationEvent {
    /// Requests were not accepted: all of one address, key and reason within a minute.
    Denied {
        /// Why.
        reason: DenialReason,
        /// How many requests.
        requests: u64,
        /// True where the event combines several addresses or keys, because the minute had too many.
        combined: bool,
        /// When the first of the requests came, by the clock of the replica.
        #[serde(serialize_with = "six_digits")]
        first_at: DateTime<Utc>,
        /// When the last of the requests came, by the clock of the replica.
        #[serde(serialize_with = "six_digits")]
        last_at: DateTime<Utc>,
    },
    /// An operator created an API key, or an AWS identity got a token, which is valid for some minutes.
    KeyCreated {
        /// The new key.
        key_id: KeyId,
        /// Its name.
        name: KeyName,
        /// What the key permits.
        #[serde(serialize_with = "words")]
        scopes: KeyScopes,
        /// The clusters that the key is limited to; none for all.
        cluster_prefix: Option<ClusterPrefix>,
        /// How long the key is valid, in seconds; none for ever.
        valid_seconds: Option<u64>,
    },
    /// An operator revoked an API key or a token.
    KeyRevoked {
        /// The key.
        key_id: KeyId,
        /// Its name.
        name: KeyName,
    },
    /// A caller read the audit log, for the first time in an hour.
    LogRead {
        /// The beginning of the hour, by the clock of the replica. The event stands for all reads of
        /// the key in this hour at this replica.
        #[serde(serialize_with = "six_digits")]
        hour: DateTime<Utc>,
    },
    /// A person exchanged an API key for a session of the console, for the first time in an hour from this
    /// address.
    SignedIn {
        /// The beginning of the hour, by the clock of the replica. The event stands for all sessions of
        /// the key in this hour from the address at this replica.
        #[serde(serialize_with = "six_digits")]
        hour: DateTime<Utc>,
        /// True where the event combines several addresses, because the hour had too many.
        combined: bool,
    },
    /// A sweep found an AWS resource that no binding accounts for.
    OrphanFound {
        /// The resource.
        #[serde(flatten)]
        orphan: OrphanNamed,
    },
    /// An orphan is gone: it was adopted or removed, or somebody else deleted it.
    OrphanGone {
        /// The resource.
        #[serde(flatten)]
        orphan: OrphanNamed,
    },
    /// The verdict about a pass-through role changed.
    RoleAttested {
        /// The role, as the configuration names it.
        role: String,
        /// The new verdict.
        verdict: String,
        /// The reasons of the new verdict, in words for a person.
        reasons: String,
    },
}

/// An orphan in an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrphanNamed {
    /// `role` or `instance_profile`.
    pub kind: String,
    /// The name at AWS, without the path.
    pub name: String,
    /// The ARN, as AWS listed it.
    pub arn: String,
}

/// Why a request is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenialReason {
    /// The request has no key.
    NoKey,
    /// No key with this text exists.
    UnknownKey,
    /// The key has expired.
    ExpiredKey,
    /// The key was revoked.
    RevokedKey,
    /// The key lacks the scope that the request needs.
    Scope,
    /// The key is limited to other clusters.
    Cluster,
    /// The key sends too many requests.
    Rate,
    /// A login with an AWS identity was denied.
    AwsLogin,
}

impl DenialReason {
    /// Returns the word in events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoKey => "no_key",
            Self::UnknownKey => "unknown_key",
            Self::ExpiredKey => "expired_key",
            Self::RevokedKey => "revoked_key",
            Self::Scope => "scope",
            Self::Cluster => "cluster",
            Self::Rate => "rate",
            Self::AwsLogin => "aws_login",
        }
    }
}

impl InstallationEvent {
    /// Returns the action that the event is listed under in the audit log.
    pub fn action(&self) -> EventAction {
        match self {
            Self::Denied { .. } => EventAction::Denied,
            Self::KeyCreated { .. } => EventAction::KeyCreated,
            Self::KeyRevoked { .. } => EventAction::KeyRevoked,
            Self::LogRead { .. } => EventAction::LogRead,
            Self::SignedIn { .. } => EventAction::SignedIn,
            Self::OrphanFound { .. } => EventAction::OrphanFound,
            Self::OrphanGone { .. } => EventAction::OrphanGone,
            Self::RoleAttested { .. } => EventAction::RoleAttested,
        }
    }
}

/// Writes a time with six digits of a second, as all times of the interface.
fn six_digits<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Micros, true))
}

fn words<S: Serializer>(scopes: &KeyScopes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(scopes.iter())
}
