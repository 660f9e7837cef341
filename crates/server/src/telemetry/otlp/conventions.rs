//! The names and attributes of spans by OpenTelemetry's semantic conventions.
//!
//! Only the spans and the fields that are named here are sent. Sources:
//! <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>,
//! <https://opentelemetry.io/docs/specs/semconv/db/database-spans/>,
//! <https://opentelemetry.io/docs/specs/semconv/cloud-providers/aws-sdk/>.

use std::borrow::Cow;

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use tracing::Metadata;

/// The path of a request.
pub(super) const PATH: &str = "url.path";
/// The scheme of a request's URL.
pub(super) const SCHEME: &str = "url.scheme";
/// The status of an answer.
pub(super) const STATUS: &str = "http.response.status_code";
/// The name of the spans of store operations. A store operation that belongs to no other span, as those
/// of background tasks, is not sent.
pub(super) const DATABASE: &str = "database";

/// The methods that a span names. Source: the conventions, `http.request.method`.
const METHODS: [&str; 10] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE",
];

/// Returns whether a span is sent, as far as its place in the program decides it.
pub(super) fn is_sent(metadata: &Metadata<'_>) -> bool {
    let is_known = matches!(metadata.name(), "request" | "work" | DATABASE | "aws_call");
    metadata.is_span() && metadata.target().starts_with("engine_roles_") && is_known
}

/// Gives a span its name, kind, attributes and status; none for a span that is not sent.
pub(super) fn conventional(mut span: SpanData) -> Option<SpanData> {
    let fields = std::mem::take(&mut span.attributes);
    let fields = Fields(fields);
    let (kind, name, attributes) = match span.name.as_ref() {
        "request" => request(&fields),
        "work" => (SpanKind::Internal, "converge".into(), of_binding(&fields)),
        DATABASE => database(&fields),
        "aws_call" => aws_call(&fields),
        _ => return None,
    };
    let failed = attributes.iter().any(|each| each.key.as_str() == ERROR);
    if failed {
        span.status = Status::error("");
    }
    span.span_kind = kind;
    span.name = name;
    span.attributes = attributes;
    Some(span)
}

/// The attribute of a span that failed.
const ERROR: &str = "error.type";

/// The fields of a span of this program.
struct Fields(Vec<KeyValue>);

impl Fields {
    fn value(&self, name: &str) -> Option<&Value> {
        let mut fields = self.0.iter();
        let field = fields.rfind(|field| field.key.as_str() == name)?;
        Some(&field.value)
    }

    fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.value(name).map(Value::as_str)
    }

    /// Returns the attribute with the value of a field.
    fn attribute(&self, attribute: &'static str, field: &str) -> Option<KeyValue> {
        self.value(field)
            .map(|value| KeyValue::new(attribute, value.clone()))
    }

    fn attributes(&self, names: &[(&'static str, &str)]) -> Vec<KeyValue> {
        let found = names
            .iter()
            .filter_map(|(attribute, field)| self.attribute(attribute, field));
        found.collect()
    }
}

fn of_binding(fields: &Fields) -> Vec<KeyValue> {
    fields.attributes(&[
        ("engine_roles.cluster", "cluster"),
        ("engine_roles.actor", "actor"),
        ("engine_roles.request_id", "request_id"),
    ])
}

fn request(fields: &Fields) -> (SpanKind, Cow<'static, str>, Vec<KeyValue>) {
    let mut attributes = fields.attributes(&[
        ("http.route", "route"),
        (PATH, PATH),
        (SCHEME, SCHEME),
        (STATUS, STATUS),
        ("client.address", "source"),
        ("engine_roles.cluster", "cluster"),
        ("engine_roles.actor", "actor"),
        ("engine_roles.request_id", "id"),
        ("engine_roles.problem", "code"),
    ]);
    if let Some(address) = fields.text("peer").and_then(|peer| peer.parse().ok()) {
        let address: std::net::SocketAddr = address;
        let (ip, port) = (address.ip().to_string(), i64::from(address.port()));
        attributes.push(KeyValue::new("network.peer.address", ip));
        attributes.push(KeyValue::new("network.peer.port", port));
    }
    let method = fields.text("method").unwrap_or_default();
    let known = METHODS.into_iter().find(|known| *known == method);
    let method = known.unwrap_or("_OTHER");
    attributes.push(KeyValue::new("http.request.method", method));
    let has_failed = match fields.value(STATUS) {
        Some(Value::I64(status)) => *status >= 500,
        _ => false,
    };
    if has_failed {
        let code = fields.text("code").unwrap_or("internal".into());
        attributes.push(KeyValue::new(ERROR, code.into_owned()));
    }
    let method = known.unwrap_or("HTTP");
    let name = match fields.text("route") {
        Some(route) => format!("{method} {route}").into(),
        None => method.into(),
    };
    (SpanKind::Server, name, attributes)
}

fn database(fields: &Fields) -> (SpanKind, Cow<'static, str>, Vec<KeyValue>) {
    let mut attributes =
        fields.attributes(&[("db.operation.name", "operation"), (ERROR, "failure")]);
    attributes.push(KeyValue::new("db.system.name", "postgresql"));
    let name = fields.text("operation").unwrap_or_default().into_owned();
    (SpanKind::Client, name.into(), attributes)
}

fn aws_call(fields: &Fields) -> (SpanKind, Cow<'static, str>, Vec<KeyValue>) {
    let mut attributes = fields.attributes(&[
        ("rpc.service", "service"),
        ("rpc.method", "action"),
        ("aws.request_id", "aws_request_id"),
        ("engine_roles.outcome", "outcome"),
    ]);
    attributes.push(KeyValue::new("rpc.system", "aws-api"));
    if let Some(outcome) = fields.text("outcome").filter(|outcome| outcome != "ok") {
        attributes.push(KeyValue::new(ERROR, outcome.into_owned()));
    }
    let part = |field| fields.text(field).unwrap_or_default().into_owned();
    let name = format!("{}/{}", part("service"), part("action"));
    (SpanKind::Client, name.into(), attributes)
}
