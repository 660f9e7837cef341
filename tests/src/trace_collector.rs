//! A collector of traces: receives OTLP over HTTP, as protocol buffers. Source:
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite, BufStream};

use crate::aws_proxy::http::{Request, Response};
use crate::loopback::LoopbackServer;
use crate::tls::{Pair, acceptor};

/// A server on loopback. Dropping this value ends it.
#[derive(Debug)]
pub struct TraceCollector {
    server: LoopbackServer,
    scheme: &'static str,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    behaviour: Mutex<Behaviour>,
    received: Mutex<Vec<Vec<u8>>>,
    headers: Mutex<Vec<Option<String>>>,
}

/// What the collector does with a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Takes the spans.
    #[default]
    Take,
    /// Reads the request and never answers.
    Hang,
    /// Answers with this status, and takes nothing.
    Fail(u16),
    /// Sends the caller to a path, at which it would take the spans.
    Redirect,
    /// Answers with 200 and a web page, as a server that is no collector.
    ShowPage,
    /// Answers with 200 and so many bytes.
    Flood(usize),
}

/// A span as it was received. Ids are in hexadecimal digits.
#[derive(Clone, Debug)]
pub struct ReceivedSpan {
    pub trace_id: String,
    pub id: String,
    /// Empty for a span without a parent.
    pub parent: String,
    pub name: String,
    /// `internal`, `server` or `client`.
    pub kind: &'static str,
    pub attributes: BTreeMap<String, String>,
    /// Whether the status of the span is that of an error.
    pub has_failed: bool,
    pub trace_state: String,
    pub started_at: u64,
    pub ended_at: u64,
    /// The attributes of what sent the span.
    pub resource: BTreeMap<String, String>,
}

impl TraceCollector {
    /// Starts a collector that takes all spans.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub async fn start() -> Self {
        let shared = Arc::<Shared>::default();
        let kept = Arc::clone(&shared);
        let server = LoopbackServer::start(move |caller| serve(caller, Arc::clone(&kept)));
        Self {
            server: server.await,
            scheme: "http",
            shared,
        }
    }

    /// Starts a collector that takes all spans over TLS, with this certificate.
    ///
    /// # Panics
    /// When the certificate is broken, or loopback has no free port.
    pub async fn start_with_tls(pair: &Pair) -> Self {
        let shared = Arc::<Shared>::default();
        let kept = Arc::clone(&shared);
        let acceptor = acceptor(pair);
        let server = LoopbackServer::start(move |caller| {
            let (acceptor, kept) = (acceptor.clone(), Arc::clone(&kept));
            async move { serve(acceptor.accept(caller).await?, kept).await }
        });
        Self {
            server: server.await,
            scheme: "https",
            shared,
        }
    }

    /// The URL for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.server.address())
    }

    /// Does this with the requests from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        *lock(&self.shared.behaviour) = behaviour;
    }

    /// The bodies of all requests.
    pub fn bodies(&self) -> Vec<Vec<u8>> {
        lock(&self.shared.received).clone()
    }

    /// The header `authorization` of each request.
    pub fn authorizations(&self) -> Vec<Option<String>> {
        lock(&self.shared.headers).clone()
    }

    /// All spans that were received.
    ///
    /// # Panics
    /// When a body is not one that OTLP allows.
    pub fn spans(&self) -> Vec<ReceivedSpan> {
        let mut spans = Vec::new();
        for body in self.bodies() {
            let request = ExportTraceServiceRequest::decode(body.as_slice());
            for of_resource in request.expect("the body is OTLP").resource_spans {
                let resource = of_resource.resource.unwrap_or_default();
                let resource = texts(resource.attributes);
                let of_scopes = of_resource.scope_spans.into_iter();
                let received = of_scopes.flat_map(|scope| scope.spans);
                spans.extend(received.map(|span| ReceivedSpan::new(span, &resource)));
            }
        }
        spans
    }

    /// The spans of a trace.
    pub fn trace(&self, id: &str) -> Vec<ReceivedSpan> {
        let mut spans = self.spans();
        spans.retain(|span| span.trace_id == id);
        spans
    }
}

