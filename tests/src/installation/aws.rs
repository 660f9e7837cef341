//! The AWS account of an installation: what is there, which calls reached it, how it answers.

use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_iam_sandbox::{Call, Fault, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use super::Installation;
use crate::administrator::{Administrator, SERVICE_ACCESS_KEY};
use crate::identity;
use crate::policy_documents::policy_document;
use crate::polling::eventually;

/// How exactly a call's time is known: its log counts whole milliseconds, and so is measured
/// when that began.
const MEASURED_TO: Duration = Duration::from_millis(3);

impl Installation {
    /// Sets faults, in the sandbox's JSON.
    pub fn set_faults(&self, faults: Value) {
        self.sandbox.set_faults(faults_of(faults));
    }

    /// Lets IAM decide by one of the documents of `policies/` from now on.
    pub async fn become_identity(&self, policy: &str) {
        let policy = policy_document(policy);
        self.administrator.steer("identity-policy", policy).await;
    }

    /// What the service's identity may do where nothing else is said: the least that it needs.
    pub fn least(&self) -> Value {
        identity::least(&SandboxConfig::default(), &self.environment)
    }

    /// From now on the service may do the least that it needs, and none of these actions.
    pub async fn refuse(&self, actions: &[&str]) {
        let mut policy = self.least();
        let deny = json!({"Sid": "Refused", "Effect": "Deny", "Action": actions, "Resource": "*"});
        let statements = policy["Statement"].as_array_mut();
        statements.expect("it is a list").push(deny);
        self.administrator.steer("identity-policy", policy).await;
    }

    /// From now on the service may do the least that it needs, and that alone.
    pub async fn refuse_nothing(&self) {
        let policy = self.least();
        self.administrator.steer("identity-policy", policy).await;
    }

    /// The number of the last call that reached AWS.
    pub fn mark(&self) -> u64 {
        self.sandbox.calls(0).last().map_or(0, |call| call.n)
    }

    /// The service's own calls after a mark.
    pub fn calls(&self, since: u64) -> Vec<Call> {
        let mut calls = self.sandbox.calls(since);
        calls.retain(|call| call.access_key.as_deref() == Some(SERVICE_ACCESS_KEY));
        calls
    }

    /// The service's own calls to IAM after a mark; STS and the first look apart.
    pub fn iam_calls(&self, since: u64) -> Vec<Call> {
        let mut calls = self.calls(since.max(self.looked));
        calls.retain(|call| call.action != "GetCallerIdentity");
        calls
    }

    /// The latest that a call can have reached AWS, by the machine's clock.
    pub fn time_of(&self, call: &Call) -> DateTime<Utc> {
        self.log_started + Duration::from_millis(call.started_ms) + MEASURED_TO
    }

    /// The service's own calls after a mark that change something.
    pub fn mutations(&self, since: u64) -> Vec<Call> {
        let mut calls = self.calls(since);
        calls.retain(|call| !is_read(call));
        calls
    }

    /// Waits until a call of this name has reached AWS after a mark.
    pub async fn reached(&self, action: &str, since: u64) -> Call {
        eventually(&format!("{action} reaches IAM"), async || {
            let calls = self.calls(since);
            calls.into_iter().find(|call| call.action == action)
        })
        .await
    }

    pub fn role(&self, name: &str) -> Option<Value> {
        find(&self.sandbox.state()["roles"], name)
    }

    pub fn instance_profile(&self, name: &str) -> Option<Value> {
        find(&self.sandbox.state()["instance_profiles"], name)
    }

    /// Whether the account holds nothing under our path.
    pub fn holds_nothing_of_ours(&self) -> bool {
        let state = self.sandbox.state();
        let all = [&state["roles"], &state["instance_profiles"]];
        let mut all = all.into_iter().filter_map(Value::as_array).flatten();
        !all.any(|found| {
            found["path"]
                .as_str()
                .is_some_and(|path| path.starts_with("/ai-unlimited/engine/"))
        })
    }
}

/// When the sandbox's log of calls counts from, by the machine's clock and never later than it
/// does: a call's time less than what passed until it was asked for.
pub(super) async fn log_start(sandbox: &Sandbox, administrator: &Administrator) -> DateTime<Utc> {
    let mut started = DateTime::<Utc>::MIN_UTC;
    for _ in 0..5 {
        let asked = Utc::now();
        administrator.ask_who_calls().await;
        let calls = sandbox.calls(0);
        let call = calls.last().expect("it was just made");
        started = started.max(asked - Duration::from_millis(call.started_ms + 1));
    }
    started
}

pub(crate) fn is_read(call: &Call) -> bool {
    let reads = ["Get", "List", "Simulate"];
    reads.iter().any(|verb| call.action.starts_with(verb))
}

/// A fault of one call.
pub fn fault(action: &str, when: &str, effect: Value) -> Value {
    let mut fault = json!({ "action": action, "when": when });
    fault["do"] = effect;
    Value::Array(vec![fault])
}

pub(super) fn faults_of(faults: Value) -> Vec<Fault> {
    serde_json::from_value(faults).expect("faults are written as the sandbox reads them")
}

fn find(list: &Value, name: &str) -> Option<Value> {
    let mut all = list.as_array()?.iter();
    all.find(|found| found["name"] == name).cloned()
}
