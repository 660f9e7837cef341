//! Listings of the whole account. Each is for an optional feature whose permission our identity may
//! lack.

use aws_sdk_iam::types::{EntityType, InstanceProfile, RoleDetail, SummaryKeyType};
use engine_roles_domain::binding::{ProfileRecord, RoleRecord};
use engine_roles_domain::grant::INLINE_POLICY_NAME;
use engine_roles_domain::resources::{
    CallKind, InlinePolicies, ObservedProfile, ObservedRole, ProfileName, ResourceKind,
    ResourcePath, RoleName,
};

use crate::IamError;
use crate::gate::{Gate, GatedIam};
use crate::observe::{decode, role_reference, tags};
use crate::pages::{Page, all_pages, next_marker};

/// A role or instance profile that a listing shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The kind of the resource.
    pub kind: ResourceKind,
    /// The name of the resource, without the path.
    pub name: String,
    /// The ARN of the resource.
    pub arn: String,
}

/// The account's quotas for roles and instance profiles, and how much of them is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaUsage {
    /// The number of roles that exist.
    pub roles: i32,
    /// The number of roles that may exist.
    pub roles_quota: i32,
    /// The number of instance profiles that exist.
    pub profiles: i32,
    /// The number of instance profiles that may exist.
    pub profiles_quota: i32,
}

impl QuotaUsage {
    /// Returns whether a quota leaves no room for another role (if `role`) or another instance
    /// profile (if `profile`).
    pub fn is_used_up_for(&self, role: bool, profile: bool) -> bool {
        role && self.roles >= self.roles_quota || profile && self.profiles >= self.profiles_quota
    }
}

/// One page of the listing of all roles.
#[derive(Clone, Debug)]
pub struct RolePage {
    /// The roles, with their policies, tags and instance profiles.
    pub roles: Vec<ObservedRole>,
    /// The instance profiles that contain these roles. Their tags are none where the listing does
    /// not show them.
    pub profiles: Vec<ObservedProfile>,
    /// The marker of the next page; none after the last.
    pub next: Option<String>,
}

impl<G: Gate> GatedIam<'_, G> {
    /// Lists all roles and instance profiles under a path.
    ///
    /// # Errors
    /// The first call that failed. After a denial, `missing_permission` names the permission.
    pub async fn list_owned(&self, path: &ResourcePath) -> Result<Vec<Listed>, IamError> {
        let target = path.as_str();
        let request = self.iam.client().list_roles().path_prefix(target);
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
        let request = self
            .iam
            .client()
            .list_instance_profiles()
            .path_prefix(target);
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

    /// Reads the account's quotas and how much of them is used.
    ///
    /// # Errors
    /// When the call fails, or its answer lacks a number.
    pub async fn quota_usage(&self) -> Result<QuotaUsage, IamError> {
        let action = "GetAccountSummary";
        let request = self.iam.client().get_account_summary();
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

    /// Reads one page of the listing of all roles of the account. `after` is the marker of the
    /// page; none for the first.
    ///
    /// # Errors
    /// When the call fails. The same page can be requested again.
    pub async fn role_page(&self, after: Option<&str>) -> Result<RolePage, IamError> {
        let action = "GetAccountAuthorizationDetails";
        let request = self
            .iam
            .client()
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

// Returns none for a role without a valid name, which can't be one of ours.
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
        .filter_map(|role| role_reference(&role.arn, &role.role_name).ok());
    Some(ObservedProfile {
        roles: Some(roles.collect()),
        record: ProfileRecord {
            name: ProfileName::parse(&profile.instance_profile_name).ok()?,
            arn: Some(profile.arn.clone()),
            id: Some(profile.instance_profile_id.clone()),
            managed: true,
        },
        path: profile.path.clone(),
        // AWS does not document whether this listing shows the tags of instance profiles. All of
        // ours have tags, so an empty list counts as not shown.
        tags: profile
            .tags
            .clone()
            .filter(|shown| !shown.is_empty())
            .map(tags),
    })
}
