//! Sends each step of a plan as one call to IAM.

use std::collections::BTreeMap;

use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_iam::operation::RequestId;
use aws_sdk_iam::types::Tag;
use engine_roles_domain::binding::{ProfileRecord, RoleRecord};
use engine_roles_domain::grant::INLINE_POLICY_NAME;
use engine_roles_domain::resources::{Applied, CallKind, ProfileName, RoleName, Step};

use crate::gate::{Gate, GatedIam};
use crate::{Depth, ErrorKind, IamError, Target};

impl<G: Gate> GatedIam<'_, G> {
    /// Sends one step, once.
    ///
    /// For a step that removes, `NoSuchEntity` is [`Applied::AlreadyGone`] and not an error. If AWS
    /// denies such a step, one read follows; if the read does not show the resource, the result is
    /// [`Applied::Unseen`].
    ///
    /// # Errors
    /// Classified by kind. After [`ErrorKind::Unanswered`] the step may have taken effect, or may
    /// yet do so.
    pub async fn apply(&self, step: &Step) -> Result<Applied, IamError> {
        let sent = self.send_step(step).await.map_err(|mut error| {
            if is_denied_because_absent(step, &error) {
                error.kind = ErrorKind::Absent;
            }
            error
        });
        match sent {
            Err(error) if step.removes() && error.kind == ErrorKind::Absent => {
                Ok(Applied::AlreadyGone)
            }
            Err(error) if step.removes() && error.kind == ErrorKind::Denied => {
                match Box::pin(self.is_gone(step)).await {
                    Ok(true) => Ok(Applied::Unseen),
                    Ok(false) | Err(_) => Err(error),
                }
            }
            result => result,
        }
    }

    /// Returns whether a read does not show the resource that a removing step is about.
    async fn is_gone(&self, step: &Step) -> Result<bool, IamError> {
        let target = match step {
            Step::DeleteRole { role }
            | Step::DeleteRolePolicy { role, .. }
            | Step::DetachRolePolicy { role, .. } => Target {
                role: Some(role.clone()),
                profile: None,
            },
            Step::DeleteInstanceProfile { profile }
            | Step::RemoveRoleFromInstanceProfile { profile, .. } => Target {
                role: None,
                profile: Some(profile.clone()),
            },
            _ => return Ok(false),
        };
        let seen = self.observe(&target, Depth::Existence).await?;
        Ok(seen.role.is_none() && seen.profile.is_none())
    }

    /// Sends a step that creates no resource and whose answer has no content.
    fn change<T, E>(
        &self,
        step: &Step,
        answer: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    ) -> impl Future<Output = Result<Applied, IamError>> + Send
    where
        T: RequestId + Send,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        // Boxed here, because an `async fn` keeps room for what it was called with.
        let answer = Box::pin(answer);
        async move {
            let (action, target) = (step.action(), step.target());
            let answered = self.call(action, CallKind::Write, &target, answer).await;
            answered.map(|_| Applied::Done)
        }
    }

    #[allow(
        clippy::too_many_lines,
        reason = "one match arm for each call, each a few lines of the SDK's builder"
    )]
    async fn send_step(&self, step: &Step) -> Result<Applied, IamError> {
        let (action, target) = (step.action(), step.target());
        let write = CallKind::Write;
        match step {
            Step::CreateRole {
                role,
                path,
                trust,
                boundary,
                tags,
            } => {
                let request = self
                    .iam
                    .client()
                    .create_role()
                    .role_name(role.as_str())
                    .path(path.as_str())
                    .assume_role_policy_document(trust.to_json())
                    .set_permissions_boundary(boundary.as_ref().map(ToString::to_string))
                    .set_tags(Some(sdk_tags(action, &target, tags)?));
                let answer = self.call(action, write, &target, request.send()).await?;
                let created = answer
                    .role
                    .ok_or_else(|| answer_without_resource(action, &target))?;
                Ok(Applied::Role(RoleRecord {
                    name: RoleName::clone(role),
                    arn: Some(created.arn),
                    id: Some(created.role_id),
                    path: Some(created.path),
                }))
            }
            Step::CreateInstanceProfile {
                profile,
                path,
                tags,
            } => {
                let request = self
                    .iam
                    .client()
                    .create_instance_profile()
                    .instance_profile_name(profile.as_str())
                    .path(path.as_str())
                    .set_tags(Some(sdk_tags(action, &target, tags)?));
                let answer = self.call(action, write, &target, request.send()).await?;
                let created = answer
                    .instance_profile
                    .ok_or_else(|| answer_without_resource(action, &target))?;
                Ok(Applied::Profile(ProfileRecord {
                    name: profile.clone(),
                    arn: Some(created.arn),
                    id: Some(created.instance_profile_id),
                    managed: true,
                }))
            }
            Step::PutRolePolicy { role, document } => {
                let request = self
                    .iam
                    .client()
                    .put_role_policy()
                    .role_name(role.as_str())
                    .policy_name(INLINE_POLICY_NAME)
                    .policy_document(document.to_json());
                self.change(step, request.send()).await
            }
            Step::AddRoleToInstanceProfile { profile, role } => {
                let request = self.iam.client().add_role_to_instance_profile();
                let request = request
                    .instance_profile_name(profile.as_str())
                    .role_name(role.as_str());
                self.change(step, request.send()).await
            }
            Step::TagRole { role, tags } => {
                let tags = sdk_tags(action, &target, tags)?;
                let request = self
                    .iam
                    .client()
                    .tag_role()
                    .role_name(role.as_str())
                    .set_tags(Some(tags));
                self.change(step, request.send()).await
            }
            Step::UntagRole { role, keys } => {
                let request = self.iam.client().untag_role().role_name(role.as_str());
                let request = request.set_tag_keys(Some(keys.clone()));
                self.change(step, request.send()).await
            }
            Step::TagInstanceProfile { profile, tags } => {
                let tags = sdk_tags(action, &target, tags)?;
                let request = self.iam.client().tag_instance_profile();
                let request = request
                    .instance_profile_name(profile.as_str())
                    .set_tags(Some(tags));
                self.change(step, request.send()).await
            }
            Step::UntagInstanceProfile { profile, keys } => {
                let request = self.iam.client().untag_instance_profile();
                let request = request
                    .instance_profile_name(profile.as_str())
                    .set_tag_keys(Some(keys.clone()));
                self.change(step, request.send()).await
            }
            Step::DeleteRolePolicy { role, policy } => {
                let request = self.iam.client().delete_role_policy();
                let request = request.role_name(role.as_str()).policy_name(policy);
                self.change(step, request.send()).await
            }
            Step::DetachRolePolicy { role, policy_arn } => {
                let request = self.iam.client().detach_role_policy();
                let request = request.role_name(role.as_str()).policy_arn(policy_arn);
                self.change(step, request.send()).await
            }
            Step::RemoveRoleFromInstanceProfile { profile, role } => {
                let request = self.iam.client().remove_role_from_instance_profile();
                let request = request
                    .instance_profile_name(profile.as_str())
                    .role_name(role.as_str());
                self.change(step, request.send()).await
            }
            Step::DeleteRole { role } => {
                let request = self.iam.client().delete_role().role_name(role.as_str());
                self.change(step, request.send()).await
            }
            Step::DeleteInstanceProfile { profile } => {
                let request = self.iam.client().delete_instance_profile();
                let request = request.instance_profile_name(profile.as_str());
                self.change(step, request.send()).await
            }
        }
    }
}

