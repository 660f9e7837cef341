//! Listings of the whole account, each an extra that our identity may lack.

use aws_sdk_iam::types::{EntityType, InstanceProfile, RoleDetail, SummaryKeyType};
use engine_roles_domain::binding::{ProfileRecord, RoleRecord};
use engine_roles_domain::grant::INLINE_POLICY_NAME;
use engine_roles_domain::resources::{
    CallKind, InlinePolicies, ObservedProfile, ObservedRole, ProfileName, ResourceKind,
    ResourcePath, RoleName,
};

use crate::IamError;
use crate::gate::{Gate, GatedIam};
use crate::observe::{decode, tags};
use crate::pages::{Page, all_pages, next_marker};

/// Something under our path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What it is.
    pub kind: ResourceKind,
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
}

/// How much of the account's quotas is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaUsage {
    /// Roles that are there.
    pub roles: i32,
    /// Roles that may be.
    pub roles_quota: i32,
    /// Instance profiles that are there.
    pub profiles: i32,
    /// Instance profiles that may be.
    pub profiles_quota: i32,
}

impl QuotaUsage {
    /// Whether there is none for what is to be made: another role, another instance profile.
    pub fn is_used_up_for(&self, role: bool, profile: bool) -> bool {
        role && self.roles >= self.roles_quota || profile && self.profiles >= self.profiles_quota
    }
}

/// A page of a listing of all roles.
#[derive(Clone, Debug)]
pub struct RolePage {
    /// The roles, with all that depends on them.
    pub roles: Vec<ObservedRole>,
    /// The instance profiles around them, with their tags only if the listing shows these.
    pub profiles: Vec<ObservedProfile>,
    /// Where the next page begins; none after the last.
    pub next: Option<String>,
}

impl<G: Gate> GatedIam<'_, G> {
    /// All roles and instance profiles under a path.
    ///
    /// # Errors
    /// The first call that failed; where it was refused, `missing_permission` says which.
    pub async fn list_owned(&self, path: &ResourcePath) -> Result<Vec<Listed>, IamError> {
        let target = path.as_str();
        let request = self.iam.client.list_roles().path_prefix(target);
        let mut found = all_pages(|marker| {
            let request = request.clone().set_marker(marker);
            async move {
                let page = self
                    .call("ListRoles", CallKind::Read, target, request.send())
                    .await?;
                let roles = page.roles.into_iter().map(|role| Listed {
                    kind: ResourceKind::Role,
                    name: role.role_name,
                    arn: role.arn,
                });
                Ok(Page::new(roles, page.is_truncated, page.marker))
            }
        })
        .await?;
        let action = "ListInstanceProfiles";
        let request = self.iam.client.list_instance_profiles().path_prefix(target);
        let profiles = all_pages(|marker| {
            let request = request.clone().set_marker(marker);
            async move {
                let page = self
                    .call(action, CallKind::Read, target, request.send())
                    .await?;
                let profiles = page.instance_profiles.into_iter().map(|profile| Listed {
                    kind: ResourceKind::InstanceProfile,
                    name: profile.instance_profile_name,
                    arn: profile.arn,
                });
                Ok(Page::new(profiles, page.is_truncated, page.marker))
            }
        });
        found.extend(profiles.await?);
        Ok(found)
    }

    /// How much of the account's quotas is used.
    ///
    /// # Errors
    /// When the call fails, or its answer lacks a number.
    pub async fn quota_usage(&self) -> Result<QuotaUsage, IamError> {
        let action = "GetAccountSummary";
        let request = self.iam.client.get_account_summary();
        let answer = self
            .call(action, CallKind::Read, "the account", request.send())
            .await?;
        let summary = answer.summary_map.unwrap_or_default();
        let number = |key: SummaryKeyType| {
            let lacks = || IamError::unreadable(action, "the account", "lacks a number");
            summary.get(&key).copied().ok_or_else(lacks)
        };
        Ok(QuotaUsage {
            roles: number(SummaryKeyType::from("Roles"))?,
            roles_quota: number(SummaryKeyType::from("RolesQuota"))?,
            profiles: number(SummaryKeyType::from("InstanceProfiles"))?,
            profiles_quota: number(SummaryKeyType::from("InstanceProfilesQuota"))?,
        })
    }

    /// A page of all roles of the account with what depends on them.
    ///
    /// # Errors
    /// When the call fails. The same page can be asked for again.
    pub async fn role_page(&self, after: Option<&str>) -> Result<RolePage, IamError> {
        let action = "GetAccountAuthorizationDetails";
        let request = self
            .iam
            .client
            .get_account_authorization_details()
            .filter(EntityType::Role)
            .max_items(1000)
            .set_marker(after.map(str::to_owned));
        let page = self
            .call(action, CallKind::Read, "the account", request.send())
            .await?;
        let mut profiles = Vec::new();
        let mut roles = Vec::new();
        for detail in page.role_detail_list.unwrap_or_default() {
            for profile in detail.instance_profile_list.iter().flatten() {
                profiles.extend(observed_profile(profile));
            }
            roles.extend(observed_role(detail)?);
        }
        Ok(RolePage {
            roles,
            profiles,
            next: next_marker(page.is_truncated, page.marker),
        })
    }
}

