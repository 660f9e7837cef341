//! How the process of the service runs and ends: nothing that blocks can keep it from ending.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// How long after a signal to stop another one counts as the same.
const SAME_SIGNAL: Duration = Duration::from_millis(500);
/// How long the service may take to end its heartbeat and to close its connections after its limits.
const LAST_STEPS: Duration = Duration::from_secs(5);

/// Runs the work until it ends. Threads that hang, as in a file system that does not answer, are left to
/// the end of the process.
///
/// # Errors
/// When the operating system does not start the threads.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(ended)
}

/// Cancels `stop` on SIGTERM or SIGINT. A second signal ends the process at once, and so does the end of
/// the time limit with a few seconds more. This has a thread of its own, so that no other thread that
/// blocks can delay it.
///
/// # Errors
/// When the operating system does not start the thread.
pub(crate) fn stop_on_signal(stop: CancellationToken, limit: Duration) -> std::io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(move || runtime.block_on(wait_for_signals(stop, limit + LAST_STEPS)))?;
    Ok(())
}

async fn wait_for_signals(stop: CancellationToken, limit: Duration) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        error!("signal handlers can't be installed; the service won't shut down gracefully");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => info!("stopping on SIGTERM"),
        _ = interrupt.recv() => info!("stopping on SIGINT"),
    }
    stop.cancel();
    // Some programs signal a process and then its group: that is one wish to stop, not two.
    let first_at = Instant::now();
    let second = async {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if first_at.elapsed() >= SAME_SIGNAL {
                break;
            }
        }
    };
    // The same as a kill: another replica, or the next start, continues what is left.
    if timeout(limit, second).await.is_ok() {
        warn!("second signal: the service ends at once");
    } else {
        warn!(
            "the service did not stop within its limits, because a thread blocks; it ends at once"
        );
    }
    std::process::exit(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_blocks_does_not_delay_the_end() {
        let (sender, begun) = tokio::sync::oneshot::channel();
        let ended = run(async {
            tokio::task::spawn_blocking(|| {
                let _ = sender.send(());
                loop {
                    std::thread::park();
                }
            });
            begun.await
        });
        ended.expect("threads").expect("the other thread has begun");
    }
}
