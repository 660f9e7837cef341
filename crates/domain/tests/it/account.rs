//! A small model of IAM: the resources of an account, and the effect of each step on them.

use std::collections::{BTreeMap, BTreeSet};

use engine_roles_domain::binding::{Binding, ProfileRecord, RoleRecord};
use engine_roles_domain::cluster::RoleReference;
use engine_roles_domain::resources::{
    InlinePolicies, Observed, ObservedProfile, ObservedRole, ProfileName, RoleName, Step,
};

/// IAM's limit on the number of a resource's tags.
const MOST_TAGS: usize = 50;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Account {
    pub(crate) roles: BTreeMap<RoleName, Role>,
    pub(crate) profiles: BTreeMap<ProfileName, Profile>,
    created: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Role {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) trust: String,
    pub(crate) boundary: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) inline: BTreeMap<String, String>,
    pub(crate) attached: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Profile {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) role: Option<RoleName>,
}

/// IAM's error code.
pub(crate) type ErrorCode = &'static str;

impl Account {
    fn id(&mut self, kind: &str) -> String {
        self.created += 1;
        format!("{kind}CREATED{}", self.created)
    }

    fn profiles_of(&self, role: &RoleName) -> Vec<ProfileName> {
        let around = self.profiles.iter();
        let around = around.filter(|(_, profile)| profile.role.as_ref() == Some(role));
        around.map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn apply(&mut self, step: &Step) -> Result<(), ErrorCode> {
        match step {
            Step::CreateRole {
                role,
                path,
                trust,
                boundary,
                tags,
            } => {
                if self.roles.contains_key(role) {
                    return Err("EntityAlreadyExists");
                }
                let created = Role {
                    id: self.id("AROA"),
                    path: path.as_str().to_owned(),
                    trust: trust.to_json(),
                    boundary: boundary.as_ref().map(ToString::to_string),
                    tags: tags.clone(),
                    inline: BTreeMap::new(),
                    attached: BTreeSet::new(),
                };
                self.roles.insert(role.clone(), created);
            }
            Step::CreateInstanceProfile {
                profile,
                path,
                tags,
            } => {
                if self.profiles.contains_key(profile) {
                    return Err("EntityAlreadyExists");
                }
                let created = Profile {
                    id: self.id("AIPA"),
                    path: path.as_str().to_owned(),
                    tags: tags.clone(),
                    role: None,
                };
                self.profiles.insert(profile.clone(), created);
            }
            Step::PutRolePolicy { role, document } => {
                let text = document.to_json();
                self.role(role)?
                    .inline
                    .insert("engine-access".to_owned(), text);
            }
            Step::AddRoleToInstanceProfile { profile, role } => {
                self.role(role)?;
                let profile = self.profile(profile)?;
                if profile.role.is_some() {
                    return Err("LimitExceeded");
                }
                profile.role = Some(role.clone());
            }
            Step::TagRole { role, tags } => tag(&mut self.role(role)?.tags, tags)?,
            Step::UntagRole { role, keys } => untag(&mut self.role(role)?.tags, keys),
            Step::TagInstanceProfile { profile, tags } => {
                tag(&mut self.profile(profile)?.tags, tags)?;
            }
            Step::UntagInstanceProfile { profile, keys } => {
                untag(&mut self.profile(profile)?.tags, keys);
            }
            Step::DeleteRolePolicy { role, policy } => {
                self.role(role)?
                    .inline
                    .remove(policy)
                    .ok_or("NoSuchEntity")?;
            }
            Step::DetachRolePolicy { role, policy_arn } => {
                if !self.role(role)?.attached.remove(policy_arn) {
                    return Err("NoSuchEntity");
                }
            }
            Step::RemoveRoleFromInstanceProfile { profile, role } => {
                let profile = self.profile(profile)?;
                if profile.role.as_ref() != Some(role) {
                    return Err("NoSuchEntity");
                }
                profile.role = None;
            }
            Step::DeleteRole { role } => {
                let found = self.role(role)?;
                let free = found.inline.is_empty() && found.attached.is_empty();
                if !free || !self.profiles_of(role).is_empty() {
                    return Err("DeleteConflict");
                }
                self.roles.remove(role);
            }
            Step::DeleteInstanceProfile { profile } => {
                if self.profile(profile)?.role.is_some() {
                    return Err("DeleteConflict");
                }
                self.profiles.remove(profile);
            }
        }
        Ok(())
    }

    fn role(&mut self, name: &RoleName) -> Result<&mut Role, ErrorCode> {
        self.roles.get_mut(name).ok_or("NoSuchEntity")
    }

    fn profile(&mut self, name: &ProfileName) -> Result<&mut Profile, ErrorCode> {
        self.profiles.get_mut(name).ok_or("NoSuchEntity")
    }

    /// Returns the resources with the binding's name.
    pub(crate) fn observe(&self, binding: &Binding) -> Observed {
        let name = binding.resource_name();
        let profile_name = ProfileName::from(name.clone());
        let role = self.roles.get(&name).map(|role| ObservedRole {
            record: RoleRecord {
                name: name.clone(),
                arn: None,
                id: Some(role.id.clone()),
                path: Some(role.path.clone()),
            },
            tags: Some(role.tags.clone()),
            trust: Some(role.trust.clone()),
            boundary: role.boundary.clone(),
            inline: InlinePolicies::Listed {
                names: role.inline.keys().cloned().collect(),
                own: role.inline.get("engine-access").cloned(),
            },
            attached: Some(role.attached.iter().cloned().collect()),
            profiles: Some(self.profiles_of(&name)),
        });
        let profile = self.profiles.get(&profile_name);
        Observed {
            role,
            profile: profile.map(|profile| ObservedProfile {
                record: ProfileRecord {
                    name: profile_name.clone(),
                    arn: None,
                    id: Some(profile.id.clone()),
                    managed: true,
                },
                path: profile.path.clone(),
                tags: Some(profile.tags.clone()),
                roles: Some(
                    profile
                        .role
                        .iter()
                        .cloned()
                        .map(RoleReference::Name)
                        .collect(),
                ),
            }),
        }
    }
}

// Keys are unique ignoring case; a new key replaces an old one that differs in case only.
fn tag(
    held: &mut BTreeMap<String, String>,
    tags: &BTreeMap<String, String>,
) -> Result<(), ErrorCode> {
    let mut merged = held.clone();
    for (key, value) in tags {
        merged.retain(|other, _| other.to_lowercase() != key.to_lowercase());
        merged.insert(key.clone(), value.clone());
    }
    if merged.len() > MOST_TAGS {
        return Err("LimitExceeded");
    }
    *held = merged;
    Ok(())
}

fn untag(held: &mut BTreeMap<String, String>, keys: &[String]) {
    let keys: BTreeSet<String> = keys.iter().map(|key| key.to_lowercase()).collect();
    held.retain(|key, _| !keys.contains(&key.to_lowercase()));
}
