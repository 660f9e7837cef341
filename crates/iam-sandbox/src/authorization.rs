use std::collections::BTreeMap;

use engine_roles_policy as policy;
use engine_roles_policy::{Decision, Document, Request};

use crate::caller::Caller;
use crate::context::Context;
use crate::errors::ApiError;
use crate::layers::PolicyLayer;
use crate::names::Name;
use crate::tags::Tags;

/// An action on a resource, with its condition keys, that a caller must be allowed to use.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    action: &'static str,
    resource: String,
    keys: BTreeMap<String, Vec<String>>,
}

impl Access {
    pub(crate) fn new(action: &'static str, resource: &str) -> Self {
        Self {
            action,
            resource: resource.to_owned(),
            keys: BTreeMap::new(),
        }
    }

    /// Access to a role as this call sees it. If the role does not exist, the access is to the ARN
    /// that the role would have under the unknown path, without tags.
    pub(crate) fn to_role(action: &'static str, name: &Name, cx: &Context<'_>) -> Self {
        match cx.account.roles.at(&name.key(), cx.view) {
            Some(role) => Self::new(action, &role.arn).on(&role.tags),
            None => Self::new(
                action,
                &cx.account.arn("role", cx.unknown_path, name.as_str()),
            ),
        }
    }

    /// Access to an instance profile, by the same rules as [`Access::to_role`].
    pub(crate) fn to_instance_profile(action: &'static str, name: &Name, cx: &Context<'_>) -> Self {
        if let Some(profile) = cx.account.instance_profiles.at(&name.key(), cx.view) {
            return Self::new(action, &profile.arn).on(&profile.tags);
        }
        let (path, name) = (cx.unknown_path, name.as_str());
        Self::new(action, &cx.account.arn("instance-profile", path, name))
    }

    pub(crate) fn to_policy(action: &'static str, arn: &str, cx: &Context<'_>) -> Self {
        let access = Self::new(action, arn);
        match cx.account.policy_at(arn, cx.now) {
            Some(policy) => access.on(&policy.tags),
            None => access,
        }
    }

    /// Access to the principal with this ARN, with its tags if the principal is a role of the
    /// account.
    pub(crate) fn to_principal(action: &'static str, arn: &str, cx: &Context<'_>) -> Self {
        let access = Self::new(action, arn);
        match cx.account.role_with_arn_at(arn, cx.now) {
            Some(role) => access.on(&role.tags),
            None => access,
        }
    }

    /// Access for passing a role to EC2 through an instance profile. The value of
    /// `iam:PassedToService` is `ec2.amazonaws.com` in China too, as users of Karpenter found
    /// (karpenter-provider-aws#6843). The role's tags are not included: the IAM documentation says
    /// that they are not reliable for `iam:PassRole`.
    pub(crate) fn passing_role(role: &Name, profile: &Name, cx: &Context<'_>) -> Self {
        let role = Self::to_role("iam:PassRole", role, cx);
        let profile = Self::to_instance_profile("iam:PassRole", profile, cx);
        Self::new("iam:PassRole", &role.resource)
            .with("iam:PassedToService", "ec2.amazonaws.com")
            .with("iam:AssociatedResourceArn", &profile.resource)
    }

    /// Adds a condition key.
    pub(crate) fn with(mut self, key: impl Into<String>, value: &str) -> Self {
        self.keys.insert(key.into(), vec![value.to_owned()]);
        self
    }

    /// Adds the ARN of the role's boundary, if it has one.
    pub(crate) fn with_boundary_of(self, role: &Name, cx: &Context<'_>) -> Self {
        let role = cx.account.roles.at(&role.key(), cx.view);
        match role.and_then(|role| role.boundary.as_ref()) {
            Some(boundary) => self.with("iam:PermissionsBoundary", boundary),
            None => self,
        }
    }

    /// Adds the keys of the tags in the request.
    pub(crate) fn with_tag_keys(mut self, keys: &[String]) -> Self {
        if !keys.is_empty() {
            self.keys.insert("aws:TagKeys".to_owned(), keys.to_vec());
        }
        self
    }

