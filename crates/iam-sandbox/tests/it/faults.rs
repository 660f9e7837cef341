//! Calls that fail, are reset, hang or are throttled, and the call log.

use std::time::Duration;

use engine_roles_iam_sandbox::{Effect, Fault, SandboxConfig, When};
use serde_json::{Value, json};

use crate::wire::{ACCESS_KEY, Caller, EC2_TRUST, eventually, sandbox};

const ROLE: [(&str, &str); 2] = [("RoleName", "r"), ("AssumeRolePolicyDocument", EC2_TRUST)];

async fn call_log(iam: &Caller) -> Vec<Value> {
    match iam.get("calls?since=0").await {
        Value::Array(calls) => calls,
        other => panic!("{other} is not a list"),
    }
}

#[tokio::test]
async fn an_error_before_the_effect_prevents_the_effect_and_is_used_up() {
    let (sandbox, iam) = sandbox(SandboxConfig::default()).await;
    let fault =
        json!({"action": "CreateRole", "when": "before", "do": {"error": "ServiceFailure"}});
    iam.fault(fault).await;
    let answer = iam.call("CreateRole", &ROLE).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (500, "ServiceFailure")
    );
    assert_eq!(answer.text("Error/Type").as_deref(), Some("Receiver"));
    assert_eq!(sandbox.state()["roles"], json!([]));
    iam.call("CreateRole", &ROLE).await.ok();
}

#[tokio::test]
async fn an_error_after_the_effect_does_not_undo_the_effect() {
    let (sandbox, iam) = sandbox(SandboxConfig::default()).await;
    let fault =
        json!({"action": "CreateRole", "when": "after", "do": {"error": "ServiceUnavailable"}});
    iam.fault(fault).await;
    assert_eq!(iam.call("CreateRole", &ROLE).await.status, 503);
    assert_eq!(sandbox.state()["roles"][0]["name"], "r");
    assert_eq!(
        iam.call("CreateRole", &ROLE).await.code(),
        "EntityAlreadyExists"
    );
}

#[tokio::test]
async fn error_codes_have_the_statuses_that_aws_uses() {
    let (_sandbox, iam) = sandbox(SandboxConfig::default()).await;
    for (code, status) in [
        ("Throttling", 400),
        ("ValidationError", 400),
        ("AccessDenied", 403),
        ("NoSuchEntity", 404),
        ("ConcurrentModification", 409),
        ("LimitExceeded", 409),
        ("ServiceFailure", 500),
        ("InternalFailure", 500),
        ("ServiceUnavailable", 503),
    ] {
        let fault = json!({"action": "*", "when": "before", "do": {"error": code}});
        iam.fault(fault).await;
        let answer = iam.call("ListRoles", &[]).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
    }
}

#[tokio::test]
async fn an_injected_access_denied_names_the_action_as_aws_does() {
    let (_sandbox, iam) = sandbox(SandboxConfig::default()).await;
    let fault = json!({"action": "CreateRole", "when": "before", "do": {"error": "AccessDenied"}});
    iam.fault(fault).await;
    let rejected = iam.call("CreateRole", &ROLE).await;
    let words = "is not authorized to perform: iam:CreateRole on resource: * because no \
                 identity-based policy allows the iam:CreateRole action";
    assert!(
        rejected.message().ends_with(words),
        "{}",
        rejected.message()
    );
}

#[tokio::test]
async fn a_reset_closes_the_connection_without_an_answer() {
    let (sandbox, iam) = sandbox(SandboxConfig::default()).await;
    for (when, created) in [("before", 0), ("after", 1)] {
        iam.fault(json!({"action": "CreateRole", "when": when, "do": "reset"}))
            .await;
        let error = iam
            .try_call("CreateRole", &ROLE)
            .await
            .expect_err("no answer");
        assert!(error.is_request() && !error.is_timeout(), "{error:?}");
        assert_eq!(
            sandbox.state()["roles"].as_array().map(Vec::len),
            Some(created)
        );
    }
    let calls = call_log(&iam).await;
    assert_eq!(calls[0]["error"], "reset");
    assert_eq!(calls[0]["status"], Value::Null);
    assert!(calls[0]["ended_ms"].is_u64());
    assert_eq!(
        iam.role_code("r").await,
        "",
        "other connections are not affected"
    );
}

#[tokio::test]
async fn a_hang_before_the_effect_is_a_late_write_even_after_the_caller_hung_up() {
    let (sandbox, iam) = sandbox(SandboxConfig::default()).await;
    sandbox.set_faults(vec![hang("CreateRole", When::Before)]);
    give_up_on(&iam, "CreateRole").await;
    assert_eq!(call_log(&iam).await[0]["ended_ms"], Value::Null);
    assert_eq!(sandbox.state()["roles"], json!([]));

    iam.post("clock", json!({"advance_ms": 600_000})).await;
    eventually("the late write", async || {
        sandbox.state()["roles"] != json!([])
    })
    .await;
    eventually("the end of the call in the log", async || {
        sandbox.calls(0)[0].ended_ms.is_some()
    })
    .await;
    assert_eq!(sandbox.calls(0)[0].status, Some(200));
}

#[tokio::test]
async fn a_call_that_hangs_after_its_effect_has_the_effect_at_once() {
    let (sandbox, iam) = sandbox(SandboxConfig::default()).await;
    sandbox.set_faults(vec![hang("CreateRole", When::After)]);
    give_up_on(&iam, "CreateRole").await;
    eventually("the effect", async || sandbox.state()["roles"] != json!([])).await;
    assert_eq!(sandbox.calls(0)[0].ended_ms, None);
}

