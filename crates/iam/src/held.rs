//! Reading a role with all documents that decide what it may do.

use engine_roles_domain::prepared::{HeldPolicy, HeldRole, PolicyName};
use engine_roles_domain::resources::{CallKind, RoleName};
use futures::future::join_all;

use crate::gate::{Gate, GatedIam};
use crate::observe::decode;
use crate::{ErrorKind, IamError};

impl<G: Gate> GatedIam<'_, G> {
    /// The role with its trust policy, its inline and managed policies and its boundary; none
    /// where it is not there. Three calls side by side, and one or two for each policy. What our
    /// identity may not read is in the answer, with the permission.
    ///
    /// # Errors
    /// When the role itself can't be read, or a call failed for another reason than a refusal.
    pub async fn held_role(&self, name: &RoleName) -> Result<Option<HeldRole>, IamError> {
        Box::pin(self.read_held_role(name)).await
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
            told(PolicyName::Inline(policy), text)
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
        }))
    }

    async fn managed(&self, arn: String) -> Result<HeldPolicy, IamError> {
        let text = self.managed_policy(&arn).await;
        told(PolicyName::Managed(arn), text)
    }

    async fn inline_policy(&self, role: &RoleName, policy: &str) -> Result<String, IamError> {
        let target = format!("policy {policy} of role {role}");
        let request = self.iam.client.get_role_policy();
        let request = request.role_name(role.as_str()).policy_name(policy);
        let answer = self
            .call("GetRolePolicy", CallKind::Read, &target, request.send())
            .await?;
        decode("GetRolePolicy", &target, &answer.policy_document)
    }

    /// The default version of a managed policy: two calls, one after the other.
    async fn managed_policy(&self, arn: &str) -> Result<String, IamError> {
        let request = self.iam.client.get_policy().policy_arn(arn);
        let answer = self
            .call("GetPolicy", CallKind::Read, arn, request.send())
            .await?;
        let version = answer.policy.and_then(|policy| policy.default_version_id);
        let lacks = |what| IamError::unreadable("GetPolicy", arn, what);
        let version = version.ok_or_else(|| lacks("lacks the default version"))?;
        let request = self.iam.client.get_policy_version();
        let request = request.policy_arn(arn).version_id(version);
        let answer = self
            .call("GetPolicyVersion", CallKind::Read, arn, request.send())
            .await?;
        let document = answer.policy_version.and_then(|version| version.document);
        let document = document.ok_or_else(|| lacks("lacks the document"))?;
        decode("GetPolicyVersion", arn, &document)
    }
}

// A refused listing leaves the list unknown, which the one who evaluates has to know.
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

fn told(name: PolicyName, text: Result<String, IamError>) -> Result<HeldPolicy, IamError> {
    let text = match text {
        Ok(text) => Ok(text),
        Err(error) => match (error.kind, error.missing_permission.as_ref()) {
            (ErrorKind::Denied, Some(permission)) => {
                Err(format!("{permission} is refused to this service"))
            }
            // Gone since it was listed, or a boundary that names what is no more.
            (ErrorKind::Absent, _) => Err("it is not there".to_owned()),
            _ => return Err(error),
        },
    };
    Ok(HeldPolicy { name, text })
}
