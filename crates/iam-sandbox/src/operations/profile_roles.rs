use super::Operation;
use crate::authorization::Access;
use crate::context::{Context, no_role};
use crate::errors::ApiError;
use crate::names::{self, Name};
use crate::wire::Params;
use crate::xml::Xml;

pub(super) struct AddRoleToInstanceProfile {
    profile: Name,
    role: Name,
}

impl Operation for AddRoleToInstanceProfile {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            profile: Name::parse(params, "InstanceProfileName", names::INSTANCE_PROFILE)?,
            role: Name::parse(params, "RoleName", names::ROLE)?,
        })
    }

    /// The profile passes the role to EC2, so the caller also needs `iam:PassRole`.
    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        let add = "iam:AddRoleToInstanceProfile";
        vec![
            Access::to_instance_profile(add, &self.profile, cx),
            Access::passing_role(&self.role, &self.profile, cx),
        ]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        cx.instance_profile_to_write(&self.profile)?;
        cx.role_to_write(&self.role)?;
        let key = self.role.key();
        cx.change_instance_profile(&self.profile, |profile| {
            if profile.role.is_some() {
                return Err(ApiError::quota("InstanceSessionsPerInstanceProfile", 1));
            }
            profile.role = Some(key);
            Ok(())
        })?;
        Ok(None)
    }
}

pub(super) struct RemoveRoleFromInstanceProfile {
    profile: Name,
    role: Name,
}

impl Operation for RemoveRoleFromInstanceProfile {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            profile: Name::parse(params, "InstanceProfileName", names::INSTANCE_PROFILE)?,
            role: Name::parse(params, "RoleName", names::ROLE)?,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        let remove = "iam:RemoveRoleFromInstanceProfile";
        vec![Access::to_instance_profile(remove, &self.profile, cx)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let key = self.role.key();
        cx.change_instance_profile(&self.profile, |profile| {
            if profile.role.as_ref() != Some(&key) {
                return Err(no_role(&self.role));
            }
            profile.role = None;
            Ok(())
        })?;
        Ok(None)
    }
}
