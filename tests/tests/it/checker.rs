//! The checker itself: it sees each kind of breach.

use engine_roles_e2e::Installation;
use engine_roles_e2e::checker::Checker;

/// An installation with an active role, a passed one and one that is gone, and the first one's
/// name.
async fn installation() -> (Installation, String) {
    let installation = Installation::build()
        .almighty()
        .prepared("prepared")
        .start()
        .await;
    let client = installation.client();
    let made = client.provision("one").await.expect(201).clone();
    let passed = serde_json::json!({"mode": "pass_through", "iam_role": "prepared"});
    client.put("two", passed).await.expect(201);
    client.provision("three").await.expect(201);
    client.delete("three").await.expect(200);
    installation.assert_sound().await;
    let name = made["role"]["name"].as_str().expect("it has a name");
    let name = name.to_owned();
    (installation, name)
}

async fn assert_breaks(installation: &Installation, invariant: char, what: &str) {
    let breaches = Checker::read(installation).await.breaches();
    let found = breaches
        .iter()
        .any(|breach| breach.starts_with(invariant) && breach.contains(what));
    assert!(found, "no breach of {invariant} has {what}: {breaches:#?}");
}

#[tokio::test]
async fn a_resource_under_our_path_that_is_nobodys_is_seen() {
    let (installation, _) = installation().await;
    let path = "/ai-unlimited/engine/default/";
    let profile = [("InstanceProfileName", "nobodys"), ("Path", path)];
    let administrator = &installation.administrator;
    administrator.call("CreateInstanceProfile", &profile).await;
    assert_breaks(&installation, '1', "nobodys").await;
}

#[tokio::test]
async fn what_is_there_after_its_life_is_seen() {
    let (installation, name) = installation().await;
    let over = "UPDATE bindings SET live = false, state = 'deleted' WHERE cluster = 'one'";
    installation.database.execute(over).await;
    assert_breaks(&installation, '1', &name).await;
    assert_breaks(&installation, '3', "one").await;
    assert_breaks(&installation, '4', "it is deleted").await;
}

#[tokio::test]
async fn whatever_differs_at_iam_is_seen() {
    let deny =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
    let other_trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let (installation, name) = installation().await;
    let role = ("RoleName", name.as_str());
    let profile = ("InstanceProfileName", name.as_str());
    let (key, value) = (
        ("Tags.member.1.Key", "ai-unlimited:cluster"),
        ("Tags.member.1.Value", "another"),
    );
    let arn = installation.administrator.prepare_policy("extra").await;
    let own = ("PolicyName", "engine-access");
    let changes = [
        ("TagRole", vec![role, key, value], "the role's tags"),
        (
            "TagInstanceProfile",
            vec![profile, key, value],
            "profile's tags",
        ),
        (
            "AttachRolePolicy",
            vec![role, ("PolicyArn", &arn)],
            "attached",
        ),
        (
            "PutRolePermissionsBoundary",
            vec![role, ("PermissionsBoundary", &arn)],
            "the boundary",
        ),
        (
            "UpdateAssumeRolePolicy",
            vec![role, ("PolicyDocument", other_trust)],
            "the trust policy",
        ),
        (
            "PutRolePolicy",
            vec![role, own, ("PolicyDocument", deny)],
            "the inline policy",
        ),
        (
            "PutRolePolicy",
            vec![role, ("PolicyName", "theirs"), ("PolicyDocument", deny)],
            "inline policies",
        ),
        (
            "RemoveRoleFromInstanceProfile",
            vec![role, profile],
            "profile's role",
        ),
        (
            "DeleteInstanceProfile",
            vec![profile],
            "no instance profile",
        ),
    ];
    for (action, parameters, what) in changes {
        installation.administrator.call(action, &parameters).await;
        assert_breaks(&installation, '2', what).await;
    }
}

#[tokio::test]
async fn a_promise_that_was_forgotten_is_seen() {
    let (installation, _) = installation().await;
    let back = "UPDATE bindings SET generation = 0 WHERE cluster = 'one'";
    installation.database.execute(back).await;
    assert_breaks(&installation, '3', "went back").await;
}

#[tokio::test]
async fn a_change_of_state_without_its_event_is_seen() {
    let (installation, _) = installation().await;
    let silent = "UPDATE bindings SET state = 'provisioning' WHERE cluster = 'two'";
    installation.database.execute(silent).await;
    assert_breaks(&installation, '4', "the log left it").await;
}

#[tokio::test]
async fn an_event_too_many_is_seen() {
    let (installation, _) = installation().await;
    let again = "INSERT INTO audit_events (id, at, namespace, cluster, binding_id, generation,
                     action, actor, from_state, to_state, detail)
                 SELECT gen_random_uuid(), service_now(), namespace, cluster, binding_id,
                     generation, action, actor, from_state, to_state, detail
                 FROM audit_events WHERE cluster = 'one' AND action = 'provisioned'";
    installation.database.execute(again).await;
    assert_breaks(&installation, '4', "2 times").await;
}

#[tokio::test]
async fn a_change_at_iam_that_nobody_intended_is_seen() {
    let (installation, name) = installation().await;
    let service = installation.administrator.posing_as_the_service();
    let own = [("RoleName", name.as_str()), ("PolicyName", "engine-access")];
    service.call("DeleteRolePolicy", &own).await;
    assert_breaks(&installation, '5', "DeleteRolePolicy").await;
}

#[tokio::test]
async fn a_hand_on_what_is_not_ours_is_seen() {
    let (installation, name) = installation().await;
    // The least that it needs would not let it.
    let policy = serde_json::Value::Null;
    installation
        .administrator
        .steer("identity-policy", policy)
        .await;
    let service = installation.administrator.posing_as_the_service();
    let tag = [
        ("RoleName", "prepared"),
        ("Tags.member.1.Key", "x"),
        ("Tags.member.1.Value", "y"),
    ];
    service.call("TagRole", &tag).await;
    assert_breaks(&installation, '6', "TagRole").await;
    let out = [("RoleName", name.as_str()), ("InstanceProfileName", &name)];
    service.call("RemoveRoleFromInstanceProfile", &out).await;
    let other = [("RoleName", "prepared"), ("InstanceProfileName", &name)];
    service.call("AddRoleToInstanceProfile", &other).await;
    assert_breaks(&installation, '6', "is about role prepared").await;
}
