//! The log as JSON, one object per line.
//!
//! The formatter of `tracing-subscriber` writes of an error only its own text and leaves out the
//! causes, which say what to repair. This one writes the whole chain.

use std::error::Error;
use std::fmt::{self, Debug};
use std::time::SystemTime;

use serde::Deserialize;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope, SpanRef};

use crate::error_chain::chain;

/// The member with the id of the request that a line belongs to.
const REQUEST_ID: &str = "request_id";

/// The member with the id of the trace that a line belongs to.
const TRACE_ID: &str = "trace_id";

/// The member with the cluster that a line belongs to.
const CLUSTER: &str = "cluster";

/// Writes each event as one JSON object.
pub(crate) struct JsonLines {
    /// Returns the id of the trace that a span belongs to, where no field of a span has it.
    pub(crate) trace_of: fn(&Id) -> Option<String>,
}

/// Keeps the fields of a span as the members of a JSON object, without its braces. A field that is recorded
/// later is added at the end, so that nothing is read back, unless it was recorded before.
pub(crate) struct SpanFields;

/// Returns the line of an error that is printed and not logged.
pub(crate) fn of_error(message: &str, error: &str) -> String {
    let mut line = Members::of_line("ERROR");
    line.add("message", message);
    line.add("error", error);
    line.add("target", "engine_roles");
    format!("{{{}}}", line.to_json())
}

impl<S> FormatEvent<S, SpanFields> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, SpanFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut line = Members::of_line(metadata.level().as_str());
        event.record(&mut line);
        line.add("target", metadata.target());
        let scope = context.event_scope().into_iter().flat_map(Scope::from_root);
        let spans: Vec<String> = scope.map(|span| to_object(&span)).collect();
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
        write!(writer, "{{{}", line.to_json())?;
        if let Some(innermost) = spans.last() {
            let spans = spans.join(",");
            write!(writer, r#","span":{innermost},"spans":[{spans}]"#)?;
        }
        writeln!(writer, "}}")
    }
}

impl<'writer> FormatFields<'writer> for SpanFields {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut members = Members::default();
        fields.record(&mut members);
        writer.write_str(&members.to_json())
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        let mut members = Members::default();
        fields.record(&mut members);
        let known = &mut current.fields;
        let is_known = |(name, _): &(&str, _)| known.contains(&format!(r#""{name}":"#));
        if members.0.iter().any(is_known) {
            let mut all: Map<String, Value> =
                serde_json::from_str(&format!("{{{known}}}")).unwrap_or_default();
            let members = members.0.into_iter();
            all.extend(members.map(|(name, value)| (name.to_owned(), value)));
            *known = without_braces(&all);
        } else if !members.0.is_empty() {
            if !known.is_empty() {
                known.push(',');
            }
            known.push_str(&members.to_json());
        }
        Ok(())
    }
}

/// Returns a span's name and fields as a JSON object.
fn to_object<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>) -> String {
    let name = json!(span.name());
    let extensions = span.extensions();
    let fields = extensions.get::<FormattedFields<SpanFields>>();
    match fields.map_or("", |fields| &fields.fields) {
        "" => format!(r#"{{"name":{name}}}"#),
        fields => format!(r#"{{"name":{name},{fields}}}"#),
    }
}

/// The members of a span that say what its lines belong to.
#[derive(Default, Deserialize)]
#[serde(default)]
struct SpanIds {
    name: String,
    id: Value,
    request_id: Value,
    trace_id: Value,
    cluster: Value,
}

/// Returns the members that say which request, trace and cluster a line belongs to, as its spans say it.
/// They are members of the line itself, so that a query finds all lines of a request, whichever span the
/// value is in.
fn what_it_belongs_to(spans: &[String]) -> impl Iterator<Item = (&'static str, Value)> {
    let mut innermost = [
        (REQUEST_ID, Value::Null),
        (TRACE_ID, Value::Null),
        (CLUSTER, Value::Null),
    ];
    for span in spans {
        let ids: SpanIds = serde_json::from_str(span).unwrap_or_default();
        // The span of a request calls it `id`.
        let is_request = ids.name == "request";
        let request_id = if is_request { ids.id } else { ids.request_id };
        for ((_, known), found) in innermost
            .iter_mut()
            .zip([request_id, ids.trace_id, ids.cluster])
        {
            if found.is_string() {
                *known = found;
            }
        }
    }
    innermost.into_iter().filter(|(_, value)| !value.is_null())
}

/// The members of a JSON object, in the order in which they are written.
#[derive(Default)]
struct Members(Vec<(&'static str, Value)>);

impl Members {
    /// Returns the first members of a line.
    fn of_line(level: &str) -> Self {
        let mut line = Self(Vec::with_capacity(16));
        let now = humantime::format_rfc3339_micros(SystemTime::now());
        line.add("timestamp", now.to_string());
        line.add("level", level);
        line
    }

    fn add(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.push((name, value.into()));
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(member, _)| *member == name)
    }

    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        // A field whose name is a word of the language begins like this.
        let name = field.name();
        self.add(name.strip_prefix("r#").unwrap_or(name), value);
    }

    /// Returns the members as JSON, without the braces of an object.
    fn to_json(&self) -> String {
        without_braces(self)
    }
}

fn without_braces(object: &impl Serialize) -> String {
    let mut text = serde_json::to_string(object).expect("values with text keys serialise");
    text.pop();
    text.remove(0);
    text
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Visit for Members {
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

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.insert(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing::field::Empty;
    use tracing::{error, info_span};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
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
            .fmt_fields(SpanFields)
            .event_format(JsonLines {
                trace_of: |_| Some("t-1".to_owned()),
            })
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(log, || {
            let request = info_span!("request", id = "r-1", cluster = Empty, actor = Empty);
            let _in_request = request.enter();
            request.record("cluster", "none");
            request.record("cluster", "one");
            request.record("actor", None::<&str>);
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
        let spans = &line[line.find(r#""span":"#).expect("a span")..];
        assert_eq!(spans.matches(r#""cluster":"#).count(), 1, "{line}");
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
