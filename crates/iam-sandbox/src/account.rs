use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::history::Table;
use crate::instance_profile::InstanceProfile;
use crate::managed_policy::{ManagedPolicy, Uses, aws_managed};
use crate::role::Role;

/// The IAM resources of one AWS account.
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) partition: String,
    pub(crate) roles: Table<Role>,
    pub(crate) instance_profiles: Table<InstanceProfile>,
    /// The customer managed policies of the account, by name.
    pub(crate) policies: Table<ManagedPolicy>,
    /// The AWS managed policies.
    pub(crate) aws_policies: Vec<Arc<ManagedPolicy>>,
}

impl Account {
    pub(crate) fn new(id: &str, partition: &str) -> Self {
        let aws_policies = aws_managed(partition).into_iter().map(Arc::new);
        Self {
            id: id.to_owned(),
            partition: partition.to_owned(),
            roles: Table::new(),
            instance_profiles: Table::new(),
            policies: Table::new(),
            aws_policies: aws_policies.collect(),
        }
    }

    /// Returns the ARN of a resource in this account; `kind` is `role`, `instance-profile` or
    /// `policy`.
    pub(crate) fn arn(&self, kind: &str, path: &str, name: &str) -> String {
        let Self { partition, id, .. } = self;
        format!("arn:{partition}:iam::{id}:{kind}{path}{name}")
    }

    /// Returns a managed policy, of AWS or of the account, as of `time`.
    pub(crate) fn policy_at(&self, arn: &str, time: Duration) -> Option<&Arc<ManagedPolicy>> {
        let aws = self.aws_policies.iter().find(|policy| policy.arn == arn);
        aws.or_else(|| {
            let (_, name) = arn.rsplit_once('/')?;
            let policy = self.policies.at(&name.to_ascii_lowercase(), time)?;
            (policy.arn == arn).then_some(policy)
        })
    }

    /// Returns a managed policy, of AWS or of the account, as it is now.
    pub(crate) fn current_policy(&self, arn: &str) -> Option<&Arc<ManagedPolicy>> {
        self.policy_at(arn, Duration::MAX)
    }

    /// Returns the role with exactly this ARN, including the path, as of `time`.
    pub(crate) fn role_with_arn_at(&self, arn: &str, time: Duration) -> Option<&Arc<Role>> {
        let (_, name) = arn.rsplit_once('/')?;
        let role = self.roles.at(&name.to_ascii_lowercase(), time)?;
        (role.arn == arn).then_some(role)
    }

    /// Returns how many roles use each managed policy, by ARN, as of `time`.
    pub(crate) fn uses_at(&self, time: Duration) -> HashMap<String, Uses> {
        let mut all = HashMap::new();
        let none = Uses {
            attachments: 0,
            boundaries: 0,
        };
        for (_, role) in self.roles.all_at(time, None) {
            for arn in &role.attached {
                all.entry(arn.clone()).or_insert(none).attachments += 1;
            }
            if let Some(arn) = &role.boundary {
                all.entry(arn.clone()).or_insert(none).boundaries += 1;
            }
        }
        all
    }

    /// Returns the instance profiles that contain each role, by the role's key, as of `time`.
    pub(crate) fn profiles_by_role_at(
        &self,
        time: Duration,
    ) -> HashMap<&str, Vec<&Arc<InstanceProfile>>> {
        let mut all = HashMap::<_, Vec<_>>::new();
        for (_, profile) in self.instance_profiles.all_at(time, None) {
            if let Some(role) = &profile.role {
                all.entry(role.as_str()).or_default().push(profile);
            }
        }
        all
    }

    /// Returns the account as `GET /_sandbox/state` shows it.
    pub(crate) fn state(&self) -> Value {
        let roles = self.roles.all().map(|(_, role)| role.state());
        let profiles = self.instance_profiles.all().map(|(_, profile)| {
            let role = profile.role.as_deref();
            profile.state(
                role.and_then(|role| self.roles.current(role))
                    .map(Arc::as_ref),
            )
        });
        let policies = self.policies.all().map(|(_, policy)| policy.state());
        json!({
            "roles": roles.collect::<Vec<_>>(),
            "instance_profiles": profiles.collect::<Vec<_>>(),
            "policies": policies.collect::<Vec<_>>(),
        })
    }
}
