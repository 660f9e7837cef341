//! What others do to our roles by hand: found, named, and put right where it is ours.

use engine_roles_e2e::{Installation, eventually};
use serde_json::{Value, json};

const OTHER_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}"#;
const CUT_OFF: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
const OTHER_TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const ENGINE_TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// An installation with one verified role; its name.
async fn with_one_role() -> (Installation, String) {
    let installation = Installation::start().await;
    let body = json!({"tags": {"team": "x"}});
    let made = installation.client().put("one", body).await;
    let name = made.expect(201)["role"]["name"].as_str().map(str::to_owned);
    installation.is_verified_in_time("one").await;
    (installation, name.expect("it has a name"))
}

impl Hand<'_> {
    async fn call(&self, action: &str, parameters: &[(&str, &str)]) {
        self.0.administrator.call(action, parameters).await;
    }
}

/// Somebody's hand in the account.
struct Hand<'a>(&'a Installation);

/// How often drift of this kind was found.
async fn found(installation: &Installation, kind: &str) -> usize {
    let events = installation.database.events().await;
    let found = events
        .iter()
        .filter(|event| event.action == "drift_found")
        .filter(|event| kinds(&event.detail["drift"]).contains(&kind.to_owned()));
    found.count()
}

fn kinds(drift: &Value) -> Vec<String> {
    let all = drift.as_array().into_iter().flatten();
    let all = all.map(|one| one["kind"].as_str().unwrap_or_default().to_owned());
    all.collect()
}

/// Waits until this is what the binding says of its drift.
async fn drifts(installation: &Installation, kinds_meant: &[&str]) -> Value {
    let what = format!("the drift is {kinds_meant:?}");
    installation
        .in_time_until(&what, async || {
            let binding = installation.database.binding("one").await?;
            (kinds(&binding.drift) == kinds_meant).then_some(binding.drift)
        })
        .await
}

/// Waits until drift of this kind was found, named and put right.
async fn is_repaired(installation: &Installation, kind: &str) {
    installation
        .in_time_until(&format!("{kind} is found and put right"), async || {
            let known = found(installation, kind).await > 0;
            let binding = installation.database.binding("one").await?;
            (known && binding.drift == json!([])).then_some(())
        })
        .await;
    assert_eq!(found(installation, kind).await, 1, "{kind} is told once");
    installation.assert_sound().await;
}

#[tokio::test]
async fn our_policy_is_written_again_when_it_was_changed_or_removed() {
    let (installation, name) = with_one_role().await;
    let (hand, role) = (Hand(&installation), ("RoleName", name.as_str()));
    let policy = ("PolicyName", "engine-access");
    hand.call(
        "PutRolePolicy",
        &[role, policy, ("PolicyDocument", OTHER_POLICY)],
    )
    .await;
    is_repaired(&installation, "policy_changed").await;
    hand.call("DeleteRolePolicy", &[role, policy]).await;
    is_repaired(&installation, "policy_missing").await;
}

