//! An active binding, looked at: the first read-back after the consistency window, and drift.

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::{Drift, DriftKind, EventAction, State};
use engine_roles_domain::resources::{Desired, Plan, drift, plan_repair};
use engine_roles_iam::{Depth, ErrorKind};
use metrics::counter;
use serde_json::json;
use tracing::{info, warn};

use crate::DriftMode;
use crate::backoff::spread;
use crate::worker::{Interrupted, Turn, Worker};

impl Worker<'_> {
    pub(crate) async fn check(&mut self) -> Result<Turn, Interrupted> {
        let now = self.claim.now();
        let target = self.target();
        if target.role.is_none() && target.profile.is_none() {
            return self.rest(None, None).await;
        }
        if !self.known.settled(now) {
            // What differs now may only be late.
            let due_at = self.known.reads_settle_at.max(self.known.writes_settle_at);
            return self.rest(None, due_at).await;
        }
        let next = self.later(spread(self.inner.settings.reconcile_interval));
        let desired = match Desired::of(&self.known) {
            Ok(desired) => desired,
            Err(error) => {
                warn!(cluster = %self.known.cluster, error = &error as &dyn std::error::Error, "could not check");
                return self.rest(None, Some(next)).await;
            }
        };
        let listed = match self.read(Depth::Dependants).await? {
            // Without the permission to list, what is ours can still be compared.
            Err(error) if error.kind == ErrorKind::Denied => self.read(Depth::Contents).await?,
            listed => listed,
        };
        let observed = match listed {
            Ok(observed) => observed,
            Err(error) => {
                warn!(cluster = %self.known.cluster, error = &error as &dyn std::error::Error, "could not check");
                return self.rest(None, Some(next)).await;
            }
        };
        let found = drift(&self.known, &desired, &observed);
        let mode = self.inner.settings.drift;
        let next = (mode != DriftMode::Off).then_some(next);
        if found.is_empty() {
            let event = (!self.known.drift.is_empty())
                .then(|| self.event(EventAction::DriftRepaired, json!({ "by": "others" })));
            self.known.drift = Vec::new();
            self.known.verified_at = Some(now);
            return self.rest(event, next).await;
        }
        if found != self.known.drift {
            info!(cluster = %self.known.cluster, kinds = ?kinds(&found), "drift found");
            for drift in &found {
                counter!("engine_roles_drift_found_total", "kind" => drift.kind.as_str())
                    .increment(1);
            }
            let event = self.event(EventAction::DriftFound, json!({ "drift": found }));
            self.known.drift = found;
            let turn = self.keep(Some(event)).await?;
            if self.known.state != State::Active {
                return Ok(turn);
            }
        }
        let plan = plan_repair(&self.known, &desired, &observed);
        if mode != DriftMode::Repair || plan.is_empty() {
            return self.rest(None, next).await;
        }
        self.repair(&plan, next).await
    }

    async fn repair(
        &mut self,
        plan: &Plan,
        next: Option<DateTime<Utc>>,
    ) -> Result<Turn, Interrupted> {
        let (mut repaired, mut refused) = (Vec::new(), Vec::new());
        for stage in &plan.stages {
            for (step, result) in stage.iter().zip(self.apply(stage).await?) {
                match result {
                    Ok(_) => repaired.push(step.to_string()),
                    Err(error) => {
                        warn!(
                            cluster = %self.known.cluster,
                            error = &error as &dyn std::error::Error,
                            "could not repair",
                        );
                        refused.extend(
                            error
                                .missing_permission
                                .map(|permission| (step.action(), permission)),
                        );
                    }
                }
            }
        }
        for drift in &mut self.known.drift {
            let refused = refused
                .iter()
                .find(|(action, _)| repairs(action, drift.kind));
            if let Some((_, permission)) = refused {
                drift.missing_permission = Some(permission.clone());
            }
        }
        if repaired.is_empty() {
            return self.rest(None, next).await;
        }
        let event = self.event(EventAction::DriftRepaired, json!({ "steps": repaired }));
        // The flag goes when a read past the window shows the drift gone.
        let window = self.inner.store.consistency_window();
        let due_at = self.later(window + spread(window / 4));
        self.rest(Some(event), Some(due_at)).await
    }
}

fn repairs(action: &str, kind: DriftKind) -> bool {
    match kind {
        DriftKind::PolicyChanged | DriftKind::PolicyMissing => action == "PutRolePolicy",
        DriftKind::TagsChanged => action == "TagRole" || action == "TagInstanceProfile",
        DriftKind::RoleOutOfProfile => action == "AddRoleToInstanceProfile",
        _ => false,
    }
}

fn kinds(found: &[Drift]) -> Vec<&'static str> {
    found.iter().map(|drift| drift.kind.as_str()).collect()
}
