use std::collections::{BTreeMap, BTreeSet};

use super::Operation;
use crate::authorization::Access;
use crate::context::Context;
use crate::documents;
use crate::errors::ApiError;
use crate::names::{self, Name};
use crate::operations::boundaries::check_boundary;
use crate::pages::PageRequest;
use crate::role::{Detail, Role};
use crate::tags::Tags;
use crate::wire::Params;
use crate::xml::Xml;

pub(super) struct CreateRole {
    name: Name,
    path: String,
    trust: String,
    description: Option<String>,
    max_session_duration: u32,
    boundary: Option<String>,
    tags: Tags,
}

impl Operation for CreateRole {
    fn parse(params: &Params, cx: &Context<'_>) -> Result<Self, ApiError> {
        let name = Name::parse(params, "RoleName", names::ROLE)?;
        let path = names::path(params)?;
        if path.starts_with("/aws-service-role/") {
            return Err(ApiError::input(
                "Path prefix '/aws-service-role/' can only be used for AWS Service linked Roles",
            ));
        }
        let description = names::description(params)?;
        let duration = params.number("MaxSessionDuration", 3_600, 43_200)?;
        let boundary = params.get("PermissionsBoundary").cloned();
        if let Some(boundary) = &boundary {
            names::length(boundary, "permissionsBoundary", 20, 2_048)?;
        }
        let tags = Tags::parse(params)?;
        let trust = documents::trust(params, "AssumeRolePolicyDocument", cx.account)?;
        Ok(Self {
            name,
            path,
            trust,
            description,
            max_session_duration: duration.unwrap_or(3_600),
            boundary,
            tags,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        let arn = cx.account.arn("role", &self.path, self.name.as_str());
        let mut create = Access::new("iam:CreateRole", &arn).requesting(&self.tags);
        if let Some(boundary) = &self.boundary {
            create = create.with("iam:PermissionsBoundary", boundary);
        }
        let mut accesses = vec![create];
        if !self.tags.is_empty() {
            accesses.push(Access::new("iam:TagRole", &arn).requesting(&self.tags));
        }
        accesses
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let (name, key) = (self.name.as_str(), self.name.key());
        if cx.account.roles.current(&key).is_some() {
            return Err(ApiError::exists(format!(
                "Role with name {name} already exists."
            )));
        }
        if cx.account.roles.existing() >= cx.quotas.roles {
            return Err(ApiError::quota("RolesPerAccount", cx.quotas.roles));
        }
        if let Some(boundary) = &self.boundary {
            check_boundary(cx, boundary)?;
        }
        let role = Role {
            arn: cx.account.arn("role", &self.path, name),
            name: name.to_owned(),
            path: self.path,
            id: cx.unique_id("AROA"),
            created: cx.date,
            trust: self.trust,
            description: self.description,
            max_session_duration: self.max_session_duration,
            boundary: self.boundary,
            tags: self.tags,
            inline: BTreeMap::new(),
            attached: BTreeSet::new(),
        };
        let mut xml = Xml::default();
        xml.element("Role", |xml| role.write(xml, Detail::Created));
        cx.put_role(&key, Some(role));
        Ok(Some(xml))
    }
}

pub(super) struct GetRole(Name);

impl Operation for GetRole {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Name::parse(params, "RoleName", names::ROLE).map(Self)
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        vec![Access::to_role("iam:GetRole", &self.0, cx)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let role = cx.role(&self.0)?;
        let mut xml = Xml::default();
        xml.element("Role", |xml| role.write(xml, Detail::Full));
        Ok(Some(xml))
    }
}

pub(super) struct DeleteRole(Name);

impl Operation for DeleteRole {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Name::parse(params, "RoleName", names::ROLE).map(Self)
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        vec![Access::to_role("iam:DeleteRole", &self.0, cx)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let role = cx.role_to_write(&self.0)?;
        let key = self.0.key();
        let mut profiles = cx.account.instance_profiles.all();
        let reason = if profiles.any(|(_, profile)| profile.role.as_deref() == Some(&key)) {
            "must remove roles from instance profile first."
        } else if !role.attached.is_empty() {
            "must detach all policies first."
        } else if !role.inline.is_empty() {
            "must delete policies first."
        } else {
            drop(profiles);
            cx.put_role(&key, None);
            return Ok(None);
        };
        Err(ApiError::conflict(format!(
            "Cannot delete entity, {reason}"
        )))
    }
}

pub(super) struct ListRoles {
    prefix: String,
    page: PageRequest,
}

impl Operation for ListRoles {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            prefix: names::path_prefix(params)?,
            page: PageRequest::parse(params)?,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        let arn = cx.account.arn("role", &self.prefix, "");
        vec![Access::new("iam:ListRoles", &arn)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let roles = cx.account.roles.all_at(cx.view, self.page.after());
        let page = self
            .page
            .cut(roles.filter(|(_, role)| role.path.starts_with(&self.prefix)));
        let xml = page.to_xml("Roles", |xml, role| {
            role.write(xml, Detail::Listed);
        });
        Ok(Some(xml))
    }
}

pub(super) struct UpdateAssumeRolePolicy {
    name: Name,
    trust: String,
}

impl Operation for UpdateAssumeRolePolicy {
    fn parse(params: &Params, cx: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            name: Name::parse(params, "RoleName", names::ROLE)?,
            trust: documents::trust(params, "PolicyDocument", cx.account)?,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        vec![Access::to_role(
            "iam:UpdateAssumeRolePolicy",
            &self.name,
            cx,
        )]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        cx.change_role(&self.name, |role| {
            role.trust = self.trust;
            Ok(())
        })?;
        Ok(None)
    }
}
