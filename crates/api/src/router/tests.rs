//! Tests of the whole HTTP interface, with a database and an AWS endpoint that can't be reached.
//! The answer to a request that needs the database or AWS is 503. Any other answer shows that the
//! service decided without the database and AWS.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use engine_roles_domain::account::{Partition, Scope};
use engine_roles_domain::cluster::{Defaults, Limits};
use engine_roles_domain::resources::{Namespace, RolePrefix, Tags};
use engine_roles_iam::{Endpoint, Iam, IamConfig};
use engine_roles_provisioner::{
    AttestationMode, DriftMode, OrphanMode, ProbeMode, Provisioner, Settings,
};
use engine_roles_store::{BudgetLimits, Store, StoreConfig};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::{
    ApiKey, Authentication, AuthenticationSettings, LogLevelChange, LogLevelInEffect, LogLevels,
    MetricsHandle, TracesOfCallers,
};

const ROLE: &str = "/v1/clusters/one/role";

/// Every caller is accepted.
fn without_key() -> AuthenticationSettings {
    AuthenticationSettings {
        initial_key: None,
        needs_no_key: true,
        certificate_rules: Vec::new(),
        aws_login: None,
        trusted_proxies: Vec::new(),
        failure_rate: 1_000.try_into().expect("not zero"),
        key_rate: 1_000.try_into().expect("not zero"),
        key_burst: 1_000.try_into().expect("not zero"),
    }
}

async fn api(authentication: AuthenticationSettings) -> Api {
    api_with(authentication, settings()).await
}

async fn api_with(authentication: AuthenticationSettings, settings: Settings) -> Api {
    // Nothing listens on port 1.
    let config = StoreConfig {
        max_connections: 1,
        acquire_timeout: Duration::from_millis(100),
        lease: Duration::from_secs(30),
        consistency_window: Duration::from_mins(1),
        ..StoreConfig::new("postgres://nobody@127.0.0.1:1/nothing")
    };
    let namespace = Namespace::parse("test").expect("a namespace");
    let store = Store::new(&config, namespace).expect("a store");
    let endpoint = Endpoint {
        url: "http://127.0.0.1:1".to_owned(),
        access_key_id: "AKIATEST".to_owned(),
        secret_access_key: "secret".to_owned(),
    };
    let config = IamConfig {
        region: None,
        call_timeout: Duration::from_secs(1),
    };
    let iam = Iam::connect_to(&endpoint, &config).await;
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let provisioner = Provisioner::new(store.clone(), iam, settings);
    let seen = provisioner.keys_seen();
    Api {
        authentication: Arc::new(Authentication::new(authentication, store, seen)),
        provisioner,
        metrics: MetricsHandle(metrics),
        traces: Arc::new(TracesOfCallers),
        log_levels: Arc::new(NoLog),
    }
}

/// The level of a log that does not exist.
struct NoLog;

impl LogLevels for NoLog {
    fn current(&self) -> LogLevelInEffect {
        LogLevelInEffect {
            level: "off".to_owned(),
            configured: "off".to_owned(),
            until: None,
        }
    }

    fn change(&self, _change: LogLevelChange) -> LogLevelInEffect {
        self.current()
    }
}

fn settings() -> Settings {
    Settings {
        defaults: Defaults {
            region: Some("us-west-2".parse().expect("a region")),
            iam_role: None,
            role_prefix: RolePrefix::parse("").expect("a prefix"),
            permissions_boundary: None,
            kms_key: None,
            tags: Tags::default(),
            pass_through_roles: Vec::new(),
            allowed_boundaries: Vec::new(),
            limits: Limits::default(),
        },
        scope: Some(Scope {
            account: "123456789012".parse().expect("an account"),
            partition: Partition::Aws,
        }),
        drift: DriftMode::Off,
        orphans: OrphanMode::Off,
        attestation: AttestationMode::Off,
        probes: ProbeMode::On,
        call_limits: BudgetLimits {
            rate: 10.0,
            burst: 10.0,
        },
        reconcile_interval: Duration::from_mins(10),
        poll_interval: Duration::from_secs(1),
        audit_retention: None,
        audit_signing: None,
        reconcile_slots: 1,
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str());
        value.transpose().expect("text").unwrap_or_default()
    }

    /// Asserts that the answer is a complete problem; returns its status and code.
    fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], self.status.as_u16());
        let code = self.body["code"].as_str().expect("a code");
        assert_eq!(
            self.body["type"],
            format!("urn:engine-roles:problem:{code}")
        );
        for text in ["title", "detail", "request_id"] {
            let text = self.body[text].as_str();
            assert!(text.is_some_and(|text| !text.is_empty()), "{}", self.body);
        }
        assert_eq!(self.header("x-request-id"), self.body["request_id"]);
        (self.status.as_u16(), code.to_owned())
    }

    fn field(&self) -> &str {
        self.body["errors"][0]["field"].as_str().unwrap_or_default()
    }
}

