//! A role of a cluster's own.

use engine_roles_e2e::{Installation, stages_of};
use serde_json::{Value, json};

#[tokio::test]
async fn creating_takes_four_calls_in_two_stages() {
    let installation = Installation::build().latency(200).start().await;
    let since = installation.mark();
    installation
        .client()
        .provision("pipeline-7")
        .await
        .expect(201);
    assert_eq!(
        stages_of(&installation.iam_calls(since)),
        [
            ["CreateInstanceProfile", "CreateRole"],
            ["AddRoleToInstanceProfile", "PutRolePolicy"],
        ]
    );
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_created_role_is_verified_after_the_consistency_window_without_changes() {
    let installation = Installation::start().await;
    let client = installation.client();
    let created = client.provision("pipeline-7").await;
    assert_eq!(created.expect(201)["verified_at"], Value::Null);
    let since = installation.mark();
    let binding = installation.is_verified_in_time("pipeline-7").await;
    let read = installation.iam_calls(since);
    for action in ["GetInstanceProfile", "GetRole", "GetRolePolicy"] {
        assert!(read.iter().any(|call| call.action == action), "{action}");
    }
    assert_eq!(installation.mutations(since).len(), 0);
    assert_eq!(binding["generation"], 1);
    assert_eq!(binding["drift"], json!([]));
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_answer_shows_the_created_role_as_iam_has_it() {
    let installation = Installation::start().await;
    let answer = installation
        .client()
        .provision("chct3mqng4af2ckkv3jg")
        .await;
    let binding = answer.expect(201);
    let etag = answer.header("etag").unwrap_or_default();
    assert!(etag.starts_with("\"1-"), "{etag}");
    let name = binding["role"]["name"]
        .as_str()
        .expect("the role has a name");
    let role = installation.role(name).expect("IAM has the resource");
    let profile = installation
        .instance_profile(name)
        .expect("IAM has the resource");
    for field in ["name", "arn", "id", "path"] {
        assert_eq!(binding["role"][field], role[field], "{field}");
    }
    for field in ["name", "arn", "id"] {
        assert_eq!(binding["instance_profile"][field], profile[field]);
    }
    assert_eq!(binding["instance_profile"]["managed"], true);
    assert_eq!(binding["policy"], role["inline"]["engine-access"]);
    for (field, value) in [
        ("cluster", json!("chct3mqng4af2ckkv3jg")),
        ("state", json!("active")),
        ("mode", json!("create")),
        ("generation", json!(1)),
        ("applied_generation", json!(1)),
        ("account_id", json!("123456789012")),
        ("partition", json!("aws")),
        ("drift", json!([])),
        ("last_error", Value::Null),
        ("receipt", Value::Null),
    ] {
        assert_eq!(binding[field], value, "{field}");
    }
    assert!(binding["usable_after"].is_string());
    assert_eq!(
        installation.client().get("chct3mqng4af2ckkv3jg").await.body,
        *binding
    );
    installation.assert_sound().await;
}

#[tokio::test]
async fn trust_path_tags_and_policy_are_as_documented() {
    let installation = Installation::build()
        .env("ENGINE_ROLES_NAMESPACE", "blue")
        .env("ENGINE_ROLES_RESOURCE_TAGS", "team=x,cost-center=7 8")
        .start()
        .await;
    let answer = installation.client().provision("Pipeline_7").await;
    let binding = answer.expect(201);
    let name = binding["role"]["name"]
        .as_str()
        .expect("the role has a name");
    let role = installation.role(name).expect("IAM has the resource");
    assert_eq!(role["path"], "/ai-unlimited/engine/blue/");
    let trust = &role["trust"]["Statement"][0];
    assert_eq!(trust["Principal"], json!({"Service": "ec2.amazonaws.com"}));
    assert_eq!(trust["Action"], "sts:AssumeRole");
    assert_eq!(trust["Effect"], "Allow");
    assert_eq!(role["trust"]["Statement"].as_array().map(Vec::len), Some(1));
    let tags = json!({
        "ai-unlimited:managed-by": "engine-roles",
        "ai-unlimited:namespace": "blue",
        "ai-unlimited:cluster": "Pipeline_7",
        "ai-unlimited:binding-id": binding["binding_id"],
        "team": "x",
        "cost-center": "7 8",
    });
    assert_eq!(role["tags"], tags);
    let profile = installation
        .instance_profile(name)
        .expect("IAM has the resource");
    assert_eq!(profile["tags"], tags);
    assert_eq!(profile["path"], "/ai-unlimited/engine/blue/");
    assert_eq!(profile["roles"], json!([name]));
    installation.assert_sound().await;
}

#[tokio::test]
async fn named_secrets_are_granted_with_six_wildcards_and_all_secrets_with_a_star() {
    let installation = Installation::start().await;
    let client = installation.client();
    let below = "arn:aws:secretsmanager:us-west-2:123456789012:secret:compute-engine";
    let named = json!({"secrets": ["password", "tls/key.pem"]});
    let answer = client.put("one", named).await;
    let statement = &answer.expect(201)["policy"]["Statement"][0];
    assert_eq!(statement["Action"], "secretsmanager:GetSecretValue");
    assert_eq!(
        statement["Resource"],
        json!([
            format!("{below}/one/password-??????"),
            format!("{below}/one/tls/key.pem-??????"),
        ])
    );
    for body in [json!({"secrets": "all"}), json!({})] {
        let cluster = if body == json!({}) { "three" } else { "two" };
        let answer = client.put(cluster, body).await;
        let statement = &answer.expect(201)["policy"]["Statement"][0];
        assert_eq!(statement["Resource"], format!("{below}/{cluster}/*"));
    }
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_secret_name_that_looks_like_an_arn_suffix_is_used_as_a_name() {
    let installation = Installation::start().await;
    let secrets = json!({"secrets": ["db-abc123"]});
    let plan = installation.client().plan("one", secrets.clone()).await;
    let warnings = plan.expect(200)["warnings"].to_string();
    assert!(warnings.contains("db-abc123"), "{warnings}");
    let answer = installation.client().put("one", secrets).await;
    let resource = answer.expect(201)["policy"]["Statement"][0]["Resource"].to_string();
    assert!(resource.contains("/db-abc123-??????"), "{resource}");
    installation.assert_sound().await;
}

#[tokio::test]
async fn session_manager_takes_no_additional_call() {
    let installation = Installation::start().await;
    let since = installation.mark();
    let body = json!({"session_manager": true});
    let answer = installation.client().put("one", body).await;
    let policy = answer.expect(201)["policy"].to_string();
    assert!(policy.contains("ssmmessages:OpenDataChannel"), "{policy}");
    assert_eq!(installation.iam_calls(since).len(), 4);
    installation.assert_sound().await;
}

#[tokio::test]
async fn role_names_fit_into_64_characters_and_differ_for_all_cluster_names() {
    let installation = Installation::build()
        .env("ENGINE_ROLES_ROLE_PREFIX", "a".repeat(30))
        .start()
        .await;
    let client = installation.client();
    let long = "x".repeat(63);
    let (lower, upper) = ("pipeline", "PIPELINE");
    let almost = format!("{}y", &long[..62]);
    let mut names = Vec::new();
    for cluster in [long.as_str(), almost.as_str(), lower, upper] {
        let answer = client.provision(cluster).await;
        let name = answer.expect(201)["role"]["name"].clone();
        let name = name.as_str().expect("the role has a name").to_lowercase();
        assert!(name.len() <= 64, "{name}");
        let hash = name.rsplit('-').next().unwrap_or_default();
        assert_eq!(hash.len(), 16, "{name}");
        let base32 = |c: char| c.is_ascii_lowercase() || ('2'..='7').contains(&c);
        assert!(hash.chars().all(base32), "{name}");
        assert!(name.starts_with(&"a".repeat(30)), "{name}");
        assert!(!names.contains(&name), "{name} twice");
        names.push(name);
    }
    installation.assert_sound().await;
}

#[tokio::test]
async fn prefix_region_and_boundary_come_from_the_request_if_it_names_them() {
    let boundary = "arn:aws:iam::123456789012:policy/engine-boundary";
    let installation = Installation::build()
        .env("ENGINE_ROLES_ALLOWED_BOUNDARIES", boundary)
        .env("ENGINE_ROLES_ROLE_PREFIX", "")
        .start()
        .await;
    installation
        .administrator
        .prepare_policy("engine-boundary")
        .await;
    let body = json!({
        "mode": "create",
        "role_prefix": "td-",
        "region": "eu-central-1",
        "permissions_boundary": boundary,
        "tags": {"Owner": "data.team@example.com"},
    });
    let answer = installation.client().put("one", body).await;
    let binding = answer.expect(201);
    let name = binding["role"]["name"]
        .as_str()
        .expect("the role has a name");
    assert!(name.starts_with("td-one-"), "{name}");
    let role = installation.role(name).expect("IAM has the resource");
    assert_eq!(role["boundary"], boundary);
    let resource = binding["policy"]["Statement"][0]["Resource"].to_string();
    assert!(resource.contains(":eu-central-1:"), "{resource}");
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_default_boundary_is_set_on_every_created_role() {
    let boundary = "arn:aws:iam::123456789012:policy/engine-boundary";
    let installation = Installation::build()
        .env("ENGINE_ROLES_PERMISSIONS_BOUNDARY", boundary)
        .start()
        .await;
    installation
        .administrator
        .prepare_policy("engine-boundary")
        .await;
    let answer = installation.client().provision("one").await;
    let name = answer.expect(201)["role"]["name"].clone();
    let role = installation.role(name.as_str().expect("the role has a name"));
    assert_eq!(role.expect("IAM has the resource")["boundary"], boundary);
    let again = json!({"permissions_boundary": boundary});
    installation.client().put("two", again).await.expect(201);
    installation.assert_sound().await;
}

#[tokio::test]
async fn in_china_the_partition_and_the_trusted_principal_are_those_of_aws_cn() {
    let installation = Installation::build()
        .env("AWS_REGION", "cn-north-1")
        .sandbox(|sandbox| sandbox.partition = "aws-cn".to_owned())
        .start()
        .await;
    let answer = installation.client().provision("one").await;
    let binding = answer.expect(201);
    assert_eq!(binding["partition"], "aws-cn");
    let name = binding["role"]["name"]
        .as_str()
        .expect("the role has a name");
    let role = installation.role(name).expect("IAM has the resource");
    assert_eq!(
        role["trust"]["Statement"][0]["Principal"],
        json!({"Service": "ec2.amazonaws.com.cn"})
    );
    let arn = role["arn"].as_str().expect("the role has an ARN");
    assert!(arn.starts_with("arn:aws-cn:iam::123456789012:role/ai-unlimited/engine/default/"));
    let resource = binding["policy"]["Statement"][0]["Resource"].to_string();
    assert!(
        resource.contains("arn:aws-cn:secretsmanager:cn-north-1:"),
        "{resource}"
    );
    installation.assert_sound().await;
}
