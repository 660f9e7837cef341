//! Reads a role with all policies that decide what the role may do.

use engine_roles_domain::binding::RoleRecord;
use engine_roles_domain::cluster::RoleReference;
use engine_roles_domain::prepared::{
    HeldPolicy, HeldProfile, HeldRole, PolicyName, ProfileContents,
};
use engine_roles_domain::resources::{CallKind, ProfileName, RoleName};
use futures::future::join_all;

use crate::gate::{Gate, GatedIam};
use crate::observe::decode;
use crate::{ErrorKind, IamError};

impl<G: Gate> GatedIam<'_, G> {
    /// Reads the role with its trust policy, its inline and managed policies and its boundary. None
    /// where the role does not exist. Makes three concurrent calls, and then one or two for each
    /// policy. A policy or list that our identity may not read is in the result, with the missing
    /// permission.
    ///
    /// With the instance profile through which engines get the role, the profile is read too, with one
    /// concurrent call. Where it contains another role, that role is read then and returned.
    ///
    /// # Errors
    /// When the role itself can't be read, or a call fails for a reason other than a denial.
    pub async fn held_role(
        &self,
        name: &RoleName,
        profile: Option<&ProfileName>,
    ) -> Result<Option<HeldRole>, IamError> {
        let Some(profile) = profile else {
            return Box::pin(self.read_held_role(name)).await;
        };
        let (role, contents) = tokio::join!(
            Box::pin(self.read_held_role(name)),
            Box::pin(self.profile_contents(profile)),
        );
        let contents = contents?;
        let role = match &contents {
            ProfileContents::Role(contained) if contained.name() != name => {
                Some(self.other_role(contained).await?)
            }
            _ => role?,
        };
        Ok(role.map(|role| HeldRole {
            profile: Some(HeldProfile {
                name: profile.clone(),
                contents,
            }),
            ..role
        }))
    }

    async fn profile_contents(&self, name: &ProfileName) -> Result<ProfileContents, IamError> {
        let found = match self.observe_profile(name).await {
            Ok(found) => found,
            Err(error) if error.kind == ErrorKind::Denied => {
                return Ok(ProfileContents::Unread(denied(&error)));
            }
            Err(error) => return Err(error),
        };
        let Some(found) = found else {
            return Ok(ProfileContents::Absent);
        };
        let role = found.roles.into_iter().flatten().next();
        Ok(role.map_or(ProfileContents::Nothing, ProfileContents::Role))
    }

    /// Reads a role that was found in an instance profile. Where our identity may not read it, nothing is
    /// known of its policies.
    async fn other_role(&self, role: &RoleReference) -> Result<HeldRole, IamError> {
        let reason = match Box::pin(self.read_held_role(role.name())).await {
            Ok(Some(held)) => return Ok(held),
            Ok(None) => {
                let target = format!("role {}", role.name());
                let lacks = "lacks a role that an instance profile contains";
                return Err(IamError::unreadable("GetRole", &target, lacks));
            }
            Err(error) if error.kind == ErrorKind::Denied => {
                let permission = error.missing_permission;
                permission.unwrap_or_else(|| "iam:GetRole".to_owned())
            }
            Err(error) => return Err(error),
        };
        Ok(HeldRole {
            role: RoleRecord {
                name: role.name().clone(),
                arn: role.arn().map(|arn| arn.to_string()),
                id: None,
                path: role.arn().map(|arn| arn.path),
            },
            trust: None,
            policies: Vec::new(),
            boundary: None,
            unlisted: vec![reason],
            profile: None,
        })
    }

    async fn read_held_role(&self, name: &RoleName) -> Result<Option<HeldRole>, IamError> {
        let (role, inline, attached) = tokio::join!(
            self.role(name),
            self.inline_names(name),
            self.attached_arns(name),
        );
        let Some(role) = role? else { return Ok(None) };
        let mut unlisted = Vec::new();
        let inline = listed(inline, &mut unlisted)?;
        let attached = listed(attached, &mut unlisted)?;
        let inline = inline.into_iter().map(|policy| async move {
            let text = self.inline_policy(name, &policy).await;
            held_policy(PolicyName::Inline(policy), text)
        });
        let managed = attached.into_iter().map(|arn| self.managed(arn));
        let boundary = async {
            match role.boundary {
                Some(arn) => self.managed(arn).await.map(Some),
                None => Ok(None),
            }
        };
        let (inline, managed, boundary) =
            tokio::join!(join_all(inline), join_all(managed), Box::pin(boundary));
        let policies = inline.into_iter().chain(managed);
        Ok(Some(HeldRole {
            role: role.record,
            trust: role.trust,
            policies: policies.collect::<Result<_, _>>()?,
            boundary: boundary?,
            unlisted,
            profile: None,
        }))
    }

    async fn managed(&self, arn: String) -> Result<HeldPolicy, IamError> {
        let text = self.managed_policy(&arn).await;
        held_policy(PolicyName::Managed(arn), text)
    }

    async fn inline_policy(&self, role: &RoleName, policy: &str) -> Result<String, IamError> {
        let target = format!("policy {policy} of role {role}");
        let request = self.iam.client().get_role_policy();
        let request = request.role_name(role.as_str()).policy_name(policy);
        let answer = self
            .call("GetRolePolicy", CallKind::Read, &target, request.send())
            .await?;
        decode("GetRolePolicy", &target, &answer.policy_document)
    }

    /// Reads the default version of a managed policy with two calls, one after the other.
    async fn managed_policy(&self, arn: &str) -> Result<String, IamError> {
        let request = self.iam.client().get_policy().policy_arn(arn);
        let answer = self
            .call("GetPolicy", CallKind::Read, arn, request.send())
            .await?;
        let version = answer.policy.and_then(|policy| policy.default_version_id);
        let lacks = |what| IamError::unreadable("GetPolicy", arn, what);
        let version = version.ok_or_else(|| lacks("lacks the default version"))?;
        let request = self.iam.client().get_policy_version();
        let request = request.policy_arn(arn).version_id(version);
        let answer = self
            .call("GetPolicyVersion", CallKind::Read, arn, request.send())
            .await?;
        let document = answer.policy_version.and_then(|version| version.document);
        let document = document.ok_or_else(|| lacks("lacks the document"))?;
        decode("GetPolicyVersion", arn, &document)
    }
}

// Records the missing permission of a denied listing, because an evaluation has to know that the
// list is incomplete.
fn listed(
    list: Result<Vec<String>, IamError>,
    unlisted: &mut Vec<String>,
) -> Result<Vec<String>, IamError> {
    match list {
        Err(error) if error.kind == ErrorKind::Denied => {
            unlisted.extend(error.missing_permission);
            Ok(Vec::new())
        }
        list => list,
    }
}

fn denied(error: &IamError) -> String {
    match &error.missing_permission {
        Some(permission) => format!("{permission} is denied to this service"),
        None => error.describe(),
    }
}

fn held_policy(name: PolicyName, text: Result<String, IamError>) -> Result<HeldPolicy, IamError> {
    let text = match text {
        Ok(text) => Ok(text),
        Err(error) => match (error.kind, error.missing_permission.as_ref()) {
            (ErrorKind::Denied, Some(_)) => Err(denied(&error)),
            // The policy was deleted after the listing, or the boundary's policy was deleted.
            (ErrorKind::Absent, _) => Err("it does not exist".to_owned()),
            _ => return Err(error),
        },
    };
    Ok(HeldPolicy { name, text })
}
