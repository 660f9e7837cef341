//! The HTTP interface: waiting, lists, API keys, request ids, and the OpenAPI document.

use std::collections::BTreeSet;

use engine_roles_e2e::Installation;
use engine_roles_e2e::client::role;
use engine_roles_e2e::installation::fault;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_caller_that_does_not_wait_gets_202_with_the_location() {
    let installation = Installation::build().latency(100).start().await;
    let client = installation.client();
    let answer = client.without_waiting().provision("one").await;
    let pending = answer.expect(202);
    assert_eq!(pending["state"], "provisioning");
    assert_eq!(pending["applied_generation"], Value::Null);
    assert_eq!(answer.header("location"), Some("/v1/clusters/one/role"));
    assert_eq!(answer.header("etag"), Some("\"1-1\""));
    let created = json!(null);
    for part in ["role", "instance_profile"] {
        // Names and ARNs are known already; the unique ids come with AWS's answers.
        assert!(pending[part]["arn"].is_string(), "{pending:#}");
        assert_eq!(pending[part]["id"], created);
    }
    let seconds = answer
        .header("retry-after")
        .and_then(|text| text.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| seconds > 0));
    let created = client.with("prefer", "wait=60").get("one").await;
    assert_eq!(created.expect(200)["state"], "active");
    // The role exists now, so that a repeated PUT changes nothing.
    client.provision("one").await.expect(200);
    let answer = client.without_waiting().delete("one").await;
    assert_eq!(answer.expect(202)["state"], "deleting");
    assert_eq!(answer.header("location"), Some("/v1/clusters/one/role"));
    let gone = client.with("prefer", "wait=60").get("one").await;
    assert_eq!(gone.expect(200)["state"], "deleted");
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_repeated_put_in_progress_waits_for_the_same_outcome() {
    let installation = Installation::build().latency(150).start().await;
    let client = installation.client();
    let first = client
        .without_waiting()
        .provision("one")
        .await
        .expect(202)
        .clone();
    let second = client.provision("one").await;
    assert_eq!(second.expect(200)["binding_id"], first["binding_id"]);
    assert_eq!(second.body["state"], "active");
    assert_eq!(installation.mutations(0).len(), 4);
    installation.assert_sound().await;
}

