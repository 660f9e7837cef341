//! Drift: changes by others are found and reported, and repaired where the resource is ours.

use engine_roles_e2e::Installation;
use engine_roles_iam_sandbox::Call;
use serde_json::{Value, json};

const OTHER_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}"#;
const CUT_OFF: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
const OTHER_TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const ENGINE_TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// Starts an installation with one verified role. Returns the role's name.
async fn with_one_role() -> (Installation, String) {
    let installation = Installation::start().await;
    let body = json!({"tags": {"team": "x"}});
    let created = installation.client().put("one", body).await;
    let name = created.expect(201)["role"]["name"]
        .as_str()
        .map(str::to_owned);
    installation.is_verified_in_time("one").await;
    (installation, name.expect("the role has a name"))
}

impl ByHand<'_> {
    async fn call(&self, action: &str, parameters: &[(&str, &str)]) {
        self.0.administrator.call(action, parameters).await;
    }
}

/// Makes calls as the administrator.
struct ByHand<'a>(&'a Installation);

/// Returns how often drift of this kind was found.
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

/// Waits until the binding's drift has exactly these kinds. Returns the drift.
async fn drift_becomes(installation: &Installation, kinds_meant: &[&str]) -> Value {
    let what = format!("the drift is {kinds_meant:?}");
    installation
        .in_time_until(&what, async || {
            let binding = installation.database.binding("one").await?;
            (kinds(&binding.drift) == kinds_meant).then_some(binding.drift)
        })
        .await
}

/// Waits until drift of this kind was recorded and repaired.
async fn is_repaired(installation: &Installation, kind: &str) {
    installation
        .in_time_until(&format!("{kind} is found and repaired"), async || {
            let known = found(installation, kind).await > 0;
            let binding = installation.database.binding("one").await?;
            (known && binding.drift == json!([])).then_some(())
        })
        .await;
    assert_eq!(
        found(installation, kind).await,
        1,
        "{kind} is recorded once"
    );
    installation.assert_sound().await;
}

