//! The administrator's roles: whether each serves, and what is passed of them.

use std::time::Duration;

use engine_roles_e2e::identity::BOUNDARY;
use engine_roles_e2e::installation::fault;
use engine_roles_e2e::{Answer, Installation, InstallationBuilder, eventually};
use serde_json::{Value, json};

const ARN: &str = "arn:aws:iam::123456789012:role/prepared";
const SECRETS: &str = "arn:aws:secretsmanager:*:123456789012:secret:compute-engine";
const LAMBDA: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// An installation whose administrator has listed a role and not made it yet. It was looked for at
/// the start, and is not looked for again but for a request.
fn listed() -> InstallationBuilder {
    let list = ("ENGINE_ROLES_PASS_THROUGH_ROLES", "prepared");
    Installation::build().rarely_checked().env(list.0, list.1)
}

async fn pass(installation: &Installation, cluster: &str) -> Answer {
    let body = json!({"mode": "pass_through", "iam_role": "prepared"});
    installation.client().patient().put(cluster, body).await
}

async fn plan(installation: &Installation, cluster: &str) -> Value {
    let body = json!({"mode": "pass_through", "iam_role": "prepared"});
    let answer = installation.client().plan(cluster, body).await;
    answer.expect(200).clone()
}

/// What is said of the one role on the list. Asking costs no call.
async fn said(installation: &Installation) -> Value {
    let answer = installation.client().fetch("/v1/pass-through-roles").await;
    let items = answer.expect(200)["items"].as_array().cloned();
    let items = items.expect("a list");
    assert_eq!(items.len(), 1, "{items:#?}");
    items[0].clone()
}

/// The reasons of one kind, as text.
fn reasons(said: &Value, code: &str) -> Vec<String> {
    let reasons = said["reasons"].as_array().into_iter().flatten();
    let reasons = reasons.filter(|reason| reason["code"] == code);
    let details = reasons.map(|reason| reason["detail"].as_str().unwrap_or_default().to_owned());
    details.collect()
}

fn reading(resource: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "Read",
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": resource,
        }],
    })
}

/// That a role which does not serve is refused for this reason, that a plan says so before, and
/// that nothing is written, neither here nor at IAM.
async fn is_refused(installation: &Installation, cluster: &str, reason: &str) {
    let since = installation.mark();
    let warnings = plan(installation, cluster).await["warnings"].to_string();
    assert!(warnings.contains(reason), "{warnings}");
    let answer = pass(installation, cluster).await;
    let problem = answer.expect_problem(424, "pass_through_role_unfit");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("prepared"), "{detail}");
    assert!(detail.contains(reason), "{detail}");
    assert!(installation.database.binding(cluster).await.is_none());
    installation.client().get(cluster).await.expect(404);
    assert_eq!(installation.mutations(since).len(), 0);
}

#[tokio::test]
async fn a_prepared_role_that_serves_is_fit_for_all_clusters() {
    let installation = Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_DEFAULT_IAM_ROLE", "prepared")
        .prepared("prepared")
        .start()
        .await;
    let since = installation.mark();
    let told = said(&installation).await;
    assert_eq!(installation.calls(since).len(), 0);
    assert!(told["attested_at"].is_string());
    assert_eq!(reasons(&told, "reaches_all_clusters").len(), 1, "{told:#}");
    let mut told = told;
    let object = told.as_object_mut().expect("an object");
    object.remove("attested_at");
    object.remove("reasons");
    assert_eq!(
        told,
        json!({
            "role": "prepared",
            "instance_profile": null,
            "default": true,
            "verdict": "fit",
            "width": "all_clusters",
            "clusters": null,
            "boundary": null,
            "beyond": [],
            "unread": null,
        })
    );
    installation.assert_sound().await;
}

#[tokio::test]
async fn while_the_verdict_is_fresh_passing_the_role_costs_the_two_calls_of_passing_it() {
    let installation = Installation::build()
        .rarely_checked()
        .prepared("prepared")
        .start()
        .await;
    let since = installation.mark();
    pass(&installation, "one").await.expect(201);
    let calls = installation.iam_calls(since).into_iter();
    let calls: Vec<String> = calls.map(|call| call.action).collect();
    assert_eq!(calls, ["CreateInstanceProfile", "AddRoleToInstanceProfile"]);
}

