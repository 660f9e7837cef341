//! Tests of the checker: it finds each kind of breach.

use engine_roles_e2e::Installation;
use engine_roles_e2e::checker::Checker;

/// Starts an installation with an active role, a pass-through role and a torn-down role. Returns the
/// name of the first.
async fn installation() -> (Installation, String) {
    let installation = Installation::build()
        .allowed_everything()
        .prepared("prepared")
        .start()
        .await;
    let client = installation.client();
    let created = client.provision("one").await.expect(201).clone();
    let passed = serde_json::json!({"mode": "pass_through", "iam_role": "prepared"});
    client.put("two", passed).await.expect(201);
    client.provision("three").await.expect(201);
    client.delete("three").await.expect(200);
    installation.assert_sound().await;
    let name = created["role"]["name"]
        .as_str()
        .expect("the role has a name");
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
async fn a_resource_under_our_path_without_a_binding_is_a_breach() {
    let (installation, _) = installation().await;
    let path = "/ai-unlimited/engine/default/";
    let profile = [("InstanceProfileName", "without-binding"), ("Path", path)];
    let administrator = &installation.administrator;
    administrator.call("CreateInstanceProfile", &profile).await;
    assert_breaks(&installation, '1', "without-binding").await;
}

#[tokio::test]
async fn a_resource_of_a_finished_incarnation_is_a_breach() {
    let (installation, name) = installation().await;
    let over = "UPDATE bindings SET live = false, state = 'deleted' WHERE cluster = 'one'";
    installation.database.execute(over).await;
    assert_breaks(&installation, '1', &name).await;
    assert_breaks(&installation, '3', "one").await;
    assert_breaks(&installation, '4', "the state is deleted").await;
}

#[tokio::test]
async fn every_difference_at_iam_is_a_breach() {
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
    let arn = installation.administrator.prepare_policy("other").await;
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
            "the instance profile does not exist",
        ),
    ];
    for (action, parameters, what) in changes {
        installation.administrator.call(action, &parameters).await;
        assert_breaks(&installation, '2', what).await;
    }
}

#[tokio::test]
async fn a_lost_acknowledged_request_is_a_breach() {
    let (installation, _) = installation().await;
    let back = "UPDATE bindings SET generation = 0 WHERE cluster = 'one'";
    installation.database.execute(back).await;
    assert_breaks(&installation, '3', "went back").await;
}

#[tokio::test]
async fn a_change_of_state_without_its_event_is_a_breach() {
    let (installation, _) = installation().await;
    let silent = "UPDATE bindings SET state = 'provisioning' WHERE cluster = 'two'";
    installation.database.execute(silent).await;
    assert_breaks(&installation, '4', "the log left it").await;
}

#[tokio::test]
async fn an_event_without_its_change_of_state_is_a_breach() {
    let (installation, _) = installation().await;
    installation.events_are_numbered().await;
    let again = "INSERT INTO audit_pending (id, at, namespace, cluster, binding_id, generation,
                     action, actor, from_state, to_state, detail)
                 SELECT gen_random_uuid(), service_now(), namespace, cluster, binding_id,
                     generation, action, actor, from_state, to_state, detail
                 FROM audit_events WHERE cluster = 'one' AND action = 'provisioned'";
    installation.database.execute(again).await;
    assert_breaks(&installation, '4', "2 times").await;
}

#[tokio::test]
async fn a_change_at_iam_without_an_intent_is_a_breach() {
    let (installation, name) = installation().await;
    let service = installation.administrator.with_the_services_key();
    let own = [("RoleName", name.as_str()), ("PolicyName", "engine-access")];
    service.call("DeleteRolePolicy", &own).await;
    assert_breaks(&installation, '5', "DeleteRolePolicy").await;
}

#[tokio::test]
async fn a_call_that_changes_a_foreign_resource_is_a_breach() {
    let (installation, name) = installation().await;
    // The least-privilege policy would deny the calls.
    let policy = serde_json::Value::Null;
    installation
        .administrator
        .control_sandbox("identity-policy", policy)
        .await;
    let service = installation.administrator.with_the_services_key();
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

#[tokio::test]
async fn a_count_or_a_list_that_differs_from_the_bindings_is_a_breach() {
    let (installation, _) = installation().await;
    let database = &installation.database;
    let wrong = "UPDATE binding_counts SET count = count + 1;
                 INSERT INTO binding_count_changes SELECT * FROM binding_count_changes LIMIT 1";
    database.execute(wrong).await;
    assert_breaks(&installation, '7', "the count of").await;
    database
        .execute("UPDATE bindings SET newest = false WHERE cluster = 'two'")
        .await;
    assert_breaks(&installation, '7', "cluster two").await;
}
