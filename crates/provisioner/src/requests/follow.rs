//! A recorded intent, followed until it ends or its caller stops waiting.

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

/// Who asks, and on what terms.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks, and with which HTTP request.
    pub cause: Cause,
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

/// Starts the work that an intent needs, and waits for its end.
pub(crate) struct Follower {
    converger: Arc<Converger>,
    tasks: TaskTracker,
}

impl Follower {
    pub(crate) fn new(converger: Arc<Converger>, tasks: TaskTracker) -> Self {
        Self { converger, tasks }
    }

    /// Starts the work that a recorded intent gave the right to, and waits as the request says.
    /// The work goes on whether or not the caller stays.
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
                    // The intent is committed, and the work goes on when the database is back:
                    // that is no error for the caller, who is told at worst that it is on its way.
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
