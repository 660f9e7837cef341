//! Traces by OTLP: what a collector receives, and that nothing depends on it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use engine_roles_e2e::installation::SERVICE_SECRET_KEY;
use engine_roles_e2e::tls::Authority;
use engine_roles_e2e::trace_collector::{Behaviour, ReceivedSpan, tree};
use engine_roles_e2e::{Installation, InstallationBuilder, TlsFiles, TraceCollector, eventually};
use serde_json::{Value, json};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// Attributes that differ from run to run.
const CHANGING: [&str; 3] = [
    "aws.request_id",
    "engine_roles.request_id",
    "network.peer.port",
];

fn traced(collector: &TraceCollector) -> InstallationBuilder {
    Installation::build()
        .rarely_checked()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
        .env("OTEL_BSP_SCHEDULE_DELAY", "50")
}

/// Waits until a trace has a span whose name begins like this. Returns all spans of the trace.
async fn trace(collector: &TraceCollector, id: &str, with: &str) -> Vec<ReceivedSpan> {
    eventually(
        &format!("the collector has {with} of trace {id}"),
        async || {
            let spans = collector.trace(id);
            let is_there = spans.iter().any(|span| span.name.starts_with(with));
            is_there.then_some(spans)
        },
    )
    .await
}

/// Returns the entries of the log with this value in one of their spans.
fn lines_with(installation: &Installation, member: &str, value: &str) -> Vec<Value> {
    let mut entries = installation.replicas[0].log().entries();
    entries.retain(|entry| {
        let spans = entry["spans"].as_array().into_iter().flatten();
        spans.into_iter().any(|span| span[member] == value)
    });
    entries
}

