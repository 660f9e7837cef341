//! The resources of a binding that exist at AWS, by a read or by our own records.

use std::collections::BTreeMap;

use engine_roles_policy::{Document, Kind};

use crate::binding::drift::DriftKind;
use crate::binding::record::{Binding, ProfileRecord, RoleRecord};
use crate::cluster::spec::RoleReference;
use crate::resources::names::ProfileName;
use crate::resources::ownership::Ownership;

/// The resources of a binding that exist at AWS. None means that IAM answered that the resource
/// does not exist; the caller decides whether to believe that. A failed read is an error and never
/// an empty `Observed`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The role with the binding's name.
    pub role: Option<ObservedRole>,
    /// The instance profile with the binding's name.
    pub profile: Option<ObservedProfile>,
}

/// The observed state of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedRole {
    /// The role's name, ARN, unique id and path.
    pub record: RoleRecord,
    /// All tags; none where they were not read.
    pub tags: Option<BTreeMap<String, String>>,
    /// The trust policy as JSON text; none where it was not read.
    pub trust: Option<String>,
    /// The ARN of the permissions boundary; none where the role has none, and in an observation
    /// from our own record.
    pub boundary: Option<String>,
    /// The inline policies, as far as they were read.
    pub inline: InlinePolicies,
    /// The ARNs of the attached managed policies; none where they were not listed.
    pub attached: Option<Vec<String>>,
    /// The instance profiles that contain the role; none where they were not listed.
    pub profiles: Option<Vec<ProfileName>>,
}

/// How much of a role's inline policies was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InlinePolicies {
    /// No inline policy was read.
    Unread,
    /// Only our own policy was read: its JSON text, or none where it does not exist.
    Own(Option<String>),
    /// All policies were listed, and ours was read.
    Listed {
        /// The names of all inline policies.
        names: Vec<String>,
        /// The JSON text of our policy; none where it does not exist.
        own: Option<String>,
    },
}

/// The observed state of an instance profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedProfile {
    /// The profile's name, ARN and unique id.
    pub record: ProfileRecord,
    /// The profile's path, with a slash at both ends.
    pub path: String,
    /// All tags; none where they were not read.
    pub tags: Option<BTreeMap<String, String>>,
    /// The roles in the profile, at most one; none where they were not read. A read gives their ARNs,
    /// our own record only their names.
    pub roles: Option<Vec<RoleReference>>,
}

impl Observed {
    /// Returns the observation that nothing exists, which is certain where no create call was ever
    /// sent.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Returns this observation, completed with the resources that our own answered calls created.
    /// For use within the consistency window, while reads may not show these resources yet. What a
    /// read showed of tags that an incomplete intent may have set counts as unread too.
    #[must_use]
    pub fn or_recorded(self, binding: &Binding) -> Self {
        let recorded = Self::recorded(binding);
        let has_unapplied_tags = !binding.unapplied_tags.is_empty();
        let role = match (self.role, &recorded.role) {
            (Some(found), Some(own)) if has_unapplied_tags && found.record.id == own.record.id => {
                Some(ObservedRole {
                    tags: None,
                    ..found
                })
            }
            (found, _) => found,
        };
        let profile = match (self.profile, &recorded.profile) {
            (Some(found), Some(own)) if has_unapplied_tags && found.record.id == own.record.id => {
                Some(ObservedProfile {
                    tags: None,
                    ..found
                })
            }
            (found, _) => found,
        };
        Self {
            role: role.or(recorded.role),
            profile: profile.or(recorded.profile),
        }
    }

    /// Returns the resources that our own answered calls created. For use within the consistency
    /// window, while reads may not show these resources yet. Their policies count as unread, so
    /// that a plan writes them again and does not rely on them; so do their tags where an intent that
    /// AWS did not accept in full may have set some. A resource that a trusted read found deleted is
    /// left out until a later read finds it again.
    pub fn recorded(binding: &Binding) -> Self {
        let found_deleted = |kind| binding.drift.iter().any(|drift| drift.kind == kind);
        let path = binding.namespace.path().as_str().to_owned();
        let applied = binding.applied_spec.as_ref();
        let applied = applied.filter(|_| binding.unapplied_tags.is_empty());
        let tags = applied.map(|spec| Ownership::of(binding).with_user_tags(&spec.tags));
        let role = binding
            .role
            .clone()
            .filter(|role| role.name == binding.resource_name())
            .filter(|_| !found_deleted(DriftKind::RoleDeleted));
        let profile = binding
            .profile
            .clone()
            .filter(|profile| profile.managed)
            .filter(|_| !found_deleted(DriftKind::ProfileDeleted));
        let in_profile = binding.applied_generation;
        let in_profile = in_profile.map(|_| vec![RoleReference::Name(binding.role_name())]);
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
    /// Returns whether our inline policy was read and is equivalent to this document.
    pub fn holds_policy(&self, wanted: &Document) -> bool {
        let own = match &self.inline {
            InlinePolicies::Unread => None,
            InlinePolicies::Own(own) | InlinePolicies::Listed { own, .. } => own.as_deref(),
        };
        let held = own.and_then(|text| Document::read(Kind::Identity, text).ok());
        held.is_some_and(|held| held.equivalent(wanted))
    }
}
