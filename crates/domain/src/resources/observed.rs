//! What is at AWS for a binding, as it was read or as it is certain without reading.

use std::collections::BTreeMap;

use engine_roles_policy::{Document, Kind};

use crate::binding::record::{Binding, ProfileRecord, RoleRecord};
use crate::resources::names::{ProfileName, RoleName};
use crate::resources::ownership::Ownership;

/// What is at AWS. Absence here is what was answered; whether it is believed is the caller's
/// decision, and a failed read is an error, never an empty `Observed`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The role under the binding's name.
    pub role: Option<ObservedRole>,
    /// The instance profile under the binding's name.
    pub profile: Option<ObservedProfile>,
}

/// A role as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedRole {
    /// Name, ARN, unique id and path.
    pub record: RoleRecord,
    /// Its tags; none where they were not read.
    pub tags: Option<BTreeMap<String, String>>,
    /// Its trust policy as JSON text; none where it was not read.
    pub trust: Option<String>,
    /// Its permissions boundary.
    pub boundary: Option<String>,
    /// Its inline policies.
    pub inline: InlinePolicies,
    /// The ARNs of its managed policies; none where they were not listed.
    pub attached: Option<Vec<String>>,
    /// The instance profiles that it is in; none where they were not listed.
    pub profiles: Option<Vec<ProfileName>>,
}

/// What is known of a role's inline policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InlinePolicies {
    /// Nothing was read.
    Unread,
    /// Ours alone was read: its JSON text, or none where it is not there.
    Own(Option<String>),
    /// All were listed: names, with the text of ours where it is there.
    Listed {
        /// The names.
        names: Vec<String>,
        /// Ours.
        own: Option<String>,
    },
}

/// An instance profile as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedProfile {
    /// Name, ARN and unique id.
    pub record: ProfileRecord,
    /// Its path.
    pub path: String,
    /// Its tags; none where they were not read.
    pub tags: Option<BTreeMap<String, String>>,
    /// The roles in it, at most one; none where that was not read.
    pub roles: Option<Vec<RoleName>>,
}

impl Observed {
    /// Certainly nothing: no create was ever sent.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// This, and where it shows nothing what our own answered calls made: for the time in which
    /// IAM's reads may not show it yet.
    #[must_use]
    pub fn or_recorded(self, binding: &Binding) -> Self {
        let recorded = Self::recorded(binding);
        Self {
            role: self.role.or(recorded.role),
            profile: self.profile.or(recorded.profile),
        }
    }

    /// What our own answered calls made, for the time in which IAM's reads may not show it yet.
    /// Contents count as unread, so that a plan writes them again rather than trusts them.
    pub fn recorded(binding: &Binding) -> Self {
        let path = binding.namespace.path().as_str().to_owned();
        let applied = binding.applied_spec.as_ref();
        let tags = applied.map(|spec| Ownership::of(binding).with_user_tags(&spec.tags));
        let role = binding
            .role
            .clone()
            .filter(|role| role.name == binding.resource_name());
        let profile = binding.profile.clone().filter(|profile| profile.managed);
        let in_profile = binding.applied_generation;
        let in_profile = in_profile.map(|_| vec![binding.role_name()]);
        Self {
            role: role.map(|record| ObservedRole {
                record,
                tags: tags.clone(),
                trust: None,
                boundary: None,
                inline: InlinePolicies::Unread,
                attached: None,
                profiles: None,
            }),
            profile: profile.map(|record| ObservedProfile {
                record,
                path,
                tags,
                roles: in_profile,
            }),
        }
    }
}

impl ObservedRole {
    /// Whether our inline policy was read and means the same.
    pub fn holds_policy(&self, meant: &Document) -> bool {
        let own = match &self.inline {
            InlinePolicies::Unread => None,
            InlinePolicies::Own(own) | InlinePolicies::Listed { own, .. } => own.as_deref(),
        };
        let held = own.and_then(|text| Document::parse(Kind::Identity, text).ok());
        held.is_some_and(|held| held.equivalent(meant))
    }
}
