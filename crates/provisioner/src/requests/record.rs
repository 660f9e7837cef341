//! Records a request's intent and starts the work, in one task that a client can't interrupt.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use engine_roles_domain::audit::{Cause, TraceId};
use engine_roles_domain::binding::Binding;
use engine_roles_domain::cluster::ClusterName;
use engine_roles_store::{
    Change, Intent, IntentIds, Latest, Lease, Operation, RecordedIntent, StoreError,
};
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, info, info_span, warn};

use crate::convergence::{Converger, Knowledge};
use crate::waiting::WorksOnIt;

/// How long a request waits until other requests for its cluster have recorded their intents. Longer
/// than the database waits for a lock, so that only a stuck cluster reaches it.
const QUEUE_WAIT: Duration = Duration::from_secs(5);
/// How many requests may record their intents for one cluster, or wait for that, at the same time.
const MOST_WAITING: usize = 32;
/// For how long a statement that was sent may still take effect: longer than the server's time limit.
const MAY_STILL_RUN: Duration = Duration::from_secs(12);
/// How long a caller waits until its intent is found. Then it is told that the database did not answer;
/// the same request, sent again, finds the intent.
const CALLER_WAIT: Duration = Duration::from_secs(3);
/// The pause between two attempts to find an intent whose recording was not answered.
const FIND_PAUSE: Duration = Duration::from_millis(250);

/// An intent, decided from what was read.
pub(crate) struct Decided {
    pub(crate) latest: Latest,
    pub(crate) intent: Intent,
    pub(crate) cause: Cause,
    pub(crate) operation: Operation,
}

/// What became of a decided intent.
pub(crate) enum Committed {
    /// The intent is recorded, and the work has started where there is any.
    Recorded(Arc<Binding>, Change, WorksOnIt),
    /// The cluster was changed after it was read, and nothing was recorded: decide again.
    ReadAgain,
}

/// Work that a recorded intent needs.
struct Begun {
    lease: Box<Lease>,
    cause: Cause,
    knowledge: Knowledge,
    operation: Operation,
}

/// Records intents and starts the work.
pub(crate) struct Recorder {
    converger: Arc<Converger>,
    tasks: TaskTracker,
    /// The clusters whose intents are being recorded. At most one connection of the pool waits for
    /// the locks of one cluster, so that a stuck cluster does not stop the others.
    clusters: Mutex<HashMap<ClusterName, Weak<AsyncMutex<()>>>>,
}

impl Recorder {
    pub(crate) fn new(converger: Arc<Converger>, tasks: TaskTracker) -> Self {
        Self {
            converger,
            tasks,
            clusters: Mutex::default(),
        }
    }

    /// Records an intent and starts the work. The task that does so is not part of the caller's
    /// future: a client that hangs up at any moment changes nothing.
    ///
    /// # Errors
    /// When the database fails. The intent may have been recorded; then the work is started.
    pub(crate) async fn commit(
        self: &Arc<Self>,
        decided: Box<Decided>,
    ) -> Result<Committed, StoreError> {
        let (answer, answered) = oneshot::channel();
        let this = Arc::clone(self);
        let span = work_span(decided.intent.binding(), &decided.cause);
        let work = async move {
            Box::pin(this.carry_out(decided, Caller(Some(answer)))).await;
        };
        self.tasks.spawn(work.instrument(span));
        answered
            .await
            .expect("the recording task answers its caller before it ends")
    }

    /// Converges a binding whose intent is pending, if no other worker has the lease.
    pub(crate) fn resume(self: &Arc<Self>, binding: &Binding, cause: Cause, operation: Operation) {
        let (this, id) = (Arc::clone(self), binding.id);
        let span = work_span(binding, &cause);
        let work = async move {
            let Converger { store, .. } = &*this.converger;
            match store.lease_now(id, operation).await {
                Ok(Some(lease)) => {
                    let (lease, knowledge) = (Box::new(lease), Knowledge::Recorded);
                    Box::pin(this.converger.converge(lease, cause, knowledge, operation)).await;
                }
                Ok(None) => {}
                // The binding is due, so the reconciler converges it.
                Err(error) => warn!(
                    error = &error as &dyn std::error::Error,
                    "pending binding could not be leased for a request"
                ),
            }
        };
        self.tasks.spawn(work.instrument(span));
    }

    /// Records the intent, answers the caller, and does the work. Nothing of the first two is kept in memory
    /// while the work waits for AWS.
    async fn carry_out(&self, decided: Box<Decided>, caller: Caller) {
        let recorded = Box::pin(self.record_and_report(decided, caller)).await;
        if let Some(Begun {
            lease,
            cause,
            knowledge,
            operation,
        }) = recorded
        {
            Box::pin(self.converger.converge(lease, cause, knowledge, operation)).await;
        }
    }