#[tokio::test]
async fn a_provision_is_one_tree_of_request_turn_database_and_aws_calls() {
    let collector = TraceCollector::start().await;
    let installation = traced(&collector).start().await;
    let client = installation
        .client()
        .with("x-request-id", "r-1")
        .with("traceparent", &format!("00-{TRACE}-{CALLER}-01"))
        .with("tracestate", "vendor=value");
    let mark = installation.mark();
    client.provision("one").await.expect(201);
    let calls = installation.iam_calls(mark).into_iter();
    let ids: BTreeSet<String> = calls.map(|call| call.request_id).collect();
    // A span is sent once all spans below it have ended.
    let mut spans = trace(&collector, TRACE, "PUT ").await;
    // Whether calls have to be reserved depends on what earlier ones have left.
    spans.retain(|span| !["try_reserve_calls", "create_budget"].contains(&span.name.as_str()));
    insta::assert_snapshot!(tree(&spans, &CHANGING), @"
    PUT /v1/clusters/{cluster}/role (server) engine_roles.actor=init engine_roles.cluster=one engine_roles.request_id=… http.request.method=PUT http.response.status_code=201 http.route=/v1/clusters/{cluster}/role network.peer.address=127.0.0.1 network.peer.port=… url.path=/v1/clusters/one/role url.scheme=http
      converge (internal) engine_roles.actor=init engine_roles.cluster=one engine_roles.request_id=…
        IAM/AddRoleToInstanceProfile (client) aws.request_id=… engine_roles.outcome=ok rpc.method=AddRoleToInstanceProfile rpc.service=IAM rpc.system=aws-api
        IAM/CreateInstanceProfile (client) aws.request_id=… engine_roles.outcome=ok rpc.method=CreateInstanceProfile rpc.service=IAM rpc.system=aws-api
        IAM/CreateRole (client) aws.request_id=… engine_roles.outcome=ok rpc.method=CreateRole rpc.service=IAM rpc.system=aws-api
        IAM/PutRolePolicy (client) aws.request_id=… engine_roles.outcome=ok rpc.method=PutRolePolicy rpc.service=IAM rpc.system=aws-api
        insert_intent (client) db.operation.name=insert_intent db.system.name=postgresql
        write_outcome (client) db.operation.name=write_outcome db.system.name=postgresql
      read_latest (client) db.operation.name=read_latest db.system.name=postgresql
    ");
    let root = spans.iter().find(|span| span.kind == "server");
    let root = root.expect("the trace has the request");
    assert_eq!(root.parent, CALLER);
    assert_eq!(root.attributes["engine_roles.request_id"], "r-1");
    for span in &spans {
        assert_eq!(span.trace_state, "vendor=value", "{span:?}");
        assert!(span.started_at <= span.ended_at, "{span:?}");
        assert!(root.started_at <= span.started_at, "{span:?}");
        assert_eq!(span.resource["service.name"], "engine-roles");
    }
    let of_calls = spans
        .iter()
        .filter_map(|span| span.attributes.get("aws.request_id"));
    assert_eq!(of_calls.cloned().collect::<BTreeSet<_>>(), ids);

    // The same trace is in the log and in the audit log.
    for message in ["intent recorded", "AWS call finished", "request answered"] {
        eventually(&format!("{message} is logged"), async || {
            let mut lines = lines_with(&installation, "trace_id", TRACE).into_iter();
            lines.find(|line| line["message"] == message)
        })
        .await;
    }
    installation.events_are_numbered().await;
    let events = installation.client().audit("cluster=one").await;
    for event in events.expect(200)["items"].as_array().expect("a list") {
        assert_eq!(event["trace_id"], TRACE, "{event}");
    }
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_service_begins_a_trace_where_the_caller_has_none() {
    let collector = TraceCollector::start().await;
    let installation = traced(&collector)
        .env("OTEL_SERVICE_NAME", "roles-of-team-a")
        .env(
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test",
        )
        .start()
        .await;
    installation.deny(&["iam:CreateRole"]).await;
    let client = installation.client().with("x-request-id", "r-2");
    let answer = client.provision("two").await;
    let problem = answer.expect_problem(424, "missing_permission").clone();
    let id = problem["trace_id"]
        .as_str()
        .expect("the problem has a trace");
    let spans = trace(&collector, id, "PUT ").await;
    let named = |name: &str| spans.iter().find(|span| span.name == name).expect(name);
    let root = named("PUT /v1/clusters/{cluster}/role");
    assert_eq!(root.parent, "");
    assert_eq!(root.resource["service.name"], "roles-of-team-a");
    assert_eq!(root.resource["deployment.environment.name"], "test");
    assert_eq!(root.attributes["http.response.status_code"], "424");
    assert_eq!(
        root.attributes["engine_roles.problem"],
        "missing_permission"
    );
    // The service did what it had to do; the caller's request failed.
    assert!(!root.has_failed);
    let denied = named("IAM/CreateRole");
    assert!(denied.has_failed);
    assert_eq!(denied.attributes["error.type"], "denied");
    eventually("the trace is logged", async || {
        (!lines_with(&installation, "trace_id", id).is_empty()).then_some(())
    })
    .await;
    installation.events_are_numbered().await;
    let events = installation.client().audit("cluster=two").await;
    for event in events.expect(200)["items"].as_array().expect("a list") {
        assert_eq!(event["trace_id"], id, "{event}");
    }
}

#[tokio::test]
async fn a_turn_that_takes_longer_than_its_request_belongs_to_the_trace() {
    let collector = TraceCollector::start().await;
    let installation = traced(&collector).latency(200).start().await;
    let client = installation
        .client()
        .without_waiting()
        .with("traceparent", &format!("00-{TRACE}-{CALLER}-01"));
    client.provision("one").await.expect(202);
    let spans = trace(&collector, TRACE, "PUT ").await;
    let named = |name: &str| spans.iter().find(|span| span.name == name).expect(name);
    let (request, turn) = (named("PUT /v1/clusters/{cluster}/role"), named("converge"));
    assert_eq!(turn.parent, request.id);
    assert!(request.ended_at < turn.ended_at, "{request:?} {turn:?}");
    assert_eq!(named("IAM/PutRolePolicy").parent, turn.id);
}

#[tokio::test]
async fn neither_probes_nor_unsampled_requests_are_sent() {
    let collector = TraceCollector::start().await;
    let installation = traced(&collector).start().await;
    for path in ["/livez", "/readyz", "/healthcheck", "/metrics"] {
        installation.client().fetch(path).await.expect(200);
    }
    let unsampled = installation
        .client()
        .with("traceparent", &format!("00-{TRACE}-{CALLER}-00"));
    unsampled.get("one").await.expect_problem(404, "not_found");
    let answer = installation.client().get("one").await;
    let problem = answer.expect_problem(404, "not_found").clone();
    let id = problem["trace_id"]
        .as_str()
        .expect("the problem has a trace");
    trace(&collector, id, "GET ").await;
    let spans = collector.spans();
    let names: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    let probe = names
        .iter()
        .find(|name| name.contains('z') || name.contains("metrics"));
    assert_eq!(probe, None, "{names:?}");
    assert!(spans.iter().all(|span| span.trace_id != TRACE));
    // The id is in the log all the same.
    eventually("the trace is logged", async || {
        (!lines_with(&installation, "trace_id", TRACE).is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn work_without_a_request_is_a_trace_of_its_own() {
    let collector = TraceCollector::start().await;
    let installation = traced(&collector)
        .env("ENGINE_ROLES_CONSISTENCY_WINDOW", "1s")
        .start()
        .await;
    installation.client().provision("one").await.expect(201);
    installation.database.make_due("live").await;
    let turn = eventually("a check by the reconciler is sent", async || {
        let spans = collector.spans();
        let reads = spans.iter().filter(|span| span.name == "IAM/GetRole");
        let mut turns = reads.filter_map(|read| {
            let turn = spans.iter().find(|span| span.id == read.parent)?;
            (turn.attributes.get("engine_roles.actor")? == "reconciler").then_some(turn)
        });
        turns.next().cloned()
    })
    .await;
    assert_eq!((turn.name.as_str(), turn.parent.as_str()), ("converge", ""));
    let entries = installation.replicas[0].log().entries();
    let line = entries
        .iter()
        .find(|entry| entry["trace_id"] == *turn.trace_id);
    assert_eq!(line.expect("a line of the turn")["cluster"], "one");
}

#[tokio::test]
async fn a_collector_that_hangs_fails_or_is_away_changes_nothing() {
    let collector = TraceCollector::start().await;
    for (behaviour, problem) in [
        (Behaviour::Hang, "it did not answer in time"),
        (
            Behaviour::Fail(503),
            "it answered with 503 Service Unavailable",
        ),
        // Spans and headers go to the configured collector alone.
        (
            Behaviour::Redirect,
            "it answered with 307 Temporary Redirect",
        ),
        (
            Behaviour::ShowPage,
            "it answered with a web page, so it is no collector",
        ),
        (
            Behaviour::Flood(65 * 1024),
            "its answer is longer than 64 KiB",
        ),
    ] {
        let is_hanging = matches!(behaviour, Behaviour::Hang);
        // A busy machine must not make the others look like one that hangs.
        let limit = if is_hanging { "300" } else { "10000" };
        collector.behave(behaviour);
        let mut installation = traced(&collector)
            .env("OTEL_EXPORTER_OTLP_TIMEOUT", limit)
            .start()
            .await;
        works_and_stops(&mut installation, problem).await;
    }
    let mut installation = traced(&collector)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
        .start()
        .await;
    works_and_stops(&mut installation, "it can't be reached").await;
    // Nor does one that hangs for longer than the end of the service may take.
    collector.behave(Behaviour::Hang);
    let mut installation = traced(&collector).start().await;
    installation.client().provision("one").await.expect(201);
    let started = Instant::now();
    assert!(installation.replicas[0].stop().await.success());
    // Far below the ten seconds after which the attempt to send would end.
    assert!(started.elapsed() < Duration::from_secs(8));
    assert_eq!(collector.bodies(), [[0; 0]; 0]);
}

async fn works_and_stops(installation: &mut Installation, problem: &str) {
    const MESSAGE: &str = "collector does not take traces; requests are served without them";
    let client = installation.client();
    for cluster in ["one", "two", "three"] {
        client.provision(cluster).await.expect(201);
    }
    let log = installation.replicas[0].log().clone();
    let line = eventually("the failure is logged", async || log.find(MESSAGE)).await;
    assert_eq!(line["problem"], problem, "{line}");
    client.delete("one").await.expect(200);
    assert!(installation.replicas[0].stop().await.success());
    let lines = log.entries().into_iter();
    assert_eq!(lines.filter(|line| line["message"] == MESSAGE).count(), 1);
    log.logged("service stopped").await;
}

#[tokio::test]
async fn spans_that_wait_are_sent_when_the_service_stops() {
    let collector = TraceCollector::start().await;
    let mut installation = traced(&collector)
        .env("OTEL_BSP_SCHEDULE_DELAY", "3600000")
        .start()
        .await;
    let client = installation
        .client()
        .with("traceparent", &format!("00-{TRACE}-{CALLER}-01"));
    client.provision("one").await.expect(201);
    assert_eq!(collector.trace(TRACE).len(), 0);
    assert!(installation.replicas[0].stop().await.success());
    let spans = collector.trace(TRACE);
    assert!(
        spans.iter().any(|span| span.name == "converge"),
        "{spans:?}"
    );
}

#[tokio::test]
async fn no_secret_is_sent_or_logged() {
    const COLLECTORS_KEY: &str = "KeyOfTheCollector0123456789abcdef";
    const PASSWORD: &str = "PasswordOfTheCollector";
    let collector = TraceCollector::start().await;
    let (_, place) = collector.endpoint().split_once("//").map_or_else(
        || panic!("the endpoint is a URL"),
        |(scheme, place)| (scheme.to_owned(), place.to_owned()),
    );
    let installation = traced(&collector)
        .env("ENGINE_ROLES_LOG", "trace,engine_roles=trace")
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("http://user:{PASSWORD}@{place}"),
        )
        .env(
            "OTEL_EXPORTER_OTLP_HEADERS",
            format!("x-api-key={COLLECTORS_KEY}"),
        )
        .start()
        .await;
    let client = installation
        .client()
        .with("traceparent", &format!("00-{TRACE}-{CALLER}-01"));
    let tags = json!({"tags": {"note": "TextOfTheBody0123456789"}});
    client.put("one", tags).await.expect(201);
    client
        .fetch("/v1/clusters?prefix=TextOfTheQuery&limit=1")
        .await
        .expect(200);
    let unknown = "UnknownKeyOfSomebody".repeat(4)[..64].to_owned();
    let stranger = client
        .anonymous()
        .with("authorization", &format!("Bearer {unknown}"));
    stranger.get("one").await.expect(401);
    trace(&collector, TRACE, "PUT ").await;
    trace(&collector, TRACE, "GET /v1/clusters/").await;
    let sent = collector.bodies().concat();
    let sent = String::from_utf8_lossy(&sent);
    let logged = installation.replicas[0].log().text();
    assert!(sent.contains("IAM/CreateRole") && logged.contains("TRACE"));
    let key = installation.key().to_owned();
    let secrets = [
        key.as_str(),
        &unknown,
        SERVICE_SECRET_KEY,
        COLLECTORS_KEY,
        PASSWORD,
    ];
    for secret in secrets {
        assert!(!sent.contains(secret), "{secret} was sent");
        assert!(!logged.contains(secret), "{secret} was logged");
    }
    for text in ["TextOfTheBody", "TextOfTheQuery", "postgres://"] {
        assert!(!sent.contains(text), "{text} was sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_with_a_private_authority_is_trusted_by_the_standard_variables() {
    let files = TlsFiles::new();
    let collector = TraceCollector::start_with_tls(&files.authority.service()).await;
    let trusted = files.authority_file().to_string_lossy().into_owned();
    let other = files.file("other.crt");
    std::fs::write(&other, Authority::new("another authority").pem()).expect("written");
    let other = other.to_string_lossy().into_owned();
    let (general, of_traces) = (
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    );
    let mut installation = traced(&collector).env(general, &trusted).start().await;
    let client = installation
        .client()
        .with("traceparent", &format!("00-{TRACE}-{CALLER}-01"));
    client.provision("one").await.expect(201);
    trace(&collector, TRACE, "PUT ").await;

    let report = |variables: &[(&str, &str)]| {
        let output = installation.run(&["check"], variables);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for variables in [
        vec![(general, trusted.as_str())],
        vec![(general, &other), (of_traces, &trusted)],
    ] {
        let text = report(&variables);
        assert!(text.contains("takes traces"), "{text}");
    }
    for variables in [
        vec![(general, other.as_str())],
        vec![(general, &trusted), (of_traces, &other)],
        vec![(general, "")],
    ] {
        let text = report(&variables);
        assert!(text.contains("it can't be reached"), "{text}");
    }
    let text = report(&[(of_traces, "/no/such/file")]);
    let rule = format!("{of_traces} must name a file with certificates in PEM");
    assert!(text.contains(&rule), "{text}");
    let protocol = "OTEL_EXPORTER_OTLP_PROTOCOL";
    let text = report(&[(protocol, "grpc")]);
    let rule = format!("{protocol} must be http/protobuf");
    assert!(text.contains(&rule), "{text}");

    installation.set_env(general, "/no/such/file");
    installation.restart(0).await;
    let warning = "traces are not sent: the variable is invalid";
    let line = installation.replicas[0].log().logged(warning).await;
    assert_eq!(line["variable"], general);
}

#[tokio::test]
async fn traces_that_cannot_be_sent_are_warned_about_and_off_without_a_collector() {
    let mut installation = Installation::build().rarely_checked().start().await;
    let answer = installation.client().get("one").await;
    assert!(answer.expect(404).get("trace_id").is_none());
    let warning = "traces are not sent: the variable is invalid";
    assert!(installation.replicas[0].log().find(warning).is_none());
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ] {
        installation.set_env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
        installation.set_env(name, value);
        installation.restart(0).await;
        let line = installation.replicas[0].log().logged(warning).await;
        assert_eq!(line["variable"], name);
    }
}