/// An installation that passed a role to cluster `one`, and rejects it for `two`, since its policy
/// is gone.
async fn whose_prepared_role_went_bad() -> Installation {
    let installation = Installation::build()
        .rarely_checked()
        .prepared("prepared")
        .start()
        .await;
    pass(&installation, "one").await.expect(201);
    let policy = [("RoleName", "prepared"), ("PolicyName", "read-secrets")];
    installation
        .administrator
        .call("DeleteRolePolicy", &policy)
        .await;
    installation.advance(Duration::from_hours(72)).await;
    is_refused(&installation, "two", "GetSecretValue").await;
    installation
}

#[tokio::test]
async fn an_old_verdict_is_not_gone_by() {
    whose_prepared_role_went_bad().await;
}

#[tokio::test]
async fn a_role_that_ec2_may_not_assume_is_refused() {
    let installation = listed().start().await;
    let made = [
        ("RoleName", "prepared"),
        ("AssumeRolePolicyDocument", LAMBDA),
    ];
    installation.administrator.call("CreateRole", &made).await;
    let policy = reading(&format!("{SECRETS}/*"));
    let administrator = &installation.administrator;
    administrator
        .write_policy("prepared", "read", &policy)
        .await;
    let reason = "the role's trust policy does not let ec2.amazonaws.com assume the role";
    is_refused(&installation, "one", reason).await;
    let told = said(&installation).await;
    assert_eq!(told["verdict"], "unfit");
    assert_eq!(reasons(&told, "trust_refuses_ec2"), [reason]);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_role_that_is_not_there_is_refused_until_it_is() {
    let installation = listed().start().await;
    let told = said(&installation).await;
    assert_eq!(told["verdict"], "unfit");
    assert_eq!(told["width"], "unknown");
    assert_eq!(
        reasons(&told, "role_absent"),
        ["role prepared does not exist"]
    );
    is_refused(&installation, "one", "role prepared does not exist").await;
    // Nobody is refused by what has been put right since.
    installation.administrator.prepare_role("prepared").await;
    pass(&installation, "one").await.expect(201);
    assert_eq!(said(&installation).await["verdict"], "fit");
    installation.assert_sound().await;
}

#[tokio::test]
async fn what_can_not_be_looked_at_again_refuses_nobody() {
    let installation = listed().start().await;
    assert_eq!(said(&installation).await["verdict"], "unfit");
    installation.administrator.prepare_role("prepared").await;
    let mut away = fault("GetRole", "before", json!({"error": "ServiceFailure"}));
    away[0]["times"] = json!(1_000);
    installation.set_faults(away);
    pass(&installation, "one").await.expect(201);
    let told = said(&installation).await;
    assert_eq!(told["verdict"], "indeterminate");
    assert!(
        told["unread"]
            .as_str()
            .is_some_and(|why| why.contains("GetRole"))
    );
    installation.set_faults(json!([]));
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_role_of_the_same_name_under_another_path_is_another_role() {
    let list = "arn:aws:iam::123456789012:role/team/prepared";
    let installation = Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_PASS_THROUGH_ROLES", list)
        .start()
        .await;
    installation.administrator.prepare_role("prepared").await;
    let body = json!({"mode": "pass_through", "iam_role": list});
    let answer = installation.client().patient().put("one", body).await;
    // Refused by the least identity even to look at it, and never passed.
    assert!(answer.status >= 400, "{}", answer.text);
    assert!(installation.holds_nothing_of_ours());
    let told = said(&installation).await;
    assert_ne!(told["verdict"], "fit");
    // One that may read it sees that it is not the role of that ARN.
    installation
        .administrator
        .steer("identity-policy", Value::Null)
        .await;
    let body = json!({"mode": "pass_through", "iam_role": list});
    let answer = installation.client().patient().put("two", body).await;
    answer.expect_problem(424, "pass_through_role_unfit");
    assert_eq!(reasons(&said(&installation).await, "role_absent").len(), 1);
    assert!(installation.holds_nothing_of_ours());
}

#[tokio::test]
async fn a_role_without_a_policy_is_refused() {
    let installation = listed().start().await;
    installation.administrator.make_role("prepared").await;
    is_refused(&installation, "one", "no policy of the role allows it").await;
    let told = said(&installation).await;
    assert_eq!(told["verdict"], "unfit");
    assert_eq!(told["width"], "nothing");
    assert_eq!(reasons(&told, "secret_refused").len(), 1);
}

#[tokio::test]
async fn a_role_for_one_cluster_serves_that_one_and_no_other() {
    let installation = listed().start().await;
    installation.administrator.make_role("prepared").await;
    let policy = reading(&format!("{SECRETS}/one/*"));
    let administrator = &installation.administrator;
    administrator
        .write_policy("prepared", "read", &policy)
        .await;
    pass(&installation, "one").await.expect(201);
    let told = said(&installation).await;
    assert_eq!(told["verdict"], "fit", "{told:#}");
    assert_eq!(told["width"], "clusters");
    assert_eq!(told["clusters"], json!(["one"]));
    let reason = "compute-engine/two/* is denied";
    is_refused(&installation, "two", reason).await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_wide_role_serves_and_what_is_wide_about_it_is_named() {
    let installation = listed().start().await;
    installation.administrator.make_role("prepared").await;
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "Wide", "Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*",
        }],
    });
    let administrator = &installation.administrator;
    administrator
        .write_policy("prepared", "wide", &policy)
        .await;
    pass(&installation, "one").await.expect(201);
    let told = said(&installation).await;
    assert_eq!(told["verdict"], "fit", "{told:#}");
    assert_eq!(told["width"], "beyond");
    let reason = &reasons(&told, "reaches_beyond")[0];
    assert!(
        reason.contains("statement Wide of inline policy wide"),
        "{reason}"
    );
    assert_eq!(
        told["beyond"],
        json!([{
            "by": "statement Wide of inline policy wide",
            "action": "secretsmanager:*",
            "resource": "*",
            "certainty": "surely",
        }])
    );
}