    /// Records the intent, and answers the caller. Returns the work that must be done.
    async fn record_and_report(&self, decided: Box<Decided>, mut caller: Caller) -> Option<Begun> {
        let recorded = match self.record(&decided, &mut caller).await {
            Ok(Some(recorded)) => recorded,
            Ok(None) => {
                caller.report(Ok(Committed::ReadAgain));
                return None;
            }
            Err(error) => {
                caller.report(Err(error));
                return None;
            }
        };
        let (binding, change) = (recorded.binding, recorded.change);
        info!(
            cluster = %binding.cluster,
            generation = binding.generation,
            state = %binding.state(),
            "intent recorded"
        );
        let works = match &recorded.lease {
            Some(_) => WorksOnIt::ThisProcess,
            None => WorksOnIt::Anybody,
        };
        caller.report(Ok(Committed::Recorded(Arc::new(binding), change, works)));
        Some(Begun {
            lease: Box::new(recorded.lease?),
            cause: decided.cause,
            knowledge: match change {
                Change::Created => Knowledge::NothingSent,
                Change::Changed | Change::Unchanged => Knowledge::Recorded,
            },
            operation: decided.operation,
        })
    }

    /// Records the intent. After a lost answer, looks for the intent until it is certain whether it
    /// was recorded.
    async fn record(
        &self,
        decided: &Decided,
        caller: &mut Caller,
    ) -> Result<Option<RecordedIntent>, StoreError> {
        let store = &self.converger.store;
        let (intent, ids) = (&decided.intent, IntentIds::new(store.current_replica()));
        let sent_at = Instant::now();
        let recorded = self.record_in_turn(decided, ids).await;
        let Err(lost @ StoreError::Unanswered(_)) = recorded else {
            return recorded;
        };
        warn!(
            cluster = %intent.binding().cluster,
            error = &lost as &dyn std::error::Error,
            "database did not answer whether an intent was recorded; the intent is looked for"
        );
        let stop = &self.converger.stop;
        let mut is_first = true;
        while sent_at.elapsed() < store.lease_length() && !stop.is_cancelled() {
            let may_still_run = sent_at.elapsed() < MAY_STILL_RUN;
            match store.find_intent(intent, ids).await {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) if may_still_run => {}
                Ok(None) => return Err(lost),
                Err(error) if std::mem::take(&mut is_first) => warn!(
                    error = &error as &dyn std::error::Error,
                    "intent could not be looked for"
                ),
                Err(_) => {}
            }
            if sent_at.elapsed() > CALLER_WAIT {
                caller.report(Err(StoreError::OutcomeUnknown));
            }
            sleep(FIND_PAUSE).await;
        }
        Err(lost)
    }

    /// Records the intent after the intents of the same cluster that came before it.
    async fn record_in_turn(
        &self,
        decided: &Decided,
        ids: IntentIds,
    ) -> Result<Option<RecordedIntent>, StoreError> {
        let Decided {
            latest,
            intent,
            cause,
            operation,
        } = decided;
        let queue = self.queue(&intent.binding().cluster);
        // Each request has the queue once, and the table of queues has it weakly.
        if Arc::strong_count(&queue) > MOST_WAITING {
            return Err(StoreError::ClusterBusy);
        }
        let Ok(_turn) = timeout(QUEUE_WAIT, queue.lock()).await else {
            return Err(StoreError::ClusterBusy);
        };
        let store = &self.converger.store;
        store
            .record_intent(latest, intent, ids, cause, *operation)
            .await
    }

    fn queue(&self, cluster: &ClusterName) -> Arc<AsyncMutex<()>> {
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = clusters.get(cluster).and_then(Weak::upgrade) {
            return queue;
        }
        clusters.retain(|_, queue| queue.strong_count() > 0);
        let queue = Arc::new(AsyncMutex::new(()));
        clusters.insert(cluster.clone(), Arc::downgrade(&queue));
        queue
    }
}

/// Returns the span of the work that a request causes. It outlives the request, so it repeats what the
/// request's lines of the log have.
fn work_span(binding: &Binding, cause: &Cause) -> Span {
    info_span!(
        "work",
        cluster = %binding.cluster,
        actor = cause.actor.0,
        request_id = cause.request_id,
        trace_id = cause.trace.as_ref().map(TraceId::as_str),
    )
}

/// The caller of a recording task, who is told once what became of the intent.
struct Caller(Option<oneshot::Sender<Result<Committed, StoreError>>>);

impl Caller {
    fn report(&mut self, answer: Result<Committed, StoreError>) {
        if let Some(caller) = self.0.take() {
            // A caller that has hung up needs no answer.
            let _ = caller.send(answer);
        }
    }
}
