//! The one path on which anything at AWS changes: a claimed binding is brought to what its
//! intent says, turn by turn.

use std::sync::Arc;
use std::time::Duration;

use engine_roles_domain::binding::{
    Actor, Binding, Event, EventAction, Failure, FailureCode, State,
};
use engine_roles_domain::cluster::{Mode, ModeSpec};
use engine_roles_domain::resources::{Observed, Step};
use engine_roles_iam::{Applied, Depth, ErrorKind, IamError, Target};
use engine_roles_store::{Claim, Next, Recorded, StoreError};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::backoff::full_jitter;
use crate::budget::Urgency;
use crate::service::Inner;

/// The most turns before a worker lets go and comes back later.
const MOST_TURNS: u32 = 8;
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_mins(2);
/// IAM's `ConcurrentModification` says to wait minutes.
const BUSY_RETRY: Duration = Duration::from_mins(2);

/// Why a worker works: what its audit events will say.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) actor: Actor,
    pub(crate) request_id: Option<String>,
}

impl Cause {
    pub(crate) fn reconciler() -> Self {
        Self {
            actor: Actor::reconciler(),
            request_id: None,
        }
    }
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// There is more to do under this claim.
    Again,
    /// The claim was given back.
    Rest,
}

/// Why a worker stops in the middle. Its lease runs out, and what it did is observed again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Interrupted {
    #[error("the lease was lost to another worker")]
    LeaseLost,
    #[error("the outcome could not be recorded")]
    Store(#[from] StoreError),
}

/// Works on a claimed binding until it comes to rest, then wakes those who wait for it.
///
/// `certain` says that nothing was ever sent for this binding.
pub(crate) async fn work(inner: Arc<Inner>, claim: Claim, cause: Cause, certain: bool) {
    let id = claim.binding.id;
    let mut worker = Worker {
        known: claim.binding.clone(),
        inner: &inner,
        claim,
        cause,
        certain,
        look: false,
        looks: 0,
        unseen: false,
        depth: Depth::Existence,
        turns: 0,
    };
    loop {
        match worker.turn().await {
            Ok(Turn::Again) => {}
            Ok(Turn::Rest) => break,
            Err(interrupted) => {
                // What this worker still sent may have come after its lease.
                if let Err(error) = inner.store.unsettle(id).await {
                    warn!(error = &error as &dyn std::error::Error, "could not say so");
                }
                warn!(
                    cluster = %worker.known.cluster,
                    generation = worker.known.generation,
                    error = &interrupted as &dyn std::error::Error,
                    "work was interrupted; it is taken up again when the lease has run out",
                );
                break;
            }
        }
    }
    inner.waiting.wake(id);
}

pub(crate) struct Worker<'a> {
    pub(crate) inner: &'a Arc<Inner>,
    pub(crate) claim: Claim,
    pub(crate) cause: Cause,
    /// The binding with what was learned since the last record.
    pub(crate) known: Binding,
    /// Nothing was ever sent for this binding.
    pub(crate) certain: bool,
    /// Something unexpected was met: AWS is to be read, whatever is recorded.
    pub(crate) look: bool,
    /// How often that was so.
    pub(crate) looks: u32,
    /// IAM answered that something of our name is there, and no read has shown it: it may be
    /// ours, by a create of which we know nothing.
    pub(crate) unseen: bool,
    /// How much is read for a removal.
    pub(crate) depth: Depth,
    turns: u32,
}