impl ReceivedSpan {
    fn new(span: Span, resource: &BTreeMap<String, String>) -> Self {
        Self {
            trace_id: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            name: span.name,
            kind: match span.kind {
                1 => "internal",
                2 => "server",
                3 => "client",
                _ => "another kind",
            },
            attributes: texts(span.attributes),
            has_failed: span.status.is_some_and(|status| status.code == 2),
            trace_state: span.trace_state,
            started_at: span.start_time_unix_nano,
            ended_at: span.end_time_unix_nano,
            resource: resource.clone(),
        }
    }
}

/// Renders the tree below a span, or of all spans whose parent is not among these. Siblings are in the
/// order of their names. A span is one line: its name, its kind and its attributes, except those that
/// differ from run to run.
pub fn tree(spans: &[ReceivedSpan], changing: &[&str]) -> String {
    let ids: Vec<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    let is_root = |span: &&ReceivedSpan| !ids.contains(&span.parent.as_str());
    let mut lines = Vec::new();
    for root in sorted(spans.iter().filter(is_root)) {
        add_lines(spans, root, changing, 0, &mut lines);
    }
    lines.join("\n")
}

fn add_lines(
    spans: &[ReceivedSpan],
    span: &ReceivedSpan,
    changing: &[&str],
    depth: usize,
    lines: &mut Vec<String>,
) {
    let attributes = span.attributes.iter().map(|(name, value)| {
        let is_changing = changing.contains(&name.as_str());
        let value = if is_changing { "…" } else { value };
        format!("{name}={value}")
    });
    let attributes = attributes.collect::<Vec<_>>().join(" ");
    let failed = if span.has_failed { " failed" } else { "" };
    let indent = "  ".repeat(depth);
    lines.push(format!(
        "{indent}{} ({}{failed}) {attributes}",
        span.name, span.kind
    ));
    let children = spans.iter().filter(|child| child.parent == span.id);
    for child in sorted(children) {
        add_lines(spans, child, changing, depth + 1, lines);
    }
}

fn sorted<'a>(spans: impl Iterator<Item = &'a ReceivedSpan>) -> Vec<&'a ReceivedSpan> {
    let mut spans: Vec<&ReceivedSpan> = spans.collect();
    spans.sort_by(|a, b| a.name.cmp(&b.name));
    spans
}

async fn serve(
    caller: impl AsyncRead + AsyncWrite + Unpin,
    shared: Arc<Shared>,
) -> std::io::Result<()> {
    let mut stream = BufStream::new(caller);
    while let Some(request) = Request::read(&mut stream).await? {
        let behaviour = *lock(&shared.behaviour);
        let (mut kind, mut location, mut body) = ("application/x-protobuf", None, String::new());
        let status = match behaviour {
            Behaviour::Hang => {
                std::future::pending::<()>().await;
                return Ok(());
            }
            Behaviour::Fail(status) => status,
            Behaviour::Redirect if request.path() == "/v1/traces" => {
                location = Some("/elsewhere".to_owned());
                307
            }
            Behaviour::ShowPage => {
                kind = "text/html; charset=utf-8";
                body.push_str("<p>hello</p>");
                200
            }
            Behaviour::Flood(length) => {
                body = "x".repeat(length);
                200
            }
            Behaviour::Take if request.path() != "/v1/traces" => 404,
            Behaviour::Take | Behaviour::Redirect => {
                let authorization = request.header("authorization").map(str::to_owned);
                lock(&shared.headers).push(authorization);
                lock(&shared.received).push(request.into_body());
                200
            }
        };
        let mut headers = vec![("content-type".to_owned(), kind.to_owned())];
        headers.extend(location.map(|location| ("location".to_owned(), location)));
        let response = Response {
            status,
            headers,
            body,
        };
        response.write(&mut stream).await?;
    }
    Ok(())
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let texts = attributes.into_iter().map(|attribute| {
        let value = attribute.value.and_then(|value| value.value);
        let text = match value {
            Some(Value::StringValue(text)) => text,
            Some(Value::IntValue(number)) => number.to_string(),
            Some(Value::BoolValue(value)) => value.to_string(),
            other => format!("{other:?}"),
        };
        (attribute.key, text)
    });
    texts.collect()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
