//! The AWS account of an installation: its resources, the calls that reached it, and its faults.

use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_iam_sandbox::{Call, Fault, Sandbox, SandboxConfig};
use serde_json::{Value, json};

use super::Installation;
use crate::administrator::{Administrator, SERVICE_ACCESS_KEY};
use crate::identity;
use crate::policy_documents::policy_document;
use crate::polling::eventually;

/// The uncertainty of a call's time: the sandbox logs whole milliseconds, and the start of its log
/// is measured to a millisecond too.
const MEASURED_TO: Duration = Duration::from_millis(3);

impl Installation {
    /// Sets faults, written as the sandbox's JSON.
    pub fn set_faults(&self, faults: Value) {
        self.sandbox.set_faults(faults_of(faults));
    }

    /// Gives the service's identity one of the documents of `policies/`, from now on.
    pub async fn set_identity_policy(&self, policy: &str) {
        let policy = policy_document(policy);
        self.administrator
            .control_sandbox("identity-policy", policy)
            .await;
    }

    /// The least-privilege policy of the service's identity, which it has unless a test sets another.
    pub fn least_privilege(&self) -> Value {
        identity::least_privilege(&SandboxConfig::default(), &self.environment)
    }

    /// Gives the service's identity the least-privilege policy with a `Deny` of these actions.
    pub async fn deny(&self, actions: &[&str]) {
        let mut policy = self.least_privilege();
        let deny = json!({"Sid": "Denied", "Effect": "Deny", "Action": actions, "Resource": "*"});
        let statements = policy["Statement"].as_array_mut();
        statements.expect("statements are a list").push(deny);
        self.administrator
            .control_sandbox("identity-policy", policy)
            .await;
    }

    /// Takes these actions out of the service's least-privilege policy, so that nothing allows them.
    pub async fn allow_no_longer(&self, actions: &[&str]) {
        let mut policy = self.least_privilege();
        let statements = policy["Statement"].as_array_mut();
        let statements = statements.expect("statements are a list");
        for statement in &mut *statements {
            // Statements with one action have it as text.
            if statement["Action"].is_string() {
                statement["Action"] = json!([statement["Action"]]);
            }
            let allowed = statement["Action"].as_array_mut();
            let allowed = allowed.expect("actions are text or a list");
            allowed.retain(|action| !actions.iter().any(|taken| action == taken));
        }
        statements.retain(|statement| statement["Action"] != json!([]));
        self.administrator
            .control_sandbox("identity-policy", policy)
            .await;
    }

    /// Gives the service's identity the least-privilege policy again.
    pub async fn deny_nothing(&self) {
        let policy = self.least_privilege();
        self.administrator
            .control_sandbox("identity-policy", policy)
            .await;
    }

    /// The number of the last call that reached AWS, or 0.
    pub fn mark(&self) -> u64 {
        self.sandbox.calls(0).last().map_or(0, |call| call.n)
    }

    /// The service's calls after a mark.
    pub fn calls(&self, since: u64) -> Vec<Call> {
        let mut calls = self.sandbox.calls(since);
        calls.retain(|call| call.access_key.as_deref() == Some(SERVICE_ACCESS_KEY));
        calls
    }

    /// The service's calls to IAM after a mark, without those of the account tasks at the start.
    pub fn iam_calls(&self, since: u64) -> Vec<Call> {
        let mut calls = self.calls(since.max(self.last_startup_call));
        calls.retain(|call| call.action != "GetCallerIdentity");
        calls
    }

    /// The latest time at which a call can have reached AWS, by the machine's clock.
    pub fn time_of(&self, call: &Call) -> DateTime<Utc> {
        self.log_started + Duration::from_millis(call.started_ms) + MEASURED_TO
    }

    /// The service's calls after a mark that change something.
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

    /// Whether the account has no role and no instance profile under our path.
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

/// Measures when the sandbox's log of calls began, by the machine's clock. The result is never later
/// than the real beginning: it is the time before a call less the call's time in the log. The
/// latest of several measurements is the most exact.
pub(super) async fn log_start(sandbox: &Sandbox, administrator: &Administrator) -> DateTime<Utc> {
    let mut started = DateTime::<Utc>::MIN_UTC;
    for _ in 0..5 {
        let asked = Utc::now();
        administrator.get_caller_identity().await;
        let calls = sandbox.calls(0);
        let call = calls.last().expect("a call was just made");
        started = started.max(asked - Duration::from_millis(call.started_ms + 1));
    }
    started
}

pub(crate) fn is_read(call: &Call) -> bool {
    let reads = ["Get", "List", "Simulate"];
    reads.iter().any(|verb| call.action.starts_with(verb))
}

/// Returns a fault that applies to one call, as JSON.
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
