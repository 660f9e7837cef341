use super::Operation;
use crate::authorization::Access;
use crate::context::Context;
use crate::errors::ApiError;
use crate::instance_profile::InstanceProfile;
use crate::names::{self, Name};
use crate::pages::PageRequest;
use crate::role::Role;
use crate::tags::Tags;
use crate::wire::Params;
use crate::xml::Xml;

/// Returns the role in a profile, as this call sees it.
fn role_of<'a>(profile: &InstanceProfile, cx: &'a Context<'_>) -> Option<&'a Role> {
    let role = cx.account.roles.at(profile.role.as_deref()?, cx.view);
    role.map(AsRef::as_ref)
}

pub(super) struct CreateInstanceProfile {
    name: Name,
    path: String,
    tags: Tags,
}

impl Operation for CreateInstanceProfile {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            name: Name::parse(params, "InstanceProfileName", names::INSTANCE_PROFILE)?,
            path: names::path(params)?,
            tags: Tags::parse(params)?,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        let arn = cx
            .account
            .arn("instance-profile", &self.path, self.name.as_str());
        let create = Access::new("iam:CreateInstanceProfile", &arn);
        let mut accesses = vec![create.requesting(&self.tags)];
        if !self.tags.is_empty() {
            accesses.push(Access::new("iam:TagInstanceProfile", &arn).requesting(&self.tags));
        }
        accesses
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let (name, key) = (self.name.as_str(), self.name.key());
        if cx.account.instance_profiles.current(&key).is_some() {
            return Err(ApiError::exists(format!(
                "Instance Profile {name} already exists."
            )));
        }
        if cx.account.instance_profiles.existing() >= cx.quotas.instance_profiles {
            let most = cx.quotas.instance_profiles;
            return Err(ApiError::quota("InstanceProfilesPerAccount", most));
        }
        let profile = InstanceProfile {
            arn: cx.account.arn("instance-profile", &self.path, name),
            name: name.to_owned(),
            path: self.path,
            id: cx.unique_id("AIPA"),
            created: cx.date,
            tags: self.tags,
            role: None,
        };
        let mut xml = Xml::default();
        xml.element("InstanceProfile", |xml| profile.write(xml, None, true));
        cx.put_instance_profile(&key, Some(profile));
        Ok(Some(xml))
    }
}

pub(super) struct GetInstanceProfile(Name);

impl Operation for GetInstanceProfile {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Name::parse(params, "InstanceProfileName", names::INSTANCE_PROFILE).map(Self)
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        vec![Access::to_instance_profile(
            "iam:GetInstanceProfile",
            &self.0,
            cx,
        )]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let profile = cx.instance_profile(&self.0)?;
        let role = role_of(&profile, cx);
        let mut xml = Xml::default();
        xml.element("InstanceProfile", |xml| profile.write(xml, role, true));
        Ok(Some(xml))
    }
}

pub(super) struct DeleteInstanceProfile(Name);

impl Operation for DeleteInstanceProfile {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Name::parse(params, "InstanceProfileName", names::INSTANCE_PROFILE).map(Self)
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        vec![Access::to_instance_profile(
            "iam:DeleteInstanceProfile",
            &self.0,
            cx,
        )]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let profile = cx.instance_profile_to_write(&self.0)?;
        if profile.role.is_some() {
            return Err(ApiError::conflict(
                "Cannot delete entity, must remove roles from instance profile first.",
            ));
        }
        cx.put_instance_profile(&self.0.key(), None);
        Ok(None)
    }
}

pub(super) struct ListInstanceProfiles {
    prefix: String,
    page: PageRequest,
}

impl Operation for ListInstanceProfiles {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            prefix: names::path_prefix(params)?,
            page: PageRequest::parse(params)?,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        let arn = cx.account.arn("instance-profile", &self.prefix, "");
        vec![Access::new("iam:ListInstanceProfiles", &arn)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let profiles = cx
            .account
            .instance_profiles
            .all_at(cx.view, self.page.after());
        let profiles = profiles.filter(|(_, profile)| profile.path.starts_with(&self.prefix));
        let page = self.page.cut(profiles);
        let xml = page.to_xml("InstanceProfiles", |xml, profile| {
            profile.write(xml, role_of(profile, cx), false);
        });
        Ok(Some(xml))
    }
}

pub(super) struct ListInstanceProfilesForRole {
    role: Name,
    page: PageRequest,
}

impl Operation for ListInstanceProfilesForRole {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            role: Name::parse(params, "RoleName", names::ROLE)?,
            page: PageRequest::parse(params)?,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        vec![Access::to_role(
            "iam:ListInstanceProfilesForRole",
            &self.role,
            cx,
        )]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        cx.role(&self.role)?;
        let key = self.role.key();
        let profiles = cx
            .account
            .instance_profiles
            .all_at(cx.view, self.page.after());
        let profiles = profiles.filter(|(_, profile)| profile.role.as_deref() == Some(&key));
        let page = self.page.cut(profiles);
        let xml = page.to_xml("InstanceProfiles", |xml, profile| {
            profile.write(xml, role_of(profile, cx), false);
        });
        Ok(Some(xml))
    }
}
