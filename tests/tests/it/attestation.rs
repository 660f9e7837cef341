//! Attestation of pass-through roles: the verdict about each, and which roles are passed.

use std::time::Duration;

use engine_roles_e2e::identity::BOUNDARY;
use engine_roles_e2e::installation::fault;
use engine_roles_e2e::{Answer, Installation, InstallationBuilder, eventually};
use serde_json::{Value, json};

const ARN: &str = "arn:aws:iam::123456789012:role/prepared";
const SECRETS: &str = "arn:aws:secretsmanager:*:123456789012:secret:compute-engine";
const LAMBDA: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// Returns an installation with a listed role that does not exist. The account task reads the role
/// at the start; after that only requests read it.
fn listed() -> InstallationBuilder {
    let list = ("ENGINE_ROLES_PASS_THROUGH_ROLES", "prepared");
    Installation::build().rarely_checked().env(list.0, list.1)
}

async fn pass(installation: &Installation, cluster: &str) -> Answer {
    let body = json!({"mode": "pass_through", "iam_role": "prepared"});
    installation
        .client()
        .waiting_longest()
        .put(cluster, body)
        .await
}

async fn plan(installation: &Installation, cluster: &str) -> Value {
    let body = json!({"mode": "pass_through", "iam_role": "prepared"});
    let answer = installation.client().plan(cluster, body).await;
    answer.expect(200).clone()
}

/// Returns the entry of the one listed role. The request makes no call to IAM.
async fn listed_role(installation: &Installation) -> Value {
    let answer = installation.client().fetch("/v1/pass-through-roles").await;
    let items = answer.expect(200)["items"].as_array().cloned();
    let items = items.expect("a list");
    assert_eq!(items.len(), 1, "{items:#?}");
    items[0].clone()
}

