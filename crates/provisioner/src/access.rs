//! What a cluster's role can reach, from the documents that IAM holds now.

use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_domain::cluster::{ClusterName, Mode};
use engine_roles_domain::grant::{Reach, reach};
use engine_roles_domain::prepared::HeldRole;
use engine_roles_store::CallKind;
use tokio::time::Instant;

use crate::budget::Urgency;
use crate::{AccessError, Provisioner};

/// How many calls a role as this service makes it takes to read.
const CALLS: u8 = 4;
/// How long a caller waits for the account's call budget.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a cluster's role can reach.
#[derive(Clone, Debug)]
pub struct AccessReport {
    /// Where the role comes from.
    pub mode: Mode,
    /// The role with its documents.
    pub role: HeldRole,
    /// What it can reach.
    pub reach: Reach,
    /// When IAM was read.
    pub evaluated_at: DateTime<Utc>,
}

impl Provisioner {
    /// Reads the documents of a cluster's role and evaluates them; none where it never had one.
    ///
    /// # Errors
    /// When the cluster has no role now, or IAM or the database failed.
    pub async fn access(&self, cluster: &ClusterName) -> Result<Option<AccessReport>, AccessError> {
        let inner = &self.inner;
        let Some(binding) = inner.store.latest(cluster).await? else {
            return Ok(None);
        };
        if !binding.live {
            return Err(AccessError::NoRole(binding.state));
        }
        if let Some(now) = inner.scope.known().filter(|now| **now != binding.scope) {
            return Err(AccessError::OtherAccount {
                made: binding.scope.clone(),
                now: now.clone(),
            });
        }
        let (account, until) = (&binding.scope.account, Instant::now() + PATIENCE);
        let (read, urgency) = (CallKind::Read, Urgency::Interactive);
        if !inner
            .budget
            .acquire(&inner.store, account, read, CALLS, urgency, until)
            .await
        {
            return Err(AccessError::Busy);
        }
        let name = binding.role_name();
        let role = inner.iam.held_role(&name).await;
        let role = role.map_err(|source| AccessError::Iam {
            resource: binding.role_resource(),
            source,
        })?;
        let role = role.ok_or_else(|| AccessError::NotShown(name.clone()))?;
        let recorded = binding.role.as_ref();
        let differs = |recorded: Option<&String>, shown: Option<&String>| {
            recorded.is_some() && recorded != shown
        };
        let (id, arn) = (
            recorded.and_then(|recorded| recorded.id.as_ref()),
            recorded.and_then(|recorded| recorded.arn.as_ref()),
        );
        if differs(id, role.role.id.as_ref()) || differs(arn, role.role.arn.as_ref()) {
            return Err(AccessError::Recreated(name));
        }
        Ok(Some(AccessReport {
            mode: binding.mode(),
            reach: reach(&role, &binding.spec, &binding.scope, cluster),
            evaluated_at: inner.store.now().await?,
            role,
        }))
    }
}
