//! Health, metrics, and secrets that must not be logged.

use engine_roles_e2e::installation::{SERVICE_SECRET_KEY, fault};
use engine_roles_e2e::{Installation, eventually};
use serde_json::json;

#[tokio::test]
async fn a_service_with_database_and_aws_is_ready() {
    let installation = Installation::start().await;
    let client = installation.client().anonymous();
    let ready = client.fetch("/readyz").await;
    assert_eq!(ready.expect(200)["status"], "ready");
    // Only a caller with a key learns what the service may not do at AWS.
    let with_key = installation.client().fetch("/readyz").await;
    for (member, shown) in [("missing", json!([])), ("other_account_bindings", json!(0))] {
        assert_eq!(ready.body[member], json!(null), "{member}");
        assert_eq!(with_key.expect(200)[member], shown, "{member}");
    }
    for path in ["/livez", "/healthcheck"] {
        assert_eq!(client.fetch(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn without_its_database_a_service_is_alive_and_not_ready() {
    let mut installation = Installation::build().own_postgres().start().await;
    let client = installation.client().anonymous();
    installation
        .postgres()
        .kill()
        .await
        .expect("Postgres is killed");
    let unready = eventually("it notices", async || {
        let answer = client.fetch("/readyz").await;
        (answer.body["database"] == "unreachable").then_some(answer)
    })
    .await;
    assert_eq!(unready.expect(503)["status"], "unready");
    for path in ["/livez", "/healthcheck", "/metrics", "/openapi.json"] {
        assert_eq!(client.fetch(path).await.status, 200, "{path}");
    }
    installation
        .postgres()
        .start_again()
        .await
        .expect("Postgres starts");
    installation.ready().await;
    installation.client().provision("one").await.expect(201);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_service_that_starts_before_its_database_waits_for_it() {
    let mut installation = Installation::build()
        .own_postgres()
        .not_yet_ready()
        .start()
        .await;
    installation
        .postgres()
        .kill()
        .await
        .expect("Postgres is killed");
    installation.replicas[0].kill().await;
    let environment = installation.environment().clone();
    installation.replicas[0] = engine_roles_e2e::Service::start(&environment).await;
    let answer = installation.client().fetch("/readyz").await;
    assert_eq!(answer.expect(503)["status"], "unready");
    installation
        .postgres()
        .start_again()
        .await
        .expect("Postgres starts");
    installation.ready().await;
    installation.client().provision("one").await.expect(201);
    installation.assert_sound().await;
}

#[tokio::test]
async fn without_aws_a_service_is_degraded_and_still_answers_reads() {
    let installation = Installation::build()
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .env("ENGINE_ROLES_CALL_TIMEOUT", "500ms")
        .not_yet_ready()
        .start()
        .await;
    let client = installation.client();
    let answer = eventually("the database is ready", async || {
        let answer = client.anonymous().fetch("/readyz").await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(answer.body["status"], "degraded");
    assert_eq!(answer.body["aws"], "unreachable");
    assert_eq!(answer.body["aws_last_success"], json!(null));
    client.list("").await.expect(200);
    let answer = client.provision("one").await;
    answer.expect_problem(503, "iam_unavailable");
    assert!(installation.database.bindings().await.is_empty());
}

#[tokio::test]
async fn with_a_configured_account_the_service_works_without_sts() {
    let denied = json!({"error": "AccessDenied"});
    let mut faults = fault("GetCallerIdentity", "before", denied);
    faults[0]["times"] = json!(1_000);
    let installation = Installation::build()
        .env("ENGINE_ROLES_ACCOUNT_ID", "123456789012")
        .faults(faults)
        .start()
        .await;
    // The identity is unknown without STS. Capabilities that can be tried are tried, and everything
    // else works.
    installation.client().provision("one").await.expect(201);
    let answer = installation.client().fetch("/v1/capabilities").await;
    assert_eq!(answer.expect(200)["identity"], json!(null));
    // The ARNs that IAM returned confirm the account.
    installation.client().delete("one").await.expect(200);
    installation.assert_sound().await;
}

#[tokio::test]
async fn metrics_count_calls_requests_and_bindings_without_naming_a_cluster() {
    let installation = Installation::start().await;
    let client = installation.client();
    client.provision("a-very-special-cluster").await.expect(201);
    let metrics = eventually("the bindings are counted again", async || {
        let metrics = client.anonymous().fetch("/metrics").await;
        assert_eq!(metrics.status, 200);
        let is_counted = metrics
            .text
            .contains("engine_roles_bindings{state=\"active\"} 1");
        is_counted.then_some(metrics)
    })
    .await;
    let text = &metrics.text;
    for line in [
        "engine_roles_iam_calls_total{operation=\"CreateRole\",outcome=\"ok\"} 1",
        "engine_roles_bindings{state=\"active\"} 1",
        "engine_roles_http_requests_total{method=\"PUT\",route=\"/v1/clusters/{cluster}/role\",status=\"201\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("a-very-special-cluster"), "{text}");
}

#[tokio::test]
async fn the_log_contains_no_key_password_or_token() {
    let mut installation = Installation::build()
        .env("ENGINE_ROLES_LOG", "trace")
        .own_postgres()
        .unpooled()
        .start()
        .await;
    let client = installation.client();
    let body = json!({"secrets": ["a-secrets-name"], "tags": {"team": "x"}});
    client.put("one", body).await.expect(201);
    let other_key = "Z".repeat(64);
    let other = client.with("authorization", &format!("Bearer {other_key}"));
    other.get("one").await.expect(401);
    client
        .put("one", json!({"tags": {"a": 1}}))
        .await
        .expect(400);
    installation
        .postgres()
        .stop_immediate()
        .await
        .expect("Postgres stops");
    client.provision("two").await.expect(503);
    installation
        .postgres()
        .start_again()
        .await
        .expect("Postgres starts");
    installation.ready().await;
    client.delete("one").await.expect(200);
    installation.replicas[0].stop().await;
    let log = installation.replicas[0].log().text();
    assert!(log.contains("\"status\":201"), "the log has requests");
    let url = reqwest::Url::parse(installation.database.url()).expect("the URL is valid");
    let password = url
        .password()
        .expect("the tests' own server has a password");
    let secrets = [
        ("API key", installation.key()),
        ("rejected key", other_key.as_str()),
        ("database password", password),
        ("AWS secret key", SERVICE_SECRET_KEY),
    ];
    for (what, secret) in secrets {
        let found = log.lines().find(|line| line.contains(secret));
        assert!(found.is_none(), "the {what} is in the log: {found:?}");
    }
}
