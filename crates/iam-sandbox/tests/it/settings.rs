//! Configuration and control of a sandbox.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use engine_roles_iam_sandbox::{PolicyLayer, Quotas, Sandbox, SandboxConfig, SandboxError};
use serde_json::json;

use crate::wire::{Caller, EC2_TRUST, eventually, sandbox};

#[tokio::test]
async fn quotas_of_roles_and_profiles_count_existing_resources() {
    let quotas = Quotas {
        roles: 2,
        instance_profiles: 1,
        policies: 1,
    };
    let (_sandbox, iam) = sandbox(SandboxConfig {
        quotas,
        ..SandboxConfig::default()
    })
    .await;
    iam.create_role("a").await;
    iam.create_role("b").await;
    let third = [("RoleName", "c"), ("AssumeRolePolicyDocument", EC2_TRUST)];
    let rejected = iam.call("CreateRole", &third).await;
    assert_eq!(
        (rejected.status, rejected.code().as_str()),
        (409, "LimitExceeded")
    );
    assert_eq!(
        rejected.message(),
        "Cannot exceed quota for RolesPerAccount: 2"
    );
    iam.call("DeleteRole", &[("RoleName", "a")]).await.ok();
    iam.call("CreateRole", &third).await.ok();

    iam.create_profile("p").await;
    let second = [("InstanceProfileName", "q")];
    let rejected = iam.call("CreateInstanceProfile", &second).await;
    assert_eq!(
        rejected.message(),
        "Cannot exceed quota for InstanceProfilesPerAccount: 1"
    );

    let summary = iam.call("GetAccountSummary", &[]).await.ok();
    let entry = "GetAccountSummaryResult/SummaryMap/entry";
    let keys = summary.texts(&format!("{entry}/key"));
    let values = summary.texts(&format!("{entry}/value"));
    let value = |key| keys.iter().zip(&values).find(|(known, _)| *known == key);
    assert_eq!(value("Roles").map(|(_, value)| value.as_str()), Some("2"));
    assert_eq!(
        value("RolesQuota").map(|(_, value)| value.as_str()),
        Some("2")
    );
}

#[tokio::test]
async fn every_call_takes_the_configured_latency() {
    let latency = Duration::from_millis(30);
    let (sandbox, iam) = sandbox(SandboxConfig {
        latency,
        ..SandboxConfig::default()
    })
    .await;
    iam.call("ListRoles", &[]).await.ok();
    let call = &sandbox.calls(0)[0];
    let took = call.ended_ms.map(|ended| ended - call.started_ms);
    assert!(took >= Some(29), "{took:?} ms");
}

#[tokio::test]
async fn the_behaviour_can_be_changed_while_the_sandbox_runs() {
    let (sandbox, iam) = sandbox(SandboxConfig::default()).await;
    sandbox.freeze(true);
    let behaviour = json!({"stale_reads_ms": 1_000, "quota": "roles=1", "rate": 1, "burst": 2});
    assert_eq!(iam.post("behaviour", behaviour).await, 204);
    iam.create_role("a").await;
    assert_eq!(iam.role_code("a").await, "NoSuchEntity");
    assert_eq!(iam.role_code("a").await, "Throttling");
    let open = json!({"stale_reads_ms": 0, "rate": 0});
    assert_eq!(iam.post("behaviour", open).await, 204);
    assert_eq!(iam.role_code("a").await, "");
    let second = [("RoleName", "b"), ("AssumeRolePolicyDocument", EC2_TRUST)];
    assert_eq!(
        iam.call("CreateRole", &second).await.code(),
        "LimitExceeded"
    );
    assert_eq!(
        iam.post("behaviour", json!({"quota": "users=1"})).await,
        422
    );
}

#[tokio::test]
async fn another_account_is_empty_and_the_state_of_the_first_one_is_kept() {
    let (_sandbox, iam) = sandbox(SandboxConfig::default()).await;
    iam.create_role("r").await;
    assert_eq!(
        iam.post("account", json!({"account_id": "210987654321"}))
            .await,
        204
    );
    assert_eq!(iam.role_code("r").await, "NoSuchEntity");
    let identity = iam.call("GetCallerIdentity", &[]).await.ok();
    let arn = "GetCallerIdentityResult/Arn";
    let expected = "arn:aws:sts::210987654321:assumed-role/engine-roles-service/session";
    assert_eq!(identity.text(arn).as_deref(), Some(expected));
    let account = identity.text("GetCallerIdentityResult/Account");
    assert_eq!(account.as_deref(), Some("210987654321"));
    iam.create_role("s").await;
    iam.create_profile("s").await;
    let role = iam.call("GetRole", &[("RoleName", "s")]).await.ok();
    assert_eq!(
        role.text("GetRoleResult/Role/Arn").as_deref(),
        Some("arn:aws:iam::210987654321:role/s")
    );
    let profile = [("InstanceProfileName", "s"), ("RoleName", "s")];
    iam.call("AddRoleToInstanceProfile", &profile).await.ok();
    let profile = iam.call("GetInstanceProfile", &profile[..1]).await.ok();
    let path = "GetInstanceProfileResult/InstanceProfile";
    assert_eq!(
        profile.texts(&format!("{path}/Arn")),
        ["arn:aws:iam::210987654321:instance-profile/s"]
    );
    assert_eq!(
        profile.texts(&format!("{path}/Roles/member/Arn")),
        ["arn:aws:iam::210987654321:role/s"]
    );
    assert_eq!(
        iam.post("account", json!({"account_id": "123456789012"}))
            .await,
        204
    );
    assert_eq!(iam.role_code("r").await, "");
    assert_eq!(iam.role_code("s").await, "NoSuchEntity");
    assert_eq!(iam.post("account", json!({"account_id": "1"})).await, 422);
}

