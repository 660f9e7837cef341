//! A worker: the holder of a lease, which observes AWS, applies stages, and records outcomes.

mod own_account;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use engine_roles_domain::audit::Cause;
use engine_roles_domain::binding::lifecycle::{self, Transition, WrongState};
use engine_roles_domain::binding::{
    Binding, Failure, FailureCode, resources_left, step_applied, write_unresolved,
};
use engine_roles_domain::cluster::{Mode, ModeSpec};
use engine_roles_domain::resources::{Observed, Stage};
use engine_roles_iam::{Depth, ErrorKind, IamError, Target};
use engine_roles_store::{Lease, Next, Operation, Recorded, StoreError};
use metrics::counter;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::aws::{CallTrail, Terms, Urgency};
use crate::backoff::{full_jitter, spread};
use crate::convergence::Converger;
use crate::convergence::knowledge::Knowledge;
use crate::convergence::stage::{Answer, apply_stage};

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_mins(2);
/// IAM's documentation of `ConcurrentModification` says to wait some minutes.
const BUSY_RETRY: Duration = Duration::from_mins(2);
/// The longest pause before an attempt that failed for lack of valid credentials is repeated.
const CREDENTIALS_RETRY: Duration = Duration::from_secs(8);
/// The pause before a record whose answer was lost is looked for or sent again.
const RECORD_PAUSE: Duration = Duration::from_millis(250);

/// When a failed attempt is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// After a pause that grows with the attempts.
    Soon,
    /// Within seconds, however many attempts have failed: AWS does not accept our credentials, or they
    /// could not be confirmed. Once they are valid, everything goes on at once.
    WithCredentials,
    /// Some minutes later: IAM answered that another request is changing the resource.
    InMinutes,
}

impl Retry {
    /// Returns when a call that failed in this way is retried.
    pub(crate) fn after(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidCredentials => Self::WithCredentials,
            ErrorKind::Busy => Self::InMinutes,
            _ => Self::Soon,
        }
    }
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The worker must take another turn under this lease.
    Again,
    /// The worker has released the lease.
    Done,
}

