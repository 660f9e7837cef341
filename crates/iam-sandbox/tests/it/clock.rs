//! Stale reads, with a clock that the test advances.

use std::time::Duration;

use engine_roles_iam_sandbox::SandboxConfig;
use serde_json::json;

use crate::wire::{EC2_TRUST, READ_SECRETS, sandbox};

/// The maximum age of reads.
const WINDOW: Duration = Duration::from_mins(1);

fn stale() -> SandboxConfig {
    SandboxConfig {
        stale_reads: WINDOW,
        ..SandboxConfig::default()
    }
}

#[tokio::test]
async fn a_new_role_is_missing_from_reads_until_the_consistency_window_is_over() {
    let (sandbox, iam) = sandbox(stale()).await;
    sandbox.freeze(true);
    iam.create_role("r").await;
    for _ in 0..20 {
        assert_eq!(iam.role_code("r").await, "NoSuchEntity");
        assert_eq!(
            iam.call("ListRoles", &[])
                .await
                .ok()
                .count("ListRolesResult/Roles/member"),
            0
        );
    }
    iam.post("clock", json!({"advance_ms": 60_000})).await;
    for _ in 0..20 {
        assert_eq!(iam.role_code("r").await, "");
    }
}

#[tokio::test]
async fn a_deleted_role_is_read_with_its_old_id_until_the_consistency_window_is_over() {
    let (sandbox, iam) = sandbox(stale()).await;
    iam.create_role("r").await;
    sandbox.advance(WINDOW);
    sandbox.freeze(true);
    let id = "GetRoleResult/Role/RoleId";
    let old = iam.call("GetRole", &[("RoleName", "r")]).await.text(id);
    iam.call("DeleteRole", &[("RoleName", "r")]).await.ok();
    iam.create_role("r").await;
    let shown = iam
        .call("GetRole", &[("RoleName", "r")])
        .await
        .ok()
        .text(id);
    assert_eq!(shown, old);
    sandbox.advance(WINDOW);
    let shown = iam
        .call("GetRole", &[("RoleName", "r")])
        .await
        .ok()
        .text(id);
    assert!(shown.is_some() && shown != old);
}

#[tokio::test]
async fn inside_the_consistency_window_some_reads_are_stale_and_others_are_current() {
    let (sandbox, iam) = sandbox(stale()).await;
    sandbox.freeze(true);
    iam.create_role("r").await;
    sandbox.advance(Duration::from_secs(30));
    let mut seen = 0;
    for _ in 0..100 {
        seen += usize::from(iam.role_code("r").await.is_empty());
    }
    assert!((20..80).contains(&seen), "{seen} of 100");
}

