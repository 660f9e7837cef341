//! The log as JSON, one object per line.
//!
//! The formatter of `tracing-subscriber` writes of an error only its own text and leaves out the
//! causes, which say what to repair. This one writes the whole chain.

use std::error::Error;
use std::fmt;
use std::time::SystemTime;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::Id;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope, SpanRef};

use crate::error_chain::chain;

/// The member with the id of the trace that a line belongs to.
const TRACE_ID: &str = "trace_id";

/// Writes each event as one JSON object.
pub(crate) struct JsonLines {
    /// Returns the id of the trace that a span belongs to, where no field of a span has it.
    pub(crate) trace_of: fn(&Id) -> Option<String>,
}

/// Returns the line of an error that is printed and not logged.
pub(crate) fn of_error(message: &str, error: &str) -> String {
    let mut line = Line::begin("ERROR");
    line.add("message", message);
    line.add("error", error);
    line.add("target", "engine_roles");
    line.to_json()
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut line = Line::begin(metadata.level().as_str());
        event.record(&mut line);
        line.add("target", metadata.target());
        let spans: Vec<Value> = context
            .event_scope()
            .into_iter()
            .flat_map(Scope::from_root)
            .map(|span| members_of::<S, N>(&span))
            .collect();
        for (member, text) in what_it_belongs_to(&spans) {
            if !line.has(member) {
                line.add(member, text);
            }
        }
        let current = context.lookup_current();
        if let Some(current) = current.filter(|_| !line.has(TRACE_ID))
            && let Some(trace) = (self.trace_of)(&current.id())
        {
            line.add(TRACE_ID, trace);
        }
        line.spans = spans;
        writeln!(writer, "{}", line.to_json())
    }
}

/// Returns the members that say which request, trace and cluster a line belongs to, as its spans say it.
/// They are members of the line itself, so that a query finds all lines of a request, whichever span the
/// value is in.
fn what_it_belongs_to(spans: &[Value]) -> impl Iterator<Item = (&'static str, Value)> {
    let members = ["request_id", TRACE_ID, "cluster"];
    members.into_iter().filter_map(|member| {
        let in_span = |span: &Value| {
            // The span of a request calls it `id`.
            let is_request = member == "request_id" && span["name"] == "request";
            let found = &span[if is_request { "id" } else { member }];
            found.is_string().then(|| found.clone())
        };
        let innermost = spans.iter().rev().find_map(in_span);
        Some((member, innermost?))
    })
}

/// Returns the name and the fields of a span, whose fields the subscriber has formatted as JSON.
fn members_of<S, N>(span: &SpanRef<'_, S>) -> Value
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let extensions = span.extensions();
    let fields = extensions.get::<FormattedFields<N>>();
    let fields = fields.and_then(|fields| serde_json::from_str(&fields.fields).ok());
    let mut members = fields.unwrap_or_else(|| json!({}));
    members["name"] = span.name().into();
    members
}

/// The members of a line, in the order in which they are written, and the spans that the event is in, the
/// innermost one last.
struct Line {
    members: Vec<(&'static str, Value)>,
    spans: Vec<Value>,
}

impl Line {
    fn begin(level: &str) -> Self {
        let mut line = Self {
            members: Vec::with_capacity(16),
            spans: Vec::new(),
        };
        let now = humantime::format_rfc3339_micros(SystemTime::now());
        line.add("timestamp", now.to_string());
        line.add("level", level);
        line
    }

    fn add(&mut self, name: &'static str, value: impl Into<Value>) {
        self.members.push((name, value.into()));
    }

    fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(member, _)| *member == name)
    }

    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        // A field whose name is a word of the language begins like this.
        let name = field.name();
        self.add(name.strip_prefix("r#").unwrap_or(name), value);
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("values with text keys serialise")
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.members {
            map.serialize_entry(name, value)?;
        }
        if let Some(innermost) = self.spans.last() {
            map.serialize_entry("span", innermost)?;
            map.serialize_entry("spans", &self.spans)?;
        }
        map.end()
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        match u64::try_from(value) {
            Ok(value) => self.insert(field, value),
            Err(_) => self.insert(field, value.to_string()),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.insert(field, chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use tracing::{error, info_span};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the database can't be reached")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("broken: {0}")]
    struct Inner(#[source] Innermost);

    #[derive(Debug, thiserror::Error)]
    #[error("connection refused")]
    struct Innermost;

    #[test]
    fn a_line_has_the_fields_of_event_and_spans_and_all_causes_of_an_error() {
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt()
            .json()
            .event_format(JsonLines {
                trace_of: |_| Some("t-1".to_owned()),
            })
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(log, || {
            let request = info_span!("request", id = "r-1", cluster = tracing::field::Empty);
            let _in_request = request.enter();
            request.record("cluster", "one");
            let _in_work = info_span!("work", generation = 2).entered();
            let error = &Outer(Inner(Innermost)) as &dyn Error;
            error!(
                error,
                calls = 3,
                elapsed_ms = 7_u128,
                is_late = true,
                "a \"quoted\"\nmessage"
            );
        });
        let bytes = written.0.lock().expect("no panic").clone();
        let text = String::from_utf8(bytes).expect("text");
        let line = text.strip_suffix('\n').expect("one line");
        assert!(line.starts_with("{\"timestamp\":\""), "{line}");
        let line: Value = serde_json::from_str(line).expect("an object");
        let work = json!({"name": "work", "generation": 2});
        let request = json!({"name": "request", "id": "r-1", "cluster": "one"});
        for (member, expected) in [
            ("level", json!("ERROR")),
            ("message", json!("a \"quoted\"\nmessage")),
            (
                "error",
                json!("the database can't be reached: broken: connection refused"),
            ),
            ("calls", json!(3)),
            ("elapsed_ms", json!(7)),
            ("is_late", json!(true)),
            ("target", json!("engine_roles::json_lines::tests")),
            ("request_id", json!("r-1")),
            ("trace_id", json!("t-1")),
            ("cluster", json!("one")),
            ("span", work.clone()),
            ("spans", json!([request, work])),
        ] {
            assert_eq!(line[member], expected, "{line}");
        }
    }
}
