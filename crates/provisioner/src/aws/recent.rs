//! How AWS answered the recent calls of this replica.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use engine_roles_domain::resources::CallKind;
use engine_roles_iam::{Call, ErrorKind, IamError};
use metrics::gauge;

/// How long the last answers say something about AWS. The account is confirmed more often than that.
const LONGEST_SILENCE: Duration = Duration::from_mins(10);

/// How AWS answers this replica's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwsState {
    /// AWS answered the last call.
    Ok,
    /// AWS throttled the last call.
    Throttled,
    /// AWS did not accept the credentials, or there were none.
    InvalidCredentials,
    /// AWS did not answer the last call, or something else answered it.
    Unreachable,
    /// AWS denied the last change that a binding needs.
    Denied,
    /// No call was answered lately, so it is not known.
    Unknown,
}

impl AwsState {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Ok,
        Self::Throttled,
        Self::InvalidCredentials,
        Self::Unreachable,
        Self::Denied,
        Self::Unknown,
    ];

    /// Returns the word on the wire and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Throttled => "throttled",
            Self::InvalidCredentials => "invalid_credentials",
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
            Self::Unknown => "unknown",
        }
    }
}

/// How AWS answered the recent calls of this replica.
#[derive(Clone, Copy, Debug)]
pub struct AwsHealth {
    /// What the last answers show.
    pub state: AwsState,
    /// When AWS last answered a call with success.
    pub last_success: Option<SystemTime>,
}

/// Records how AWS answers the calls of this replica.
#[derive(Debug, Default)]
pub(crate) struct RecentAnswers {
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    /// What the last call showed; none before the first one.
    last: Option<(Instant, AwsState)>,
    /// Whether AWS denied the last change that a binding needed.
    is_denied: bool,
    last_success: Option<SystemTime>,
}

impl RecentAnswers {
    /// Records the answer to a call. `is_needed` is true where a binding needs the call: without the
    /// permission for it, the service can't do its work.
    pub(crate) fn note(&self, call: Call, error: Option<&IamError>, is_needed: bool) {
        let mut recent = self.lock();
        let shown = match error.map(|error| error.kind) {
            None => {
                recent.last_success = Some(SystemTime::now());
                AwsState::Ok
            }
            Some(ErrorKind::Throttled) => AwsState::Throttled,
            Some(ErrorKind::InvalidCredentials) => AwsState::InvalidCredentials,
            Some(ErrorKind::Transient | ErrorKind::Unanswered) => AwsState::Unreachable,
            // AWS answered.
            Some(
                ErrorKind::AlreadyExists
                | ErrorKind::Absent
                | ErrorKind::Conflict
                | ErrorKind::Busy
                | ErrorKind::Quota
                | ErrorKind::Denied
                | ErrorKind::OtherAccount
                | ErrorKind::Malformed,
            ) => AwsState::Ok,
        };
        recent.last = Some((Instant::now(), shown));
        if is_needed && call.kind == CallKind::Write {
            match error.map(|error| error.kind) {
                None => recent.is_denied = false,
                Some(ErrorKind::Denied) => recent.is_denied = true,
                Some(_) => {}
            }
        }
        drop(recent);
        self.publish();
    }

    pub(crate) fn health(&self) -> AwsHealth {
        let recent = self.lock();
        let last = recent.last.filter(|(at, _)| at.elapsed() < LONGEST_SILENCE);
        let state = match last.map(|(_, state)| state) {
            None => AwsState::Unknown,
            Some(AwsState::Ok) if recent.is_denied => AwsState::Denied,
            Some(state) => state,
        };
        AwsHealth {
            state,
            last_success: recent.last_success,
        }
    }

    /// Sets the gauge of each state: 1 for the present one and 0 for the others.
    fn publish(&self) {
        let now = self.health().state;
        for state in AwsState::ALL {
            let value = f64::from(u8::from(state == now));
            gauge!("engine_roles_aws_state", "state" => state.as_str()).set(value);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
