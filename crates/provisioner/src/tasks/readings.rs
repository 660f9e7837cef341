//! Reads the database regularly for answers that must not wait for it: `/readyz` and `/metrics`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine_roles_domain::binding::State;
use engine_roles_store::{Readiness, Store, StoreError};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::requests::read::DatabaseHealth;
use crate::tasks::task::{NextRun, Task};

/// A reading that is older does not show that the database still answers.
const LONGEST_AGE: Duration = Duration::from_secs(2);

/// The newest reading of the database's readiness.
#[derive(Debug, Default)]
pub(crate) struct LastReadiness {
    reading: Mutex<Option<Reading>>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    answer: Result<Readiness, NoAnswer>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoAnswer {
    LoginRefused,
    NoRights,
    Unreachable,
}

impl NoAnswer {
    fn of(error: &StoreError) -> Self {
        match error.original() {
            StoreError::Refused(_) => Self::LoginRefused,
            StoreError::NoRights(_) => Self::NoRights,
            _ => Self::Unreachable,
        }
    }
}

impl LastReadiness {
    /// Returns the health of the database at this time, without asking the database.
    pub(crate) fn at(&self, now: Instant) -> DatabaseHealth {
        let reading = *self.lock();
        let Some(Reading { at, answer }) = reading else {
            return DatabaseHealth::Unreachable;
        };
        match answer {
            Err(NoAnswer::Unreachable) => DatabaseHealth::Unreachable,
            Err(NoAnswer::LoginRefused) => DatabaseHealth::LoginRefused,
            Err(NoAnswer::NoRights) => DatabaseHealth::NoRights,
            Ok(_) if now.saturating_duration_since(at) > LONGEST_AGE => DatabaseHealth::Stale,
            Ok(Readiness::Ready) => DatabaseHealth::Ready,
            Ok(Readiness::MigrationsPending) => DatabaseHealth::MigrationsPending,
            Ok(Readiness::SchemaTooNew) => DatabaseHealth::SchemaTooNew,
            Ok(Readiness::ReadOnly) => DatabaseHealth::ReadOnly,
        }
    }

    /// Records an answer with its age, and logs when the database begins or ceases to answer.
    fn record(&self, answered: Result<(Readiness, Duration), StoreError>) {
        let before = self.lock().and_then(|reading| reading.answer.ok());
        match &answered {
            Err(error) if before.is_some() => warn!(
                error = error as &dyn std::error::Error,
                "database can't be reached"
            ),
            Err(error) => debug!(
                error = error as &dyn std::error::Error,
                "database still can't be reached"
            ),
            Ok((readiness, _)) if *readiness != Readiness::Ready && before != Some(*readiness) => {
                warn!(?readiness, "database answers, but can't be used");
            }
            Ok(_) if before != Some(Readiness::Ready) => info!("database answers"),
            Ok(_) => {}
        }
        let now = Instant::now();
        let age = answered.as_ref().map_or(Duration::ZERO, |(_, age)| *age);
        *self.lock() = Some(Reading {
            at: now.checked_sub(age).unwrap_or(now),
            answer: answered
                .map(|(readiness, _)| readiness)
                .map_err(|error| NoAnswer::of(&error)),
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Reading>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads whether the database answers and its schema is up to date.
pub(crate) struct ReadReadiness {
    pub(crate) store: Store,
    pub(crate) last: Arc<LastReadiness>,
    pub(crate) stop: CancellationToken,
}

impl Task for ReadReadiness {
    fn run(&self) -> BoxFuture<'_, NextRun> {
        async {
            tokio::select! {
                answered = self.store.recent_readiness() => self.last.record(answered),
                () = self.stop.cancelled() => {}
            }
            NextRun::AfterInterval
        }
        .boxed()
    }
}

/// Reads how many bindings are in each state, for the metrics. While the database does not answer, the
/// metrics keep the last counts.
pub(crate) struct ReadCounts {
    pub(crate) store: Store,
    pub(crate) stop: CancellationToken,
}

impl Task for ReadCounts {
    fn run(&self) -> BoxFuture<'_, NextRun> {
        async {
            tokio::select! {
                counted = self.store.count_by_state() => match counted {
                    Ok(counts) => show(&counts),
                    Err(error) => debug!(
                        error = &error as &dyn std::error::Error,
                        "bindings could not be counted for the metrics"
                    ),
                },
                () = self.stop.cancelled() => {}
            }
            NextRun::AfterInterval
        }
        .boxed()
    }
}

fn show(counts: &[(State, i64)]) {
    for state in State::ALL {
        let count = counts.iter().find(|(counted, _)| *counted == state);
        #[allow(
            clippy::cast_precision_loss,
            reason = "a gauge is a float; there are fewer than 2^53 bindings"
        )]
        let count = count.map_or(0.0, |(_, count)| *count as f64);
        metrics::gauge!("engine_roles_bindings", "state" => state.as_str()).set(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_counts_for_two_seconds_and_a_failure_until_the_next_reading() {
        let last = LastReadiness::default();
        let start = Instant::now();
        assert_eq!(last.at(start), DatabaseHealth::Unreachable);
        let set = |answer| *last.lock() = Some(Reading { at: start, answer });
        set(Ok(Readiness::Ready));
        assert_eq!(last.at(start + LONGEST_AGE), DatabaseHealth::Ready);
        let later = start + LONGEST_AGE + Duration::from_millis(1);
        assert_eq!(last.at(later), DatabaseHealth::Stale);
        set(Ok(Readiness::MigrationsPending));
        assert_eq!(last.at(start), DatabaseHealth::MigrationsPending);
        assert_eq!(last.at(later), DatabaseHealth::Stale);
        set(Err(NoAnswer::Unreachable));
        assert_eq!(last.at(start), DatabaseHealth::Unreachable);
        assert_eq!(last.at(later), DatabaseHealth::Unreachable);
    }
}
