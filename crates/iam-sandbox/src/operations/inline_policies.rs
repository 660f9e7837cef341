use super::Operation;
use crate::authorization::Access;
use crate::context::Context;
use crate::documents;
use crate::errors::ApiError;
use crate::names::{self, Name};
use crate::pages::PageRequest;
use crate::role::InlinePolicy;
use crate::wire::Params;
use crate::xml::Xml;

pub(super) struct PutRolePolicy {
    role: Name,
    name: Name,
    policy: InlinePolicy,
}

impl Operation for PutRolePolicy {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        let role = Name::parse(params, "RoleName", names::ROLE)?;
        let name = Name::parse(params, "PolicyName", names::POLICY)?;
        let (document, size) = documents::identity(params, "PolicyDocument")?;
        Ok(Self {
            role,
            name,
            policy: InlinePolicy { document, size },
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        let access = Access::to_role("iam:PutRolePolicy", &self.role, cx);
        vec![access.with_boundary_of(&self.role, cx)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let name = self.name.as_str();
        cx.change_role(&self.role, |role| role.put_inline(name, self.policy))?;
        Ok(None)
    }
}

pub(super) struct GetRolePolicy {
    role: Name,
    name: Name,
}

impl Operation for GetRolePolicy {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            role: Name::parse(params, "RoleName", names::ROLE)?,
            name: Name::parse(params, "PolicyName", names::POLICY)?,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        vec![Access::to_role("iam:GetRolePolicy", &self.role, cx)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let role = cx.role(&self.role)?;
        let policy = role.inline(self.name.as_str())?;
        let mut xml = Xml::default();
        xml.text("RoleName", &role.name)
            .text("PolicyName", self.name.as_str())
            .document("PolicyDocument", &policy.document);
        Ok(Some(xml))
    }
}

pub(super) struct DeleteRolePolicy {
    role: Name,
    name: Name,
}

impl Operation for DeleteRolePolicy {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            role: Name::parse(params, "RoleName", names::ROLE)?,
            name: Name::parse(params, "PolicyName", names::POLICY)?,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        let access = Access::to_role("iam:DeleteRolePolicy", &self.role, cx);
        vec![access.with_boundary_of(&self.role, cx)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        cx.change_role(&self.role, |role| role.remove_inline(self.name.as_str()))?;
        Ok(None)
    }
}

pub(super) struct ListRolePolicies {
    role: Name,
    page: PageRequest,
}

impl Operation for ListRolePolicies {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            role: Name::parse(params, "RoleName", names::ROLE)?,
            page: PageRequest::parse(params)?,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        vec![Access::to_role("iam:ListRolePolicies", &self.role, cx)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let role = cx.role(&self.role)?;
        let names = role.inline.keys().map(String::as_str);
        let page = self.page.cut(names.map(|name| (name, name)));
        let mut xml = Xml::default();
        xml.texts("PolicyNames", &page.items);
        page.write_end(&mut xml);
        Ok(Some(xml))
    }
}
