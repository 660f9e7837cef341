//! The background tasks. They take no input, may run in any number of replicas, and find in the
//! database what there is to do.

use std::sync::Arc;
use std::time::Duration;

use engine_roles_store::StoreError;
use tokio::sync::Notify;
use tracing::{debug, info, warn};

use crate::backoff::full_jitter;
use crate::service::Inner;
use crate::worker::{self, Cause};

/// How often events that nobody has read yet are numbered.
const SEQUENCE_INTERVAL: Duration = Duration::from_secs(1);

/// Finishes interrupted work, makes retries, checks what is active.
pub(crate) async fn run(inner: Arc<Inner>) {
    let limit = usize::try_from(inner.settings.reconcile_batch).unwrap_or(1);
    let left = Arc::new(Notify::new());
    let mut listening = inner
        .tasks
        .spawn(listen(Arc::clone(&inner), Arc::clone(&left)));
    let slots = Arc::new(tokio::sync::Semaphore::new(limit));
    while !inner.stop.is_cancelled() {
        inner.liveness.beat();
        if listening.is_finished() {
            listening = inner
                .tasks
                .spawn(listen(Arc::clone(&inner), Arc::clone(&left)));
        }
        let free = i64::try_from(slots.available_permits()).unwrap_or(1);
        let claims = if free == 0 {
            Ok(Vec::new())
        } else {
            inner.store.claim_due(free).await
        };
        match claims {
            Ok(claims) => {
                let more = i64::try_from(claims.len()).unwrap_or(0) == free && free > 0;
                for claim in claims {
                    let permit = Arc::clone(&slots).try_acquire_owned().ok();
                    let work = Box::pin(worker::work(
                        Arc::clone(&inner),
                        claim,
                        Cause::reconciler(),
                        false,
                    ));
                    inner.tasks.spawn(async move {
                        work.await;
                        drop(permit);
                    });
                }
                if more {
                    continue;
                }
            }
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                "could not claim due work"
            ),
        }
        let timer = pause(&inner, inner.settings.poll_interval);
        tokio::select! {
            () = timer => {}
            () = left.notified() => {}
        }
    }
}

/// Hears what other replicas leave, and wakes the round. The timer finds the same work, so a
/// connection that is lost costs a moment and no more.
async fn listen(inner: Arc<Inner>, left: Arc<Notify>) {
    let heard = async {
        let mut listener = inner.store.listen_for_work().await?;
        loop {
            listener.next().await?;
            left.notify_one();
        }
    };
    tokio::select! {
        heard = heard => {
            let heard: Result<(), StoreError> = heard;
            if let Err(error) = heard {
                debug!(error = &error as &dyn std::error::Error, "not listening for work");
            }
        }
        () = inner.stop.cancelled() => {}
    }
}

/// Numbers the events of the audit log.
pub(crate) async fn sequence(inner: Arc<Inner>) {
    while !inner.stop.is_cancelled() {
        if let Err(error) = inner.store.sequence_audit().await {
            warn!(
                error = &error as &dyn std::error::Error,
                "could not number the audit log"
            );
        }
        pause(&inner, SEQUENCE_INTERVAL).await;
    }
}

/// Asks STS who we are until it says so.
pub(crate) async fn find_scope(inner: Arc<Inner>) {
    let mut attempt = 0;
    while !inner.stop.is_cancelled() {
        match inner.scope.get(&inner.iam).await {
            Ok(scope) => {
                info!(account = %scope.account, partition = %scope.partition, "working in this account");
                return;
            }
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "could not ask STS who we are"
                );
            }
        }
        let wait = full_jitter(Duration::from_secs(1), Duration::from_mins(1), attempt);
        pause(&inner, wait).await;
        attempt += 1;
    }
}

async fn pause(inner: &Inner, length: Duration) {
    let _ = tokio::time::timeout(length, inner.stop.cancelled()).await;
}
