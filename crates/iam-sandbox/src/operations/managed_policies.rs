use std::sync::Arc;

use super::Operation;
use super::attached_policies::policy_arn;
use super::boundaries::check_policy_arn;
use crate::authorization::Access;
use crate::context::Context;
use crate::documents;
use crate::errors::ApiError;
use crate::managed_policy::{ManagedPolicy, Uses, VERSION};
use crate::names::{self, Name};
use crate::tags::Tags;
use crate::wire::Params;
use crate::xml::Xml;

/// IAM's limit for the characters of a managed policy, without white space.
const SIZE: usize = 6_144;

pub(super) struct CreatePolicy {
    name: Name,
    path: String,
    document: String,
    size: usize,
    description: Option<String>,
    tags: Tags,
}

impl Operation for CreatePolicy {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        let name = Name::parse(params, "PolicyName", names::POLICY)?;
        let path = names::path(params)?;
        let description = names::description(params)?;
        let tags = Tags::parse(params)?;
        let (document, size) = documents::identity(params, "PolicyDocument")?;
        Ok(Self {
            name,
            path,
            document,
            size,
            description,
            tags,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        let arn = cx.account.arn("policy", &self.path, self.name.as_str());
        let mut accesses = vec![Access::new("iam:CreatePolicy", &arn).requesting(&self.tags)];
        if !self.tags.is_empty() {
            accesses.push(Access::new("iam:TagPolicy", &arn).requesting(&self.tags));
        }
        accesses
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        let (name, key) = (self.name.as_str(), self.name.key());
        if self.size > SIZE {
            return Err(ApiError::quota("PolicySize", SIZE));
        }
        if cx.account.policies.current(&key).is_some() {
            return Err(ApiError::exists(format!(
                "A policy called {name} already exists. Duplicate names are not allowed."
            )));
        }
        if cx.account.policies.existing() >= cx.quotas.policies {
            return Err(ApiError::quota("PoliciesPerAccount", cx.quotas.policies));
        }
        let policy = ManagedPolicy {
            arn: cx.account.arn("policy", &self.path, name),
            name: name.to_owned(),
            path: self.path,
            id: cx.unique_id("ANPA"),
            created: cx.date,
            description: self.description,
            document: self.document,
            tags: self.tags,
        };
        let mut xml = Xml::default();
        let unused = Uses {
            attachments: 0,
            boundaries: 0,
        };
        xml.element("Policy", |xml| {
            policy.write(xml, unused);
            policy.write_description_and_tags(xml);
        });
        let (now, policy) = (cx.now, Some(Arc::new(policy)));
        cx.account.policies.put(&key, now, cx.horizon, policy);
        Ok(Some(xml))
    }
}

pub(super) struct DeletePolicy(String);

impl Operation for DeletePolicy {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        policy_arn(params).map(Self)
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        vec![Access::to_policy("iam:DeletePolicy", &self.0, cx)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        check_policy_arn(&self.0)?;
        let key = cx.policy(&self.0)?.name.to_ascii_lowercase();
        if cx.account.policies.current(&key).is_none() {
            let arn = &self.0;
            return Err(ApiError::absent(format!("Policy {arn} was not found.")));
        }
        // Uses as a boundary count too.
        if cx.account.uses_at(cx.now).contains_key(&self.0) {
            return Err(ApiError::conflict(
                "Cannot delete a policy attached to entities.",
            ));
        }
        let (now, horizon) = (cx.now, cx.horizon);
        cx.account.policies.put(&key, now, horizon, None);
        Ok(None)
    }
}

pub(super) struct GetPolicy(String);

impl Operation for GetPolicy {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        policy_arn(params).map(Self)
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        vec![Access::to_policy("iam:GetPolicy", &self.0, cx)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        check_policy_arn(&self.0)?;
        let policy = cx.policy(&self.0)?;
        let uses = cx.account.uses_at(cx.view).get(&self.0).copied();
        let uses = uses.unwrap_or(Uses {
            attachments: 0,
            boundaries: 0,
        });
        let mut xml = Xml::default();
        xml.element("Policy", |xml| {
            policy.write(xml, uses);
            policy.write_description_and_tags(xml);
        });
        Ok(Some(xml))
    }
}

pub(super) struct GetPolicyVersion {
    policy: String,
    version: String,
}

impl Operation for GetPolicyVersion {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        let policy = policy_arn(params)?;
        let version = params.required("VersionId")?;
        let number = version.strip_prefix('v');
        if !number.is_some_and(|number| number.starts_with(|first: char| first.is_ascii_digit())) {
            let rule = "Member must satisfy regular expression pattern: \
                        v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?";
            return Err(ApiError::constraint(version, "versionId", rule));
        }
        Ok(Self {
            policy,
            version: version.to_owned(),
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        vec![Access::to_policy("iam:GetPolicyVersion", &self.policy, cx)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        check_policy_arn(&self.policy)?;
        let policy = cx.policy(&self.policy)?;
        if self.version != VERSION {
            let Self { policy, version } = self;
            return Err(ApiError::absent(format!(
                "Policy {policy} version {version} does not exist or is not attachable."
            )));
        }
        let mut xml = Xml::default();
        xml.element("PolicyVersion", |xml| policy.write_version(xml));
        Ok(Some(xml))
    }
}
