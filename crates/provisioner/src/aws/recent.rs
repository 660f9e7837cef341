//! How AWS answered the recent calls of this replica.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use engine_roles_domain::resources::{Applied, Step};
use engine_roles_iam::{Call, ErrorKind, IamError, Service};
use metrics::gauge;

use crate::aws::call_history::RecentCalls;

/// How long the last answers say something about AWS. The account is confirmed more often than that.
const LONGEST_SILENCE: Duration = Duration::from_mins(10);

/// How long a denial counts. A change that is still needed is sent again much sooner.
const DENIAL_COUNTS: Duration = Duration::from_hours(1);

/// How AWS answers this replica's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwsState {
    /// AWS answered the last call.
    Ok,
    /// AWS throttled the last call.
    Throttled,
    /// AWS did not accept the credentials, or there were none.
    InvalidCredentials,
    /// AWS did not answer the last call, had a failure of its own, or something else answered it.
    Unreachable,
    /// AWS denied a change that a binding needs within the last hour, and has not allowed a change of this
    /// kind since.
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
    /// The calls to IAM, counted by minute.
    pub(crate) calls: RecentCalls,
}

#[derive(Debug, Default)]
struct Recent {
    /// What the last call showed; none before the first one.
    last: Option<(Instant, AwsState)>,
    /// The kinds of step that AWS denied when one was last sent, and when that was. The steps of a stage
    /// are sent at the same time, so one may be allowed and another denied.
    denied: BTreeMap<&'static str, Instant>,
    last_success: Option<SystemTime>,
}

impl Recent {
    fn is_denied(&self) -> bool {
        self.denied.values().any(|at| at.elapsed() < DENIAL_COUNTS)
    }
}

impl RecentAnswers {
    /// Records the answer to a call.
    pub(crate) fn note(&self, call: Call, error: Option<&IamError>) {
        if call.service != Service::Sts {
            self.calls.note_answer(error.map(|error| error.kind));
        }
        let mut recent = self.lock();
        let shown = match error.map(|error| error.kind) {
            None => {
                recent.last_success = Some(SystemTime::now());
                AwsState::Ok
            }
            Some(ErrorKind::Throttled) => AwsState::Throttled,
            Some(ErrorKind::InvalidCredentials) => AwsState::InvalidCredentials,
            // AWS answered an error that this program does not know, and which is not one of its own.
            Some(ErrorKind::Transient | ErrorKind::Unanswered)
                if error
                    .and_then(|error| error.status)
                    .is_some_and(|status| status < 500) =>
            {
                AwsState::Ok
            }
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
        drop(recent);
        self.publish();
    }

    /// Records whether AWS denies a kind of step. Without the permission for it, the service can't do its
    /// work. The denial of a removal shows nothing where a read does not find the resource.
    pub(crate) fn note_step(&self, step: &Step, result: &Result<Applied, IamError>) {
        match result {
            // AWS may have denied the removal of what is gone, or not have got so far.
            Ok(Applied::Unseen | Applied::AlreadyGone) => return,
            Ok(_) => self.lock().denied.remove(step.action()),
            Err(error) if error.kind == ErrorKind::Denied => {
                self.lock().denied.insert(step.action(), Instant::now())
            }
            Err(_) => return,
        };
        self.publish();
    }

    /// Forgets that AWS denied this kind of step.
    pub(crate) fn forget_denial(&self, step: &Step) {
        self.lock().denied.remove(step.action());
        self.publish();
    }

    pub(crate) fn health(&self) -> AwsHealth {
        let recent = self.lock();
        let last = recent.last.filter(|(at, _)| at.elapsed() < LONGEST_SILENCE);
        let state = match last.map(|(_, state)| state) {
            None => AwsState::Unknown,
            Some(AwsState::Ok) if recent.is_denied() => AwsState::Denied,
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
