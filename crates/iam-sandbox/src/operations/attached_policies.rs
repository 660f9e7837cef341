use super::Operation;
use super::boundaries::check_policy_arn;
use crate::authorization::Access;
use crate::context::Context;
use crate::errors::ApiError;
use crate::names::{self, Name};
use crate::pages::PageRequest;
use crate::role::ATTACHED;
use crate::wire::Params;
use crate::xml::Xml;

pub(super) struct AttachRolePolicy {
    role: Name,
    policy: String,
}

impl Operation for AttachRolePolicy {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            role: Name::parse(params, "RoleName", names::ROLE)?,
            policy: policy_arn(params)?,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        let access = Access::to_role("iam:AttachRolePolicy", &self.role, cx);
        let access = access.with("iam:PolicyARN", &self.policy);
        vec![access.with_boundary_of(&self.role, cx)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        check_policy_arn(&self.policy)?;
        cx.role_to_write(&self.role)?;
        if cx.account.policy_at(&self.policy, cx.view).is_none() {
            let arn = &self.policy;
            return Err(ApiError::absent(format!(
                "Policy {arn} does not exist or is not attachable."
            )));
        }
        cx.change_role(&self.role, |role| {
            if role.attached.len() >= ATTACHED && !role.attached.contains(&self.policy) {
                return Err(ApiError::quota("PoliciesPerRole", ATTACHED));
            }
            role.attached.insert(self.policy);
            Ok(())
        })?;
        Ok(None)
    }
}

pub(super) struct DetachRolePolicy {
    role: Name,
    policy: String,
}

impl Operation for DetachRolePolicy {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            role: Name::parse(params, "RoleName", names::ROLE)?,
            policy: policy_arn(params)?,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        let access = Access::to_role("iam:DetachRolePolicy", &self.role, cx);
        let access = access.with("iam:PolicyARN", &self.policy);
        vec![access.with_boundary_of(&self.role, cx)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        check_policy_arn(&self.policy)?;
        cx.change_role(&self.role, |role| {
            if !role.attached.remove(&self.policy) {
                let arn = &self.policy;
                return Err(ApiError::absent(format!("Policy {arn} was not found.")));
            }
            Ok(())
        })?;
        Ok(None)
    }
}

pub(super) struct ListAttachedRolePolicies {
    role: Name,
    prefix: String,
    page: PageRequest,
}

impl Operation for ListAttachedRolePolicies {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            role: Name::parse(params, "RoleName", names::ROLE)?,
            prefix: names::path_prefix(params)?,
            page: PageRequest::parse(params)?,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        vec![Access::to_role(
            "iam:ListAttachedRolePolicies",
            &self.role,
            cx,
        )]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let role = cx.role(&self.role)?;
        let arns = role.attached.iter().map(String::as_str);
        let under_prefix = |arn: &&str| {
            let path = arn.split_once(":policy").map(|(_, path)| path);
            path.is_some_and(|path| path.starts_with(&self.prefix))
        };
        let page = self
            .page
            .cut(arns.filter(under_prefix).map(|arn| (arn, arn)));
        let xml = page.to_xml("AttachedPolicies", |xml, arn| {
            write_attached(xml, arn);
        });
        Ok(Some(xml))
    }
}

/// Writes a managed policy as lists of a role's policies show it.
pub(super) fn write_attached(xml: &mut Xml, arn: &str) {
    let name = arn.rsplit_once('/').map_or(arn, |(_, name)| name);
    xml.text("PolicyName", name).text("PolicyArn", arn);
}

/// # Errors
/// `ValidationError`.
pub(super) fn policy_arn(params: &Params) -> Result<String, ApiError> {
    let arn = params.required("PolicyArn")?;
    names::length(arn, "policyArn", 20, 2_048)?;
    Ok(arn.to_owned())
}
