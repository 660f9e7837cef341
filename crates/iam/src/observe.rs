//! Reads roles and instance profiles.

use std::collections::BTreeMap;

use aws_sdk_iam::types::Tag;
use engine_roles_domain::binding::{ProfileRecord, RoleRecord};
use engine_roles_domain::cluster::RoleReference;
use engine_roles_domain::grant::INLINE_POLICY_NAME;
use engine_roles_domain::invalid::Invalid;
use engine_roles_domain::resources::{
    CallKind, InlinePolicies, Observed, ObservedProfile, ObservedRole, ProfileName, RoleName,
};
use percent_encoding::percent_decode_str;

use crate::gate::{Gate, GatedIam};
use crate::pages::{Page, all_pages};
use crate::{ErrorKind, IamError};

/// The names of the resources to read.
#[derive(Clone, Debug)]
pub struct Target {
    /// The role; none where the role is not ours, and then it is not read.
    pub role: Option<RoleName>,
    /// The instance profile; none where it is not ours, and then it is not read.
    pub profile: Option<ProfileName>,
}

/// How much of the resources is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Whether the resources exist, and whose they are: two concurrent calls.
    Existence,
    /// Our inline policy too: three concurrent calls.
    Contents,
    /// Everything that depends on the role too: six concurrent calls, and more where lists are
    /// long.
    Dependants,
}