#[tokio::test]
async fn when_the_wait_ends_the_answer_is_202_and_the_work_continues() {
    let installation = Installation::start().await;
    installation.set_faults(fault("PutRolePolicy", "before", json!({"hang_ms": 5_000})));
    let client = installation.client();
    let answer = client.with("prefer", "wait=1").provision("one").await;
    assert_eq!(answer.expect(202)["state"], "provisioning");
    installation
        .sandbox
        .advance(std::time::Duration::from_secs(5));
    installation.reaches("one", "active").await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_caller_that_disconnects_does_not_stop_the_work() {
    let installation = Installation::start().await;
    installation.set_faults(fault("CreateRole", "before", json!({"hang_ms": 5_000})));
    let client = installation.client();
    let request = client.request(Method::PUT, &role("one")).json(&json!({}));
    let waiting = tokio::spawn(request.send());
    installation.reached("CreateRole", 0).await;
    waiting.abort();
    installation
        .sandbox
        .advance(std::time::Duration::from_secs(5));
    installation.reaches("one", "active").await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn unknown_clusters_and_unknown_paths_are_404() {
    let installation = Installation::start().await;
    let answer = installation.client().get("never").await;
    answer.expect_problem(404, "not_found");
    let answer = installation.client().fetch("/v1/nothing").await;
    answer.expect_problem(404, "not_found");
    let request = installation.client().request(Method::POST, &role("one"));
    let answer = installation.client().send(request).await;
    assert_eq!(answer.status, 405, "{}", answer.text);
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_list_of_clusters_is_in_the_order_of_names_with_pages_and_filters() {
    let installation = Installation::build()
        .env(
            "ENGINE_ROLES_PASS_THROUGH_ROLES",
            "arn:aws:iam::123456789012:role/p=p",
        )
        .start()
        .await;
    let client = installation.client();
    let passed = json!({"iam_role": "p", "mode": "pass_through"});
    for number in 0..7 {
        let body = if number % 2 == 0 {
            passed.clone()
        } else {
            json!({})
        };
        client.put(&format!("c{number}"), body).await.expect(201);
    }
    client.delete("c1").await.expect(200);
    let names = |answer: &Value| -> Vec<String> {
        let items = answer["items"].as_array().cloned().unwrap_or_default();
        items
            .iter()
            .map(|item| item["cluster"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let all = client.list("").await;
    assert_eq!(
        names(all.expect(200)),
        ["c0", "c1", "c2", "c3", "c4", "c5", "c6"]
    );
    assert_eq!(all.body["next_cursor"], Value::Null);
    assert_eq!(all.body["items"][6], client.get("c6").await.body);

    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.list(&format!("limit=3{cursor}")).await;
        assert!(names(page.expect(200)).len() <= 3);
        paged.extend(names(&page.body));
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, names(&all.body));

    let created = client.list("mode=create").await;
    assert_eq!(names(&created.body), ["c1", "c3", "c5"]);
    let active = client.list("mode=create&state=active").await;
    assert_eq!(names(&active.body), ["c3", "c5"]);
    let deleted = client.list("state=deleted").await;
    assert_eq!(names(&deleted.body), ["c1"]);
    assert_eq!(names(&client.list("state=blocked").await.body), [""; 0]);
    installation.assert_sound().await;
}

#[tokio::test]
async fn without_a_valid_key_nothing_is_disclosed_or_changed() {
    let installation = Installation::build()
        .env("ENGINE_ROLES_FAILURE_RATE", "10000")
        .start()
        .await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    let since = installation.mark();
    let unknown = format!("Bearer {}", "k".repeat(64));
    let almost = format!("Bearer {}x", &installation.key()[..63]);
    let wrong_scheme = format!("Basic {}", installation.key());
    let callers = [
        client.anonymous(),
        client.with("authorization", &unknown),
        client.with("authorization", &almost),
        client.with("authorization", &wrong_scheme),
        client.with("authorization", "Bearer"),
        client.with("authorization", "Bearer "),
    ];
    for caller in &callers {
        let answers = [
            caller.put("two", json!({})).await,
            caller.get("one").await,
            caller.delete("one").await,
            caller.plan("one", json!({})).await,
            caller.list("").await,
            caller.audit("").await,
        ];
        for answer in answers {
            answer.expect_problem(401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert!(!answer.text.contains("one"), "{}", answer.text);
        }
        caller.fetch("/livez").await.expect(200);
    }
    assert_eq!(installation.iam_calls(since).len(), 0);
    assert_eq!(installation.database.bindings().await.len(), 1);
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_callers_request_id_is_returned_and_recorded_in_the_audit_log() {
    let installation = Installation::start().await;
    let client = installation.client().with("x-request-id", "deploy-42:one");
    let answer = client.provision("one").await;
    answer.expect(201);
    assert_eq!(answer.header("x-request-id"), Some("deploy-42:one"));
    for event in installation.database.events().await {
        assert_eq!(
            event.request_id.as_deref(),
            Some("deploy-42:one"),
            "{}",
            event.action
        );
    }
    let problem = client.get("never").await;
    assert_eq!(problem.body["request_id"], "deploy-42:one");
    let insane = "x".repeat(200);
    for id in [insane.as_str(), "a b", "<script>"] {
        let answer = installation
            .client()
            .with("x-request-id", id)
            .get("one")
            .await;
        let own = answer.header("x-request-id").unwrap_or_default();
        assert!(own.parse::<uuid::Uuid>().is_ok(), "{own}");
    }
    installation.assert_sound().await;
}

#[tokio::test]
async fn every_answer_has_its_own_request_id() {
    let installation = Installation::start().await;
    let client = installation.client();
    let answers = [
        client.fetch("/livez").await,
        client.fetch("/nothing").await,
        client.anonymous().list("").await,
        client.list("").await,
        client.put("*", json!({})).await,
    ];
    let ids: BTreeSet<&str> = answers
        .iter()
        .map(|answer| {
            answer
                .header("x-request-id")
                .expect("the answer has a request id")
        })
        .collect();
    assert_eq!(ids.len(), answers.len());
}

#[tokio::test]
async fn the_openapi_document_lists_exactly_the_routes_that_exist() {
    let installation = Installation::start().await;
    let client = installation.client();
    let document = client.anonymous().fetch("/openapi.json").await;
    let document = document.expect(200);
    let version = document["openapi"]
        .as_str()
        .expect("the document has a version");
    assert!(version.starts_with("3.1"), "{version}");
    let paths = document["paths"]
        .as_object()
        .expect("the document has paths");
    let candidates = [
        "/v1/clusters/{cluster}/role",
        "/v1/clusters/{cluster}/role/plan",
        "/v1/clusters/{cluster}/role/access",
        "/v1/clusters/{cluster}",
        "/v1/clusters",
        "/v1/pass-through-roles",
        "/v1/policies",
        "/v1/policies/{name}",
        "/v1/capabilities",
        "/v1/audit",
        "/v1/audit/checkpoint",
        "/v1/audit/{seq}/proof",
        "/v1/audit/consistency",
        "/v1/audit/tile/{path}",
        "/v1/clusters/{cluster}/incarnations",
        "/v1/auth/aws",
        "/v1/log-level",
        "/v1",
        "/",
        "/version",
        "/livez",
        "/readyz",
        "/healthcheck",
        "/metrics",
        "/docs",
        "/console",
        "/console/clusters",
        "/console/sign-in",
    ];
    for path in paths.keys() {
        assert!(
            candidates.contains(&path.as_str()),
            "{path} is not in the contract"
        );
    }
    let methods = [
        Method::GET,
        Method::PUT,
        Method::POST,
        Method::DELETE,
        Method::PATCH,
    ];
    for path in candidates {
        let documented = paths.get(path);
        let real = path
            .replace("{cluster}", "one")
            .replace("{name}", "session-manager")
            .replace("{seq}", "1")
            .replace("{path}", "0/000.p/1");
        for method in &methods {
            let described =
                documented.is_some_and(|path| !path[method.as_str().to_lowercase()].is_null());
            let request = client.without_waiting().request(method.clone(), &real);
            let answer = client.send(request).await;
            let is_missing = answer.status == 405
                || answer.status == 404 && answer.text.contains("no resource exists at");
            // Pages for people are not part of the document.
            let page = path == "/docs" && *method == Method::GET || path.starts_with("/console");
            assert!(
                page || described != is_missing,
                "{method} {path}: described is {described}, and the answer is {}",
                answer.status
            );
        }
    }
}

#[tokio::test]
async fn every_documented_operation_describes_its_answers() {
    let installation = Installation::start().await;
    let document = installation.client().fetch("/openapi.json").await;
    let paths = document.expect(200)["paths"].as_object().cloned();
    for (path, operations) in paths.expect("the document has paths") {
        for (method, operation) in operations.as_object().expect("the path has operations") {
            let place = format!("{method} {path}");
            let responses = operation["responses"].as_object();
            assert!(responses.is_some_and(|all| !all.is_empty()), "{place}");
            let reported = operation["summary"].is_string() || operation["description"].is_string();
            assert!(reported, "{place} is not described");
        }
    }
}