/// Why a worker stops before it has recorded an outcome. Its lease expires, and the worker that takes
/// the binding over observes what was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Interrupted {
    #[error("the lease was lost to another worker")]
    LeaseLost,
    #[error("the outcome could not be recorded")]
    Store(#[from] StoreError),
    #[error(transparent)]
    WrongState(#[from] WrongState),
}

/// The result of a read of AWS.
pub(crate) enum Observation {
    Observed(Box<Observed>),
    Failed(IamError),
}

impl Observation {
    pub(crate) fn of(observed: Observed) -> Self {
        Self::Observed(Box::new(observed))
    }
}

/// The holder of a lease on a binding.
pub(crate) struct Worker<'a> {
    converger: &'a Converger,
    lease: Lease,
    cause: Cause,
    operation: Operation,
    /// The binding with what was learned since the last record.
    binding: Binding,
    knowledge: Knowledge,
    /// Whether no call was sent for the binding before this worker.
    is_first: bool,
    /// Whether AWS answered every write of this worker.
    is_all_answered: bool,
    /// What was created in another account than the binding's and could not be removed again.
    left_in_other_account: Vec<String>,
    /// The ids of the AWS calls since the last event.
    trail: Arc<CallTrail>,
    /// How much the worker reads for a removal.
    depth: Depth,
    turns: u32,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(
        converger: &'a Converger,
        lease: Box<Lease>,
        cause: Cause,
        knowledge: Knowledge,
        operation: Operation,
    ) -> Self {
        Self {
            operation,
            binding: lease.binding.clone(),
            converger,
            lease: *lease,
            cause,
            knowledge,
            is_first: knowledge == Knowledge::NothingSent,
            is_all_answered: true,
            left_in_other_account: Vec::new(),
            trail: Arc::default(),
            depth: Depth::Existence,
            turns: 0,
        }
    }

    /// Returns the binding with what was learned since the last record.
    pub(crate) fn binding(&self) -> &Binding {
        &self.binding
    }

    /// Returns the binding as it was last recorded, before this turn sent any call.
    pub(crate) fn recorded_binding(&self) -> &Binding {
        &self.lease.binding
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    pub(crate) fn trail(&self) -> Arc<CallTrail> {
        Arc::clone(&self.trail)
    }

    pub(crate) fn converger(&self) -> &'a Converger {
        self.converger
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.lease.now()
    }

    pub(crate) fn later(&self, after: Duration) -> DateTime<Utc> {
        self.now() + TimeDelta::from_std(after).unwrap_or(TimeDelta::MAX)
    }

    pub(crate) fn knowledge(&self) -> Knowledge {
        self.knowledge
    }

    pub(crate) fn set_knowledge(&mut self, knowledge: Knowledge) {
        self.knowledge = knowledge;
    }

    pub(crate) fn depth(&self) -> Depth {
        self.depth
    }

    /// Makes further removals also read what depends on the role.
    pub(crate) fn list_dependants(&mut self) {
        self.depth = Depth::Dependants;
    }

    /// Changes the binding by something that was learned about AWS. The next record contains it.
    pub(crate) fn learn(&mut self, learn: impl FnOnce(Binding) -> Binding) {
        self.binding = learn(self.binding.clone());
    }

    /// Counts a turn, and returns how many turns the worker has taken under this intent.
    pub(crate) fn begin_turn(&mut self) -> u32 {
        self.turns += 1;
        self.turns
    }

    /// Renews the lease if less than half of it is left.
    pub(crate) async fn renew_lease(&mut self) -> Result<(), Interrupted> {
        let store = &self.converger.store;
        if self.lease.remaining() >= store.lease_length() / 2 {
            return Ok(());
        }
        if store.renew(&mut self.lease, self.operation).await? {
            Ok(())
        } else {
            Err(Interrupted::LeaseLost)
        }
    }

    /// Sends a stage and keeps what the answers show about AWS.
    pub(crate) async fn apply(&mut self, stage: &Stage) -> Result<Vec<Answer>, Interrupted> {
        self.renew_lease().await?;
        self.knowledge = self.knowledge.after_sending();
        let urgency = if self.binding.lifecycle.wants_presence() {
            Urgency::Interactive
        } else {
            Urgency::Teardown
        };
        let account = self.binding.scope.account.clone();
        let trail = Arc::clone(&self.trail);
        let terms = Terms {
            account: &account,
            urgency,
            until: self.latest_call(),
            lease_of: self.lease.replica(),
            trail: Some(&trail),
        };
        let Converger { gateway, stop, .. } = self.converger;
        let (asked_at, key_changes) = (std::time::Instant::now(), gateway.key_changes());
        let answers = apply_stage(gateway, stage, terms, stop).await;
        let answers = self
            .remove_from_other_account(stage, answers, asked_at, terms)
            .await;
        let answers = answers.into_iter();
        let answers = answers.map(|answer| answer.map_err(|error| self.in_own_account(error)));
        let answers = self.confirm_absences(answers.collect(), key_changes).await;
        let window_ends_at = self.window_ends_at();
        for (step, answer) in stage.iter().zip(&answers) {
            match answer {
                Ok(applied) => self.learn(|binding| step_applied(binding, applied, window_ends_at)),
                Err(error) if error.kind == ErrorKind::Unanswered => {
                    self.is_all_answered = false;
                    self.learn(|binding| write_unresolved(binding, window_ends_at));
                }
                Err(error) if error.kind == ErrorKind::AlreadyExists && step.creates() => {
                    self.knowledge = self.knowledge.after_already_exists();
                }
                Err(_) => {}
            }
        }
        Ok(answers)
    }

    /// Reads the binding's resources from AWS, by their names.
    pub(crate) async fn observe(&mut self, depth: Depth) -> Result<Observation, Interrupted> {
        self.renew_lease().await?;
        let target = self.target();
        if target.role.is_none() && target.profile.is_none() {
            return Ok(Observation::of(Observed::nothing()));
        }
        let terms = Terms {
            account: &self.binding.scope.account,
            urgency: match &self.binding.lifecycle {
                lifecycle::Lifecycle::Active { .. } => Urgency::Sweep,
                stage if stage.wants_presence() => Urgency::Interactive,
                _ => Urgency::Teardown,
            },
            until: self.latest_call(),
            lease_of: self.lease.replica(),
            trail: Some(&self.trail),
        };
        let gateway = &self.converger.gateway;
        let asked_at = (std::time::Instant::now(), gateway.key_changes());
        Ok(match gateway.observe(&target, depth, terms).await {
            Ok(observed) => match self.confirm_account(&target, &observed, asked_at).await {
                Ok(()) => Observation::of(observed),
                Err(error) => Observation::Failed(error),
            },
            Err(error) => Observation::Failed(self.in_own_account(error)),
        })
    }

    /// Returns the last moment at which a call may begin and still end within the lease.
    pub(crate) fn latest_call(&self) -> Instant {
        let deadline = Instant::now() + self.lease.remaining();
        deadline
            .checked_sub(self.converger.gateway.call_timeout())
            .unwrap_or(deadline)
    }

    fn window_ends_at(&self) -> DateTime<Utc> {
        self.later(self.converger.store.consistency_window())
    }

    /// Returns the resources that may exist at AWS for this binding.
    pub(crate) fn target(&self) -> Target {
        let name = self.binding.resource_name();
        let has_own_profile = match &self.binding.spec.mode {
            ModeSpec::Create(_) => true,
            ModeSpec::PassThrough(pass) => pass.instance_profile.is_none(),
        };
        Target {
            profile: has_own_profile.then(|| name.clone().into()),
            role: (self.binding.mode() == Mode::Create).then_some(name),
        }
    }

    /// Records a transition and keeps the lease.
    pub(crate) async fn keep(&mut self, transition: Transition) -> Result<Turn, Interrupted> {
        self.record(transition, Next::Keep).await
    }

    /// Records a transition and releases the lease. The binding is due again at `due_at`.
    pub(crate) async fn release(
        &mut self,
        transition: Transition,
        due_at: Option<DateTime<Utc>>,
    ) -> Result<Turn, Interrupted> {
        self.record(transition, Next::Release { due_at }).await
    }

    /// Records only what was learned about AWS, and releases the lease.
    pub(crate) async fn release_unchanged(
        &mut self,
        due_at: Option<DateTime<Utc>>,
    ) -> Result<Turn, Interrupted> {
        self.release(Transition::silent(self.binding.clone()), due_at)
            .await
    }

    /// Records a transition. The future is boxed: a worker spends most of its time waiting for AWS, and
    /// would have room for a record all that time.
    async fn record(&mut self, transition: Transition, next: Next) -> Result<Turn, Interrupted> {
        Box::pin(self.record_transition(transition, next)).await
    }

    async fn record_transition(
        &mut self,
        transition: Transition,
        next: Next,
    ) -> Result<Turn, Interrupted> {
        let transition = if self.knowledge.is_unconfirmed() {
            // A resource that exists but that no read has found counts as an unresolved write of ours.
            let window_ends_at = self.window_ends_at();
            Transition {
                binding: write_unresolved(transition.binding, window_ends_at),
                ..transition
            }
        } else {
            transition
        };
        self.knowledge = Knowledge::Recorded;
        let recorded = self.record_until_answered(&transition, next).await?;
        self.binding = self.lease.binding.clone();
        match recorded {
            Recorded::Written => {
                self.converger.waiting.publish(&self.binding);
                if let Some(event) = &transition.event {
                    self.trail.clear();
                    counter!("engine_roles_events_total", "action" => event.action().as_str())
                        .increment(1);
                }
                info!(
                    cluster = %self.binding.cluster,
                    generation = self.binding.generation,
                    state = %self.binding.state(),
                    "outcome recorded",
                );
                Ok(if next == Next::Keep {
                    Turn::Again
                } else {
                    Turn::Done
                })
            }
            Recorded::Superseded => {
                self.turns = 0;
                Ok(Turn::Again)
            }
            Recorded::Lost => Err(Interrupted::LeaseLost),
        }
    }

    /// Records a transition. After a lost answer, looks for the record and repeats it while the lease
    /// lasts: the compare-and-swap lets at most one of the attempts take effect.
    async fn record_until_answered(
        &mut self,
        transition: &Transition,
        next: Next,
    ) -> Result<Recorded, StoreError> {
        let Converger { store, .. } = self.converger;
        let (lease, operation) = (&mut self.lease, self.operation);
        let (cause, calls) = (&self.cause, self.trail.ids());
        let mut recorded = store
            .record(lease, transition, cause, &calls, next, operation)
            .await;
        let mut is_first = true;
        while let Err(error) = &recorded
            && error.is_transient()
            && !lease.remaining().is_zero()
        {
            if std::mem::take(&mut is_first) {
                warn!(
                    cluster = %transition.binding.cluster,
                    error = error as &dyn std::error::Error,
                    "outcome was not recorded, or the answer was lost; the record is repeated"
                );
            }
            tokio::time::sleep(RECORD_PAUSE).await;
            recorded = match store.find_outcome(lease, transition, next).await {
                Ok(Some(found)) => Ok(found),
                Ok(None) => {
                    store
                        .record(lease, transition, cause, &calls, next, operation)
                        .await
                }
                Err(error) => Err(error),
            };
        }
        // The statement before the last one may have taken effect after it was looked for.
        if let Ok(Recorded::Lost) = recorded
            && let Some(found) = store.find_outcome(lease, transition, next).await?
        {
            recorded = Ok(found);
        }
        recorded
    }

    /// Releases the lease and retries the attempt later. Until then, callers get the status 202.
    pub(crate) async fn delay(
        &mut self,
        reason: String,
        retry: Retry,
    ) -> Result<Turn, Interrupted> {
        let is_stopping = self.converger.stop.is_cancelled();
        let attempt = self.binding.attempts.saturating_add(1);
        let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
        let wait = full_jitter(FIRST_RETRY, LAST_RETRY, attempt);
        let wait = match retry {
            // A replica that shuts down hands its work over at once.
            _ if is_stopping => Duration::ZERO,
            Retry::Soon => wait,
            Retry::WithCredentials => spread(CREDENTIALS_RETRY),
            Retry::InMinutes => wait + BUSY_RETRY,
        };
        warn!(cluster = %self.binding.cluster, attempt, reason, "attempt to converge failed; it is retried");
        let (now, due_at) = (self.now(), self.later(wait));
        let transition = lifecycle::delayed(self.binding.clone(), reason, due_at, now)?;
        if is_stopping {
            return self.record(transition, Next::HandOver).await;
        }
        self.release(transition, Some(due_at)).await
    }

    pub(crate) fn failure(&self, code: FailureCode, detail: String) -> Failure {
        self.binding.failure(code, detail, self.now())
    }

    /// Returns whether it is certain that nothing of the binding exists at AWS: this worker was the
    /// first to send anything, AWS answered all of it, and created nothing.
    pub(crate) fn is_nothing_created(&self) -> bool {
        self.is_first
            && self.is_all_answered
            && !self.knowledge.is_unconfirmed()
            && self.binding.role.is_none()
            && self.binding.profile.is_none()
    }

    /// Adds what was left in another account to the receipt of a transition, so that the record names it.
    pub(crate) fn with_what_was_left(&self, transition: Transition) -> Transition {
        Transition {
            binding: resources_left(transition.binding, &self.left_in_other_account),
            ..transition
        }
    }

    pub(crate) fn denied(&self, error: &IamError) -> Failure {
        Failure {
            missing_permissions: error.missing_permission.iter().cloned().collect(),
            denied_by: error.denied_by.as_deref().cloned(),
            ..self.failure(FailureCode::MissingPermission, error.describe())
        }
    }
}
