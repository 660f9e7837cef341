//! The command `log-level`.

use std::process::ExitCode;

use clap::Args;
use engine_roles_contract::LogLevelRequest;

use super::connection::{ConnectionArgs, Session};
use super::exit::{EXIT_CODES, Exit};
use super::failure::Failure;
use super::screen::print_line;
use super::table::Table;
use super::wire::optional_time;

/// The arguments of `log-level`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct LogLevelArgs {
    /// New level: `off`, `error`, `warn`, `info`, `debug` or `trace`, or directives for parts of the
    /// service such as `info,engine_roles_iam=debug`; without it, the level is only shown
    level: Option<String>,
    /// For how long, such as `10m`, at most `24h`; then the earlier level comes back [default: until the
    /// next change or the end of the process]
    #[arg(long = "for", value_name = "TIME", requires = "level")]
    lasts: Option<String>,
    #[command(flatten)]
    connection: ConnectionArgs,
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
                lasts: args.lasts.clone(),
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
