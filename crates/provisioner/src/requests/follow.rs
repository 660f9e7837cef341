//! Follows a recorded intent until its outcome is known or its caller stops waiting.

use std::sync::Arc;
use std::time::Duration;

use engine_roles_domain::audit::Cause;
use engine_roles_domain::binding::lifecycle::Transition;
use engine_roles_domain::binding::{
    Binding, BindingId, Conditions, Generation, State, Verdict, verdict,
};
use engine_roles_store::{Change, Intent, Operation, Store, StoreError};
use tokio::time::Instant;
use tracing::warn;

use crate::error::ProvisionerError;
use crate::requests::permit::Permit;
use crate::requests::record::{Committed, Decided, Recorder};
use crate::waiting::{News, Subscription, Waiting, WorksOnIt};

/// What a caller sends with an intent.
#[derive(Clone, Debug)]
pub struct Request {
    /// The API key or task that makes the request, and the id of the HTTP request.
    pub cause: Cause,
    /// What must hold for the request to be carried out.
    pub conditions: Conditions,
    /// Until when the caller waits for the outcome.
    pub until: Instant,
    /// Without it, no intent is recorded.
    pub permit: Permit,
}

impl Request {
    /// Makes a request whose caller waits this long from now.
    pub fn new(cause: Cause, conditions: Conditions, wait: Duration, permit: Permit) -> Self {
        Self {
            cause,
            conditions,
            until: Instant::now() + wait,
            permit,
        }
    }

    /// Adds to an intent what recognises this request when it is sent again.
    pub(crate) fn sign(&self, intent: Intent) -> Intent {
        let Some(digest) = &self.conditions.digest else {
            return intent;
        };
        let sign = |transition: Transition, created| {
            Box::new(transition.recognised_by(digest.clone(), created))
        };
        match intent {
            Intent::New(transition) => Intent::New(sign(*transition, true)),
            Intent::Changed(transition) => Intent::Changed(sign(*transition, false)),
        }
    }
}

/// The result of a request when its caller stops waiting.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The binding as it is now.
    pub binding: Binding,
    /// What the request did to the record.
    pub change: Change,
    /// The outcome of the intent, or that it is pending.
    pub verdict: Verdict,
}

/// Has an intent recorded, and waits for the outcome.
pub(crate) struct Follower {
    store: Store,
    waiting: Arc<Waiting>,
    recorder: Arc<Recorder>,
}

impl Follower {
    pub(crate) fn new(store: Store, waiting: Arc<Waiting>, recorder: Arc<Recorder>) -> Self {
        Self {
            store,
            waiting,
            recorder,
        }
    }

    /// Records an intent, starts the work, and waits for the outcome as long as the request allows.
    /// The work continues after the caller stops waiting. Returns none when the cluster was changed
    /// after it was read: nothing was recorded, and the caller decides again.
    ///
    /// # Errors
    /// When the sender's key stopped being valid while the request waited, or the database does not
    /// answer.
    pub(crate) async fn carry_out(
        &self,
        decided: Box<Decided>,
        request: &Request,
    ) -> Result<Option<Answer>, ProvisionerError> {
        if request.permit.has_ended() {
            return Err(ProvisionerError::PermitEnded);
        }
        let until = request.until;
        // Before the work starts, so that its record is not missed.
        let subscription = self.waiting.subscribe(decided.intent.binding().id);
        match self.recorder.commit(decided).await? {
            Committed::Recorded(binding, change, works) => {
                let recorded = (binding, change);
                let answer = self.follow(recorded, works, subscription, until).await?;
                Ok(Some(answer))
            }
            Committed::ReadAgain => Ok(None),
        }
    }

    /// Waits for the outcome of an intent that the binding had already. Starts the work if the intent
    /// is pending and no worker has the lease.
    pub(crate) async fn follow_unchanged(
        &self,
        binding: Arc<Binding>,
        request: &Request,
        operation: Operation,
    ) -> Result<Answer, StoreError> {
        self.follow_recorded((binding, Change::Unchanged), request, operation)
            .await
    }

    /// Waits for the outcome of an intent that this very request, or another one, has recorded.
    pub(crate) async fn follow_recorded(
        &self,
        (binding, change): (Arc<Binding>, Change),
        request: &Request,
        operation: Operation,
    ) -> Result<Answer, StoreError> {
        let until = request.until;
        let subscription = self.waiting.subscribe(binding.id);
        if binding.is_intent_pending() {
            self.recorder
                .resume(&binding, request.cause.clone(), operation);
        }
        self.follow((binding, change), WorksOnIt::Anybody, subscription, until)
            .await
    }

    /// Waits until a teardown in progress may have ended. Returns false when the caller stops waiting.
    pub(crate) async fn wait_for_teardown(&self, id: BindingId, request: &Request) -> bool {
        let mut subscription = self.waiting.subscribe(id);
        loop {
            match subscription.next(request.until, WorksOnIt::Anybody).await {
                News::Recorded(current) if current.state() == State::Deleting => {}
                News::Recorded(_) | News::ReadAgain => return true,
                News::TimeUp => return false,
            }
        }
    }

    async fn follow(
        &self,
        (mut binding, change): (Arc<Binding>, Change),
        mut works: WorksOnIt,
        mut subscription: Subscription,
        until: Instant,
    ) -> Result<Answer, StoreError> {
        let (id, generation): (_, Generation) = (binding.id, binding.generation);
        loop {
            let verdict = verdict(&binding, generation);
            let news = if verdict == Verdict::Pending {
                subscription.next(until, works).await
            } else {
                News::TimeUp
            };
            match news {
                News::Recorded(current) => binding = current,
                News::ReadAgain => match Box::pin(self.store.binding(id)).await {
                    Ok(current) => {
                        binding = current.map_or(binding, Arc::new);
                        // The worker of this process may have stopped.
                        works = WorksOnIt::Anybody;
                    }
                    // The intent is committed, and the work continues when the database answers
                    // again. So the caller gets no error, at worst the answer that the intent is
                    // pending.
                    Err(error) if error.is_transient() => {
                        warn!(
                            error = &error as &dyn std::error::Error,
                            "binding could not be read for a waiting caller"
                        );
                    }
                    Err(error) => return Err(error),
                },
                News::TimeUp => {
                    return Ok(Answer {
                        binding: Arc::unwrap_or_clone(binding),
                        change,
                        verdict,
                    });
                }
            }
        }
    }
}
