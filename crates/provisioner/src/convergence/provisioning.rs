//! Converges a binding whose intent is a role: creates, adopts or changes resources, or rejects the
//! intent.

use std::time::Duration;

use engine_roles_domain::binding::lifecycle::{self, Activation};
use engine_roles_domain::binding::{Belief, Failure, FailureCode, resources_found};
use engine_roles_domain::cluster::Mode;
use engine_roles_domain::grant::{RolePolicyError, as_written};
use engine_roles_domain::resources::{Desired, Observed, Stage, Step, plan};
use engine_roles_iam::{Depth, ErrorKind, IamError, Target};
use tracing::info;

use crate::aws::{Terms, Urgency};
use crate::backoff::spread;
use crate::convergence::knowledge::Knowledge;
use crate::convergence::passed_role::{PassedRole, Unconfirmed};
use crate::convergence::stage::Answer;
use crate::convergence::worker::{Interrupted, Observation, Retry, Turn, Worker};

/// How long EC2 may take to accept a new instance profile, usually some seconds. Until then
/// `RunInstances` fails because the profile is invalid, and must be sent again.
/// Source: IAM user guide, "Changes that I make are not always immediately visible".
const EC2_PROPAGATION: Duration = Duration::from_secs(15);

/// How long a worker waits for the call budget to read a pass-through role that AWS did not find.
const PASSED_ROLE_WAIT: Duration = Duration::from_secs(5);

/// The combined outcome of the answers to a stage.
enum StageOutcome {
    /// AWS applied every step.
    Done,
    /// An answer contradicted what the worker assumed: it must observe and plan again.
    Contradiction,
    /// The intent can't succeed: every attempt would fail in the same way.
    Rejected(Box<Failure>),
    /// AWS can't apply a step now.
    Later { reason: String, retry: Retry },
}

/// Converges AWS to the spec.
pub(crate) async fn provision(worker: &mut Worker<'_>) -> Result<Turn, Interrupted> {
    let desired = match Desired::of(worker.binding()) {
        Ok(desired) => desired,
        Err(error) => {
            let failure = unwritable(worker, &error);
            return Box::pin(reject(worker, failure)).await;
        }
    };
    let observed = match observe_for_provision(worker).await? {
        Observation::Observed(observed) => observed,
        // While IAM does not find a new role, the role has no path, so a policy that allows reads by
        // path denies them. Therefore a denial is final only when reads can be trusted.
        Observation::Failed(error) if error.kind == ErrorKind::Denied && trusts_reads(worker) => {
            let failure = worker.denied(&error);
            return Box::pin(reject(worker, failure)).await;
        }
        Observation::Failed(error) => {
            return worker
                .delay(error.describe(), Retry::after(error.kind))
                .await;
        }
    };
    let mut plan = match plan(worker.binding(), &desired, &observed) {
        Ok(plan) => plan,
        Err(obstacle) => {
            // A read found the existing resource, and it is not ours.
            worker.set_knowledge(worker.knowledge().after_planning(false));
            let failure = worker.failure(FailureCode::NameTaken, obstacle.to_string());
            return Box::pin(reject(worker, failure)).await;
        }
    };
    worker.learn(|binding| resources_found(binding, &observed));
    let creates = plan.stages.iter().flatten().any(Step::creates);
    worker.set_knowledge(worker.knowledge().after_planning(creates));
    if worker
        .converger()
        .gateway
        .learned_permissions()
        .is_create_role_denied()
    {
        plan = plan.role_first();
    }
    let mut to_confirm = PassedRole::of(worker, &plan, Urgency::Interactive);
    for stage in &plan.stages {
        match send(worker, stage, to_confirm.take()).await? {
            StageOutcome::Done => {}
            StageOutcome::Contradiction => {
                let Some(knowledge) = worker.knowledge().after_contradiction() else {
                    let reason = "IAM's reads do not yet return a resource that exists".to_owned();
                    return worker.delay(reason, Retry::Soon).await;
                };
                worker.set_knowledge(knowledge);
                return Ok(Turn::Again);
            }
            StageOutcome::Rejected(failure) => return Box::pin(reject(worker, *failure)).await,
            StageOutcome::Later { reason, retry } => return worker.delay(reason, retry).await,
        }
    }
    let changes_profile = plan.stages.iter().flatten().any(|step| {
        matches!(
            step,
            Step::CreateInstanceProfile { .. } | Step::AddRoleToInstanceProfile { .. }
        )
    });
    activate(worker, &desired, changes_profile, plan.calls()).await
}

fn trusts_reads(worker: &Worker<'_>) -> bool {
    let consistency = worker.binding().consistency;
    consistency.trusts_reads(worker.now()).is_believed()
}