#[tokio::test]
async fn our_policy_is_restored_after_it_was_changed_or_removed() {
    let (installation, name) = with_one_role().await;
    let (hand, role) = (ByHand(&installation), ("RoleName", name.as_str()));
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
async fn our_tags_are_restored_after_they_were_changed_or_removed() {
    let (installation, name) = with_one_role().await;
    let hand = ByHand(&installation);
    let tag = [("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "z")];
    let role = ("RoleName", name.as_str());
    hand.call("TagRole", &[role, tag[0], tag[1]]).await;
    is_repaired(&installation, "tags_changed").await;
    let (installation, name) = with_one_role().await;
    let hand = ByHand(&installation);
    let profile = ("InstanceProfileName", name.as_str());
    let key = ("TagKeys.member.1", "ai-unlimited:cluster");
    hand.call("UntagInstanceProfile", &[profile, key]).await;
    is_repaired(&installation, "tags_changed").await;
}

#[tokio::test]
async fn our_role_is_added_to_its_profile_again() {
    let (installation, name) = with_one_role().await;
    let member = [
        ("InstanceProfileName", name.as_str()),
        ("RoleName", name.as_str()),
    ];
    ByHand(&installation)
        .call("RemoveRoleFromInstanceProfile", &member)
        .await;
    is_repaired(&installation, "role_out_of_profile").await;
}

#[tokio::test]
async fn additions_and_changes_by_others_are_reported_and_left() {
    let (installation, name) = with_one_role().await;
    let hand = ByHand(&installation);
    let role = ("RoleName", name.as_str());
    let since = installation.mark();
    let cut_off = ("PolicyName", "cut-off");
    hand.call(
        "PutRolePolicy",
        &[role, cut_off, ("PolicyDocument", CUT_OFF)],
    )
    .await;
    drift_becomes(&installation, &["foreign_inline_policy"]).await;
    hand.call("DeleteRolePolicy", &[role, cut_off]).await;
    drift_becomes(&installation, &[]).await;
    let arn = installation.administrator.prepare_policy("extra").await;
    let attached = [role, ("PolicyArn", arn.as_str())];
    hand.call("AttachRolePolicy", &attached).await;
    let drift = drift_becomes(&installation, &["foreign_managed_policy"]).await;
    assert!(drift.to_string().contains(&arn), "{drift}");
    hand.call("DetachRolePolicy", &attached).await;
    drift_becomes(&installation, &[]).await;
    hand.call(
        "UpdateAssumeRolePolicy",
        &[role, ("PolicyDocument", OTHER_TRUST)],
    )
    .await;
    let drift = drift_becomes(&installation, &["trust_changed"]).await;
    assert_eq!(drift[0]["missing_permission"], "iam:UpdateAssumeRolePolicy");
    let trust = installation.role(&name).expect("the role exists")["trust"].to_string();
    assert!(trust.contains("lambda"), "{trust}");
    hand.call(
        "UpdateAssumeRolePolicy",
        &[role, ("PolicyDocument", ENGINE_TRUST)],
    )
    .await;
    drift_becomes(&installation, &[]).await;
    hand.call(
        "PutRolePermissionsBoundary",
        &[role, ("PermissionsBoundary", &arn)],
    )
    .await;
    let drift = drift_becomes(&installation, &["boundary_changed"]).await;
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
    drift_becomes(&installation, &[]).await;
    assert_eq!(installation.mutations(since).len(), 0);
    installation.assert_sound().await;
}

#[tokio::test]
async fn another_role_in_our_profile_is_reported_and_left() {
    let (installation, name) = with_one_role().await;
    let hand = ByHand(&installation);
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
    let drift = drift_becomes(&installation, &["other_role_in_profile"]).await;
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
    let hand = ByHand(installation);
    let (role, profile) = (("RoleName", name), ("InstanceProfileName", name));
    hand.call("RemoveRoleFromInstanceProfile", &[profile, role])
        .await;
    hand.call("DeleteRolePolicy", &[role, ("PolicyName", "engine-access")])
        .await;
    hand.call("DeleteRole", &[role]).await;
}

#[tokio::test]
async fn a_deleted_resource_is_reported_and_the_next_put_creates_a_new_one() {
    let (installation, name) = with_one_role().await;
    let since = installation.mark();
    remove_by_hand(&installation, &name).await;
    let drift = drift_becomes(&installation, &["role_deleted", "role_out_of_profile"]).await;
    assert!(drift.to_string().contains(&name), "{drift}");
    assert_eq!(installation.mutations(since).len(), 0);
    let old = installation.recorded("one").await;
    installation
        .client()
        .without_waiting()
        .provision("one")
        .await;
    drift_becomes(&installation, &[]).await;
    let new = installation.reaches_in_time("one", "active").await;
    assert_ne!(
        new["role"]["id"],
        old.role.expect("the binding had a role")["id"]
    );
    installation.is_verified_in_time("one").await;
    let profile = ("InstanceProfileName", name.as_str());
    let hand = ByHand(&installation);
    hand.call(
        "RemoveRoleFromInstanceProfile",
        &[profile, ("RoleName", &name)],
    )
    .await;
    hand.call("DeleteInstanceProfile", &[profile]).await;
    drift_becomes(&installation, &["profile_deleted"]).await;
    installation
        .client()
        .without_waiting()
        .provision("one")
        .await;
    drift_becomes(&installation, &[]).await;
    installation.reaches_in_time("one", "active").await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_teardown_of_a_role_that_is_gone_reports_no_missing_permission() {
    let installation = Installation::build().rarely_checked().start().await;
    let client = installation.client().waiting_longest();
    let created = client.provision("one").await;
    let name = created.expect(201)["role"]["name"].as_str();
    remove_by_hand(&installation, name.expect("the role has a name")).await;
    let since = installation.mark();
    client.without_waiting().delete("one").await.expect(202);
    installation.reaches_in_time("one", "deleted").await;
    // A role that does not exist has no tags, and our policy allows removals by tag only.
    let is_denied =
        |call: &Call| call.action == "DeleteRole" && call.error.as_deref() == Some("AccessDenied");
    let calls = installation.calls(since);
    assert!(calls.iter().any(is_denied), "{calls:?}");
    let ready = installation.readiness_for(&client.anonymous()).await;
    assert_eq!(
        (&ready.body["status"], &ready.body["aws"]),
        (&json!("ready"), &json!("ok"))
    );
    let capabilities = client.fetch("/v1/capabilities").await;
    let features = capabilities.expect(200)["features"].as_array();
    for feature in features.expect("a list of features") {
        assert_eq!(feature["missing_permissions"], json!([]), "{feature}");
    }
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_resource_that_others_recreated_under_our_name_is_never_treated_as_ours() {
    let (installation, name) = with_one_role().await;
    let created = installation.role(&name).expect("the role exists");
    remove_by_hand(&installation, &name).await;
    // The copy differs from our role only by its unique id.
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
    let tags = created["tags"].as_object().expect("the role has tags");
    for (place, (key, value)) in (1..).zip(tags) {
        let value = value.as_str().unwrap_or_default();
        parameters.push((format!("Tags.member.{place}.Key"), key.clone()));
        parameters.push((format!("Tags.member.{place}.Value"), value.to_owned()));
    }
    let parameters: Vec<(&str, &str)> = parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let hand = ByHand(&installation);
    hand.call("CreateRole", &parameters).await;
    let theirs = installation.role(&name).expect("the role exists");
    let since = installation.mark();
    drift_becomes(&installation, &["role_recreated", "role_out_of_profile"]).await;
    // The answer reports the drift or rejects the request.
    let answer = installation
        .client()
        .waiting_longest()
        .provision("one")
        .await;
    let reported = answer.body.to_string();
    assert!(
        reported.contains("role_recreated") || reported.contains("name_taken"),
        "{reported}"
    );
    assert_eq!(installation.role(&name).expect("the role exists"), theirs);
    assert_eq!(installation.mutations(since).len(), 0);
    installation
        .client()
        .without_waiting()
        .delete("one")
        .await
        .expect(202);
    let gone = installation.reaches_in_time("one", "deleted").await;
    let left = gone["receipt"]["left"].to_string();
    assert!(left.contains(&name), "{left}");
    // A sweep makes a tombstone due whose name exists at AWS; its attempt leaves the role too.
    let since = installation.mark();
    installation.database.make_due("true").await;
    installation
        .in_time_until("the tombstone was attempted", async || {
            let bindings = installation.database.bindings().await;
            let mut bindings = bindings.iter();
            bindings
                .all(|row| row.due_at.is_none() && row.lease_until.is_none())
                .then_some(())
        })
        .await;
    assert!(
        installation
            .calls(since)
            .iter()
            .any(|call| call.action == "GetRole")
    );
    assert_eq!(installation.mutations(since).len(), 0);
    assert_eq!(installation.role(&name).expect("the role exists"), theirs);
    let shown = installation.client().get("one").await;
    assert_eq!(shown.expect(200)["role"], Value::Null);
    hand.call("DeleteRole", &[("RoleName", &name)]).await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn with_drift_set_to_report_or_off_nothing_is_repaired() {
    for mode in ["report", "off"] {
        let installation = Installation::build()
            .env("ENGINE_ROLES_DRIFT", mode)
            .start()
            .await;
        let created = installation.client().provision("one").await;
        let name = created.expect(201)["role"]["name"]
            .as_str()
            .map(str::to_owned);
        let name = name.expect("the role has a name");
        installation.is_verified_in_time("one").await;
        let since = installation.mark();
        let policy = [
            ("RoleName", name.as_str()),
            ("PolicyName", "engine-access"),
            ("PolicyDocument", OTHER_POLICY),
        ];
        ByHand(&installation).call("PutRolePolicy", &policy).await;
        if mode == "report" {
            drift_becomes(&installation, &["policy_changed"]).await;
            assert_eq!(installation.mutations(since).len(), 0);
        } else {
            let binding = installation.recorded("one").await;
            assert_eq!(binding.due_at, None);
        }
    }
}
