//! What is in an instance profile decides which role engines get: attestation, access, deploys and
//! read-backs look at that role.

use engine_roles_e2e::{Answer, Installation, InstallationBuilder, stages_of};
use serde_json::{Value, json};

const ENGINE: &str = "arn:aws:iam::123456789012:role/engine";
const LISTED: &str = "arn:aws:iam::123456789012:role/engines/engine";

async fn pass(installation: &Installation, cluster: &str, role: &str) -> Answer {
    let body = json!({"mode": "pass_through", "iam_role": role});
    let client = installation.client().waiting_longest();
    client.put(cluster, body).await
}

/// Returns the entry of the only listed role.
async fn listed_role(installation: &Installation) -> Value {
    let answer = installation.client().fetch("/v1/pass-through-roles").await;
    let items = answer.expect(200)["items"].as_array().cloned();
    let items = items.expect("a list");
    assert_eq!(items.len(), 1, "{items:#?}");
    items[0].clone()
}

fn codes(role: &Value) -> Vec<&str> {
    let reasons = role["reasons"].as_array().into_iter().flatten();
    let codes = reasons.map(|reason| reason["code"].as_str().unwrap_or_default());
    codes.collect()
}

const EC2: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// Returns an installation with this list. The account has a role that may do everything, and an
/// instance profile contains it in place of the listed role.
fn with_an_administrators_role_in_the_profile(list: &str) -> InstallationBuilder {
    let role = ("RoleName", "admin");
    Installation::build()
        .rarely_checked()
        .prepared("engine")
        .env("ENGINE_ROLES_PASS_THROUGH_ROLES", list)
        .administrators_call("CreateRole", &[role, ("AssumeRolePolicyDocument", EC2)])
        .administrators_call(
            "PutRolePolicy",
            &[
                role,
                ("PolicyName", "everything"),
                ("PolicyDocument", EVERYTHING),
            ],
        )
        .prepared_profile("holds-admin", "admin")
}