// A role whose name or other necessary part is missing can't be one of ours.
fn observed_role(detail: RoleDetail) -> Result<Option<ObservedRole>, IamError> {
    let action = "GetAccountAuthorizationDetails";
    let name = detail
        .role_name
        .as_deref()
        .and_then(|name| RoleName::parse(name).ok());
    let Some(name) = name else { return Ok(None) };
    let target = format!("role {name}");
    let mut own = None;
    let mut names = Vec::new();
    for policy in detail.role_policy_list.unwrap_or_default() {
        let policy_name = policy.policy_name.unwrap_or_default();
        if policy_name == INLINE_POLICY_NAME {
            let document = policy.policy_document.as_deref();
            own = document
                .map(|text| decode(action, &target, text))
                .transpose()?;
        }
        names.push(policy_name);
    }
    let attached = detail
        .attached_managed_policies
        .unwrap_or_default()
        .into_iter();
    let around = detail.instance_profile_list.unwrap_or_default().into_iter();
    let trust = detail.assume_role_policy_document.as_deref();
    Ok(Some(ObservedRole {
        record: RoleRecord {
            name,
            arn: detail.arn,
            id: detail.role_id,
            path: detail.path,
        },
        tags: Some(tags(detail.tags.unwrap_or_default())),
        trust: trust
            .map(|text| decode(action, &target, text))
            .transpose()?,
        boundary: detail
            .permissions_boundary
            .and_then(|boundary| boundary.permissions_boundary_arn),
        inline: InlinePolicies::Listed { names, own },
        attached: Some(attached.filter_map(|policy| policy.policy_arn).collect()),
        profiles: Some(
            around
                .filter_map(|profile| ProfileName::parse(&profile.instance_profile_name).ok())
                .collect(),
        ),
    }))
}

fn observed_profile(profile: &InstanceProfile) -> Option<ObservedProfile> {
    let roles = profile
        .roles
        .iter()
        .filter_map(|role| RoleName::parse(&role.role_name).ok());
    Some(ObservedProfile {
        roles: Some(roles.collect()),
        record: ProfileRecord {
            name: ProfileName::parse(&profile.instance_profile_name).ok()?,
            arn: Some(profile.arn.clone()),
            id: Some(profile.instance_profile_id.clone()),
            managed: true,
        },
        path: profile.path.clone(),
        // Whether this listing shows them is nowhere said; each of ours has some.
        tags: profile
            .tags
            .clone()
            .filter(|shown| !shown.is_empty())
            .map(tags),
    })
}
