//! Tests of the routes that render the documents of `policies/`.

use engine_roles_domain::cluster::RoleReference;
use engine_roles_domain::prepared::PassThroughRole;

use super::*;

const KEY: &str = "arn:aws:kms:us-west-2:123456789012:key/01234567-89ab-cdef-0123-456789abcdef";

async fn get(path: &str) -> Answer {
    call(Method::GET, path).await
}

async fn get_with(settings: Settings, path: &str) -> Answer {
    let api = api_with(without_key(), settings).await;
    let request = request(Method::GET, path).body(Body::empty());
    send(&api, request.expect("a request")).await
}

fn changed(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = settings();
    change(&mut settings);
    settings
}

#[tokio::test]
async fn the_list_of_documents_states_the_purpose_of_each() {
    let answer = get("/v1/policies").await;
    assert_eq!(answer.status, StatusCode::OK);
    let items = answer.body["items"].as_array().expect("items");
    let names: Vec<&str> = items.iter().filter_map(|it| it["name"].as_str()).collect();
    insta::assert_snapshot!(names.join(" "), @"ai-unlimited-workspaces ai-unlimited-without-iam-role-permissions session-manager ai-unlimited-engine engine-trust engine-boundary engine-role-service");
    let boundary = items.iter().find(|it| it["name"] == "engine-boundary");
    let boundary = boundary.expect("the boundary");
    assert_eq!(boundary["kind"], "boundary");
    assert_eq!(
        boundary["placeholders"],
        json!([
            "ACCOUNT_ID",
            "DNS_SUFFIX",
            "KMS_KEY_ARN",
            "PARTITION",
            "REGION"
        ])
    );
    for item in items {
        // Every listed document can be rendered.
        let name = item["name"].as_str().unwrap_or_default();
        assert_eq!(
            get(&format!("/v1/policies/{name}")).await.status,
            StatusCode::OK
        );
        assert!(
            item["purpose"]
                .as_str()
                .is_some_and(|text| text.ends_with('.'))
        );
    }
}

#[tokio::test]
async fn a_document_is_rendered_with_values_from_the_configuration_and_the_query() {
    let plain = get("/v1/policies/ai-unlimited-engine").await;
    assert_eq!(plain.header("content-type"), "application/json");
    insta::assert_snapshot!(plain.body, @r#"{"Statement":[{"Action":"secretsmanager:GetSecretValue","Effect":"Allow","Resource":"arn:aws:secretsmanager:us-west-2:123456789012:secret:compute-engine/*","Sid":"ReadEngineSecrets"}],"Version":"2012-10-17"}"#);
    let path =
        "/v1/policies/ai-unlimited-engine?region=eu-west-1&account_id=999999999999&cluster=one";
    let narrowed = get(path).await;
    assert_eq!(
        narrowed.body["Statement"][0]["Resource"],
        "arn:aws:secretsmanager:eu-west-1:999999999999:secret:compute-engine/one/*"
    );
}

#[tokio::test]
async fn the_services_own_policy_contains_the_configured_values() {
    let boundary = "arn:aws:iam::123456789012:policy/own";
    let settings = || {
        changed(|settings| {
            let defaults = &mut settings.defaults;
            defaults.permissions_boundary = Some(boundary.parse().expect("an ARN"));
            defaults.kms_key = Some(KEY.parse().expect("a key"));
            defaults.iam_role = Some(RoleReference::parse("default").expect("a role"));
            defaults.pass_through_roles = vec![PassThroughRole {
                role: RoleReference::parse("listed").expect("a role"),
                instance_profile: None,
            }];
        })
    };
    let own = get_with(settings(), "/v1/policies/engine-role-service").await;
    let text = own.body.to_string();
    for value in [
        boundary,
        "role/ai-unlimited/engine/test/*",
        "role/listed",
        "role/default",
    ] {
        assert!(text.contains(value), "{value}: {text}");
    }
    let engine = get_with(settings(), "/v1/policies/engine-boundary").await;
    assert!(engine.body.to_string().contains(KEY));
    let other_region = "/v1/policies/engine-boundary?region=eu-west-1";
    let rejected = get_with(settings(), other_region).await;
    assert_eq!(rejected.problem(), (422, "invalid_region".to_owned()));
    assert_eq!(rejected.field(), "region");
    // Settings that belong to this account are not used for another account.
    let other = "/v1/policies/engine-role-service?account_id=999999999999";
    let other = get_with(settings(), other).await;
    let text = other.body.to_string();
    assert!(!text.contains("123456789012"), "{text}");
    assert!(text.contains("999999999999:policy/ai-unlimited-engine-boundary"));
}

#[tokio::test]
async fn the_problem_of_an_invalid_value_names_the_field() {
    for (path, status, code, field) in [
        (
            "ai-unlimited-engine?region=us-*",
            422,
            "invalid_region",
            "region",
        ),
        (
            "ai-unlimited-engine?region=cn-north-1",
            422,
            "invalid_region",
            "region",
        ),
        (
            "ai-unlimited-engine?account_id=*",
            400,
            "invalid_request",
            "account_id",
        ),
        (
            "ai-unlimited-engine?cluster=*",
            422,
            "invalid_cluster_name",
            "cluster",
        ),
        (
            "ai-unlimited-engine?cluster=a%2F*",
            422,
            "invalid_cluster_name",
            "cluster",
        ),
        (
            "ai-unlimited-engine?cluster=",
            422,
            "invalid_cluster_name",
            "cluster",
        ),
        (
            "session-manager?cluster=one",
            400,
            "invalid_request",
            "cluster",
        ),
        (
            "ai-unlimited-engine?Region=us-west-2",
            400,
            "invalid_request",
            "Region",
        ),
        (
            "ai-unlimited-engine?partition=aws",
            400,
            "invalid_request",
            "partition",
        ),
    ] {
        let answer = get(&format!("/v1/policies/{path}")).await;
        assert_eq!(answer.problem(), (status, code.to_owned()), "{path}");
        assert_eq!(answer.field(), field, "{path}: {}", answer.body);
    }
    for name in [
        "nothing",
        "engine-secrets-key",
        "ai-unlimited-engine.json",
        "%2e%2e%2fx",
        "%ff",
    ] {
        let answer = get(&format!("/v1/policies/{name}")).await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{name}");
    }
}

#[tokio::test]
async fn the_query_must_name_the_account_while_the_service_does_not_know_its_own() {
    let unknown = || changed(|settings| settings.scope = None);
    let path = "/v1/policies/ai-unlimited-engine";
    let answer = get_with(unknown(), path).await;
    assert_eq!(answer.problem(), (400, "invalid_request".to_owned()));
    assert_eq!(answer.field(), "account_id");
    let path = format!("{path}?account_id=123456789012&region=cn-north-1");
    let answer = get_with(unknown(), &path).await;
    assert_eq!(
        answer.body["Statement"][0]["Resource"],
        "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:compute-engine/*"
    );
}
