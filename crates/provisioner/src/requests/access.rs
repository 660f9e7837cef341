//! What a cluster's role can reach according to its current documents in IAM.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::{Binding, Rejection};
use engine_roles_domain::cluster::{ClusterName, Mode, RoleReference};
use engine_roles_domain::grant::{Reach, reach};
use engine_roles_domain::prepared::HeldRole;
use engine_roles_store::Store;

use crate::aws::{Gateway, Terms};
use crate::error::ProvisionerError;
use crate::requests::verdicts::on_blocking_thread;

/// How long a caller waits for the account's call budget.
const BUDGET_WAIT: Duration = Duration::from_secs(5);

/// What a cluster's role can reach.
#[derive(Clone, Debug)]
pub struct AccessReport {
    /// Where the role comes from.
    pub mode: Mode,
    /// The role that the binding's spec calls for.
    pub wanted: RoleReference,
    /// The role that was evaluated, with its policy documents: the one in the instance profile, or else
    /// the one that the binding's spec calls for.
    pub role: HeldRole,
    /// The secrets and other resources that the documents allow the role to reach.
    pub reach: Reach,
    /// The database's time after the documents were read.
    pub evaluated_at: DateTime<Utc>,
}

/// Reads the policy documents of a cluster's role and evaluates them.
pub(crate) struct ReadAccess {
    pub(crate) store: Store,
    pub(crate) gateway: Arc<Gateway>,
}

impl ReadAccess {
    pub(crate) async fn access(
        &self,
        cluster: &ClusterName,
    ) -> Result<Option<AccessReport>, ProvisionerError> {
        let Some(binding) = self.store.latest(cluster).await? else {
            return Ok(None);
        };
        if !binding.is_live() {
            return Err(ProvisionerError::NoRole(binding.state()));
        }
        if let Some(here) = self.gateway.known_account() {
            binding.scope.must_be(&here).map_err(Rejection::from)?;
        }
        let name = binding.role_name();
        let terms = Terms::interactive(&binding.scope.account, BUDGET_WAIT);
        let profile = binding.profile_name();
        let key_changes = self.gateway.key_changes();
        let read = self.gateway.held_role(&name, Some(&profile), terms);
        let role = match Box::pin(read).await {
            Ok(Some(role)) => role,
            Ok(None) => {
                let confirmed = self.gateway.confirm_absence(&binding.scope, key_changes);
                if let Err(source) = Box::pin(confirmed).await {
                    let resource = binding.role_resource();
                    let source = Box::new(source);
                    return Err(ProvisionerError::Unreadable { resource, source });
                }
                return Err(ProvisionerError::NotShown(name));
            }
            Err(error) if error.is_not_sent() => return Err(ProvisionerError::BudgetUsedUp),
            Err(error) if error.denied_caller().is_some_and(|it| it != binding.scope) => {
                let here = self
                    .gateway
                    .known_account()
                    .unwrap_or_else(|| binding.scope.clone());
                binding.scope.must_be(&here).map_err(Rejection::from)?;
                return Err(ProvisionerError::NotShown(name));
            }
            Err(source) => {
                let resource = binding.role_resource();
                return Err(ProvisionerError::Unreadable {
                    resource,
                    source: Box::new(source),
                });
            }
        };
        let wanted = binding.role_reference();
        let profile = role.profile.as_ref();
        let gets_another = profile.is_some_and(|profile| profile.contains_other_than(&wanted));
        // The report about a prepared role says whether the profile contains it.
        let is_own = binding.mode() == Mode::Create;
        if is_own && !gets_another && is_recreated(&binding, &role) {
            return Err(ProvisionerError::Recreated(name));
        }
        let (mode, cluster) = (binding.mode(), cluster.clone());
        let (reach, role) = on_blocking_thread(move || {
            let reach = reach(&role, &binding.spec, &binding.scope, &cluster);
            (reach, role)
        })
        .await;
        Ok(Some(AccessReport {
            mode,
            wanted,
            reach,
            evaluated_at: self.store.now().await?,
            role,
        }))
    }
}

/// Returns whether the role has another id or ARN than the one recorded for the binding.
fn is_recreated(binding: &Binding, shown: &HeldRole) -> bool {
    let recorded = binding.role.as_ref();
    let differs =
        |recorded: Option<&String>, shown: Option<&String>| recorded.is_some() && recorded != shown;
    let (id, arn) = (
        recorded.and_then(|recorded| recorded.id.as_ref()),
        recorded.and_then(|recorded| recorded.arn.as_ref()),
    );
    differs(id, shown.role.id.as_ref()) || differs(arn, shown.role.arn.as_ref())
}
