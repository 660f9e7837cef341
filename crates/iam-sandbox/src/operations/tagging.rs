use super::Operation;
use crate::authorization::Access;
use crate::context::Context;
use crate::errors::ApiError;
use crate::names::{self, Name};
use crate::pages::PageRequest;
use crate::tags::{self, Tags};
use crate::wire::Params;
use crate::xml::Xml;

pub(super) struct TagRole {
    name: Name,
    tags: Tags,
}

impl Operation for TagRole {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            name: Name::parse(params, "RoleName", names::ROLE)?,
            tags: tags::required(params)?,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        vec![Access::to_role("iam:TagRole", &self.name, cx).requesting(&self.tags)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        cx.change_role(&self.name, |role| role.tags.merge(&self.tags))?;
        Ok(None)
    }
}

pub(super) struct UntagRole {
    name: Name,
    keys: Vec<String>,
}

impl Operation for UntagRole {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            name: Name::parse(params, "RoleName", names::ROLE)?,
            keys: tags::parse_keys(params)?,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        vec![Access::to_role("iam:UntagRole", &self.name, cx).with_tag_keys(&self.keys)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        cx.change_role(&self.name, |role| {
            role.tags.remove(&self.keys);
            Ok(())
        })?;
        Ok(None)
    }
}

pub(super) struct ListRoleTags {
    name: Name,
    page: PageRequest,
}

impl Operation for ListRoleTags {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            name: Name::parse(params, "RoleName", names::ROLE)?,
            page: PageRequest::parse(params)?,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        vec![Access::to_role("iam:ListRoleTags", &self.name, cx)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let role = cx.role(&self.name)?;
        let page = self.page.cut(role.tags.keyed());
        let xml = page.to_xml("Tags", |xml, tag| tag.write(xml));
        Ok(Some(xml))
    }
}

pub(super) struct TagInstanceProfile {
    name: Name,
    tags: Tags,
}

impl Operation for TagInstanceProfile {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            name: Name::parse(params, "InstanceProfileName", names::INSTANCE_PROFILE)?,
            tags: tags::required(params)?,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        let access = Access::to_instance_profile("iam:TagInstanceProfile", &self.name, cx);
        vec![access.requesting(&self.tags)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        cx.change_instance_profile(&self.name, |profile| profile.tags.merge(&self.tags))?;
        Ok(None)
    }
}

pub(super) struct UntagInstanceProfile {
    name: Name,
    keys: Vec<String>,
}

impl Operation for UntagInstanceProfile {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            name: Name::parse(params, "InstanceProfileName", names::INSTANCE_PROFILE)?,
            keys: tags::parse_keys(params)?,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        let access = Access::to_instance_profile("iam:UntagInstanceProfile", &self.name, cx);
        vec![access.with_tag_keys(&self.keys)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        cx.change_instance_profile(&self.name, |profile| {
            profile.tags.remove(&self.keys);
            Ok(())
        })?;
        Ok(None)
    }
}