#[tokio::test]
async fn our_tags_are_set_again() {
    let (installation, name) = with_one_role().await;
    let hand = Hand(&installation);
    let tag = [("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "z")];
    let role = ("RoleName", name.as_str());
    hand.call("TagRole", &[role, tag[0], tag[1]]).await;
    is_repaired(&installation, "tags_changed").await;
    let (installation, name) = with_one_role().await;
    let hand = Hand(&installation);
    let profile = ("InstanceProfileName", name.as_str());
    let key = ("TagKeys.member.1", "ai-unlimited:cluster");
    hand.call("UntagInstanceProfile", &[profile, key]).await;
    is_repaired(&installation, "tags_changed").await;
}

#[tokio::test]
async fn our_role_is_put_back_into_its_profile() {
    let (installation, name) = with_one_role().await;
    let member = [
        ("InstanceProfileName", name.as_str()),
        ("RoleName", name.as_str()),
    ];
    Hand(&installation)
        .call("RemoveRoleFromInstanceProfile", &member)
        .await;
    is_repaired(&installation, "role_out_of_profile").await;
}

#[tokio::test]
async fn what_others_added_or_changed_is_told_and_left() {
    let (installation, name) = with_one_role().await;
    let hand = Hand(&installation);
    let role = ("RoleName", name.as_str());
    let since = installation.mark();
    let cut_off = ("PolicyName", "cut-off");
    hand.call(
        "PutRolePolicy",
        &[role, cut_off, ("PolicyDocument", CUT_OFF)],
    )
    .await;
    drifts(&installation, &["foreign_inline_policy"]).await;
    hand.call("DeleteRolePolicy", &[role, cut_off]).await;
    drifts(&installation, &[]).await;
    let arn = installation.administrator.prepare_policy("extra").await;
    let attached = [role, ("PolicyArn", arn.as_str())];
    hand.call("AttachRolePolicy", &attached).await;
    let drift = drifts(&installation, &["foreign_managed_policy"]).await;
    assert!(drift.to_string().contains(&arn), "{drift}");
    hand.call("DetachRolePolicy", &attached).await;
    drifts(&installation, &[]).await;
    hand.call(
        "UpdateAssumeRolePolicy",
        &[role, ("PolicyDocument", OTHER_TRUST)],
    )
    .await;
    let drift = drifts(&installation, &["trust_changed"]).await;
    assert_eq!(drift[0]["missing_permission"], "iam:UpdateAssumeRolePolicy");
    let trust = installation.role(&name).expect("it is there")["trust"].to_string();
    assert!(trust.contains("lambda"), "{trust}");
    hand.call(
        "UpdateAssumeRolePolicy",
        &[role, ("PolicyDocument", ENGINE_TRUST)],
    )
    .await;
    drifts(&installation, &[]).await;
    hand.call(
        "PutRolePermissionsBoundary",
        &[role, ("PermissionsBoundary", &arn)],
    )
    .await;
    let drift = drifts(&installation, &["boundary_changed"]).await;
    assert_eq!(
        drift[0]["missing_permission"],
        "iam:PutRolePermissionsBoundary"
    );
    let ours = "arn:aws:iam::123456789012:policy/ai-unlimited-engine-boundary";
    hand.call(
        "PutRolePermissionsBoundary",
        &[role, ("PermissionsBoundary", ours)],
    )
    .await;
    drifts(&installation, &[]).await;
    assert_eq!(installation.mutations(since).len(), 0);
    installation.assert_sound().await;
}

#[tokio::test]
async fn another_role_in_our_profile_is_told_and_left() {
    let (installation, name) = with_one_role().await;
    let hand = Hand(&installation);
    let profile = ("InstanceProfileName", name.as_str());
    installation.administrator.prepare_role("theirs").await;
    let since = installation.mark();
    hand.call(
        "RemoveRoleFromInstanceProfile",
        &[profile, ("RoleName", &name)],
    )
    .await;
    hand.call(
        "AddRoleToInstanceProfile",
        &[profile, ("RoleName", "theirs")],
    )
    .await;
    let drift = drifts(&installation, &["other_role_in_profile"]).await;
    assert!(drift.to_string().contains("theirs"), "{drift}");
    assert_eq!(installation.mutations(since).len(), 0);
    hand.call(
        "RemoveRoleFromInstanceProfile",
        &[profile, ("RoleName", "theirs")],
    )
    .await;
    is_repaired(&installation, "role_out_of_profile").await;
}

async fn remove_by_hand(installation: &Installation, name: &str) {
    let hand = Hand(installation);
    let (role, profile) = (("RoleName", name), ("InstanceProfileName", name));
    hand.call("RemoveRoleFromInstanceProfile", &[profile, role])
        .await;
    hand.call("DeleteRolePolicy", &[role, ("PolicyName", "engine-access")])
        .await;
    hand.call("DeleteRole", &[role]).await;
}

#[tokio::test]
async fn what_was_deleted_is_told_and_the_next_put_makes_a_new_one() {
    let (installation, name) = with_one_role().await;
    let since = installation.mark();
    remove_by_hand(&installation, &name).await;
    let drift = drifts(&installation, &["role_deleted", "role_out_of_profile"]).await;
    assert!(drift.to_string().contains(&name), "{drift}");
    assert_eq!(installation.mutations(since).len(), 0);
    let old = installation.recorded("one").await;
    installation.client().in_no_hurry().provision("one").await;
    drifts(&installation, &[]).await;
    let new = installation.reaches_in_time("one", "active").await;
    assert_ne!(new["role"]["id"], old.role.expect("it had one")["id"]);
    installation.is_verified_in_time("one").await;
    let profile = ("InstanceProfileName", name.as_str());
    let hand = Hand(&installation);
    hand.call(
        "RemoveRoleFromInstanceProfile",
        &[profile, ("RoleName", &name)],
    )
    .await;
    hand.call("DeleteInstanceProfile", &[profile]).await;
    drifts(&installation, &["profile_deleted"]).await;
    installation.client().in_no_hurry().provision("one").await;
    drifts(&installation, &[]).await;
    installation.reaches_in_time("one", "active").await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn what_others_made_again_under_our_name_is_never_taken_for_ours() {
    let (installation, name) = with_one_role().await;
    let made = installation.role(&name).expect("it is there");
    remove_by_hand(&installation, &name).await;
    // As like ours as can be: only the unique id tells.
    let mut parameters = vec![
        ("RoleName".to_owned(), name.clone()),
        (
            "Path".to_owned(),
            "/ai-unlimited/engine/default/".to_owned(),
        ),
        (
            "AssumeRolePolicyDocument".to_owned(),
            ENGINE_TRUST.to_owned(),
        ),
    ];
    let tags = made["tags"].as_object().expect("it has tags");
    for (place, (key, value)) in (1..).zip(tags) {
        let value = value.as_str().unwrap_or_default();
        parameters.push((format!("Tags.member.{place}.Key"), key.clone()));
        parameters.push((format!("Tags.member.{place}.Value"), value.to_owned()));
    }
    let parameters: Vec<(&str, &str)> = parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let hand = Hand(&installation);
    hand.call("CreateRole", &parameters).await;
    let theirs = installation.role(&name).expect("it is there");
    let since = installation.mark();
    drifts(&installation, &["role_recreated", "role_out_of_profile"]).await;
    // The caller is told: by the drift, or by a refusal.
    let answer = installation.client().patient().provision("one").await;
    let told = answer.body.to_string();
    assert!(
        told.contains("role_recreated") || told.contains("name_taken"),
        "{told}"
    );
    assert_eq!(installation.role(&name).expect("it is there"), theirs);
    assert_eq!(installation.mutations(since).len(), 0);
    installation
        .client()
        .in_no_hurry()
        .delete("one")
        .await
        .expect(202);
    let gone = installation.reaches_in_time("one", "deleted").await;
    let left = gone["receipt"]["left"].to_string();
    assert!(left.contains(&name), "{left}");
    // A sweep makes a tombstone due whose name exists at AWS; its attempt leaves the role too.
    let since = installation.mark();
    let make_due = "UPDATE bindings SET due_at = service_now() - interval '1 second'";
    installation.database.execute(make_due).await;
    eventually("the tombstone was attempted", async || {
        let attempted = "SELECT id FROM bindings WHERE due_at IS NULL AND lease_token IS NULL";
        let attempted: Vec<Value> = installation.database.rows(attempted).await;
        (!attempted.is_empty()).then_some(())
    })
    .await;
    assert!(
        installation
            .calls(since)
            .iter()
            .any(|call| call.action == "GetRole")
    );
    assert_eq!(installation.mutations(since).len(), 0);
    assert_eq!(installation.role(&name).expect("it is there"), theirs);
    let shown = installation.client().get("one").await;
    assert_eq!(shown.expect(200)["role"], Value::Null);
    hand.call("DeleteRole", &[("RoleName", &name)]).await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn drift_is_only_told_where_the_configuration_says_so() {
    for mode in ["report", "off"] {
        let installation = Installation::build()
            .env("ENGINE_ROLES_DRIFT", mode)
            .start()
            .await;
        let made = installation.client().provision("one").await;
        let name = made.expect(201)["role"]["name"].as_str().map(str::to_owned);
        let name = name.expect("it has a name");
        installation.is_verified_in_time("one").await;
        let since = installation.mark();
        let policy = [
            ("RoleName", name.as_str()),
            ("PolicyName", "engine-access"),
            ("PolicyDocument", OTHER_POLICY),
        ];
        Hand(&installation).call("PutRolePolicy", &policy).await;
        if mode == "report" {
            drifts(&installation, &["policy_changed"]).await;
            assert_eq!(installation.mutations(since).len(), 0);
        } else {
            let binding = installation.recorded("one").await;
            assert_eq!(binding.due_at, None);
        }
    }
}