#[tokio::test]
async fn a_role_that_is_not_in_its_listed_profile_is_unfit_and_not_passed() {
    let builder = with_an_administrators_role_in_the_profile("engine=holds-admin");
    let installation = builder.start().await;
    let reported = listed_role(&installation).await;
    assert_eq!(reported["verdict"], "unfit", "{reported:#}");
    assert_eq!(codes(&reported)[0], "profile_contains_another_role");
    let answer = pass(&installation, "one", "engine").await;
    let problem = answer.expect_problem(424, "pass_through_role_unfit");
    let detail = problem["detail"].as_str().unwrap_or_default();
    let reason = "instance profile holds-admin contains role \
                  arn:aws:iam::123456789012:role/admin, not engine";
    assert!(detail.contains(reason), "{detail}");
    assert!(installation.database.binding("one").await.is_none());
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_profile_that_is_empty_or_absent_makes_its_entry_unfit() {
    let empty = ("InstanceProfileName", "empty");
    let installation = Installation::build()
        .rarely_checked()
        .prepared("engine")
        .env("ENGINE_ROLES_PASS_THROUGH_ROLES", "engine=empty")
        .administrators_call("CreateInstanceProfile", &[empty])
        .start()
        .await;
    let answer = pass(&installation, "one", "engine").await;
    let problem = answer.expect_problem(424, "pass_through_role_unfit");
    assert!(
        problem["detail"]
            .to_string()
            .contains("instance profile empty contains no role")
    );
    assert_eq!(codes(&listed_role(&installation).await)[0], "profile_empty");
    let administrator = &installation.administrator;
    administrator.call("DeleteInstanceProfile", &[empty]).await;
    let answer = pass(&installation, "one", "engine").await;
    answer.expect_problem(424, "pass_through_role_unfit");
    assert_eq!(
        codes(&listed_role(&installation).await)[0],
        "profile_absent"
    );
    // Corrected, it is passed at once.
    administrator.call("CreateInstanceProfile", &[empty]).await;
    let member = [empty, ("RoleName", "engine")];
    administrator
        .call("AddRoleToInstanceProfile", &member)
        .await;
    pass(&installation, "one", "engine").await.expect(201);
    assert_eq!(listed_role(&installation).await["verdict"], "fit");
}

#[tokio::test]
async fn a_declared_role_is_passed_without_a_call_and_its_attestation_tells_the_truth() {
    let list = format!("{ENGINE}=holds-admin");
    let builder = with_an_administrators_role_in_the_profile(&list);
    // This policy lets the service read the administrator's other role, too.
    let installation = builder.allowed_everything().start().await;
    let since = installation.mark();
    pass(&installation, "one", ENGINE).await.expect(201);
    assert_eq!(installation.iam_calls(since).len(), 0);
    let reported = listed_role(&installation).await;
    assert_eq!(reported["verdict"], "unfit", "{reported:#}");
    assert_eq!(reported["width"], "beyond");
    assert_eq!(codes(&reported)[0], "profile_contains_another_role");
    // The report is about the role that engines really get.
    let report = installation.client().access("one").await;
    let report = report.expect(200);
    assert_eq!(report["role"]["name"], "admin");
    assert_eq!(report["anything_else"]["decision"], "allowed");
    assert_eq!(report["instance_profile"]["name"], "holds-admin");
    assert_eq!(report["instance_profile"]["contains"], "another_role");
    installation.assert_sound().await;
}

#[tokio::test]
async fn another_role_that_may_not_be_read_is_not_reported_as_harmless() {
    let list = format!("{ENGINE}=holds-admin");
    let builder = with_an_administrators_role_in_the_profile(&list);
    let installation = builder.start().await;
    pass(&installation, "one", ENGINE).await.expect(201);
    assert_eq!(listed_role(&installation).await["verdict"], "unfit");
    let report = installation.client().access("one").await;
    let report = report.expect(200);
    assert_eq!(report["role"]["name"], "admin");
    assert_eq!(report["instance_profile"]["contains"], "another_role");
    for part in ["other_secrets", "anything_else"] {
        assert_eq!(report[part]["decision"], "indeterminate", "{report:#}");
    }
}

#[tokio::test]
async fn a_profile_that_may_not_be_read_leaves_verdict_and_access_uncertain() {
    let installation = Installation::build()
        .rarely_checked()
        .prepared("engine")
        .env("ENGINE_ROLES_PASS_THROUGH_ROLES", "engine=theirs")
        .prepared_profile("theirs", "engine")
        .start()
        .await;
    assert_eq!(listed_role(&installation).await["verdict"], "fit");
    pass(&installation, "one", "engine").await.expect(201);
    let report = installation.client().access("one").await;
    let report = report.expect(200);
    assert_eq!(report["instance_profile"]["contains"], "expected_role");
    assert_eq!(report["anything_else"]["decision"], "denied");
    let mut policy = installation.least_privilege();
    let statements = policy["Statement"].as_array_mut().expect("a list");
    statements.retain(|statement| statement["Sid"] != "TellAbsentFromForbidden");
    let administrator = &installation.administrator;
    administrator
        .control_sandbox("identity-policy", policy)
        .await;
    let report = installation.client().access("one").await;
    let report = report.expect(200);
    assert_eq!(report["instance_profile"]["contains"], "unknown");
    assert_eq!(report["own_secrets"][0]["decision"], "indeterminate");
    assert_eq!(report["anything_else"]["decision"], "indeterminate");
    let why = "it is not known which role instance profile theirs contains: \
               iam:GetInstanceProfile is denied to this service";
    assert_eq!(report["unread"], json!([why]));
}

#[tokio::test]
async fn a_role_listed_by_arn_is_read_beside_the_creation_of_its_profile() {
    let installation = Installation::build()
        .rarely_checked()
        .prepared("engine")
        .env("ENGINE_ROLES_PASS_THROUGH_ROLES", ENGINE)
        .latency(200)
        .start()
        .await;
    let since = installation.mark();
    pass(&installation, "one", ENGINE).await.expect(201);
    assert_eq!(
        stages_of(&installation.iam_calls(since)),
        [
            vec!["CreateInstanceProfile", "GetRole"],
            vec!["AddRoleToInstanceProfile"]
        ]
    );
    installation.assert_sound().await;
}

/// Returns an installation that has just attested a role under a path as fit.
async fn with_a_role_listed_under_a_path() -> Installation {
    let role = ("RoleName", "engine");
    let reads = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:*:123456789012:secret:compute-engine/*"}]}"#;
    let installation = Installation::build()
        .env("ENGINE_ROLES_PASS_THROUGH_ROLES", LISTED)
        .administrators_call(
            "CreateRole",
            &[
                role,
                ("Path", "/engines/"),
                ("AssumeRolePolicyDocument", EC2),
            ],
        )
        .administrators_call(
            "PutRolePolicy",
            &[
                role,
                ("PolicyName", "read-secrets"),
                ("PolicyDocument", reads),
            ],
        )
        // Adding a role under another path needs more than the least privilege.
        .allowed_everything()
        .start()
        .await;
    assert_eq!(listed_role(&installation).await["verdict"], "fit");
    installation
}

#[tokio::test]
async fn a_role_that_was_created_again_under_another_path_is_not_passed() {
    let installation = with_a_role_listed_under_a_path().await;
    let administrator = &installation.administrator;
    administrator.delete_prepared_role("engine").await;
    administrator.prepare_role("engine").await;
    // The last verdict is fresh and says fit.
    let since = installation.mark();
    let answer = pass(&installation, "one", LISTED).await;
    let problem = answer.expect_problem(424, "pass_through_role_unfit");
    let detail = problem["detail"].as_str().unwrap_or_default();
    let reason = format!("IAM returned role {ENGINE} for the name engine");
    assert!(detail.contains(&reason), "{detail}");
    let passed = installation.mutations(since).into_iter();
    let passed = passed.filter(|call| call.action == "AddRoleToInstanceProfile");
    assert_eq!(passed.count(), 0);
    installation
        .in_time_until("the profile is removed", async || {
            installation.holds_nothing_of_ours().then_some(())
        })
        .await;
    // Under the listed path again, it is passed.
    administrator.delete_prepared_role("engine").await;
    administrator
        .prepare_role_under("/engines/", "engine")
        .await;
    let passed = installation
        .in_time_until("the role is passed", async || {
            let answer = pass(&installation, "one", LISTED).await;
            (answer.status == 201).then_some(answer)
        })
        .await;
    passed.expect(201);
    installation.assert_sound().await;
}

#[tokio::test]
async fn access_says_that_the_profile_lacks_a_role_that_was_created_again() {
    let installation = with_a_role_listed_under_a_path().await;
    pass(&installation, "one", LISTED).await.expect(201);
    let administrator = &installation.administrator;
    let profile = installation.recorded("one").await.profile;
    let profile = profile.expect("a profile")["name"].clone();
    let member = [
        ("InstanceProfileName", profile.as_str().expect("a name")),
        ("RoleName", "engine"),
    ];
    administrator
        .call("RemoveRoleFromInstanceProfile", &member)
        .await;
    administrator.delete_prepared_role("engine").await;
    administrator.prepare_role("engine").await;
    let path = "/v1/clusters/one/role/access";
    let report = installation.client().fetch(path).await;
    let profile = &report.expect(200)["instance_profile"];
    assert_eq!(profile["contains"], "no_role", "{profile}");
    assert_eq!(report.body["role"]["arn"], ENGINE);
}

#[tokio::test]
async fn a_role_listed_by_arn_that_may_not_be_read_is_not_passed() {
    let installation = Installation::build()
        .rarely_checked()
        .prepared("engine")
        .env("ENGINE_ROLES_PASS_THROUGH_ROLES", ENGINE)
        .start()
        .await;
    let mut policy = installation.least_privilege();
    let statements = policy["Statement"].as_array_mut().expect("a list");
    statements.retain(|statement| statement["Sid"] != "AttestPreparedRoles");
    let administrator = &installation.administrator;
    administrator
        .control_sandbox("identity-policy", policy)
        .await;
    let answer = pass(&installation, "one", ENGINE).await;
    let problem = answer.expect_problem(424, "missing_permission");
    assert_eq!(problem["missing_permissions"], json!(["iam:GetRole"]));
    assert_eq!(problem["statement"]["Resource"], json!([ENGINE]));
    let found = installation.client().fetch("/v1/capabilities").await;
    let features = found.expect(200)["features"].as_array().cloned();
    let features = features.expect("features").into_iter();
    let mut passing = features.filter(|report| report["feature"] == "pass_through");
    let passing = passing.next().expect("the feature is reported");
    assert_eq!(
        passing["missing_permissions"],
        json!(["iam:GetRole"]),
        "{passing}"
    );
    installation
        .in_time_until("the profile is removed", async || {
            installation.holds_nothing_of_ours().then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_check_takes_another_role_of_the_same_name_out_of_our_profile() {
    let installation = with_a_role_listed_under_a_path().await;
    let binding = pass(&installation, "one", LISTED).await;
    let profile = binding.expect(201)["instance_profile"]["name"].clone();
    let profile = profile.as_str().expect("a name");
    installation.is_verified_in_time("one").await;
    let administrator = &installation.administrator;
    let member = [("InstanceProfileName", profile), ("RoleName", "engine")];
    administrator
        .call("RemoveRoleFromInstanceProfile", &member)
        .await;
    administrator.delete_prepared_role("engine").await;
    administrator.prepare_role("engine").await;
    administrator
        .call("AddRoleToInstanceProfile", &member)
        .await;
    let in_profile = || {
        let profiles = installation.sandbox.state()["instance_profiles"].clone();
        let profiles = profiles.as_array().cloned().unwrap_or_default();
        let ours = profiles.into_iter().find(|found| found["name"] == profile);
        ours.map(|ours| ours["roles"].clone())
    };
    installation
        .in_time_until("the other role is taken out", async || {
            (in_profile() == Some(json!([]))).then_some(())
        })
        .await;
    let events = installation.database.events().await;
    let found = events.iter().filter(|event| event.action == "drift_found");
    let found = found.filter(|event| {
        let drift = event.detail["drift"].to_string();
        drift.contains("other_role_in_profile") && drift.contains(ENGINE) && drift.contains(LISTED)
    });
    assert_eq!(found.count(), 1, "{events:#?}");
    // It is not put back while IAM finds another role by that name, but the listed role is.
    let since = installation.mark();
    for _ in 0..3 {
        installation
            .advance(std::time::Duration::from_hours(2))
            .await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    assert_eq!(in_profile(), Some(json!([])));
    assert_eq!(installation.mutations(since).len(), 0);
    administrator.delete_prepared_role("engine").await;
    administrator
        .prepare_role_under("/engines/", "engine")
        .await;
    installation
        .in_time_until("the listed role is in the profile", async || {
            (in_profile() == Some(json!(["engine"]))).then_some(())
        })
        .await;
    installation
        .in_time_until("no drift is left", async || {
            let binding = installation.database.binding("one").await?;
            (binding.drift == json!([])).then_some(())
        })
        .await;
    installation.assert_sound().await;
}
