//! Removes the resources of a binding: for a teardown, after a rejected provision, and when a late
//! resource appears.

use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::lifecycle::{self, Lifecycle};
use engine_roles_domain::binding::{
    Belief, Consistency, Evidence, Failure, FailureCode, resources_left, step_removed,
};
use engine_roles_domain::resources::{
    Applied, Desired, Observed, Plan, ResourceKind, Stage, Step, plan,
};
use engine_roles_iam::{Depth, ErrorKind, IamError};
use tracing::info;

use crate::convergence::stage::Answer;
use crate::convergence::worker::{Interrupted, Observation, Retry, Turn, Worker};

/// How long a blocked removal waits before it is retried.
const SLOW_RETRY: Duration = Duration::from_mins(15);

/// The combined outcome of the answers to a removal.
struct Removal {
    /// When the attempt began. Whether reads can be trusted is decided for this time, so that it is
    /// the same for all answers of the attempt.
    began_at: DateTime<Utc>,
    /// Something depends on a resource to remove: the worker must list it and plan again.
    has_conflict: bool,
    /// The resources that did not exist according to the answer to a delete call, while reads can't
    /// be trusted yet.
    found_nothing: Vec<ResourceKind>,
    denied: Option<Failure>,
    /// Why and when the attempt is retried; none when no answer requires a retry.
    later: Option<(String, Retry)>,
}

/// Removes everything that belongs to the binding.
pub(crate) async fn remove(worker: &mut Worker<'_>) -> Result<Turn, Interrupted> {
    let began_at = worker.now();
    let observed = match observe_for_removal(worker).await? {
        Observation::Observed(observed) => observed,
        Observation::Failed(error)
            if error.kind == ErrorKind::Denied
                && trusts_reads(worker.binding().consistency, began_at) =>
        {
            let failure = worker.denied(&error);
            return block(worker, failure).await;
        }
        Observation::Failed(error) => {
            return worker
                .delay(error.describe(), Retry::after(error.kind))
                .await;
        }
    };
    let plan = match plan(worker.binding(), &Desired::Absent, &observed) {
        Ok(plan) => plan,
        Err(obstacle) => {
            let failure = worker.failure(FailureCode::TeardownBlocked, obstacle.to_string());
            return block(worker, failure).await;
        }
    };
    let mut removal = Removal {
        began_at,
        has_conflict: false,
        found_nothing: Vec::new(),
        denied: None,
        later: None,
    };
    for stage in &plan.stages {
        let answers = worker.apply(stage).await?;
        note_answers(worker, stage, &answers, &mut removal);
        if removal.denied.is_some() || removal.later.is_some() {
            break;
        }
    }
    conclude(worker, &plan, &observed, removal).await
}

fn trusts_reads(consistency: Consistency, at: DateTime<Utc>) -> bool {
    consistency.trusts_reads(at).is_believed()
}

/// Returns which resources of the binding exist at AWS, including recorded ones that reads may not
/// return yet.
async fn observe_for_removal(worker: &mut Worker<'_>) -> Result<Observation, Interrupted> {
    let (binding, now) = (worker.binding(), worker.now());
    let consistency = binding.consistency;
    let trusts_reads = trusts_reads(consistency, now);
    // IAM has just answered all create calls of a rejected intent, so the created resources are
    // recorded, but IAM's reads may not return them yet.
    let is_recorded = !trusts_reads
        && consistency.writes_resolved(now) == Belief::Believed
        && matches!(binding.lifecycle, Lifecycle::WithdrawingProvision { .. });
    if is_recorded && worker.depth() == Depth::Existence {
        return Ok(Observation::of(Observed::recorded(binding)));
    }
    let depth = match binding.lifecycle {
        Lifecycle::Deleted { .. } => Depth::Dependants,
        _ => worker.depth(),
    };
    Ok(match worker.observe(depth).await? {
        // The resources that a tombstone records are gone; its record only shows which resources are
        // not ours.
        Observation::Observed(observed) if !trusts_reads && worker.binding().is_live() => {
            Observation::of(observed.or_recorded(worker.binding()))
        }
        observation => observation,
    })
}

fn note_answers(worker: &mut Worker<'_>, stage: &Stage, answers: &[Answer], removal: &mut Removal) {
    let now = worker.now();
    let before = worker.recorded_binding().consistency;
    let trusts_reads = trusts_reads(before, removal.began_at);
    for (step, answer) in stage.iter().zip(answers) {
        let is_gone = match answer {
            Ok(Applied::AlreadyGone) if step.deletes_resource() => trusts_reads,
            // AWS denied the removal, and a read did not find the resource, but may be stale.
            Ok(Applied::Unseen) => trusts_reads,
            Ok(_) => true,
            // IAM answered our delete call before, and a stale read returned the resource again.
            Err(error)
                if error.kind == ErrorKind::Denied
                    && !trusts_reads
                    && was_removed(worker, step) =>
            {
                worker.converger().gateway.forget_denial(step);
                true
            }
            Err(error) => {
                match error.kind {
                    ErrorKind::Denied => {
                        let failure = denied_removal(worker, step, error);
                        removal.denied = Some(match removal.denied.take() {
                            Some(earlier) => earlier.joined_with(&failure),
                            None => failure,
                        });
                    }
                    ErrorKind::Conflict => removal.has_conflict = true,
                    ErrorKind::Busy
                    | ErrorKind::InvalidCredentials
                    | ErrorKind::OtherAccount
                    | ErrorKind::Unanswered
                    | ErrorKind::AlreadyExists
                    | ErrorKind::Absent
                    | ErrorKind::Throttled
                    | ErrorKind::Transient
                    | ErrorKind::Quota
                    | ErrorKind::Malformed => {
                        removal.later = Some((error.describe(), Retry::after(error.kind)));
                    }
                }
                false
            }
        };
        if answer.is_ok() && !is_gone {
            removal.found_nothing.push(step.resource());
        }
        if is_gone {
            let is_removed = matches!(answer, Ok(Applied::Done));
            worker.learn(|binding| step_removed(binding, step, is_removed, now));
        }
    }
}