async fn send(api: &Api, request: Request<Body>) -> Answer {
    let answer = router(api.clone()).oneshot(request).await;
    let (parts, body) = answer.expect("an answer").into_parts();
    let bytes = to_bytes(body, usize::MAX).await.expect("a body");
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into()),
    }
}

fn request(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
}

async fn call(method: Method, path: &str) -> Answer {
    let api = api(without_key()).await;
    let request = request(method, path).body(Body::empty());
    send(&api, request.expect("a request")).await
}

async fn put(body: impl Into<Body>) -> Answer {
    put_as("application/json", body).await
}

async fn put_as(content_type: &str, body: impl Into<Body>) -> Answer {
    let api = api(without_key()).await;
    let request = request(Method::PUT, ROLE).header("content-type", content_type);
    send(&api, request.body(body.into()).expect("a request")).await
}

#[tokio::test]
async fn the_body_of_a_plan_is_parsed_like_the_body_of_a_put() {
    let api = api(without_key()).await;
    let path = format!("{ROLE}/plan");
    let request = request(Method::POST, &path).header("content-type", "application/json");
    let request = request.body(Body::from(r#"{"secrets": ["."]}"#));
    let answer = send(&api, request.expect("a request")).await;
    assert_eq!(answer.problem(), (422, "invalid_secret_name".to_owned()));
}

#[tokio::test]
async fn cluster_names_are_checked_in_every_path() {
    for name in [
        "-a",
        "a*",
        "a%2Fb",
        "%24%7Baws:x%7D",
        "%00",
        "%ff",
        "a.b",
        &"a".repeat(64),
    ] {
        for (method, tail) in [
            (Method::GET, "role"),
            (Method::PUT, "role"),
            (Method::DELETE, "role"),
            (Method::POST, "role/plan"),
        ] {
            let answer = call(method.clone(), &format!("/v1/clusters/{name}/{tail}")).await;
            let rejected = (422, "invalid_cluster_name".to_owned());
            assert_eq!(answer.problem(), rejected, "{method} {name}");
            assert_eq!(answer.field(), "cluster");
        }
    }
}

#[tokio::test]
async fn unknown_paths_and_unsupported_methods_are_answered_with_problems() {
    for path in ["/nothing", "/v1", "/v1/clusters/one", "/v2/clusters"] {
        let answer = call(Method::GET, path).await;
        assert_eq!(answer.problem(), (404, "not_found".to_owned()), "{path}");
    }
    for (method, path) in [
        (Method::POST, ROLE),
        (Method::PATCH, ROLE),
        (Method::PUT, "/v1/clusters"),
        (Method::DELETE, "/v1/audit"),
        (Method::PUT, "/v1/policies/engine-trust"),
        (Method::POST, "/livez"),
    ] {
        let answer = call(method, path).await;
        assert_eq!(answer.problem(), (405, "method_not_allowed".to_owned()));
        assert!(answer.header("allow").contains("GET"), "{path}");
    }
}

#[tokio::test]
async fn a_database_outage_is_answered_with_retry_after_and_without_internals() {
    let answer = call(Method::GET, ROLE).await;
    assert_eq!(answer.problem(), (503, "database_unavailable".to_owned()));
    assert_eq!(answer.header("retry-after"), "5");
    assert_eq!(answer.body["retry_after"], 5);
    let text = answer.body.to_string();
    assert!(
        !text.contains("127.0.0.1") && !text.contains("postgres"),
        "{text}"
    );
}

#[tokio::test]
async fn routes_that_need_a_key_accept_only_known_keys() {
    let key = "k".repeat(64);
    let settings = AuthenticationSettings {
        initial_key: Some(ApiKey::new(&key).expect("a key")),
        needs_no_key: false,
        ..without_key()
    };
    let api = api(settings).await;
    let good = format!("Bearer {key}");
    let lower = format!("bearer {key}");
    let other = format!("Bearer {}", "x".repeat(64));
    let basic = format!("Basic {key}");
    let short = format!("Bearer {}", "k".repeat(63));
    for (header, status) in [
        (None, 401),
        (Some(good.as_str()), 503),
        (Some(&lower), 503),
        // Whether another key is known can't be found out without the database.
        (Some(&other), 503),
        (Some(&basic), 401),
        (Some(&short), 401),
        (Some(&key), 401),
        (Some("Bearer "), 401),
        (Some("Bearer"), 401),
    ] {
        for path in [ROLE, "/v1/clusters", "/v1/audit"] {
            let mut request = request(Method::GET, path);
            if let Some(header) = header {
                request = request.header("authorization", header);
            }
            let answer = send(&api, request.body(Body::empty()).expect("a request")).await;
            assert_eq!(answer.problem().0, status, "{path} {header:?}");
            let challenge = if status == 401 { "Bearer" } else { "" };
            assert_eq!(answer.header("www-authenticate"), challenge);
        }
    }
    for path in [
        "/",
        "/version",
        "/livez",
        "/healthcheck",
        "/openapi.json",
        "/docs",
        "/metrics",
    ] {
        let request = request(Method::GET, path).body(Body::empty());
        let answer = send(&api, request.expect("a request")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
}

#[test]
fn a_key_must_have_64_letters_and_digits_and_is_not_shown() {
    for text in [
        "",
        &"k".repeat(63),
        &"k".repeat(65),
        &"é".repeat(32),
        &"-".repeat(64),
    ] {
        assert!(ApiKey::new(text).is_err());
    }
    let key = ApiKey::new(&"k".repeat(64)).expect("a key");
    assert!(!format!("{key:?}").contains("kkk"));
}

#[tokio::test]
async fn a_valid_request_id_is_kept_and_an_invalid_one_is_replaced() {
    let api = api(without_key()).await;
    let long = "a".repeat(129);
    for (given, kept) in [
        ("abc-1.2:3_4", true),
        ("a b", false),
        ("a\"b", false),
        ("", false),
        (&long, false),
    ] {
        let request = request(Method::GET, "/nowhere").header("x-request-id", given);
        let answer = send(&api, request.body(Body::empty()).expect("a request")).await;
        answer.problem();
        assert_eq!(answer.header("x-request-id") == given, kept, "{given}");
    }
}

#[tokio::test]
async fn a_service_without_a_database_is_live_but_not_ready() {
    assert_eq!(call(Method::GET, "/livez").await.status, StatusCode::OK);
    let ready = call(Method::GET, "/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.body["database"], "unreachable");
    assert_eq!(ready.body["status"], "unready");
}

#[tokio::test]
async fn the_openapi_document_is_served_and_lists_every_route() {
    let served = call(Method::GET, "/openapi.json").await.body;
    assert_eq!(served, json!(crate::document()));
    let paths = served["paths"].as_object().expect("paths");
    let mut routes: Vec<String> = Vec::new();
    for (path, item) in paths {
        for method in item.as_object().expect("an item").keys() {
            routes.push(format!("{} {path}", method.to_uppercase()));
            if !path.starts_with("/v1/") {
                continue;
            }
            // A documented route must not be answered with 404 or 405.
            let real = path.replace("{cluster}", "one");
            let real = real.replace("{name}", "session-manager");
            let real = real.replace("{seq}", "1").replace("{path}", "0/000.p/1");
            let real = real.replace("consistency", "consistency?from=0&to=1");
            let method: Method = method.to_uppercase().parse().expect("a method");
            let is_put = method == Method::PUT;
            let answer = call(method, &real).await;
            // These routes need neither the database nor AWS: the administrator listed no role, and
            // the account is configured.
            let offline = [
                "/v1/policies",
                "/v1/pass-through-roles",
                "/v1/capabilities",
                "/v1/log-level",
            ];
            let status = if path == "/v1/audit/checkpoint" {
                // Nothing is signed without a key.
                StatusCode::NOT_FOUND
            } else if path == "/v1/auth/aws" || path == "/v1/log-level" && is_put {
                // Without a body, these lack members.
                StatusCode::BAD_REQUEST
            } else if offline.iter().any(|start| path.starts_with(start)) {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            assert_eq!(answer.status, status, "{path}");
        }
    }
    routes.sort();
    insta::assert_snapshot!(routes.join("\n"), @"
    DELETE /v1/clusters/{cluster}/role
    GET /
    GET /healthcheck
    GET /livez
    GET /metrics
    GET /readyz
    GET /v1/audit
    GET /v1/audit/checkpoint
    GET /v1/audit/consistency
    GET /v1/audit/tile/{path}
    GET /v1/audit/{seq}/proof
    GET /v1/capabilities
    GET /v1/clusters
    GET /v1/clusters/{cluster}/incarnations
    GET /v1/clusters/{cluster}/role
    GET /v1/clusters/{cluster}/role/access
    GET /v1/log-level
    GET /v1/pass-through-roles
    GET /v1/policies
    GET /v1/policies/{name}
    GET /version
    POST /v1/auth/aws
    POST /v1/clusters/{cluster}/role/plan
    PUT /v1/clusters/{cluster}/role
    PUT /v1/log-level
    ");
    let codes = &served["components"]["schemas"]["Code"]["enum"];
    assert_eq!(codes.as_array().map(Vec::len), Some(34));
}

mod console;
mod policies;
mod requests;
