//! The level of the log, which can be changed while the process runs.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use engine_roles_api::{LogLevelChange, LogLevelInEffect, LogLevels};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, warn};
use tracing_subscriber::{EnvFilter, Registry, reload};

use super::PANICS;

/// The target of the lines about changes of the level, which are shown at every level.
const CHANGES: &str = "engine_roles::log_level";
/// The level that the signal switches to.
const DEBUG: &str = "debug";

/// The level of this process's log.
static CONTROL: OnceLock<Arc<LogControl>> = OnceLock::new();

/// The filter of the log, which can be replaced.
pub(super) type Filter = reload::Layer<EnvFilter, Registry>;

/// Changes the level of the log.
pub(crate) struct LogControl {
    handle: Option<reload::Handle<EnvFilter, Registry>>,
    configured: String,
    state: Mutex<State>,
}

struct State {
    level: String,
    until: Option<DateTime<Utc>>,
    /// The level that was last set without a time.
    lasting: String,
    /// How often the level has changed, so that the end of an earlier change does not end a later one.
    changes: u64,
}

/// Returns the filter of a log that begins at this level, and what changes it.
pub(super) fn filter(configured: &str) -> (Filter, LogControl) {
    let (filter, handle) = reload::Layer::new(EnvFilter::new(directives(configured)));
    (filter, LogControl::new(Some(handle), configured))
}

/// Lets [`control`] and the signal change this log.
pub(super) fn install(control: LogControl) {
    // A second log in one process does not start, so that there is nothing to replace.
    let _ = CONTROL.set(Arc::new(control));
}

/// Returns what changes the level of this process's log.
pub(crate) fn control() -> Arc<LogControl> {
    let without_log = || Arc::new(LogControl::new(None, "off"));
    CONTROL.get().map_or_else(without_log, Arc::clone)
}

/// Returns the directives of the filter for a level, or for directives.
fn directives(level: &str) -> String {
    // A level without directives applies to this service; its libraries log warnings only.
    let plain = level.parse::<tracing::Level>().is_ok();
    let directives = if plain {
        format!("warn,engine_roles={level}")
    } else {
        level.to_owned()
    };
    // The SDK would log what a credential_process printed, which may contain a secret. A panic is shown
    // at every log level, as it is where Rust itself prints it.
    format!("{directives},aws_config::profile::credentials=off,{PANICS}=error,{CHANGES}=warn")
}

impl LogControl {
    fn new(handle: Option<reload::Handle<EnvFilter, Registry>>, configured: &str) -> Self {
        Self {
            handle,
            configured: configured.to_owned(),
            state: Mutex::new(State {
                level: configured.to_owned(),
                until: None,
                lasting: configured.to_owned(),
                changes: 0,
            }),
        }
    }

    /// Changes the level, and returns what is in effect then, and the number of the change.
    fn set(&self, change: &LogLevelChange) -> (LogLevelInEffect, u64) {
        let LogLevelChange {
            level,
            lasts,
            actor,
        } = change;
        let until = lasts.and_then(|lasts| TimeDelta::from_std(lasts).ok());
        let until = until.map(|lasts| Utc::now() + lasts);
        let (in_effect, number) = {
            let mut state = self.state();
            self.apply(level);
            state.level.clone_from(level);
            state.until = until;
            state.changes += 1;
            if until.is_none() {
                state.lasting.clone_from(level);
            }
            (self.in_effect(&state), state.changes)
        };
        let until = until.map(|until| until.to_rfc3339());
        warn!(target: CHANGES, level, actor, until, "log level changed");
        (in_effect, number)
    }

    /// Ends the change with this number, unless another one has replaced it.
    fn end(&self, number: u64) {
        let level = {
            let state = &mut *self.state();
            if state.changes != number {
                return;
            }
            state.level.clone_from(&state.lasting);
            state.until = None;
            self.apply(&state.level);
            state.level.clone()
        };
        warn!(target: CHANGES, level, "log level is again what it was before");
    }

    fn apply(&self, level: &str) {
        let filter = EnvFilter::new(directives(level));
        let applied = self.handle.as_ref().map(|handle| handle.reload(filter));
        if let Some(Err(error)) = applied {
            error!(
                error = &error as &dyn std::error::Error,
                "log level could not be changed"
            );
        }
    }

    fn in_effect(&self, state: &State) -> LogLevelInEffect {
        LogLevelInEffect {
            level: state.level.clone(),
            configured: self.configured.clone(),
            until: state.until,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogLevels for LogControl {
    fn current(&self) -> LogLevelInEffect {
        self.in_effect(&self.state())
    }

    fn change(&self, change: LogLevelChange) -> LogLevelInEffect {
        let (in_effect, number) = self.set(&change);
        if let Some(lasts) = change.lasts {
            tokio::spawn(end_after(lasts, number));
        }
        in_effect
    }
}

async fn end_after(lasts: Duration, number: u64) {
    tokio::time::sleep(lasts).await;
    control().end(number);
}

/// Switches to debug at SIGUSR1, and back to the level of the configuration at the next one.
pub(crate) async fn change_on_signal() {
    let Ok(mut signals) = signal(SignalKind::user_defined1()) else {
        error!("signal SIGUSR1 can't be handled; it would end the process");
        return;
    };
    while signals.recv().await.is_some() {
        let control = control();
        let is_configured = control.current().level == control.configured;
        let level = if is_configured {
            DEBUG.to_owned()
        } else {
            control.configured.clone()
        };
        let change = LogLevelChange {
            level,
            lasts: None,
            actor: "SIGUSR1".to_owned(),
        };
        control.set(&change);
    }
}
