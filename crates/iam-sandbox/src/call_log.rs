use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use serde::Serialize;

use crate::signature::Signature;
use crate::wire::Params;

/// A logged call, as `GET /_sandbox/calls` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// The number of the call, from 1.
    pub n: u64,
    /// The action, such as `CreateRole`.
    pub action: String,
    /// The id of the call, as the header `x-amzn-requestid` of the answer has it.
    pub request_id: String,
    /// The HTTP status of the answer; `None` if the connection was reset or the call has not ended.
    pub status: Option<u16>,
    /// The error code; `reset` if the connection was reset without an answer.
    pub error: Option<String>,
    /// Milliseconds from the start of the sandbox to the start of the call, in real time.
    pub started_ms: u64,
    /// Milliseconds from the start of the sandbox to the end of the call, in real time; `None`
    /// while the call is in progress.
    pub ended_ms: Option<u64>,
    /// All parameters except credentials.
    pub params: BTreeMap<String, String>,
    /// The access key in the signature, which is not verified.
    pub access_key: Option<String>,
    /// The region for which the request was signed.
    pub region: Option<String>,
}

pub(crate) struct CallLog {
    started: Instant,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    /// The number of calls that were cleared.
    cleared: u64,
    kept: Vec<Call>,
}

/// How a call ended.
pub(crate) enum End<'a> {
    Answered { status: u16, error: Option<&'a str> },
    Reset,
}

impl CallLog {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            calls: Mutex::default(),
        }
    }

    /// Logs the start of a call and returns its number.
    pub(crate) fn begin(
        &self,
        action: &str,
        request_id: &str,
        params: &Params,
        signature: &Signature,
    ) -> u64 {
        let mut calls = self.calls();
        let n = calls.cleared + u64::try_from(calls.kept.len()).expect("memory is smaller") + 1;
        calls.kept.push(Call {
            n,
            action: action.to_owned(),
            request_id: request_id.to_owned(),
            status: None,
            error: None,
            started_ms: self.now_ms(),
            ended_ms: None,
            params: params.shown(),
            access_key: signature.access_key.clone(),
            region: signature.region.clone(),
        });
        n
    }

    /// Logs the end of a call.
    pub(crate) fn end(&self, n: u64, end: &End<'_>) {
        let mut calls = self.calls();
        let index = n.checked_sub(calls.cleared + 1);
        let index = index.and_then(|index| usize::try_from(index).ok());
        let Some(call) = index.and_then(|index| calls.kept.get_mut(index)) else {
            return;
        };
        call.ended_ms = Some(self.now_ms());
        match end {
            End::Answered { status, error } => {
                call.status = Some(*status);
                call.error = error.map(str::to_owned);
            }
            End::Reset => call.error = Some("reset".to_owned()),
        }
    }

    /// Returns the calls with numbers greater than `n`.
    pub(crate) fn since(&self, n: u64) -> Vec<Call> {
        let calls = self.calls();
        let known = usize::try_from(n.saturating_sub(calls.cleared)).unwrap_or(usize::MAX);
        calls.kept.get(known..).unwrap_or_default().to_vec()
    }

    /// Deletes all logged calls; the numbering continues.
    pub(crate) fn clear(&self) {
        let mut calls = self.calls();
        calls.cleared += u64::try_from(calls.kept.len()).expect("memory is smaller");
        calls.kept.clear();
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn calls(&self) -> std::sync::MutexGuard<'_, Calls> {
        self.calls.lock().expect("no holder of the call log panics")
    }
}
