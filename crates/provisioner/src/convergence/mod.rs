//! Converges one binding. No other module changes AWS.
//!
//! A worker holds the lease on a binding and works in turns. In each turn the worker observes AWS
//! as far as necessary, plans the steps that bring AWS to the intent, applies the steps, and
//! records the outcome; a transition of `domain::binding::lifecycle` computes the new record.
//! Requests, retries, recovery after crashes, repair of drift and removal of late resources all
//! work this way.

mod check;
mod knowledge;
mod passed_role;
mod provisioning;
mod removal;
mod stage;
mod worker;

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_roles_domain::audit::Cause;
use engine_roles_domain::binding::lifecycle::Lifecycle;
use engine_roles_store::{Lease, Operation, Store};
use metrics::{counter, histogram};
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub(crate) use knowledge::Knowledge;

use crate::aws::{AccountQuota, Gateway};
use crate::settings::DriftMode;
use crate::waiting::Waiting;
use worker::{Interrupted, Retry, Turn, Worker};

/// The number of turns under one intent after which a worker backs off.
const MOST_TURNS: u32 = 8;

/// What a worker needs to converge a binding.
pub(crate) struct Converger {
    pub(crate) store: Store,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) quota: Arc<AccountQuota>,
    pub(crate) waiting: Arc<Waiting>,
    /// Whether drift is repaired, only reported, or not checked for.
    pub(crate) drift: DriftMode,
    /// The longest time between two checks of an active binding.
    pub(crate) check_interval: Duration,
    /// Cancelled when the service stops.
    pub(crate) stop: CancellationToken,
}

impl Converger {
    /// Converges a leased binding until nothing more can be done now. The callers that wait for the
    /// binding get each record. The lease is boxed, because the future keeps room for its arguments.
    pub(crate) async fn converge(
        &self,
        lease: Box<Lease>,
        cause: Cause,
        knowledge: Knowledge,
        operation: Operation,
    ) {
        let (id, started) = (lease.binding.id, Instant::now());
        let mut worker = Worker::new(self, lease, cause, knowledge, operation);
        loop {
            match Box::pin(take_turn(&mut worker)).await {
                Ok(Turn::Again) => {}
                Ok(Turn::Done) => break,
                Err(interrupted) => {
                    // A call of this worker may have reached AWS after the lease ended.
                    let abandon = Box::pin(self.store.abandon(worker.lease(), operation));
                    if let Err(error) = abandon.await {
                        warn!(
                            error = &error as &dyn std::error::Error,
                            "unresolved writes could not be recorded after an interruption"
                        );
                    }
                    let binding = worker.binding();
                    warn!(
                        cluster = %binding.cluster,
                        generation = binding.generation,
                        error = &interrupted as &dyn std::error::Error,
                        "convergence interrupted; another worker resumes it",
                    );
                    self.waiting.read_again(id);
                    counter!("engine_roles_leases_lost_total").increment(1);
                    break;
                }
            }
        }
        histogram!("engine_roles_converge_seconds", "operation" => operation.as_str())
            .record(started.elapsed().as_secs_f64());
    }
}

async fn take_turn(worker: &mut Worker<'_>) -> Result<Turn, Interrupted> {
    worker.renew_lease().await?;
    if let Some(turn) = worker.leave_unless_in_own_account().await? {
        return Ok(turn);
    }
    if worker.begin_turn() > MOST_TURNS {
        return worker
            .delay(
                "IAM's reads do not yet return what this service wrote".to_owned(),
                Retry::Soon,
            )
            .await;
    }
    match &worker.binding().lifecycle {
        Lifecycle::Provisioning { .. } | Lifecycle::WithdrawingChange { .. } => {
            Box::pin(provisioning::provision(worker)).await
        }
        Lifecycle::Active { .. } => check::check(worker).await,
        Lifecycle::Deleting { .. }
        | Lifecycle::Blocked { .. }
        | Lifecycle::WithdrawingProvision { .. }
        | Lifecycle::Failed { .. }
        | Lifecycle::Deleted { .. } => Box::pin(removal::remove(worker)).await,
    }
}
