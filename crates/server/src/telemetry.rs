//! The log on standard error, and traces where the environment names a collector.

mod announcement;
mod log_level;
#[cfg(feature = "otlp")]
mod otlp;
pub(crate) mod variables;
#[cfg(not(feature = "otlp"))]
mod without_otlp;

use std::backtrace::Backtrace;
use std::io::IsTerminal;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Command};
use engine_roles_api::{Traces, TracesOfCallers};
use tracing::error;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::json_lines::{JsonLines, SpanFields};

#[cfg(not(feature = "otlp"))]
use self::without_otlp as otlp;
pub(crate) use log_level::{change_on_signal, control as log_control};

/// The name of the flag for the log's format.
const LOG_FORMAT: &str = "log-format";

/// The arguments for logging.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// Log level, or directives such as `info,engine_roles_iam=debug`
    #[arg(long, env = "ENGINE_ROLES_LOG", default_value = "info", value_parser = filter)]
    log: String,
    /// Log format: `text` or `json`
    #[arg(long = LOG_FORMAT, env = "ENGINE_ROLES_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
}

impl LogArgs {
    /// Returns whether each line of the log is a JSON object.
    pub(crate) fn is_json(&self) -> bool {
        self.log_format == LogFormat::Json
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LogFormat {
    Text,
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("must be text or json"),
        }
    }
}

fn filter(text: &str) -> Result<String, String> {
    // AI Unlimited's configuration has log levels in capital letters.
    let text = text.to_lowercase();
    // A word without a level would select the lines of a crate of that name, which is none.
    let mut words = text.split(',').filter(|directive| !directive.contains('='));
    if let Some(word) = words.find(|word| word.trim().parse::<LevelFilter>().is_err()) {
        let rule = "is none of off, error, warn, info, debug, trace, nor a directive such as";
        return Err(format!("`{word}` {rule} `engine_roles_iam=debug`"));
    }
    EnvFilter::try_new(&text).map_err(|error| error.to_string())?;
    Ok(text)
}

/// Returns whether the arguments of this process, or its environment, ask for JSON: for an error in
/// those arguments. A command without a log has no such setting.
pub(crate) fn is_json_asked_for(program: &Command) -> bool {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let name = arguments.first();
    let command = name.and_then(|name| program.find_subcommand(name));
    let mut settings = command.into_iter().flat_map(Command::get_arguments);
    let Some(setting) = settings.find(|setting| setting.get_long() == Some(LOG_FORMAT)) else {
        return false;
    };
    let flag = format!("--{LOG_FORMAT}");
    let mut given = arguments
        .iter()
        .enumerate()
        .filter_map(|(place, argument)| {
            let rest = argument.to_str()?.strip_prefix(&flag)?;
            match rest.strip_prefix('=') {
                Some(value) => Some(value.to_owned()),
                None if rest.is_empty() => arguments.get(place + 1)?.to_str().map(str::to_owned),
                None => None,
            }
        });
    let variable = || std::env::var(setting.get_env()?).ok();
    let value = given.next_back().or_else(variable);
    value.is_some_and(|value| value.parse() == Ok(LogFormat::Json))
}

/// The target of the lines about panics.
const PANICS: &str = "engine_roles::panics";

/// How long the last traces may take when the service ends.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// A part of what receives spans and events.
type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts logging. A second call in the same process has no effect.
pub(crate) fn start(args: &LogArgs) {
    start_with(args, None);
}

/// Starts logging, and sending traces where the environment names a collector. A second call in the
/// same process has no effect.
pub(crate) fn start_with_traces(args: &LogArgs) {
    if !tracing::dispatcher::has_been_set() {
        let (traces, announcement) = otlp::layer();
        start_with(args, traces);
        announcement.log();
    }
}

/// Returns what puts requests into traces. `scheme` is that of the service's own URL.
pub(crate) fn traces_of_requests(scheme: &'static str) -> Arc<dyn Traces> {
    otlp::requests(scheme).unwrap_or_else(|| Arc::new(TracesOfCallers))
}