/// Returns the failure of a step that AWS denied. It names the resource, which blocks the removal.
fn denied_removal(worker: &Worker<'_>, step: &Step, error: &IamError) -> Failure {
    let missing = error.missing_permission.as_deref();
    let missing = missing.unwrap_or_else(|| step.action());
    Failure {
        blockers: vec![format!("{}: AWS denies {missing}", step.target())],
        ..worker.denied(error)
    }
}

async fn conclude(
    worker: &mut Worker<'_>,
    plan: &Plan,
    observed: &Observed,
    removal: Removal,
) -> Result<Turn, Interrupted> {
    worker.learn(|binding| resources_left(binding, &plan.left));
    if let Some(failure) = removal.denied {
        return block(worker, failure).await;
    }
    if let Some((reason, retry)) = removal.later {
        return worker.delay(reason, retry).await;
    }
    if !plan.blockers.is_empty() {
        let reason = plan.blockers.join("; ");
        let failure = Failure {
            blockers: plan.blockers.clone(),
            ..worker.failure(FailureCode::TeardownBlocked, reason)
        };
        return block(worker, failure).await;
    }
    if removal.has_conflict {
        // What depends on the role is listed only after a conflict, because usually nothing does.
        worker.list_dependants();
        return Ok(Turn::Again);
    }
    let now = worker.now();
    let before = worker.recorded_binding().consistency;
    let evidence = evidence(worker, plan, observed, &removal.found_nothing);
    let is_absent = evidence.into_iter().all(|evidence| {
        before
            .believes_absence(evidence, removal.began_at)
            .is_believed()
    });
    if !is_absent {
        let due_at = match worker.binding().consistency.trusts_reads(now) {
            Belief::Believed => now,
            Belief::NotBefore(time) => time,
        };
        info!(cluster = %worker.binding().cluster, %due_at, "removal can't be confirmed yet; the binding is checked again");
        return worker.release_unchanged(Some(due_at)).await;
    }
    let binding = worker.binding().clone();
    let transition = lifecycle::resources_gone(binding, !plan.is_empty(), now)?;
    if let Lifecycle::Deleted { .. } = &transition.binding.lifecycle
        && worker.binding().is_live()
    {
        let binding = &transition.binding;
        info!(cluster = %binding.cluster, generation = binding.generation, "role removed");
    }
    // A write that IAM never answered may still take effect, so the tombstone is due when that is no
    // longer possible.
    let resolved = transition.binding.consistency.writes_resolved_at;
    let due_at = resolved.filter(|at| *at > now);
    worker.release(transition, due_at).await
}

/// Returns the evidence about each resource that the binding may have had.
fn evidence(
    worker: &Worker<'_>,
    plan: &Plan,
    observed: &Observed,
    found_nothing: &[ResourceKind],
) -> Vec<Evidence> {
    let target = worker.target();
    let binding = worker.binding();
    let receipt = binding.receipt();
    let is_role_deleted = receipt.is_some_and(|receipt| receipt.access_ended_at.is_some());
    let profile = binding.resource_name().into();
    let is_profile_deleted = was_removed(worker, &Step::DeleteInstanceProfile { profile });
    let of_resource = |kind, is_deleted: bool, is_recorded: bool, is_observed: bool| {
        if found_nothing.contains(&kind) {
            Evidence::DeleteFoundNothing
        } else if is_deleted {
            Evidence::Deleted
        } else if !is_recorded {
            Evidence::NeverObserved
        } else if !is_observed {
            Evidence::NotFound
        } else if !plan.left.is_empty() {
            Evidence::LeftBehind
        } else {
            Evidence::Present
        }
    };
    let role = target.role.map(|_| {
        let is_observed = observed.role.is_some();
        let is_recorded = binding.role.is_some();
        of_resource(
            ResourceKind::Role,
            is_role_deleted,
            is_recorded,
            is_observed,
        )
    });
    let profile = target.profile.map(|_| {
        let is_observed = observed.profile.is_some();
        let is_recorded = binding.profile.is_some();
        let kind = ResourceKind::InstanceProfile;
        of_resource(kind, is_profile_deleted, is_recorded, is_observed)
    });
    role.into_iter().chain(profile).collect()
}

fn was_removed(worker: &Worker<'_>, step: &Step) -> bool {
    let receipt = worker.binding().receipt();
    receipt.is_some_and(|receipt| receipt.removed.contains(&step.target()))
}

/// Records that the removal is blocked, and retries it after [`SLOW_RETRY`].
async fn block(worker: &mut Worker<'_>, failure: Failure) -> Result<Turn, Interrupted> {
    let due_at = worker.later(SLOW_RETRY);
    let binding = worker.binding().clone();
    let transition = lifecycle::blocked(binding, failure, due_at, worker.now())?;
    worker.release(transition, Some(due_at)).await
}