/// Returns which resources exist at AWS. Does not read AWS if no call was ever sent for the binding, or
/// if reads may lag behind our own writes and the record of those is complete.
async fn observe_for_provision(worker: &mut Worker<'_>) -> Result<Observation, Interrupted> {
    if worker.knowledge() == Knowledge::NothingSent {
        return Ok(Observation::of(Observed::nothing()));
    }
    let binding = worker.binding();
    let target = worker.target();
    let recorded = Observed::recorded(binding);
    let is_all_recorded = (target.role.is_none() || recorded.role.is_some())
        && (target.profile.is_none() || recorded.profile.is_some());
    let now = worker.now();
    let is_answered = binding.consistency.writes_resolved(now) == Belief::Believed;
    let trusts_reads = trusts_reads(worker);
    if !trusts_reads && !worker.knowledge().must_observe() && is_answered && is_all_recorded {
        return Ok(Observation::of(recorded));
    }
    Ok(match worker.observe(Depth::Contents).await? {
        Observation::Observed(observed) if !trusts_reads => {
            Observation::of(observed.or_recorded(worker.binding()))
        }
        observation => observation,
    })
}

/// Sends a stage, and confirms the role that this stage or the next one passes. The role is confirmed
/// before it is passed.
async fn send(
    worker: &mut Worker<'_>,
    stage: &Stage,
    to_confirm: Option<PassedRole<'_>>,
) -> Result<StageOutcome, Interrupted> {
    let Some(role) = to_confirm else {
        let answers = worker.apply(stage).await?;
        return Ok(judge(worker, stage, &answers).await);
    };
    if stage.iter().any(Step::passes_role) {
        if let Err(unconfirmed) = role.confirm().await {
            return Ok(not_passed(worker, unconfirmed));
        }
        let answers = worker.apply(stage).await?;
        return Ok(judge(worker, stage, &answers).await);
    }
    let (answers, confirmed) = tokio::join!(worker.apply(stage), role.confirm());
    Ok(match (judge(worker, stage, &answers?).await, confirmed) {
        (StageOutcome::Done, Err(unconfirmed)) => not_passed(worker, unconfirmed),
        (outcome, _) => outcome,
    })
}

fn not_passed(worker: &Worker<'_>, unconfirmed: Unconfirmed) -> StageOutcome {
    match unconfirmed {
        Unconfirmed::NotTheListedRole(detail) => {
            let failure = worker.failure(FailureCode::PassThroughRoleUnfit, detail);
            StageOutcome::Rejected(Box::new(failure))
        }
        Unconfirmed::Unread(error) => match error.kind {
            ErrorKind::Denied => StageOutcome::Rejected(Box::new(worker.denied(&error))),
            ErrorKind::OtherAccount => rejected(worker, FailureCode::OtherAccount, &error),
            kind => StageOutcome::Later {
                reason: error.describe(),
                retry: Retry::after(kind),
            },
        },
    }
}

async fn judge(worker: &Worker<'_>, stage: &Stage, answers: &[Answer]) -> StageOutcome {
    let (mut is_contradicted, mut later) = (false, None);
    for (step, answer) in stage.iter().zip(answers) {
        let Err(error) = answer else { continue };
        match (error.kind, step) {
            (ErrorKind::Denied, _) => {
                return StageOutcome::Rejected(Box::new(worker.denied(error)));
            }
            (ErrorKind::OtherAccount, _) => {
                return rejected(worker, FailureCode::OtherAccount, error);
            }
            // After a 5xx answer the call may have taken effect, and IAM has a failure of its own.
            (ErrorKind::Unanswered, _) if error.code.is_some() => {
                later = Some((error.describe(), Retry::Soon));
            }
            // IAM also answers LimitExceeded when the profile already contains a role.
            (ErrorKind::Quota, Step::AddRoleToInstanceProfile { .. })
            | (ErrorKind::AlreadyExists | ErrorKind::Conflict | ErrorKind::Unanswered, _) => {
                is_contradicted = true;
            }
            (ErrorKind::Quota, Step::TagRole { .. } | Step::TagInstanceProfile { .. }) => {
                return rejected(worker, FailureCode::TagLimitExceeded, error);
            }
            (ErrorKind::Quota, Step::PutRolePolicy { .. }) => {
                return rejected(worker, FailureCode::PolicyTooLarge, error);
            }
            (ErrorKind::Quota, _) => {
                // With the quotas read now, the next request is rejected before anything is recorded.
                let account = &worker.binding().scope.account;
                worker.converger().quota.read_now(account).await;
                return rejected(worker, FailureCode::QuotaExceeded, error);
            }
            (ErrorKind::Absent, Step::CreateRole { .. }) => {
                return rejected(worker, FailureCode::BoundaryNotAllowed, error);
            }
            (ErrorKind::Absent, Step::AddRoleToInstanceProfile { role, .. })
                if worker.binding().mode() == Mode::PassThrough =>
            {
                let target = Target {
                    role: Some(role.clone()),
                    profile: None,
                };
                if is_absent(worker, &target).await {
                    return rejected(worker, FailureCode::PassThroughRoleUnfit, error);
                }
                later = Some((error.describe(), Retry::Soon));
            }
            (ErrorKind::Absent, _) => {
                is_contradicted = true;
                later = Some((error.describe(), Retry::Soon));
            }
            (ErrorKind::Malformed, _) => return rejected(worker, FailureCode::Internal, error),
            (
                ErrorKind::Busy
                | ErrorKind::Throttled
                | ErrorKind::InvalidCredentials
                | ErrorKind::Transient,
                _,
            ) => later = Some((error.describe(), Retry::after(error.kind))),
        }
    }
    match later {
        Some((reason, retry)) => StageOutcome::Later { reason, retry },
        None if is_contradicted => StageOutcome::Contradiction,
        None => StageOutcome::Done,
    }
}