#[tokio::test]
async fn every_arn_has_the_configured_partition() {
    let (_sandbox, iam) = sandbox(SandboxConfig {
        partition: "aws-cn".to_owned(),
        ..SandboxConfig::default()
    })
    .await;
    let iam = iam.in_region("cn-north-1");
    iam.create_role("r").await;
    let role = iam.call("GetRole", &[("RoleName", "r")]).await.ok();
    let expected = "arn:aws-cn:iam::123456789012:role/r";
    assert_eq!(
        role.text("GetRoleResult/Role/Arn").as_deref(),
        Some(expected)
    );
    let managed = "arn:aws-cn:iam::aws:policy/ReadOnlyAccess";
    let attach = [("RoleName", "r"), ("PolicyArn", managed)];
    iam.call("AttachRolePolicy", &attach).await.ok();
}

#[test]
fn the_program_prints_its_address_and_ends_on_sigterm() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_engine-roles-iam-sandbox"))
        .args([
            "--listen",
            "127.0.0.1:0",
            "--latency",
            "1ms",
            "--quota",
            "roles=3",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut address = String::new();
    let out = program.stdout.take().expect("a pipe");
    BufReader::new(out).read_line(&mut address).expect("a line");
    let address = address.trim().strip_prefix("http://").expect("a URL");
    TcpStream::connect(address).expect("the sandbox listens there");
    let id = program.id().to_string();
    let told = Command::new("kill").args(["-TERM", &id]).status();
    assert!(told.is_ok_and(|told| told.success()));
    assert!(program.wait().is_ok_and(|status| status.success()));
}

#[tokio::test]
async fn reset_deletes_everything() {
    let (sandbox, iam) = sandbox(SandboxConfig::default()).await;
    iam.create_role("r").await;
    iam.create_profile("p").await;
    iam.fault(json!({"action": "*", "when": "before", "do": "reset"}))
        .await;
    iam.post("credentials", json!({"valid": []})).await;
    assert_eq!(iam.post("reset", json!(null)).await, 204);
    let empty = json!({"roles": [], "instance_profiles": [], "policies": []});
    assert_eq!(iam.get("state").await, empty);
    assert!(sandbox.calls(0).is_empty());
    assert_eq!(iam.role_code("r").await, "NoSuchEntity");
}

#[tokio::test]
async fn a_stopped_sandbox_resets_its_connections_and_releases_its_address() {
    let (sandbox, iam) = sandbox(SandboxConfig::default()).await;
    let listen = sandbox.address();
    iam.fault(json!({"action": "*", "when": "before", "do": {"hang_ms": 600_000}}))
        .await;
    let waiting = tokio::spawn({
        let iam = iam.clone();
        async move { iam.try_call("ListRoles", &[]).await }
    });
    eventually("the call", async || !sandbox.calls(0).is_empty()).await;
    sandbox.stop().await;
    assert!(waiting.await.expect("no panic").is_err());
    let again = SandboxConfig {
        listen,
        ..SandboxConfig::default()
    };
    let again = Sandbox::start(again).await.expect("the address is free");
    Caller::new(&again.endpoint())
        .call("ListRoles", &[])
        .await
        .ok();
}

#[tokio::test]
async fn an_invalid_identity_policy_is_rejected_at_the_start_and_later() {
    let config = SandboxConfig {
        identity_policy: Some(json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]})),
        ..SandboxConfig::default()
    };
    let rejected = Sandbox::start(config).await.err();
    let Some(SandboxError::Policy { layer, .. }) = rejected else {
        panic!("the identity policy is accepted");
    };
    assert_eq!(layer, PolicyLayer::Identity);
    let (_sandbox, iam) = sandbox(SandboxConfig::default()).await;
    assert_eq!(
        iam.post("identity-policy", json!({"Statement": []})).await,
        422
    );
    assert_eq!(iam.post("identity-policy", json!(null)).await, 204);
}

#[tokio::test]
async fn a_state_can_be_restored_in_another_sandbox() {
    let (first, iam) = sandbox(SandboxConfig::default()).await;
    iam.create_role("r").await;
    iam.create_profile("p").await;
    let role = ("RoleName", "r");
    let (tag, value) = (("Tags.member.1.Key", "Team"), ("Tags.member.1.Value", "1"));
    iam.call("TagRole", &[role, tag, value]).await.ok();
    let inline = ("PolicyDocument", crate::wire::READ_SECRETS);
    let policy = [role, ("PolicyName", "i"), inline];
    iam.call("PutRolePolicy", &policy).await.ok();
    let own = [("PolicyName", "own"), ("Path", "/team/"), inline];
    iam.call("CreatePolicy", &own).await.ok();
    let arn = ("PolicyArn", "arn:aws:iam::123456789012:policy/team/own");
    iam.call("AttachRolePolicy", &[role, arn]).await.ok();
    let member = [("InstanceProfileName", "p"), role];
    iam.call("AddRoleToInstanceProfile", &member).await.ok();
    let state = first.state();
    let (second, iam) = sandbox(SandboxConfig::default()).await;
    second.restore(&state);
    assert_eq!(second.state(), state);
    iam.call("GetRole", &[role]).await.ok();
    let conflict = iam.call("DeleteRole", &[role]).await;
    assert_eq!(conflict.code(), "DeleteConflict");
}
