//! A request for a role: PUT.

use std::sync::Arc;
use std::time::Duration;

use engine_roles_domain::binding::{
    Actor, Binding, BindingId, Generation, IfMatch, Intent, Verdict, decide_put, verdict,
};
use engine_roles_domain::cluster::{ClusterName, RoleRequest};
use engine_roles_store::{Change, Declaration, Declared, StoreError};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::attestation::{Undeclared, refuse_unfit};
use crate::service::Inner;
use crate::worker::{self, Cause};
use crate::{ProvisionError, Provisioner};

/// Who asks, and on what terms.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks.
    pub actor: Actor,
    /// The HTTP request.
    pub request_id: Option<String>,
    /// The generation that the caller believes in.
    pub if_match: Option<IfMatch>,
    /// How long the caller waits for the outcome.
    pub wait: Duration,
}

/// How far a request came while its caller waited.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The binding as it is now.
    pub binding: Binding,
    /// What the request did to the record.
    pub change: Change,
    /// How its intent ended, as far as it has.
    pub verdict: Verdict,
}

impl Provisioner {
    /// Provisions a cluster's role, or changes it to this spec, and waits as the request says.
    /// The work goes on whether or not the caller stays.
    ///
    /// # Errors
    /// When nothing was changed: the request may not be carried out, the database failed, or it
    /// is not known in which account we are.
    pub async fn provision(
        &self,
        cluster: &ClusterName,
        wanted: &RoleRequest,
        request: &Request,
    ) -> Result<Answer, ProvisionError> {
        let inner = &self.inner;
        let defaults = &inner.settings.defaults;
        let scope = inner.scope.of_request(&inner.iam, wanted, defaults).await;
        let scope = scope.map_err(ProvisionError::Scope)?;
        if inner.has_bindings_elsewhere(&scope).await? {
            return Err(ProvisionError::OtherAccount { now: scope });
        }
        let decide = |latest: Option<&Binding>| {
            decide_put(cluster, latest, wanted, defaults, &scope, request.if_match)
        };
        let declaration = request.declaration(cluster);
        let mode = inner.settings.attestation;
        let mut attested = None;
        let mut looks = wanted.may_pass(defaults) || inner.room_is_scarce();
        let declared = loop {
            if std::mem::take(&mut looks) {
                let latest = inner.store.latest(cluster).await?;
                let intent = decide(latest.as_ref())?;
                if let Intent::New(spec) = &intent
                    && let Some(room) = inner.lacks_room_for(spec).await
                {
                    return Err(ProvisionError::Full(room));
                }
                if let Intent::New(spec) = &intent {
                    attested = Some(inner.attest_for(cluster, spec, &scope).await?);
                }
            }
            let declared = inner
                .store
                .declare_role(&declaration, &scope, |latest| {
                    let intent = decide(latest).map_err(Undeclared::Refused)?;
                    refuse_unfit(mode, intent, attested.as_ref())
                })
                .await?;
            match declared {
                Ok(declared) => break declared,
                Err(Undeclared::Refused(refusal)) => return Err(refusal.into()),
                // It was another intent a moment ago.
                Err(Undeclared::Unattested) => looks = true,
            }
        };
        Ok(inner.follow(declared, request).await?)
    }
}

impl Request {
    pub(crate) fn declaration(&self, cluster: &ClusterName) -> Declaration {
        Declaration {
            cluster: cluster.clone(),
            actor: self.actor.clone(),
            request_id: self.request_id.clone(),
        }
    }
}

impl Inner {
    /// Starts the work that a declaration gave the right to, and waits for its outcome.
    pub(crate) async fn follow(
        self: &Arc<Self>,
        declared: Declared,
        request: &Request,
    ) -> Result<Answer, StoreError> {
        let Declared {
            binding,
            change,
            claim,
        } = declared;
        let (id, generation) = (binding.id, binding.generation);
        if change != Change::Unchanged {
            info!(cluster = %binding.cluster, generation, state = %binding.state, "intent declared");
        }
        if let Some(claim) = claim {
            let cause = Cause {
                actor: request.actor.clone(),
                request_id: request.request_id.clone(),
            };
            let certain = change == Change::Created;
            self.tasks
                .spawn(worker::work(Arc::clone(self), claim, cause, certain));
        }
        let (binding, verdict) = self
            .await_verdict(id, generation, binding, request.wait)
            .await?;
        Ok(Answer {
            binding,
            change,
            verdict,
        })
    }

    async fn await_verdict(
        &self,
        id: BindingId,
        generation: Generation,
        declared: Binding,
        patience: Duration,
    ) -> Result<(Binding, Verdict), StoreError> {
        let until = Instant::now() + patience;
        let mut binding = declared;
        let mut first = true;
        loop {
            let notify = self.waiting.on(id);
            let notified = notify.notified();
            if !first {
                match self.store.binding(id).await {
                    Ok(current) => binding = current.unwrap_or(binding),
                    // The intent is committed, and the work goes on when the database is back:
                    // that is no error for the caller, who hears at worst that it is on its way.
                    Err(error) if error.is_transient() => {
                        warn!(
                            error = &error as &dyn std::error::Error,
                            "could not look how far the work is"
                        );
                    }
                    Err(error) => return Err(error),
                }
            }
            first = false;
            let verdict = verdict(&binding, generation);
            if verdict != Verdict::Pending || !self.wait(notified, until).await {
                return Ok((binding, verdict));
            }
        }
    }
}