#[tokio::test]
async fn a_simulation_can_be_stale_like_any_read() {
    let (sandbox, iam) = sandbox(stale()).await;
    sandbox.freeze(true);
    iam.create_role("r").await;
    let policy = [
        ("RoleName", "r"),
        ("PolicyName", "i"),
        ("PolicyDocument", READ_SECRETS),
    ];
    sandbox.advance(WINDOW);
    iam.call("PutRolePolicy", &policy).await.ok();
    let simulate = [
        ("PolicySourceArn", "arn:aws:iam::123456789012:role/r"),
        ("ActionNames.member.1", "secretsmanager:GetSecretValue"),
    ];
    for decision in ["implicitDeny", "allowed"] {
        let simulated = iam.call("SimulatePrincipalPolicy", &simulate).await.ok();
        let result = "SimulatePrincipalPolicyResult/EvaluationResults/member/EvalDecision";
        assert_eq!(simulated.texts(result), [decision]);
        sandbox.advance(WINDOW);
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_stale_reads() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (sandbox, iam) = sandbox(stale()).await;
        sandbox.freeze(true);
        iam.create_role("r").await;
        sandbox.advance(Duration::from_secs(30));
        let mut run = Vec::new();
        for _ in 0..30 {
            run.push(iam.role_code("r").await);
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn writes_use_the_current_state_even_if_reads_are_stale() {
    let (sandbox, iam) = sandbox(stale()).await;
    sandbox.freeze(true);
    iam.create_role("r").await;
    iam.create_profile("p").await;
    let policy = [
        ("RoleName", "r"),
        ("PolicyName", "i"),
        ("PolicyDocument", READ_SECRETS),
    ];
    iam.call("PutRolePolicy", &policy).await.ok();
    let pair = [("InstanceProfileName", "p"), ("RoleName", "r")];
    iam.call("AddRoleToInstanceProfile", &pair).await.ok();
    let again = [("RoleName", "R"), ("AssumeRolePolicyDocument", EC2_TRUST)];
    assert_eq!(
        iam.call("CreateRole", &again).await.code(),
        "EntityAlreadyExists"
    );
    assert_eq!(
        sandbox.state()["roles"][0]["inline"]
            .as_object()
            .map(serde_json::Map::len),
        Some(1)
    );
}

#[tokio::test]
async fn with_stale_writes_a_write_misses_a_new_resource_but_a_create_does_not() {
    let (sandbox, iam) = sandbox(SandboxConfig {
        stale_writes: true,
        ..stale()
    })
    .await;
    sandbox.freeze(true);
    iam.create_role("r").await;
    iam.create_profile("p").await;
    let policy = [
        ("RoleName", "r"),
        ("PolicyName", "i"),
        ("PolicyDocument", READ_SECRETS),
    ];
    let pair = [("InstanceProfileName", "p"), ("RoleName", "r")];
    assert_eq!(
        iam.call("PutRolePolicy", &policy).await.code(),
        "NoSuchEntity"
    );
    assert_eq!(
        iam.call("AddRoleToInstanceProfile", &pair).await.code(),
        "NoSuchEntity"
    );
    let again = [("RoleName", "R"), ("AssumeRolePolicyDocument", EC2_TRUST)];
    assert_eq!(
        iam.call("CreateRole", &again).await.code(),
        "EntityAlreadyExists"
    );
    sandbox.advance(WINDOW);
    iam.call("PutRolePolicy", &policy).await.ok();
    iam.call("AddRoleToInstanceProfile", &pair).await.ok();
}

#[tokio::test]
async fn a_new_role_in_a_profile_is_missing_from_reads_until_the_consistency_window_is_over() {
    let (sandbox, iam) = sandbox(stale()).await;
    iam.create_role("r").await;
    iam.create_profile("p").await;
    sandbox.advance(WINDOW);
    sandbox.freeze(true);
    let pair = [("InstanceProfileName", "p"), ("RoleName", "r")];
    iam.call("AddRoleToInstanceProfile", &pair).await.ok();
    let member = "GetInstanceProfileResult/InstanceProfile/Roles/member";
    let profile = [("InstanceProfileName", "p")];
    let seen = iam
        .call("GetInstanceProfile", &profile)
        .await
        .ok()
        .count(member);
    assert_eq!(seen, 0);
    sandbox.advance(WINDOW);
    let seen = iam
        .call("GetInstanceProfile", &profile)
        .await
        .ok()
        .count(member);
    assert_eq!(seen, 1);
}

#[tokio::test]
async fn a_frozen_clock_stands_still_and_advances_only_on_request() {
    let (_sandbox, iam) = sandbox(SandboxConfig::default()).await;
    iam.post("clock", json!({"freeze": true})).await;
    let before = iam.get("clock").await;
    iam.post("clock", json!({"advance_ms": 5_000})).await;
    let after = iam.get("clock").await;
    let moved = after["now_ms"].as_u64().zip(before["now_ms"].as_u64());
    assert_eq!(moved.map(|(after, before)| after - before), Some(5_000));
    assert_eq!(after["frozen"], true);
    assert_eq!(iam.post("clock", json!({"forward": 1})).await, 422);
}