#[tokio::test]
async fn a_caller_that_waits_until_the_end_of_a_hang_gets_an_answer() {
    let (sandbox, iam) = sandbox(SandboxConfig::default()).await;
    sandbox.set_faults(vec![hang("CreateRole", When::After)]);
    let waiting = tokio::spawn({
        let iam = iam.clone();
        async move { iam.call("CreateRole", &ROLE).await.status }
    });
    eventually("the effect", async || sandbox.state()["roles"] != json!([])).await;
    sandbox.advance(Duration::from_mins(10));
    assert_eq!(waiting.await.expect("an answer"), 200);
}

fn hang(action: &str, when: When) -> Fault {
    Fault {
        action: action.to_owned(),
        when,
        effect: Effect::HangMs(600_000),
        times: 1,
        skip: 0,
        params: [].into(),
        chance: 1.0,
    }
}

/// Makes a call, and closes the connection when the sandbox has received the call.
async fn give_up_on(iam: &Caller, action: &str) {
    let known = call_log(iam).await.len();
    let call = tokio::spawn({
        let (iam, action) = (iam.clone(), action.to_owned());
        async move { iam.try_call(&action, &ROLE).await }
    });
    eventually("the call", async || call_log(iam).await.len() > known).await;
    call.abort();
    assert!(call.await.is_err(), "the call was cancelled");
}

#[tokio::test]
async fn faults_skip_calls_count_calls_and_match_parameters() {
    let (_sandbox, iam) = sandbox(SandboxConfig::default()).await;
    let fault = json!({
        "action": "GetRole", "when": "before", "do": {"error": "Throttling"},
        "times": 2, "skip": 1, "match": {"RoleName": "a"},
    });
    iam.fault(fault).await;
    let mut codes = Vec::new();
    for name in ["a", "b", "a", "b", "a", "a"] {
        codes.push(iam.role_code(name).await);
    }
    let absent = "NoSuchEntity";
    assert_eq!(
        codes,
        [absent, absent, "Throttling", absent, "Throttling", absent]
    );
}

#[tokio::test]
async fn faults_can_be_replaced_listed_and_cleared() {
    let (_sandbox, iam) = sandbox(SandboxConfig::default()).await;
    let throttled =
        json!({"action": "*", "when": "before", "do": {"error": "Throttling"}, "times": 9});
    iam.fault(throttled).await;
    assert_eq!(iam.role_code("r").await, "Throttling");
    assert_eq!(iam.get("faults").await[0]["times"], 8);
    iam.fault(json!({"action": "ListRoles", "when": "before", "do": "reset"}))
        .await;
    assert_eq!(iam.role_code("r").await, "NoSuchEntity");
    assert_eq!(iam.delete("faults").await, 204);
    iam.call("ListRoles", &[]).await.ok();
    let unknown = json!([{"action": "*", "when": "during", "do": "reset"}]);
    assert_eq!(iam.post("faults", unknown).await, 422);
}

#[tokio::test]
async fn a_fault_with_a_chance_affects_some_calls_and_not_others() {
    let (_sandbox, iam) = sandbox(SandboxConfig::default()).await;
    let fault = json!({
        "action": "GetRole", "when": "before", "do": {"error": "Throttling"},
        "times": 1_000, "chance": 0.5,
    });
    iam.fault(fault).await;
    let mut hit = 0;
    for _ in 0..100 {
        hit += usize::from(iam.role_code("r").await == "Throttling");
    }
    assert!((20..80).contains(&hit), "{hit} of 100");
}

#[tokio::test]
async fn calls_above_the_rate_are_throttled_until_the_bucket_fills() {
    let (sandbox, iam) = sandbox(SandboxConfig {
        rate: Some(2.0),
        burst: Some(3),
        ..SandboxConfig::default()
    })
    .await;
    sandbox.freeze(true);
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(iam.role_code("r").await);
    }
    assert_eq!(
        codes,
        ["NoSuchEntity", "NoSuchEntity", "NoSuchEntity", "Throttling"]
    );
    let rejected = iam.call("ListRoles", &[]).await;
    assert_eq!(
        (rejected.status, rejected.message().as_str()),
        (400, "Rate exceeded")
    );
    iam.call("GetCallerIdentity", &[]).await.ok();
    sandbox.advance(Duration::from_secs(1));
    assert_eq!(iam.role_code("r").await, "NoSuchEntity");
    assert_eq!(iam.role_code("r").await, "NoSuchEntity");
    assert_eq!(iam.role_code("r").await, "Throttling");
}

#[tokio::test]
async fn the_call_log_has_calls_in_order_with_their_parameters_and_without_secrets() {
    let (_sandbox, iam) = sandbox(SandboxConfig::default()).await;
    let secret = [("RoleName", "r"), ("X-Amz-Security-Token", "s3cret")];
    iam.call("GetRole", &secret).await;
    iam.call("ListRoles", &[("PathPrefix", "/x/")]).await.ok();
    let calls = call_log(&iam).await;
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0]["n"], 1);
    assert_eq!(calls[0]["action"], "GetRole");
    assert_eq!(calls[0]["status"], 404);
    assert_eq!(calls[0]["error"], "NoSuchEntity");
    assert_eq!(calls[0]["params"], json!({"RoleName": "r"}));
    assert_eq!(calls[0]["access_key"], ACCESS_KEY);
    assert_eq!(calls[1]["status"], 200);
    assert_eq!(calls[1]["error"], Value::Null);
    assert!(calls[0]["ended_ms"].as_u64() <= calls[1]["started_ms"].as_u64());
    let later = iam.get("calls?since=1").await;
    assert_eq!(later.as_array().map(Vec::len), Some(1));
    assert_eq!(iam.delete("calls").await, 204);
    iam.call("ListRoles", &[]).await.ok();
    let later = iam.get("calls?since=1").await;
    assert_eq!(later[0]["n"], 3, "the numbering continues");
}