// Returns whether IAM denied a call because the resource does not exist, or does not exist yet for
// IAM. A call names a role or profile without its path. If IAM does not know the resource, a policy
// that allows resources by path does not match, and the message of the denial names the resource
// without a path; all of our resources have one. The code is AccessDenied as for any other denial,
// so only the message distinguishes the two. If the wording is not known, the error stays a denial.
// See docs/architecture.md, "Errors".
fn is_denied_because_absent(step: &Step, error: &IamError) -> bool {
    let message = error.message.as_deref().unwrap_or_default();
    let pathless = |kind: &str, words: &str, name: &str| {
        let named = [format!(":{kind}/{name}"), format!("{words} {name}")];
        let ends = |rest: &str| rest.is_empty() || rest.starts_with(char::is_whitespace);
        let mut named = named
            .iter()
            .filter_map(|text| message.split_once(text.as_str()));
        named.any(|(_, rest)| ends(rest))
    };
    let role = |name: &RoleName| pathless("role", "role", name.as_str());
    let profile =
        |name: &ProfileName| pathless("instance-profile", "instance profile", name.as_str());
    let unknown = match step {
        Step::CreateRole { .. } | Step::CreateInstanceProfile { .. } => false,
        Step::PutRolePolicy { role: name, .. }
        | Step::TagRole { role: name, .. }
        | Step::UntagRole { role: name, .. }
        | Step::DeleteRolePolicy { role: name, .. }
        | Step::DetachRolePolicy { role: name, .. }
        | Step::DeleteRole { role: name } => role(name),
        Step::TagInstanceProfile { profile: name, .. }
        | Step::UntagInstanceProfile { profile: name, .. }
        | Step::DeleteInstanceProfile { profile: name } => profile(name),
        // A pass-through role may have no path. Only a role that shares the profile's name is ours.
        Step::AddRoleToInstanceProfile {
            profile: around,
            role: name,
        }
        | Step::RemoveRoleFromInstanceProfile {
            profile: around,
            role: name,
        } => profile(around) || around.as_str() == name.as_str() && role(name),
    };
    error.kind == ErrorKind::Denied && unknown
}

// AWS answered the create call, but without the resource. The call counts as unanswered, so that
// the resource is observed next.
fn answer_without_resource(action: &'static str, target: &str) -> IamError {
    let error = IamError::unreadable(action, target, "lacks the resource");
    IamError {
        kind: ErrorKind::Unanswered,
        ..error
    }
}

fn sdk_tags(
    action: &'static str,
    target: &str,
    tags: &BTreeMap<String, String>,
) -> Result<Vec<Tag>, IamError> {
    let tags = tags
        .iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build());
    tags.collect::<Result<_, BuildError>>()
        .map_err(|source| IamError {
            kind: ErrorKind::Malformed,
            action,
            target: target.into(),
            code: None,
            status: None,
            message: None,
            missing_permission: None,
            denied_by: None,
            source: Some(Box::new(source)),
        })
}