/// Returns the details of the reasons with this code.
fn reasons(role: &Value, code: &str) -> Vec<String> {
    let reasons = role["reasons"].as_array().into_iter().flatten();
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

/// Checks that the unfit role is rejected for this reason, that a plan warns of it, and that nothing
/// is written to the database or IAM.
async fn assert_rejected(installation: &Installation, cluster: &str, reason: &str) {
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
async fn a_prepared_role_that_allows_all_clusters_secrets_is_fit_for_all_clusters() {
    let installation = Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_DEFAULT_IAM_ROLE", "prepared")
        .prepared("prepared")
        .start()
        .await;
    let since = installation.mark();
    let mut reported = listed_role(&installation).await;
    assert_eq!(installation.calls(since).len(), 0);
    assert!(reported["attested_at"].is_string());
    assert_eq!(
        reasons(&reported, "reaches_all_clusters").len(),
        1,
        "{reported:#}"
    );
    let object = reported.as_object_mut().expect("an object");
    object.remove("attested_at");
    object.remove("reasons");
    assert_eq!(
        reported,
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
async fn passing_a_role_with_a_fresh_verdict_takes_only_the_two_calls_for_the_profile() {
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

/// Returns an installation that passed a role to cluster `one` and rejects the role for cluster
/// `two`, because the role's policy was deleted.
async fn with_a_role_that_became_unfit() -> Installation {
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
    assert_rejected(&installation, "two", "GetSecretValue").await;
    installation
}

#[tokio::test]
async fn a_stale_verdict_is_not_used() {
    with_a_role_that_became_unfit().await;
}

#[tokio::test]
async fn a_role_that_ec2_may_not_assume_is_rejected() {
    let installation = listed().start().await;
    let created = [
        ("RoleName", "prepared"),
        ("AssumeRolePolicyDocument", LAMBDA),
    ];
    installation
        .administrator
        .call("CreateRole", &created)
        .await;
    let policy = reading(&format!("{SECRETS}/*"));
    let administrator = &installation.administrator;
    administrator
        .write_policy("prepared", "read", &policy)
        .await;
    let reason = "the role's trust policy does not let ec2.amazonaws.com assume the role";
    assert_rejected(&installation, "one", reason).await;
    let reported = listed_role(&installation).await;
    assert_eq!(reported["verdict"], "unfit");
    assert_eq!(reasons(&reported, "trust_refuses_ec2"), [reason]);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_role_that_does_not_exist_is_rejected_until_it_is_created() {
    let installation = listed().start().await;
    let reported = listed_role(&installation).await;
    assert_eq!(reported["verdict"], "unfit");
    assert_eq!(reported["width"], "unknown");
    assert_eq!(
        reasons(&reported, "role_absent"),
        ["role prepared does not exist"]
    );
    assert_rejected(&installation, "one", "role prepared does not exist").await;
    // A problem that was fixed since then rejects no request.
    installation.administrator.prepare_role("prepared").await;
    pass(&installation, "one").await.expect(201);
    assert_eq!(listed_role(&installation).await["verdict"], "fit");
    installation.assert_sound().await;
}

#[tokio::test]
async fn an_unfit_verdict_that_cannot_be_confirmed_rejects_no_request() {
    let installation = listed().start().await;
    assert_eq!(listed_role(&installation).await["verdict"], "unfit");
    installation.administrator.prepare_role("prepared").await;
    let mut away = fault("GetRole", "before", json!({"error": "ServiceFailure"}));
    away[0]["times"] = json!(1_000);
    installation.set_faults(away);
    pass(&installation, "one").await.expect(201);
    let reported = listed_role(&installation).await;
    assert_eq!(reported["verdict"], "indeterminate");
    assert!(
        reported["unread"]
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
    let answer = installation
        .client()
        .waiting_longest()
        .put("one", body)
        .await;
    // The least-privilege policy denies even reading this role, and the role is never passed.
    assert!(answer.status >= 400, "{}", answer.text);
    assert!(installation.holds_nothing_of_ours());
    let reported = listed_role(&installation).await;
    assert_ne!(reported["verdict"], "fit");
    // With the permission to read it, the service finds that it is not the role of that ARN.
    installation
        .administrator
        .control_sandbox("identity-policy", Value::Null)
        .await;
    let body = json!({"mode": "pass_through", "iam_role": list});
    let answer = installation
        .client()
        .waiting_longest()
        .put("two", body)
        .await;
    answer.expect_problem(424, "pass_through_role_unfit");
    assert_eq!(
        reasons(&listed_role(&installation).await, "role_absent").len(),
        1
    );
    assert!(installation.holds_nothing_of_ours());
}

#[tokio::test]
async fn a_role_without_a_policy_is_rejected() {
    let installation = listed().start().await;
    installation.administrator.create_role("prepared").await;
    assert_rejected(&installation, "one", "no policy of the role allows it").await;
    let reported = listed_role(&installation).await;
    assert_eq!(reported["verdict"], "unfit");
    assert_eq!(reported["width"], "nothing");
    assert_eq!(reasons(&reported, "secret_refused").len(), 1);
}

#[tokio::test]
async fn a_role_for_one_clusters_secrets_is_fit_for_that_cluster_only() {
    let installation = listed().start().await;
    installation.administrator.create_role("prepared").await;
    let policy = reading(&format!("{SECRETS}/one/*"));
    let administrator = &installation.administrator;
    administrator
        .write_policy("prepared", "read", &policy)
        .await;
    pass(&installation, "one").await.expect(201);
    let reported = listed_role(&installation).await;
    assert_eq!(reported["verdict"], "fit", "{reported:#}");
    assert_eq!(reported["width"], "clusters");
    assert_eq!(reported["clusters"], json!(["one"]));
    let reason = "compute-engine/two/* is denied";
    assert_rejected(&installation, "two", reason).await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_role_with_excess_permissions_is_fit_and_the_excess_is_named() {
    let installation = listed().start().await;
    installation.administrator.create_role("prepared").await;
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
    let reported = listed_role(&installation).await;
    assert_eq!(reported["verdict"], "fit", "{reported:#}");
    assert_eq!(reported["width"], "beyond");
    let reason = &reasons(&reported, "reaches_beyond")[0];
    assert!(
        reason.contains("statement Wide of inline policy wide"),
        "{reason}"
    );
    assert_eq!(
        reported["beyond"],
        json!([{
            "by": "statement Wide of inline policy wide",
            "action": "secretsmanager:*",
            "resource": "*",
            "certainty": "surely",
        }])
    );
}

#[tokio::test]
async fn a_role_is_fit_only_if_its_boundary_allows_the_secrets_too() {
    let installation = listed().start().await;
    let administrator = &installation.administrator;
    administrator.prepare_role("prepared").await;
    let sessions = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}],
    });
    administrator
        .create_policy("sessions-alone", &sessions)
        .await;
    let arn = "arn:aws:iam::123456789012:policy/sessions-alone";
    let bound = |arn| [("RoleName", "prepared"), ("PermissionsBoundary", arn)];
    administrator
        .call("PutRolePermissionsBoundary", &bound(arn))
        .await;
    assert_rejected(&installation, "one", "GetSecretValue").await;
    let reported = listed_role(&installation).await;
    assert_eq!(reported["verdict"], "unfit");
    assert_eq!(reported["boundary"], arn);
    let arn = format!("arn:aws:iam::123456789012:policy/{BOUNDARY}");
    administrator
        .call("PutRolePermissionsBoundary", &bound(&arn))
        .await;
    pass(&installation, "one").await.expect(201);
    let reported = listed_role(&installation).await;
    assert_eq!(reported["verdict"], "fit");
    assert_eq!(reported["boundary"], arn);
}

#[tokio::test]
async fn a_role_with_an_unreadable_policy_is_indeterminate_and_is_passed() {
    let installation = listed().start().await;
    let administrator = &installation.administrator;
    administrator.create_role("prepared").await;
    let policy = reading(&format!("{SECRETS}/*"));
    administrator.create_policy("theirs", &policy).await;
    let arn = "arn:aws:iam::123456789012:policy/theirs";
    let attached = [("RoleName", "prepared"), ("PolicyArn", arn)];
    administrator.call("AttachRolePolicy", &attached).await;
    installation.deny(&["iam:GetPolicy"]).await;
    let warnings = plan(&installation, "one").await["warnings"].to_string();
    assert!(warnings.contains(arn), "{warnings}");
    pass(&installation, "one").await.expect(201);
    let reported = listed_role(&installation).await;
    assert_eq!(reported["verdict"], "indeterminate");
    let unread = &reasons(&reported, "policy_unread")[0];
    assert!(unread.contains(arn), "{unread}");
    assert!(unread.contains("iam:GetPolicy"), "{unread}");
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_role_that_cannot_be_read_is_passed_and_the_missing_permission_is_named() {
    let installation = Installation::build()
        .rarely_checked()
        .prepared("prepared")
        .identity("ai-unlimited-without-iam-role-permissions")
        .start()
        .await;
    installation.deny(&["iam:GetRole"]).await;
    installation.advance(Duration::from_hours(72)).await;
    pass(&installation, "one").await.expect(201);
    let reported = listed_role(&installation).await;
    assert!(
        reported["unread"]
            .as_str()
            .is_some_and(|why| why.contains("GetRole")),
        "{reported:#}"
    );
}

#[tokio::test]
async fn with_attestation_set_to_warn_an_unfit_role_is_passed_and_logged() {
    let installation = listed()
        .env("ENGINE_ROLES_ATTESTATION", "warn")
        .start()
        .await;
    installation.administrator.create_role("prepared").await;
    pass(&installation, "one").await.expect(201);
    assert_eq!(listed_role(&installation).await["verdict"], "unfit");
    let reported = installation.replicas[0]
        .log()
        .find("unfit pass-through role is passed to an engine");
    let reported = reported.expect("the warning is logged").to_string();
    assert!(reported.contains("GetSecretValue"), "{reported}");
    installation.assert_sound().await;
}

#[tokio::test]
async fn with_attestation_off_the_role_is_not_read() {
    let installation = listed()
        .env("ENGINE_ROLES_ATTESTATION", "off")
        .start()
        .await;
    installation.administrator.create_role("prepared").await;
    let since = installation.mark();
    pass(&installation, "one").await.expect(201);
    let calls = installation.iam_calls(since).into_iter();
    let calls: Vec<String> = calls.map(|call| call.action).collect();
    assert_eq!(calls, ["CreateInstanceProfile", "AddRoleToInstanceProfile"]);
    let reported = listed_role(&installation).await;
    assert_eq!(reported["verdict"], "indeterminate");
    assert_eq!(reported["attested_at"], Value::Null);
    let read = installation.calls(0).into_iter();
    let mut read = read.filter(|call| {
        let name = call.params.get("RoleName");
        call.action == "GetRole" && name.is_some_and(|name| name == "prepared")
    });
    assert!(read.next().is_none(), "the role was read");
}

#[tokio::test]
async fn a_declared_role_is_passed_while_aws_is_unavailable() {
    let installation = Installation::build()
        .env(
            "ENGINE_ROLES_PASS_THROUGH_ROLES",
            format!("{ARN}=prepared-profile"),
        )
        .env("ENGINE_ROLES_CALL_TIMEOUT", "500ms")
        // Nothing listens on this port.
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .not_yet_ready()
        .start()
        .await;
    eventually("the schema exists", async || {
        let answer = installation.client().fetch("/readyz").await;
        (answer.body["database"] == "ok").then_some(())
    })
    .await;
    let body = json!({"mode": "pass_through", "iam_role": ARN});
    let answer = installation.client().put("one", body).await;
    assert_eq!(answer.expect(201)["state"], "active");
    let reported = listed_role(&installation).await;
    assert_eq!(reported["role"], ARN);
    assert_eq!(reported["instance_profile"], "prepared-profile");
    assert_eq!(reported["verdict"], "declared");
    assert_eq!(reported["attested_at"], Value::Null);
    assert_eq!(installation.calls(0).len(), 0);
}

#[tokio::test]
async fn a_declared_role_is_passed_without_a_call_even_if_it_is_unfit() {
    let list = format!("{ARN}=prepared-profile");
    let installation = Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_PASS_THROUGH_ROLES", list)
        .start()
        .await;
    // The read at the start did not find the role. That is reported, but a declared role is passed
    // without reading IAM.
    let reported = listed_role(&installation).await;
    assert_eq!(reported["verdict"], "unfit", "{reported:#}");
    let since = installation.mark();
    let body = json!({"mode": "pass_through", "iam_role": ARN});
    installation.client().put("one", body).await.expect(201);
    assert_eq!(installation.calls(since).len(), 0);
}

#[tokio::test]
async fn roles_are_attested_at_every_interval() {
    let installation = Installation::build()
        .env("ENGINE_ROLES_RECONCILE_INTERVAL", "1s")
        .prepared("prepared")
        .start()
        .await;
    let verdict_becomes = async |verdict: &str| {
        eventually(&format!("the verdict is {verdict}"), async || {
            let reported = listed_role(&installation).await;
            (reported["verdict"] == verdict).then_some(reported["attested_at"].clone())
        })
        .await
    };
    let first = verdict_becomes("fit").await;
    let policy = [("RoleName", "prepared"), ("PolicyName", "read-secrets")];
    installation
        .administrator
        .call("DeleteRolePolicy", &policy)
        .await;
    let second = verdict_becomes("unfit").await;
    assert_ne!(first, second);
    let policy = reading(&format!("{SECRETS}/*"));
    let administrator = &installation.administrator;
    administrator
        .write_policy("prepared", "read-secrets", &policy)
        .await;
    verdict_becomes("fit").await;
}

#[tokio::test]
async fn a_live_binding_can_be_changed_and_torn_down_after_its_role_became_unfit() {
    let installation = with_a_role_that_became_unfit().await;
    pass(&installation, "one").await.expect(200);
    let client = installation.client().waiting_longest();
    client.provision("one").await.expect(200);
    let changed = json!({"secrets": "all", "tags": {"team": "x"}});
    client.put("one", changed).await.expect(200);
    client.delete("one").await.expect(200);
    // The next incarnation is attested again, and rejected.
    assert_rejected_again(&installation).await;
    installation.assert_sound().await;
}

async fn assert_rejected_again(installation: &Installation) {
    let since = installation.mark();
    let answer = pass(installation, "one").await;
    answer.expect_problem(424, "pass_through_role_unfit");
    assert_eq!(
        installation.client().get("one").await.body["state"],
        "deleted"
    );
    assert_eq!(installation.mutations(since).len(), 0);
}
