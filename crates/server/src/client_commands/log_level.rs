//! The command `log-level`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use engine_roles_contract::LogLevelRequest;

use super::connection::{ConnectionArgs, Session};
use super::exit::{EXIT_CODES, Exit};
use super::failure::Failure;
use super::screen::print_line;
use super::table::Table;
use super::wire::optional_time;
use crate::values;

/// The arguments of `log-level`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct LogLevelArgs {
    /// New level: `off`, `error`, `warn`, `info`, `debug` or `trace`, or directives for parts of the
    /// service such as `info,engine_roles_iam=debug`; without it, the level is only shown
    level: Option<String>,
    /// For how long, such as `10m`, from 1s to 1d; then the earlier level comes back. A time of more than
    /// two hours may be rounded up, to minutes or hours [default: until the next change or the end of the
    /// process]
    #[arg(long = "for", value_name = "DURATION", requires = "level", value_parser = time)]
    lasts: Option<Duration>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The longest time that the service accepts.
const LONGEST: Duration = Duration::from_hours(24);

fn time(text: &str) -> Result<Duration, &'static str> {
    let time = values::duration(text)?;
    let is_allowed = (Duration::from_secs(1)..=LONGEST).contains(&time);
    is_allowed.then_some(time).ok_or("must be from 1s to 1d")
}

/// Returns a time in the form of the HTTP interface: a number of at most 4 digits of seconds, of 3 digits
/// of minutes, or of hours.
fn on_the_wire(time: Duration) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let (minutes, hours) = (seconds.div_ceil(60), seconds.div_ceil(3_600));
    match (seconds, minutes) {
        (..10_000, _) => format!("{seconds}s"),
        (_, ..1_000) => format!("{minutes}m"),
        _ => format!("{hours}h"),
    }
}

/// Prints the level at which the replica that answers logs, after changing it where one is given.
pub(crate) fn run(args: &LogLevelArgs) -> ExitCode {
    args.connection
        .run(async |session: &Session| log_level(session, args).await)
}

async fn log_level(session: &Session, args: &LogLevelArgs) -> Result<Exit, Failure> {
    let client = &session.client;
    let answer = match &args.level {
        Some(level) => {
            let request = LogLevelRequest {
                // AI Unlimited's configuration has log levels in capital letters.
                level: level.to_lowercase(),
                lasts: args.lasts.map(on_the_wire),
            };
            client.set_log_level(&request).await?
        }
        None => client.log_level().await?,
    };
    if session.screen.is_json() {
        print_line(answer.text.trim_end())?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new();
    table.member("log level", &answer.body.level);
    table.member("until", optional_time(answer.body.until));
    table.member("configured", &answer.body.configured);
    table.print(session.screen)?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_form_that_the_service_takes_and_is_never_shorter() {
        for (text, expected) in [
            ("1s", "1s"),
            ("1500ms", "2s"),
            ("1h 30m", "5400s"),
            ("2h 46m 39s", "9999s"),
            ("2h 46m 40s", "167m"),
            ("16h 39m", "999m"),
            ("16h 39m 1s", "17h"),
            ("23h 59m 59s", "24h"),
            ("1d", "24h"),
        ] {
            let time = time(text).expect(text);
            assert_eq!(on_the_wire(time), expected, "{text}");
        }
        for text in ["0s", "999ms", "25h", "1d 1s"] {
            assert_eq!(time(text), Err("must be from 1s to 1d"), "{text}");
        }
    }
}
