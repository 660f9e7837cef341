//! A time limit for work on files.

use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// How long work on files may take. A file may be on a network that does not answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Works on files in a thread of its own, with a time limit. The operating system can't abort such work,
/// so that it goes on after the limit; but no more work begins before it has ended, and at most one
/// thread hangs.
#[derive(Clone, Debug)]
pub struct FileAccess {
    turn: Arc<Semaphore>,
    limit: Duration,
}

impl Default for FileAccess {
    fn default() -> Self {
        Self {
            turn: Arc::new(Semaphore::new(1)),
            limit: LIMIT,
        }
    }
}

impl FileAccess {
    /// Does the work. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the work takes longer than the limit, when earlier work still goes on at the limit, or when
    /// the work panics.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let turn = Arc::clone(&self.turn);
        let done = timeout(self.limit, async {
            let turn = turn.acquire_owned().await.map_err(Error::other)?;
            let done = spawn_blocking(move || {
                let done = work();
                drop(turn);
                done
            });
            done.await.map_err(Error::other)
        });
        done.await.unwrap_or_else(|_| {
            let limit = self.limit.as_secs();
            let what = format!("the file system did not answer within {limit} seconds");
            Err(Error::new(ErrorKind::TimedOut, what))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_that_hangs_is_given_up_and_no_more_begins_until_it_has_ended() {
        let access = FileAccess {
            limit: Duration::from_millis(50),
            ..FileAccess::default()
        };
        let patient = FileAccess {
            limit: LIMIT,
            ..access.clone()
        };
        assert_eq!(patient.run(|| 1).await.expect("done"), 1);
        let (end, ended) = mpsc::channel::<()>();
        let hangs = access.run(move || ended.recv().is_ok()).await;
        assert_eq!(
            hangs.map_err(|error| error.kind()),
            Err(ErrorKind::TimedOut)
        );
        let begun = access.run(|| panic!("must not begin")).await;
        let begun: Result<()> = begun;
        assert_eq!(
            begun.map_err(|error| error.kind()),
            Err(ErrorKind::TimedOut)
        );
        end.send(()).expect("the work waits");
        assert_eq!(patient.run(|| 2).await.expect("done"), 2);
    }
}