#[tokio::test]
async fn a_role_whose_boundary_leaves_nothing_is_refused_and_one_whose_boundary_leaves_it_is_not() {
    let installation = listed().start().await;
    let administrator = &installation.administrator;
    administrator.prepare_role("prepared").await;
    let sessions = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}],
    });
    administrator.make_policy("sessions-alone", &sessions).await;
    let arn = "arn:aws:iam::123456789012:policy/sessions-alone";
    let bound = |arn| [("RoleName", "prepared"), ("PermissionsBoundary", arn)];
    administrator
        .call("PutRolePermissionsBoundary", &bound(arn))
        .await;
    is_refused(&installation, "one", "GetSecretValue").await;
    let told = said(&installation).await;
    assert_eq!(told["verdict"], "unfit");
    assert_eq!(told["boundary"], arn);
    let arn = format!("arn:aws:iam::123456789012:policy/{BOUNDARY}");
    administrator
        .call("PutRolePermissionsBoundary", &bound(&arn))
        .await;
    pass(&installation, "one").await.expect(201);
    let told = said(&installation).await;
    assert_eq!(told["verdict"], "fit");
    assert_eq!(told["boundary"], arn);
}

#[tokio::test]
async fn a_policy_that_may_not_be_read_leaves_it_open_and_the_role_is_passed() {
    let installation = listed().start().await;
    let administrator = &installation.administrator;
    administrator.make_role("prepared").await;
    let policy = reading(&format!("{SECRETS}/*"));
    administrator.make_policy("theirs", &policy).await;
    let arn = "arn:aws:iam::123456789012:policy/theirs";
    let attached = [("RoleName", "prepared"), ("PolicyArn", arn)];
    administrator.call("AttachRolePolicy", &attached).await;
    installation.refuse(&["iam:GetPolicy"]).await;
    let warnings = plan(&installation, "one").await["warnings"].to_string();
    assert!(warnings.contains(arn), "{warnings}");
    pass(&installation, "one").await.expect(201);
    let told = said(&installation).await;
    assert_eq!(told["verdict"], "indeterminate");
    let unread = &reasons(&told, "policy_unread")[0];
    assert!(unread.contains(arn), "{unread}");
    assert!(unread.contains("iam:GetPolicy"), "{unread}");
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_role_that_may_not_be_read_at_all_is_passed_and_the_permission_is_named() {
    let installation = Installation::build()
        .rarely_checked()
        .prepared("prepared")
        .identity("ai-unlimited-without-iam-role-permissions")
        .start()
        .await;
    installation.refuse(&["iam:GetRole"]).await;
    installation.advance(Duration::from_hours(72)).await;
    pass(&installation, "one").await.expect(201);
    let told = said(&installation).await;
    assert!(
        told["unread"]
            .as_str()
            .is_some_and(|why| why.contains("GetRole")),
        "{told:#}"
    );
}

#[tokio::test]
async fn attestation_that_only_warns_passes_what_does_not_serve_and_says_so() {
    let installation = listed()
        .env("ENGINE_ROLES_ATTESTATION", "warn")
        .start()
        .await;
    installation.administrator.make_role("prepared").await;
    pass(&installation, "one").await.expect(201);
    assert_eq!(said(&installation).await["verdict"], "unfit");
    let told = installation.replicas[0]
        .log()
        .find("unfit pass-through role is passed to an engine");
    let told = told.expect("it is logged").to_string();
    assert!(told.contains("GetSecretValue"), "{told}");
    installation.assert_sound().await;
}

#[tokio::test]
async fn attestation_that_is_off_asks_nothing() {
    let installation = listed()
        .env("ENGINE_ROLES_ATTESTATION", "off")
        .start()
        .await;
    installation.administrator.make_role("prepared").await;
    let since = installation.mark();
    pass(&installation, "one").await.expect(201);
    let calls = installation.iam_calls(since).into_iter();
    let calls: Vec<String> = calls.map(|call| call.action).collect();
    assert_eq!(calls, ["CreateInstanceProfile", "AddRoleToInstanceProfile"]);
    let told = said(&installation).await;
    assert_eq!(told["verdict"], "indeterminate");
    assert_eq!(told["attested_at"], Value::Null);
    let read = installation.calls(0).into_iter();
    let mut read = read.filter(|call| {
        let name = call.params.get("RoleName");
        call.action == "GetRole" && name.is_some_and(|name| name == "prepared")
    });
    assert!(read.next().is_none(), "the role was read");
}

#[tokio::test]
async fn a_declared_role_is_taken_at_the_administrators_word_while_aws_is_away() {
    let installation = Installation::build()
        .env(
            "ENGINE_ROLES_PASS_THROUGH_ROLES",
            format!("{ARN}=prepared-profile"),
        )
        .env("ENGINE_ROLES_CALL_TIMEOUT", "500ms")
        // Nothing listens there.
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .not_yet_ready()
        .start()
        .await;
    eventually("the schema is there", async || {
        let answer = installation.client().fetch("/readyz").await;
        (answer.body["database"] == "ok").then_some(())
    })
    .await;
    let body = json!({"mode": "pass_through", "iam_role": ARN});
    let answer = installation.client().put("one", body).await;
    assert_eq!(answer.expect(201)["state"], "active");
    let told = said(&installation).await;
    assert_eq!(told["role"], ARN);
    assert_eq!(told["instance_profile"], "prepared-profile");
    assert_eq!(told["verdict"], "declared");
    assert_eq!(told["attested_at"], Value::Null);
    assert_eq!(installation.calls(0).len(), 0);
}

#[tokio::test]
async fn a_declared_role_is_passed_without_a_call_whatever_iam_shows_of_it() {
    let list = format!("{ARN}=prepared-profile");
    let installation = Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_PASS_THROUGH_ROLES", list)
        .start()
        .await;
    // It was looked for at the start, and not found: that is told, and the word counts.
    let told = said(&installation).await;
    assert_eq!(told["verdict"], "unfit", "{told:#}");
    let since = installation.mark();
    let body = json!({"mode": "pass_through", "iam_role": ARN});
    installation.client().put("one", body).await.expect(201);
    assert_eq!(installation.calls(since).len(), 0);
}

#[tokio::test]
async fn roles_are_attested_again_and_again() {
    let installation = Installation::build()
        .env("ENGINE_ROLES_RECONCILE_INTERVAL", "300ms")
        .prepared("prepared")
        .start()
        .await;
    let is_said = async |verdict: &str| {
        eventually(&format!("the role is found {verdict}"), async || {
            let told = said(&installation).await;
            (told["verdict"] == verdict).then_some(told["attested_at"].clone())
        })
        .await
    };
    let first = is_said("fit").await;
    let policy = [("RoleName", "prepared"), ("PolicyName", "read-secrets")];
    installation
        .administrator
        .call("DeleteRolePolicy", &policy)
        .await;
    let second = is_said("unfit").await;
    assert_ne!(first, second);
    let policy = reading(&format!("{SECRETS}/*"));
    let administrator = &installation.administrator;
    administrator
        .write_policy("prepared", "read-secrets", &policy)
        .await;
    is_said("fit").await;
}

#[tokio::test]
async fn what_is_live_is_repeated_changed_and_torn_down_though_its_role_went_bad() {
    let installation = whose_prepared_role_went_bad().await;
    pass(&installation, "one").await.expect(200);
    let client = installation.client().patient();
    client.provision("one").await.expect(200);
    let changed = json!({"secrets": "all", "tags": {"team": "x"}});
    client.put("one", changed).await.expect(200);
    client.delete("one").await.expect(200);
    // Its next life is a new one.
    is_refused_again(&installation).await;
    installation.assert_sound().await;
}

async fn is_refused_again(installation: &Installation) {
    let since = installation.mark();
    let answer = pass(installation, "one").await;
    answer.expect_problem(424, "pass_through_role_unfit");
    assert_eq!(
        installation.client().get("one").await.body["state"],
        "deleted"
    );
    assert_eq!(installation.mutations(since).len(), 0);
}
