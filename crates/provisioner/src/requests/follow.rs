//! Follows a recorded intent until its outcome is known or its caller stops waiting.

use std::sync::Arc;
use std::time::Duration;

use engine_roles_domain::binding::{
    Binding, BindingId, Cause, Generation, IfMatch, Verdict, verdict,
};
use engine_roles_store::{Change, RecordedIntent, StoreError};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::convergence::{Converger, Knowledge};

/// What a caller sends with an intent.
#[derive(Clone, Debug)]
pub struct Request {
    /// The API key or task that makes the request, and the id of the HTTP request.
    pub cause: Cause,
    /// The generation that the cluster must have for the request to be carried out.
    pub if_match: Option<IfMatch>,
    /// How long the caller waits for the outcome.
    pub wait: Duration,
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

/// Starts to converge a recorded intent, and waits for the outcome.
pub(crate) struct Follower {
    converger: Arc<Converger>,
    tasks: TaskTracker,
}

impl Follower {
    pub(crate) fn new(converger: Arc<Converger>, tasks: TaskTracker) -> Self {
        Self { converger, tasks }
    }

    /// Converges the binding if the intent came with a lease, and waits for the outcome as long as the
    /// request allows. The work continues after the caller stops waiting.
    pub(crate) async fn follow(
        &self,
        intent: RecordedIntent,
        request: &Request,
    ) -> Result<Answer, StoreError> {
        let RecordedIntent {
            binding,
            change,
            lease,
        } = intent;
        let (id, generation) = (binding.id, binding.generation);
        if change != Change::Unchanged {
            info!(cluster = %binding.cluster, generation, state = %binding.state(), "intent recorded");
        }
        if let Some(lease) = lease {
            let knowledge = if change == Change::Created {
                Knowledge::NothingSent
            } else {
                Knowledge::Recorded
            };
            let (converger, cause) = (Arc::clone(&self.converger), request.cause.clone());
            self.tasks.spawn(async move {
                Box::pin(converger.converge(lease, cause, knowledge)).await;
            });
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
        recorded: Binding,
        wait: Duration,
    ) -> Result<(Binding, Verdict), StoreError> {
        let until = Instant::now() + wait;
        let Converger { store, waiting, .. } = &*self.converger;
        let mut binding = recorded;
        let mut is_first = true;
        loop {
            let notify = waiting.on(id);
            let notified = notify.notified();
            if !is_first {
                match store.binding(id).await {
                    Ok(current) => binding = current.unwrap_or(binding),
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
                }
            }
            is_first = false;
            let verdict = verdict(&binding, generation);
            if verdict != Verdict::Pending || !waiting.wait(notified, until).await {
                return Ok((binding, verdict));
            }
        }
    }
}
