//! Handles a request for a role (PUT).

use std::sync::Arc;

use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::lifecycle::{self, NewBinding};
use engine_roles_domain::binding::{BindingId, Intent as Decision, Rejection, decide_put};
use engine_roles_domain::cluster::{ClusterName, Defaults, RoleRequest, RoleSpec};
use engine_roles_store::{Change, Intent, Operation, Store};
use uuid::Uuid;

use crate::aws::{AccountQuota, Gateway, OtherAccounts};
use crate::error::ProvisionerError;
use crate::requests::attestation::Attestor;
use crate::requests::follow::{Answer, Follower, Request};
use crate::requests::record::Decided;

const OPERATION: Operation = Operation::Provision;

/// Provisions a cluster's role, or changes it.
pub(crate) struct Provision {
    pub(crate) store: Store,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) quota: Arc<AccountQuota>,
    pub(crate) other_accounts: Arc<OtherAccounts>,
    pub(crate) attestor: Arc<Attestor>,
    pub(crate) follower: Arc<Follower>,
    pub(crate) defaults: Arc<Defaults>,
}

impl Provision {
    pub(crate) async fn provision(
        &self,
        cluster: &ClusterName,
        wanted: &RoleRequest,
        request: &Request,
    ) -> Result<Answer, ProvisionerError> {
        let scope = self.gateway.account_for(wanted, &self.defaults).await?;
        self.other_accounts.must_have_none(&scope).await?;
        loop {
            let latest = self.store.read_latest(cluster, OPERATION).await?;
            let read = latest.binding.as_ref();
            let conditions = &request.conditions;
            let decision = decide_put(cluster, read, wanted, &self.defaults, &scope, conditions);
            if let (Err(Rejection::TeardownInProgress), Some(going)) = (&decision, read)
                && self.follower.wait_for_teardown(going.id, request).await
            {
                continue;
            }
            let intent = match decision? {
                Decision::New(spec) => {
                    Box::pin(self.admit(cluster, &spec, &scope)).await?;
                    let new = NewBinding {
                        id: BindingId(Uuid::now_v7()),
                        cluster: cluster.clone(),
                        namespace: self.store.namespace().clone(),
                        scope: scope.clone(),
                        spec,
                        generation: latest.generation + 1,
                    };
                    Intent::New(Box::new(lifecycle::provision_requested(new, latest.now)))
                }
                Decision::Change(live, spec) => {
                    let changed = lifecycle::change_requested(*live, spec, latest.now)?;
                    Intent::Changed(Box::new(changed))
                }
                Decision::Unchanged(live) => {
                    let follower = &self.follower;
                    return Ok(follower
                        .follow_unchanged(Arc::from(live), request, OPERATION)
                        .await?);
                }
                Decision::Repeated { live, created } => {
                    let change = if created {
                        Change::Created
                    } else {
                        Change::Changed
                    };
                    let recorded = (Arc::from(live), change);
                    let follower = &self.follower;
                    return Ok(follower
                        .follow_recorded(recorded, request, OPERATION)
                        .await?);
                }
            };
            let decided = Box::new(Decided {
                latest,
                intent: request.sign(intent),
                cause: request.cause.clone(),
                operation: OPERATION,
            });
            if let Some(answer) = self.follower.carry_out(decided, request).await? {
                return Ok(answer);
            }
        }
    }

    /// Checks for a new binding that no quota is used up, and attests the role that it passes. Both
    /// may call AWS; nothing is locked meanwhile.
    async fn admit(
        &self,
        cluster: &ClusterName,
        spec: &RoleSpec,
        scope: &Scope,
    ) -> Result<(), ProvisionerError> {
        if self.quota.is_used_up()
            && let Some(usage) = self.quota.without_room_for(spec, &scope.account).await
        {
            return Err(ProvisionerError::QuotaExceeded(usage));
        }
        let attested = self.attestor.attest_for(cluster, spec, scope).await?;
        Ok(self.attestor.admit(spec, &attested)?)
    }
}