impl<G: Gate> GatedIam<'_, G> {
    /// Reads the resources with the given names. A resource that does not exist is `None`; a
    /// resource that could not be read is an error.
    ///
    /// # Errors
    /// The first call that failed for a reason other than absence.
    pub async fn observe(&self, target: &Target, depth: Depth) -> Result<Observed, IamError> {
        let role = async {
            match &target.role {
                Some(name) => Box::pin(self.observe_role(name, depth)).await,
                None => Ok(None),
            }
        };
        let profile = async {
            match &target.profile {
                Some(name) => self.observe_profile(name).await,
                None => Ok(None),
            }
        };
        // Both are awaited, so that the same failures always give the same error.
        let (role, profile) = tokio::join!(role, profile);
        Ok(Observed {
            role: role?,
            profile: profile?,
        })
    }

    async fn observe_role(
        &self,
        name: &RoleName,
        depth: Depth,
    ) -> Result<Option<ObservedRole>, IamError> {
        let own = async {
            match depth {
                Depth::Existence => Ok(None),
                Depth::Contents | Depth::Dependants => self.own_policy(name).await.map(Some),
            }
        };
        let dependants = async {
            match depth {
                Depth::Existence | Depth::Contents => Ok(None),
                Depth::Dependants => Box::pin(self.dependants(name)).await,
            }
        };
        let (found, own, dependants) = tokio::join!(self.role(name), own, dependants);
        // If the role does not exist, a policy that allows resources by path denies reading what
        // depends on the role. So the absence of the role is checked before these errors.
        let Some(mut role) = found? else {
            return Ok(None);
        };
        let (own, dependants) = (own?, dependants?);
        role.inline = own.map_or(InlinePolicies::Unread, InlinePolicies::Own);
        if let Some(dependants) = dependants {
            let own = match role.inline {
                InlinePolicies::Own(own) => own,
                InlinePolicies::Unread | InlinePolicies::Listed { .. } => None,
            };
            role.inline = InlinePolicies::Listed {
                names: dependants.inline,
                own,
            };
            role.attached = Some(dependants.attached);
            role.profiles = Some(dependants.profiles);
        }
        Ok(Some(role))
    }

    pub(crate) async fn role(&self, name: &RoleName) -> Result<Option<ObservedRole>, IamError> {
        let request = self.iam.client().get_role().role_name(name.as_str());
        let target = format!("role {name}");
        let answer = absent_as_none(
            self.call("GetRole", CallKind::Read, &target, request.send())
                .await,
        )?;
        let Some(answer) = answer else {
            return Ok(None);
        };
        let lacks = || IamError::unreadable("GetRole", &target, "lacks the role");
        let role = answer.role.ok_or_else(lacks)?;
        // The SDK reads a missing member as an empty one.
        if [&role.arn, &role.role_id, &role.path]
            .into_iter()
            .any(String::is_empty)
        {
            return Err(lacks());
        }
        let trust = role.assume_role_policy_document.as_deref();
        Ok(Some(ObservedRole {
            record: RoleRecord {
                name: name.clone(),
                arn: Some(role.arn),
                id: Some(role.role_id),
                path: Some(role.path),
            },
            tags: Some(tags(role.tags.unwrap_or_default())),
            trust: trust
                .map(|text| decode("GetRole", &target, text))
                .transpose()?,
            boundary: role
                .permissions_boundary
                .and_then(|boundary| boundary.permissions_boundary_arn),
            inline: InlinePolicies::Unread,
            attached: None,
            profiles: None,
        }))
    }

    async fn own_policy(&self, role: &RoleName) -> Result<Option<String>, IamError> {
        let target = format!("policy {INLINE_POLICY_NAME} of role {role}");
        let request = self.iam.client().get_role_policy();
        let request = request
            .role_name(role.as_str())
            .policy_name(INLINE_POLICY_NAME);
        let answer = self
            .call("GetRolePolicy", CallKind::Read, &target, request.send())
            .await;
        let answer = absent_as_none(answer)?;
        let document = answer.map(|answer| answer.policy_document);
        document
            .map(|text| decode("GetRolePolicy", &target, &text))
            .transpose()
    }

    pub(crate) async fn observe_profile(
        &self,
        name: &ProfileName,
    ) -> Result<Option<ObservedProfile>, IamError> {
        let target = format!("instance profile {name}");
        let request = self
            .iam
            .client()
            .get_instance_profile()
            .instance_profile_name(name.as_str());
        let answer = self
            .call(
                "GetInstanceProfile",
                CallKind::Read,
                &target,
                request.send(),
            )
            .await;
        let answer = absent_as_none(answer)?;
        let Some(answer) = answer else {
            return Ok(None);
        };
        let lacks = || IamError::unreadable("GetInstanceProfile", &target, "lacks the profile");
        let profile = answer.instance_profile.ok_or_else(lacks)?;
        let needed = [&profile.arn, &profile.instance_profile_id, &profile.path];
        if needed.into_iter().any(String::is_empty) {
            return Err(lacks());
        }
        let roles = profile.roles.iter().map(|role| {
            let role = role_reference(&role.arn, &role.role_name);
            role.map_err(|_| unreadable_name("GetInstanceProfile", &target))
        });
        Ok(Some(ObservedProfile {
            roles: Some(roles.collect::<Result<_, _>>()?),
            record: ProfileRecord {
                name: name.clone(),
                arn: Some(profile.arn),
                id: Some(profile.instance_profile_id),
                managed: true,
            },
            path: profile.path,
            tags: Some(tags(profile.tags.unwrap_or_default())),
        }))
    }

    async fn dependants(&self, role: &RoleName) -> Result<Option<Dependants>, IamError> {
        let lists = tokio::try_join!(
            self.inline_names(role),
            self.attached_arns(role),
            self.profiles_around(role),
        );
        let lists = absent_as_none(lists)?;
        Ok(lists.map(|(inline, attached, profiles)| Dependants {
            inline,
            attached,
            profiles,
        }))
    }

    pub(crate) async fn inline_names(&self, role: &RoleName) -> Result<Vec<String>, IamError> {
        let action = "ListRolePolicies";
        let target = &format!("role {role}");
        let request = self
            .iam
            .client()
            .list_role_policies()
            .role_name(role.as_str());
        all_pages(|marker| {
            let request = request.clone().set_marker(marker);
            async move {
                let page = self
                    .call(action, CallKind::Read, target, request.send())
                    .await?;
                Ok(Page::new(page.policy_names, page.is_truncated, page.marker))
            }
        })
        .await
    }

    pub(crate) async fn attached_arns(&self, role: &RoleName) -> Result<Vec<String>, IamError> {
        let action = "ListAttachedRolePolicies";
        let target = &format!("role {role}");
        let request = self.iam.client().list_attached_role_policies();
        let request = request.role_name(role.as_str());
        all_pages(|marker| {
            let request = request.clone().set_marker(marker);
            async move {
                let page = self
                    .call(action, CallKind::Read, target, request.send())
                    .await?;
                let attached = page.attached_policies.into_iter().flatten();
                let arns = attached.filter_map(|policy| policy.policy_arn);
                Ok(Page::new(arns, page.is_truncated, page.marker))
            }
        })
        .await
    }

    async fn profiles_around(&self, role: &RoleName) -> Result<Vec<ProfileName>, IamError> {
        let action = "ListInstanceProfilesForRole";
        let target = &format!("role {role}");
        let request = self.iam.client().list_instance_profiles_for_role();
        let request = request.role_name(role.as_str());
        let names = all_pages(|marker| {
            let request = request.clone().set_marker(marker);
            async move {
                let page = self
                    .call(action, CallKind::Read, target, request.send())
                    .await?;
                let profiles = page.instance_profiles.into_iter();
                let names = profiles.map(|profile| profile.instance_profile_name);
                Ok(Page::new(names, page.is_truncated, page.marker))
            }
        });
        let names = names.await?.into_iter();
        let names = names.map(|name| ProfileName::parse(&name));
        names
            .map(|name| name.map_err(|_| unreadable_name(action, target)))
            .collect()
    }
}

struct Dependants {
    inline: Vec<String>,
    attached: Vec<String>,
    profiles: Vec<ProfileName>,
}

fn absent_as_none<T>(result: Result<T, IamError>) -> Result<Option<T>, IamError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == ErrorKind::Absent => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn tags(tags: Vec<Tag>) -> BTreeMap<String, String> {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

// IAM percent-encodes documents by RFC 3986: only `%XX` is decoded, and a plus stays a plus.
pub(crate) fn decode(action: &'static str, target: &str, text: &str) -> Result<String, IamError> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| IamError::unreadable(action, target, "is not UTF-8"))?;
    Ok(decoded.into_owned())
}

/// Returns the role in an instance profile, by the ARN that AWS returned for it.
///
/// # Errors
/// When the name breaks IAM's own rules.
pub(crate) fn role_reference(arn: &str, name: &str) -> Result<RoleReference, Invalid> {
    RoleReference::parse(arn).or_else(|_| RoleReference::parse(name))
}

fn unreadable_name(action: &'static str, target: &str) -> IamError {
    IamError::unreadable(action, target, "has a name that breaks IAM's own rules")
}
