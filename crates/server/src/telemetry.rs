//! Logging to standard error.

use std::backtrace::Backtrace;
use std::io::IsTerminal;
use std::str::FromStr;

use clap::Args;
use tracing::error;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// The arguments for logging.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// Log level, or directives such as `info,engine_roles_iam=debug`
    #[arg(long, env = "ENGINE_ROLES_LOG", default_value = "info", value_parser = filter)]
    log: String,
    /// Log format: `text` or `json`
    #[arg(long, env = "ENGINE_ROLES_LOG_FORMAT", default_value = "text")]
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

/// Starts logging. A second call in the same process has no effect.
pub(crate) fn start(args: &LogArgs) {
    // A level without directives applies to this service; its libraries log warnings only.
    let plain = args.log.parse::<tracing::Level>().is_ok();
    let directives = if plain {
        format!("warn,engine_roles={}", args.log)
    } else {
        args.log.clone()
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(directives))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match args.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if started.is_ok() && args.is_json() {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string);
            let message = panic.payload_as_str().unwrap_or("no message");
            let backtrace = Backtrace::capture().to_string();
            error!(panic = message, place, backtrace, "a task panicked");
        }));
    }
}