    /// Adds the tags that the request sets.
    pub(crate) fn requesting(self, tags: &Tags) -> Self {
        let keys: Vec<_> = tags.keys().into_iter().collect();
        tags.iter().fold(self.with_tag_keys(&keys), |access, tag| {
            access.with(format!("aws:RequestTag/{}", tag.key), &tag.value)
        })
    }

    /// Adds the tags of the resource.
    fn on(self, tags: &Tags) -> Self {
        tags.iter().fold(self, |access, tag| {
            access
                .with(format!("aws:ResourceTag/{}", tag.key), &tag.value)
                .with(format!("iam:ResourceTag/{}", tag.key), &tag.value)
        })
    }

    /// Checks the access against every layer. An explicit denial of any layer comes before the
    /// implicit ones.
    ///
    /// # Errors
    /// `AccessDenied`.
    fn check(&self, cx: &Context<'_>) -> Result<(), ApiError> {
        let keys = self.keys.iter();
        let session = cx.caller.session.as_ref().filter(|_| cx.role_policies);
        let context = cx.caller.context(cx.region);
        let context = match session {
            Some(session) => session.with_tags(cx.account, context),
            None => context,
        };
        let context = keys.fold(context, |context, (key, values)| {
            context.with_values(key, values)
        });
        let request = Request::new(self.action, &self.resource).in_context(context);
        let own = session.map(|session| session.layers(cx.account));
        let mut not_allowing = None;
        for (layer, policies) in deciding(cx, own.as_deref()) {
            match policy::evaluate(&request, &policies, None) {
                Decision::Allowed { .. } => {}
                Decision::Denied { .. } => {
                    let arn = layer.arn(cx.account).filter(|_| cx.policy_arns);
                    let mut reason = layer.explicit_denial();
                    reason.extend(arn.map(|arn| format!(": {arn}")));
                    return Err(denied(&cx.caller, self.action, &self.resource, &reason));
                }
                _ => not_allowing = not_allowing.or(Some(layer)),
            }
        }
        match not_allowing {
            Some(layer) => Err(not_allowed(layer, &cx.caller, self.action, &self.resource)),
            None => Ok(()),
        }
    }
}

/// Returns the policies of each layer, in the order of the layers. `own` are the layers of a session,
/// which take the place of the service's.
fn deciding<'a>(
    cx: &'a Context<'_>,
    own: Option<&'a [(PolicyLayer, Vec<Document>)]>,
) -> Vec<(PolicyLayer, Vec<&'a Document>)> {
    let is_of_all = |layer: PolicyLayer| layer < PolicyLayer::Identity;
    let set = cx.policies.iter();
    let set = set.filter(|(layer, _)| own.is_none() || is_of_all(*layer));
    let set = set.map(|(layer, policy)| (layer, vec![policy]));
    let own = own.into_iter().flatten();
    let own = own.map(|(layer, policies)| (*layer, policies.iter().collect()));
    set.chain(own).collect()
}

/// Checks against the policies every access that a call needs.
///
/// # Errors
/// `AccessDenied` for the first access that the policies do not allow.
pub(crate) fn authorize(cx: &Context<'_>, accesses: Vec<Access>) -> Result<(), ApiError> {
    if cx.is_administrator {
        return Ok(());
    }
    let mut accesses = accesses.into_iter();
    accesses.try_for_each(|access| access.check(cx))
}

/// Returns `AccessDenied` with the message that AWS uses.
fn denied(caller: &Caller, action: &str, resource: &str, reason: &str) -> ApiError {
    let arn = &caller.arn;
    ApiError::new(
        "AccessDenied",
        format!(
            "User: {arn} is not authorized to perform: {action} on resource: {resource} {reason}"
        ),
    )
}

/// Returns `AccessDenied` for an action that no statement of a layer allows.
pub(crate) fn not_allowed(
    layer: PolicyLayer,
    caller: &Caller,
    action: &str,
    resource: &str,
) -> ApiError {
    denied(caller, action, resource, &layer.implicit_denial(action))
}