impl Worker<'_> {
    async fn turn(&mut self) -> Result<Turn, Interrupted> {
        self.hold().await?;
        if let Some(here) = self
            .inner
            .scope
            .known()
            .filter(|here| **here != self.known.scope)
        {
            warn!(
                cluster = %self.known.cluster, made_in = %self.known.scope, working_in = %here,
                "a binding of another account is left alone",
            );
            let due_at = self.later(self.inner.settings.reconcile_interval);
            return self.rest(None, Some(due_at)).await;
        }
        self.turns += 1;
        if self.turns > MOST_TURNS {
            return self
                .delay("IAM does not show yet what was written".to_owned(), false)
                .await;
        }
        match self.known.state {
            State::Provisioning => self.provision().await,
            State::Active => self.check().await,
            State::Deleting | State::Blocked | State::Failed | State::Deleted => {
                self.remove().await
            }
        }
    }

    /// Makes sure that the lease outlasts what comes next.
    pub(crate) async fn hold(&mut self) -> Result<(), Interrupted> {
        if self.claim.remaining() >= self.inner.store.lease() / 2 {
            return Ok(());
        }
        let held = self.inner.store.renew(&mut self.claim).await?;
        if held {
            Ok(())
        } else {
            Err(Interrupted::LeaseLost)
        }
    }

    /// Sends a stage and keeps what its answers tell.
    pub(crate) async fn apply(
        &mut self,
        stage: &[Step],
    ) -> Result<Vec<Result<Applied, IamError>>, Interrupted> {
        self.hold().await?;
        self.certain = false;
        let deadline = Instant::now() + self.claim.remaining();
        let results = self
            .inner
            .apply_stage(&self.known.scope.account, stage, deadline)
            .await;
        let settled = self.later(self.inner.store.consistency_window());
        for (step, result) in stage.iter().zip(&results) {
            match result {
                Ok(applied) => {
                    self.known.reads_settle_at = Some(settled);
                    match applied {
                        Applied::Role(record) => self.known.role = Some(record.clone()),
                        Applied::Profile(record) => self.known.profile = Some(record.clone()),
                        Applied::Done | Applied::AlreadyGone | Applied::Unseen => {}
                    }
                }
                Err(error) if error.kind == ErrorKind::Unanswered => {
                    self.known.writes_settle_at = Some(
                        self.known
                            .writes_settle_at
                            .map_or(settled, |at| at.max(settled)),
                    );
                }
                Err(error) if error.kind == ErrorKind::AlreadyExists => {
                    self.unseen |= step.creates();
                }
                Err(_) => {}
            }
        }
        Ok(results)
    }

    /// Reads what is ours at AWS, by name.
    pub(crate) async fn read(
        &mut self,
        depth: Depth,
    ) -> Result<Result<Observed, IamError>, Interrupted> {
        self.hold().await?;
        let target = self.target();
        if target.role.is_none() && target.profile.is_none() {
            return Ok(Ok(Observed::nothing()));
        }
        let deadline = Instant::now() + self.claim.remaining();
        let urgency = match self.known.state {
            State::Active => Urgency::Sweep,
            _ => Urgency::Interactive,
        };
        let account = &self.known.scope.account;
        Ok(self
            .inner
            .observe(account, &target, depth, urgency, deadline)
            .await)
    }

    /// Whether IAM's reads can be believed about this binding.
    pub(crate) fn is_settled(&self) -> bool {
        self.known.settled(self.claim.now())
    }

    /// What may be at AWS for this binding.
    pub(crate) fn target(&self) -> Target {
        let name = self.known.resource_name();
        let own_profile = match &self.known.spec.mode {
            ModeSpec::Create(_) => true,
            ModeSpec::PassThrough(pass) => pass.instance_profile.is_none(),
        };
        Target {
            profile: own_profile.then(|| name.clone().into()),
            role: (self.known.mode() == Mode::Create).then_some(name),
        }
    }

    pub(crate) fn later(&self, after: Duration) -> chrono::DateTime<chrono::Utc> {
        self.claim.now() + chrono::Duration::from_std(after).unwrap_or(chrono::Duration::MAX)
    }

    pub(crate) fn event(&self, action: EventAction, detail: Value) -> Event {
        Event {
            action,
            actor: self.cause.actor.clone(),
            request_id: self.cause.request_id.clone(),
            detail,
        }
    }

    /// Records what is known and goes on.
    pub(crate) async fn keep(&mut self, event: Option<Event>) -> Result<Turn, Interrupted> {
        self.record(event, Next::Keep).await
    }

    /// Records what is known and gives the claim back.
    pub(crate) async fn rest(
        &mut self,
        event: Option<Event>,
        due_at: Option<chrono::DateTime<chrono::Utc>>,
    ) -> Result<Turn, Interrupted> {
        self.record(event, Next::Release { due_at }).await
    }

    /// Has what is there and was not seen count as a write that may still show.
    pub(crate) fn count_unseen(&mut self) {
        if std::mem::take(&mut self.unseen) {
            let settled = self.later(self.inner.store.consistency_window());
            self.known.writes_settle_at = self.known.writes_settle_at.max(Some(settled));
        }
    }

    async fn record(&mut self, event: Option<Event>, next: Next) -> Result<Turn, Interrupted> {
        self.count_unseen();
        let recorded = self
            .inner
            .store
            .record(&mut self.claim, &self.known, event.as_ref(), next)
            .await?;
        self.after(
            recorded,
            event.map(|event| event.action),
            next == Next::Keep,
        )
    }

    pub(crate) fn after(
        &mut self,
        recorded: Recorded,
        action: Option<EventAction>,
        goes_on: bool,
    ) -> Result<Turn, Interrupted> {
        match recorded {
            Recorded::Written => {
                if let Some(action) = action {
                    metrics::counter!("engine_roles_events_total", "action" => action.as_str())
                        .increment(1);
                }
                info!(
                    cluster = %self.known.cluster,
                    generation = self.known.generation,
                    state = %self.known.state,
                    "recorded",
                );
                self.known = self.claim.binding.clone();
                Ok(if goes_on { Turn::Again } else { Turn::Rest })
            }
            Recorded::Superseded => {
                self.known = self.claim.binding.clone();
                self.turns = 0;
                Ok(Turn::Again)
            }
            Recorded::Lost => Err(Interrupted::LeaseLost),
        }
    }

    /// Lets go and comes back later; callers hear 202 meanwhile.
    pub(crate) async fn delay(&mut self, detail: String, busy: bool) -> Result<Turn, Interrupted> {
        self.known.attempts = self.known.attempts.saturating_add(1);
        let attempt = u32::try_from(self.known.attempts).unwrap_or(u32::MAX);
        let wait = full_jitter(FIRST_RETRY, LAST_RETRY, attempt);
        let wait = if busy { wait + BUSY_RETRY } else { wait };
        // A replica that shuts down hands its work on at once.
        let wait = if self.inner.stop.is_cancelled() {
            Duration::ZERO
        } else {
            wait
        };
        let due_at = self.later(wait);
        if !self.withdraws() {
            self.known.last_error = Some(Failure {
                next_attempt_at: Some(due_at),
                ..self.failure(FailureCode::IamUnavailable, detail.clone())
            });
        }
        warn!(cluster = %self.known.cluster, attempts = self.known.attempts, detail, "will try again");
        let event = self.event(EventAction::Delayed, json!({ "reason": detail }));
        if self.inner.stop.is_cancelled() {
            return self.record(Some(event), Next::HandOn).await;
        }
        self.rest(Some(event), Some(due_at)).await
    }

    /// Whether the current intent only takes a refused one back: the refusal is then kept for
    /// the caller who waits for it.
    pub(crate) fn withdraws(&self) -> bool {
        let failed = self.known.state == State::Failed;
        self.known.last_error.as_ref().is_some_and(|failure| {
            failure.next_attempt_at.is_none()
                && (failed || failure.generation < self.known.generation)
        })
    }

    pub(crate) fn failure(&self, code: FailureCode, detail: String) -> Failure {
        Failure {
            code,
            detail,
            missing_permissions: Vec::new(),
            blockers: Vec::new(),
            generation: self.known.generation,
            at: self.claim.now(),
            attempts: self.known.attempts,
            next_attempt_at: None,
        }
    }

    pub(crate) fn denied(&self, error: &IamError) -> Failure {
        Failure {
            missing_permissions: error.missing_permission.iter().cloned().collect(),
            ..self.failure(FailureCode::MissingPermission, error.describe())
        }
    }
}
