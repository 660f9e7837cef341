//! The heaviest role that IAM allows delays no other request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use engine_roles_e2e::{Installation, InstallationBuilder};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Returns a document of nearly this many characters without white space, with many statements.
fn document_of(characters: usize, name: &str) -> Value {
    let mut statements = Vec::new();
    loop {
        let number = statements.len();
        let statement = json!({
            "Effect": "Allow",
            "Action": [format!("s3:Get{name}{number}"), format!("ec2:Describe{name}{number}*")],
            "Resource": format!("arn:aws:s3:::{name}-{number}-*/data"),
            "Condition": {"StringLike": {"aws:PrincipalTag/team": format!("{name}{number}*")}},
        });
        statements.push(statement);
        let document = json!({"Version": "2012-10-17", "Statement": statements});
        if document.to_string().len() > characters {
            statements.pop();
            return json!({"Version": "2012-10-17", "Statement": statements});
        }
    }
}

/// Gives a prepared role a full inline policy, ten full managed policies and a full boundary.
fn with_a_full_role(builder: InstallationBuilder, role: &str) -> InstallationBuilder {
    let role = ("RoleName", role);
    // The role has an inline policy already, and IAM's limit is on all of them together.
    let inline = document_of(9_800, "inline").to_string();
    let inline = [role, ("PolicyName", "full"), ("PolicyDocument", &inline)];
    let mut builder = builder.administrators_call("PutRolePolicy", &inline);
    let names = (0..10).map(|number| format!("managed{number}"));
    for name in names.chain(["boundary".to_owned()]) {
        let document = document_of(6_144, &name).to_string();
        let arn = format!("arn:aws:iam::123456789012:policy/{name}");
        let policy = [("PolicyName", name.as_str()), ("PolicyDocument", &document)];
        builder = builder.administrators_call("CreatePolicy", &policy);
        builder = if name == "boundary" {
            let bounded = [role, ("PermissionsBoundary", arn.as_str())];
            builder.administrators_call("PutRolePermissionsBoundary", &bounded)
        } else {
            let attached = [role, ("PolicyArn", arn.as_str())];
            builder.administrators_call("AttachRolePolicy", &attached)
        };
    }
    builder
}

async fn fastest_put(installation: &Installation, name: &str) -> Duration {
    let client = installation.client();
    let mut fastest = Duration::MAX;
    for number in 0..40 {
        let started = Instant::now();
        let answer = client.provision(&format!("{name}-{number}")).await;
        fastest = fastest.min(started.elapsed());
        answer.expect(201);
    }
    fastest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_takes_no_longer_beside_many_callers_who_list_a_heavy_role() {
    let builder = Installation::build()
        .rarely_checked()
        .prepared("engine")
        .env("ENGINE_ROLES_CALL_RATE", "1000")
        .env("ENGINE_ROLES_CALL_BURST", "1000");
    let installation = with_a_full_role(builder, "engine").start().await;
    let client = installation.client();
    let attested = installation
        .in_time_until("the heavy role is attested", async || {
            let answer = client.fetch("/v1/pass-through-roles").await;
            let role = answer.expect(200)["items"][0].clone();
            role["boundary"].is_string().then_some(role)
        })
        .await;
    assert_eq!(attested["unread"], Value::Null, "{attested:#}");
    let alone = fastest_put(&installation, "alone").await;
    // The callers have threads of their own, and do not examine what they read.
    let listed = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let (client, listed) = (client.clone(), Arc::clone(&listed));
        callers.spawn(async move {
            loop {
                let request = client.request(Method::GET, "/v1/pass-through-roles");
                let answer = request.send().await.expect("an answer");
                assert_eq!(answer.status(), 200);
                answer.bytes().await.expect("a body");
                listed.fetch_add(1, Ordering::Relaxed);
                // Without a pause, the callers would only use up the processors.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    let beside = fastest_put(&installation, "beside").await;
    let ended = callers.try_join_next();
    assert!(ended.is_none(), "no caller ends: {ended:?}");
    let listed = listed.load(Ordering::Relaxed);
    assert!(listed >= 20, "{listed} answers beside the PUTs");
    // A ratio of two measurements in one run. An evaluation for each answer would hold the two workers
    // for many times as long.
    assert!(
        beside <= alone * 2 + Duration::from_millis(50),
        "{beside:?} beside {listed} answers, {alone:?} alone"
    );
}
