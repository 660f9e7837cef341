//! Handles a request for a role (PUT).

use std::sync::Arc;

use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::lifecycle::{self, NewBinding};
use engine_roles_domain::binding::{Binding, BindingId, Intent, Rejection, decide_put};
use engine_roles_domain::cluster::{ClusterName, Defaults, RoleRequest};
use engine_roles_store::{Intent as Write, IntentError, Latest, Store};
use uuid::Uuid;

use crate::aws::{AccountQuota, Gateway, OtherAccounts};
use crate::error::ProvisionerError;
use crate::requests::attestation::{Admission, Attested, Attestor};
use crate::requests::follow::{Answer, Follower, Request};

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

/// Why an intent was not recorded yet.
enum NotYet {
    Rejected(ProvisionerError),
    /// The new binding passes a role that is not attested yet, because another request changed the
    /// cluster after a first decision that needed no attestation.
    Unattested,
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
        let decide = |latest: Option<&Binding>| {
            let if_match = request.if_match;
            decide_put(cluster, latest, wanted, &self.defaults, &scope, if_match)
        };
        let may_need_a_check = wanted.may_pass(&self.defaults) || self.quota.is_used_up();
        let mut attested = if may_need_a_check {
            self.check_first(cluster, &scope, decide).await?
        } else {
            Attested::NotAsked
        };
        let recorded = loop {
            let write = |latest: Latest| match decide(latest.binding.as_ref()) {
                Ok(intent) => self.write(cluster, &scope, &latest, intent, &attested),
                Err(rejection) => Err(NotYet::Rejected(rejection.into())),
            };
            match self
                .store
                .record_intent(cluster, &request.cause, write)
                .await
            {
                Ok(recorded) => break recorded,
                Err(IntentError::Store(error)) => return Err(error.into()),
                Err(IntentError::Rejected(NotYet::Rejected(error))) => return Err(error),
                Err(IntentError::Rejected(NotYet::Unattested)) => {
                    attested = self.check_first(cluster, &scope, decide).await?;
                }
            }
        };
        Ok(self.follower.follow(recorded, request).await?)
    }

    /// Checks for a new binding that no quota is used up, and attests the role that it passes. Both may
    /// call AWS, so they are done before the cluster is locked.
    async fn check_first(
        &self,
        cluster: &ClusterName,
        scope: &Scope,
        decide: impl Fn(Option<&Binding>) -> Result<Intent, Rejection>,
    ) -> Result<Attested, ProvisionerError> {
        let latest = self.store.latest(cluster).await?;
        let Intent::New(spec) = decide(latest.as_ref())? else {
            return Ok(Attested::NotAsked);
        };
        if let Some(usage) = self.quota.without_room_for(&spec, &scope.account).await {
            return Err(ProvisionerError::QuotaExceeded(usage));
        }
        Ok(self.attestor.attest_for(cluster, &spec, scope).await?)
    }

    /// Returns what the store must write for a decision.
    fn write(
        &self,
        cluster: &ClusterName,
        scope: &Scope,
        latest: &Latest,
        intent: Intent,
        attested: &Attested,
    ) -> Result<Write, NotYet> {
        Ok(match intent {
            Intent::New(spec) => {
                match self.attestor.admit(&spec, attested) {
                    Admission::Admitted => {}
                    Admission::Rejected(rejection) => {
                        return Err(NotYet::Rejected(rejection.into()));
                    }
                    Admission::Unattested => return Err(NotYet::Unattested),
                }
                let new = NewBinding {
                    id: BindingId(Uuid::now_v7()),
                    cluster: cluster.clone(),
                    namespace: self.store.namespace().clone(),
                    scope: scope.clone(),
                    spec,
                    generation: latest.generation + 1,
                };
                Write::New(Box::new(lifecycle::provision_requested(new, latest.now)))
            }
            Intent::Change(live, spec) => {
                let changed = lifecycle::change_requested(*live, spec, latest.now);
                let changed = changed.map_err(|error| NotYet::Rejected(error.into()))?;
                Write::Changed(Box::new(changed))
            }
            Intent::Unchanged(live) => Write::Unchanged(live),
        })
    }
}
