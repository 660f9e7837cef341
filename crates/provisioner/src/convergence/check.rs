//! The check of an active binding for drift; the first check, after the consistency window, is the
//! read-back of what was written.

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::lifecycle::{self, DeniedStep, Lifecycle};
use engine_roles_domain::binding::{Belief, Drift};
use engine_roles_domain::resources::{Desired, Observed, Plan, drift, plan_repair};
use engine_roles_iam::{Depth, ErrorKind};
use metrics::counter;
use tracing::{info, warn};

use crate::aws::Urgency;
use crate::backoff::spread;
use crate::convergence::passed_role::{PassedRole, Unconfirmed};
use crate::convergence::worker::{Interrupted, Observation, Turn, Worker};
use crate::settings::DriftMode;

/// Compares AWS with the applied spec, and repairs drift of resources that are ours.
pub(crate) async fn check(worker: &mut Worker<'_>) -> Result<Turn, Interrupted> {
    let now = worker.now();
    let target = worker.target();
    if target.role.is_none() && target.profile.is_none() {
        return worker.release_unchanged(None).await;
    }
    if let Belief::NotBefore(time) = worker.binding().consistency.trusts_reads(now) {
        // Until then, a difference may only mean that IAM's reads lag behind our writes.
        return worker.release_unchanged(Some(time)).await;
    }
    let next = worker.later(spread(worker.converger().check_interval));
    let desired = match Desired::of(worker.binding()) {
        Ok(desired) => desired,
        Err(error) => return give_up(worker, &error, next).await,
    };
    let listed = match worker.observe(Depth::Dependants).await? {
        // Without the permission to list what depends on the role, the contents can still be compared.
        Observation::Failed(error) if error.kind == ErrorKind::Denied => {
            worker.observe(Depth::Contents).await?
        }
        listed => listed,
    };
    let observed = match listed {
        Observation::Observed(observed) => observed,
        Observation::Failed(error) => return give_up(worker, &error, next).await,
    };
    let found = drift(worker.binding(), &desired, &observed);
    let mode = worker.converger().drift;
    let next = (mode != DriftMode::Off).then_some(next);
    if found.is_empty() {
        let transition = lifecycle::verified(worker.binding().clone(), now)?;
        return worker.release(transition, next).await;
    }
    if found != worker.binding().drift {
        note_drift(worker, &found);
        let transition = lifecycle::drift_found(worker.binding().clone(), found, worker.now())?;
        let turn = worker.keep(transition).await?;
        if !matches!(worker.binding().lifecycle, Lifecycle::Active { .. }) {
            return Ok(turn);
        }
    }
    let plan = repair_plan(worker, &desired, &observed).await;
    if mode != DriftMode::Repair || plan.is_empty() {
        return worker.release_unchanged(next).await;
    }
    repair(worker, &plan, next).await
}

async fn give_up(
    worker: &mut Worker<'_>,
    error: &(dyn std::error::Error + Send + Sync + 'static),
    next: DateTime<Utc>,
) -> Result<Turn, Interrupted> {
    warn!(
        cluster = %worker.binding().cluster,
        error = error as &(dyn std::error::Error + 'static),
        "binding could not be checked for drift"
    );
    worker.release_unchanged(Some(next)).await
}

fn note_drift(worker: &Worker<'_>, found: &[Drift]) {
    let kinds: Vec<&str> = found.iter().map(|drift| drift.kind.as_str()).collect();
    info!(cluster = %worker.binding().cluster, ?kinds, "drift detected");
    for kind in kinds {
        counter!("engine_roles_drift_found_total", "kind" => kind).increment(1);
    }
}

/// Plans the repair. A role that was listed by ARN is only put back into its profile if IAM finds that
/// role by its name.
async fn repair_plan(worker: &Worker<'_>, desired: &Desired, observed: &Observed) -> Plan {
    let plan = plan_repair(worker.binding(), desired, observed);
    if worker.converger().drift != DriftMode::Repair {
        return plan;
    }
    let Some(role) = PassedRole::of(worker, &plan, Urgency::Sweep) else {
        return plan;
    };
    let reason = match role.confirm().await {
        Ok(()) => return plan,
        Err(Unconfirmed::NotTheListedRole(reason)) => reason,
        Err(Unconfirmed::Unread(error)) => error.describe(),
    };
    warn!(
        cluster = %worker.binding().cluster,
        reason,
        "pass-through role is not put into its instance profile"
    );
    plan.without_passing()
}

async fn repair(
    worker: &mut Worker<'_>,
    plan: &Plan,
    next: Option<DateTime<Utc>>,
) -> Result<Turn, Interrupted> {
    let (mut repaired, mut denied) = (Vec::new(), Vec::new());
    for stage in &plan.stages {
        for (step, answer) in stage.iter().zip(worker.apply(stage).await?) {
            match answer {
                Ok(_) => repaired.push(step.to_string()),
                Err(error) => {
                    warn!(
                        cluster = %worker.binding().cluster,
                        error = &error as &dyn std::error::Error,
                        "drift could not be repaired",
                    );
                    denied.extend(error.missing_permission.map(|permission| DeniedStep {
                        step: step.clone(),
                        permission,
                    }));
                }
            }
        }
    }
    let is_repaired = !repaired.is_empty();
    let binding = worker.binding().clone();
    let transition = lifecycle::drift_repaired(binding, repaired, &denied, worker.now())?;
    if !is_repaired {
        return worker.release(transition, next).await;
    }
    // The recorded drift is cleared when a read after the consistency window no longer finds it.
    let window = worker.converger().store.consistency_window();
    let due_at = worker.later(window + spread(window / 4));
    worker.release(transition, Some(due_at)).await
}