/// Returns whether a read shows that a pass-through role does not exist.
async fn is_absent(worker: &Worker<'_>, target: &Target) -> bool {
    let account = &worker.binding().scope.account;
    let terms = Terms::interactive(account, PASSED_ROLE_WAIT);
    let gateway = &worker.converger().gateway;
    let found = gateway.observe(target, Depth::Existence, terms).await;
    found.is_ok_and(|found| found.role.is_none())
}

fn rejected(worker: &Worker<'_>, code: FailureCode, error: &IamError) -> StageOutcome {
    StageOutcome::Rejected(Box::new(worker.failure(code, error.describe())))
}

async fn activate(
    worker: &mut Worker<'_>,
    desired: &Desired,
    changes_profile: bool,
    calls: usize,
) -> Result<Turn, Interrupted> {
    let policy = match desired {
        Desired::Present {
            role: Some(role), ..
        } => Some(as_written(&role.policy)),
        Desired::Present { role: None, .. } | Desired::Absent => None,
    };
    let usable_after = if changes_profile {
        Some(worker.later(EC2_PROPAGATION))
    } else {
        let is_first = worker.binding().applied_generation.is_none();
        is_first.then(|| worker.now())
    };
    let activation = Activation {
        policy,
        usable_after,
        calls,
    };
    let transition = lifecycle::activated(worker.binding().clone(), activation, worker.now())?;
    let binding = &transition.binding;
    info!(cluster = %binding.cluster, generation = binding.generation, calls, "role active");
    // The first check, after the consistency window, reads back what was written.
    let target = worker.target();
    let has_resources = target.role.is_some() || target.profile.is_some();
    let window = worker.converger().store.consistency_window();
    let read_back = has_resources.then(|| worker.later(window + spread(window / 4)));
    let resolved = binding.consistency.writes_resolved_at;
    let due_at = read_back.max(resolved.filter(|_| has_resources));
    worker.release(transition, due_at).await
}

/// Rejects the intent. Its resources are removed then, or the previous spec is restored.
async fn reject(worker: &mut Worker<'_>, failure: Failure) -> Result<Turn, Interrupted> {
    info!(
        cluster = %worker.binding().cluster,
        code = failure.code.as_str(),
        detail = failure.detail,
        "intent rejected"
    );
    let now = worker.now();
    let binding = worker.binding().clone();
    if worker.is_nothing_created() && binding.applied_spec.is_none() {
        let transition = lifecycle::rejected_with_nothing_created(binding, failure, now)?;
        let transition = worker.with_what_was_left(transition);
        return worker.release(transition, None).await;
    }
    let transition = lifecycle::rejected(binding, failure, now)?;
    let transition = worker.with_what_was_left(transition);
    if transition.binding.is_intent_pending() {
        return worker.keep(transition).await;
    }
    // The previous spec can't be restored either. The next check records the drift and tries to
    // repair it.
    let due_at = worker.later(worker.converger().check_interval);
    worker.release(transition, Some(due_at)).await
}

fn unwritable(worker: &Worker<'_>, error: &RolePolicyError) -> Failure {
    let code = match error {
        RolePolicyError::TooLarge { .. } => FailureCode::PolicyTooLarge,
        RolePolicyError::Unproved(_)
        | RolePolicyError::KeyNotConfined { .. }
        | RolePolicyError::Template(_)
        | RolePolicyError::Invalid(_) => FailureCode::Internal,
    };
    worker.failure(code, error.to_string())
}