/// Sends an empty request to the collector that the environment names. Returns its host.
///
/// # Errors
/// When the collector does not take it; the text says why.
pub(crate) fn try_collector() -> Result<String, String> {
    otlp::try_collector()
}

/// Sends the traces that wait, for at most two seconds. No later span is sent.
pub(crate) async fn flush_traces() {
    let flushing = tokio::task::spawn_blocking(|| otlp::flush(FLUSH_LIMIT));
    let _ = tokio::time::timeout(FLUSH_LIMIT, flushing).await;
}

fn start_with(args: &LogArgs, traces: Option<BoxedLayer>) {
    let (filter, control) = log_level::filter(&args.log);
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let lines = match args.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines
            .fmt_fields(SpanFields)
            .event_format(JsonLines {
                trace_of: otlp::trace_of,
            })
            .boxed(),
    };
    let lines = lines.with_filter(filter).boxed();
    let layers: Vec<BoxedLayer> = traces.into_iter().chain([lines]).collect();
    let started = tracing_subscriber::registry().with(layers).try_init();
    if started.is_ok() {
        log_level::install(control);
    }
    if started.is_ok() && args.is_json() {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string);
            let message = panic.payload_as_str().unwrap_or("no message");
            let backtrace = Backtrace::capture().to_string();
            error!(target: PANICS, panic = message, place, backtrace, "a task panicked");
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use serde_json::Value;
    use tracing::{Instrument, info_span};

    use super::*;

    /// The log level of the process in which [`a_process_has_two_panics`] runs.
    const LEVEL: &str = "ENGINE_ROLES_TEST_LEVEL";

    #[test]
    #[ignore = "runs in a process of its own, which the next test starts"]
    fn a_process_has_two_panics() {
        let level = std::env::var(LEVEL).expect("the next test sets the level");
        start(&LogArgs {
            log: level,
            log_format: LogFormat::Json,
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let of_a_task = async { panic!("a text\nof two lines") };
        let of_a_thread = || panic!("{} formatted", 1);
        runtime.expect("a runtime").block_on(async {
            let of_a_task = of_a_task.instrument(
                info_span!(target: "engine_roles_provisioner", "work", cluster = "one"),
            );
            let first: Result<(), _> = tokio::spawn(of_a_task).await;
            let second: Result<(), _> = tokio::task::spawn_blocking(of_a_thread).await;
            assert!(first.is_err() && second.is_err());
        });
    }

    /// Returns the lines of the process with two panics.
    fn lines_at(level: &str) -> Vec<Value> {
        let process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "telemetry::tests::a_process_has_two_panics"])
            .args(["--ignored", "--nocapture"])
            .env(LEVEL, level)
            .env("RUST_BACKTRACE", "1")
            .output();
        let process = process.expect("the program can be run");
        assert!(process.status.success(), "{process:?}");
        let text = String::from_utf8(process.stderr).expect("text");
        let lines = text.lines();
        let parsed =
            lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")));
        parsed.collect()
    }

    #[test]
    fn a_panic_is_one_json_object_at_every_log_level_where_the_log_is_json() {
        for level in ["info", "off", "engine_roles_iam=debug"] {
            let lines = lines_at(level);
            let texts: Vec<_> = lines.iter().map(|line| line["panic"].as_str()).collect();
            assert_eq!(
                texts,
                [Some("a text\nof two lines"), Some("1 formatted")],
                "{level}"
            );
            for line in &lines {
                assert_eq!(line["level"], "ERROR", "{line}");
                assert_eq!(line["message"], "a task panicked", "{line}");
                let place = line["place"].as_str().unwrap_or_default();
                assert!(place.contains("telemetry.rs:"), "{line}");
                let backtrace = line["backtrace"].as_str().unwrap_or_default();
                assert!(backtrace.contains("telemetry::tests"), "{line}");
            }
        }
        let of_a_task = &lines_at("info")[0];
        assert_eq!(of_a_task["spans"][0]["cluster"], "one", "{of_a_task}");
    }
}
