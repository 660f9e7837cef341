use std::collections::HashMap;
use std::sync::Arc;

use super::Operation;
use super::attached_policies::write_attached;
use crate::authorization::Access;
use crate::context::Context;
use crate::errors::ApiError;
use crate::instance_profile::InstanceProfile;
use crate::managed_policy::{ManagedPolicy, Uses};
use crate::pages::PageRequest;
use crate::role::{ATTACHED, Role};
use crate::wire::Params;
use crate::xml::Xml;

pub(super) struct GetAccountSummary;

impl Operation for GetAccountSummary {
    fn parse(_: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self)
    }

    fn accesses(&self, _: &Context<'_>) -> Vec<Access> {
        vec![Access::new("iam:GetAccountSummary", "*")]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let (account, view, quotas) = (&*cx.account, cx.view, cx.quotas);
        let summary = [
            ("Roles", account.roles.all_at(view, None).count()),
            ("RolesQuota", quotas.roles),
            (
                "InstanceProfiles",
                account.instance_profiles.all_at(view, None).count(),
            ),
            ("InstanceProfilesQuota", quotas.instance_profiles),
            ("Policies", account.policies.all_at(view, None).count()),
            ("PoliciesQuota", quotas.policies),
            ("AssumeRolePolicySizeQuota", 2_048),
            ("RolePolicySizeQuota", 10_240),
            ("PolicySizeQuota", 6_144),
            ("AttachedPoliciesPerRoleQuota", ATTACHED),
            ("VersionsPerPolicyQuota", 5),
            ("Users", 0),
            ("UsersQuota", 5_000),
            ("Groups", 0),
            ("GroupsQuota", 300),
        ];
        let mut xml = Xml::default();
        xml.element("SummaryMap", |xml| {
            for (key, value) in summary {
                xml.element("entry", |xml| {
                    xml.text("key", key).number("value", value);
                });
            }
        });
        Ok(Some(xml))
    }
}

pub(super) struct GetAccountAuthorizationDetails {
    roles: bool,
    local_policies: bool,
    aws_policies: bool,
    page: PageRequest,
}

/// An entry of the list, which has one kind of resource after another.
enum Item {
    Role(Arc<Role>),
    Policy(Arc<ManagedPolicy>),
}

impl Operation for GetAccountAuthorizationDetails {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        const KINDS: [&str; 5] = [
            "User",
            "Role",
            "Group",
            "LocalManagedPolicy",
            "AWSManagedPolicy",
        ];
        let filter = params.values("Filter");
        if let Some(other) = filter.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
            let rule = "Member must satisfy enum value set: \
                        [User, Role, Group, LocalManagedPolicy, AWSManagedPolicy]";
            return Err(ApiError::constraint(other, "filter", rule));
        }
        let wants = |kind: &str| filter.is_empty() || filter.iter().any(|wanted| wanted == kind);
        Ok(Self {
            roles: wants("Role"),
            local_policies: wants("LocalManagedPolicy"),
            aws_policies: wants("AWSManagedPolicy"),
            page: PageRequest::parse(params)?,
        })
    }

    fn accesses(&self, _: &Context<'_>) -> Vec<Access> {
        vec![Access::new("iam:GetAccountAuthorizationDetails", "*")]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let (account, view) = (&*cx.account, cx.view);
        let uses = account.uses_at(view);
        let mut items = Vec::new();
        if self.roles {
            let roles = account.roles.all_at(view, None);
            items.extend(roles.map(|(key, role)| (format!("1{key}"), Item::Role(role.clone()))));
        }
        let mut policies = Vec::new();
        if self.local_policies {
            policies.extend(
                account
                    .policies
                    .all_at(view, None)
                    .map(|(_, policy)| policy),
            );
        }
        if self.aws_policies {
            // Only those AWS managed policies that are in use.
            let in_use = |policy: &&Arc<ManagedPolicy>| uses.contains_key(&policy.arn);
            policies.extend(account.aws_policies.iter().filter(in_use));
        }
        items.extend(policies.into_iter().map(|policy| {
            let key = format!("2{}", policy.arn.to_ascii_lowercase());
            (key, Item::Policy(policy.clone()))
        }));
        items.sort_by(|(one, _), (other, _)| one.cmp(other));
        let page = self
            .page
            .cut(items.iter().map(|(key, item)| (key.as_str(), item)));

        let profiles = account.profiles_by_role_at(view);
        let mut xml = Xml::default();
        xml.element("UserDetailList", |_| {})
            .element("GroupDetailList", |_| {})
            .element("RoleDetailList", |xml| {
                for item in &page.items {
                    if let Item::Role(role) = item {
                        let profiles = profiles.get(role.name.to_ascii_lowercase().as_str());
                        let profiles = profiles.map_or(&[][..], Vec::as_slice);
                        xml.element("member", |xml| write_role(xml, role, profiles));
                    }
                }
            })
            .element("Policies", |xml| {
                for item in &page.items {
                    if let Item::Policy(policy) = item {
                        xml.element("member", |xml| write_policy(xml, policy, &uses));
                    }
                }
            });
        page.write_end(&mut xml);
        Ok(Some(xml))
    }
}

fn write_role(xml: &mut Xml, role: &Role, profiles: &[&Arc<InstanceProfile>]) {
    xml.text("Path", &role.path)
        .text("RoleName", &role.name)
        .text("RoleId", &role.id)
        .text("Arn", &role.arn)
        .date("CreateDate", role.created)
        .document("AssumeRolePolicyDocument", &role.trust)
        .list("InstanceProfileList", profiles, |xml, profile| {
            profile.write(xml, Some(role), false);
        })
        .list("RolePolicyList", &role.inline, |xml, (name, policy)| {
            xml.text("PolicyName", name)
                .document("PolicyDocument", &policy.document);
        })
        .list("AttachedManagedPolicies", &role.attached, |xml, arn| {
            write_attached(xml, arn);
        });
    role.write_boundary(xml);
    role.write_tags(xml);
    xml.element("RoleLastUsed", |_| {});
}

fn write_policy(xml: &mut Xml, policy: &ManagedPolicy, uses: &HashMap<String, Uses>) {
    let unused = Uses {
        attachments: 0,
        boundaries: 0,
    };
    policy.write(xml, uses.get(&policy.arn).copied().unwrap_or(unused));
    xml.list("PolicyVersionList", [policy], |xml, policy| {
        policy.write_version(xml);
    });
}
