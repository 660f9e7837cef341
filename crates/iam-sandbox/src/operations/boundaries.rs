use super::Operation;
use crate::authorization::Access;
use crate::context::Context;
use crate::errors::ApiError;
use crate::names::{self, Name};
use crate::wire::Params;
use crate::xml::Xml;

/// Checks that the policy of a role's boundary exists.
///
/// # Errors
/// `InvalidInput` for a text that is not the ARN of a policy; `NoSuchEntity` for a policy that does
/// not exist.
pub(super) fn check_boundary(cx: &Context<'_>, arn: &str) -> Result<(), ApiError> {
    check_policy_arn(arn)?;
    let policy = cx.account.policy_at(arn, cx.view);
    policy.map(|_| ()).ok_or_else(|| {
        ApiError::absent(format!(
            "Scope ARN: {arn} does not exist or is not attachable."
        ))
    })
}

/// # Errors
/// `InvalidInput` for a text that is not the ARN of a policy.
pub(super) fn check_policy_arn(arn: &str) -> Result<(), ApiError> {
    let mut parts = arn.splitn(6, ':');
    let [scheme, _, service, region, account, resource] = std::array::from_fn(|_| parts.next());
    let valid = scheme == Some("arn")
        && service == Some("iam")
        && region == Some("")
        && account.is_some_and(|id| {
            id == "aws" || (id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit()))
        })
        && resource.is_some_and(|resource| resource.starts_with("policy/"));
    if !valid {
        return Err(ApiError::input(format!("ARN {arn} is not valid.")));
    }
    Ok(())
}

pub(super) struct PutRolePermissionsBoundary {
    name: Name,
    boundary: String,
}

impl Operation for PutRolePermissionsBoundary {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        let name = Name::parse(params, "RoleName", names::ROLE)?;
        let boundary = params.required("PermissionsBoundary")?;
        names::length(boundary, "permissionsBoundary", 20, 2_048)?;
        Ok(Self {
            name,
            boundary: boundary.to_owned(),
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        let access = Access::to_role("iam:PutRolePermissionsBoundary", &self.name, cx);
        vec![access.with("iam:PermissionsBoundary", &self.boundary)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        check_boundary(cx, &self.boundary)?;
        cx.change_role(&self.name, |role| {
            role.boundary = Some(self.boundary);
            Ok(())
        })?;
        Ok(None)
    }
}

pub(super) struct DeleteRolePermissionsBoundary(Name);

impl Operation for DeleteRolePermissionsBoundary {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Name::parse(params, "RoleName", names::ROLE).map(Self)
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        let access = Access::to_role("iam:DeleteRolePermissionsBoundary", &self.0, cx);
        vec![access.with_boundary_of(&self.0, cx)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        cx.change_role(&self.0, |role| {
            let boundary = role.boundary.take();
            boundary.map(|_| ()).ok_or_else(|| {
                ApiError::absent(format!(
                    "The role with name {} does not have a permissions boundary.",
                    role.name
                ))
            })
        })?;
        Ok(None)
    }
}
