//! The command `login`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use engine_roles_contract::{AwsLogin, AwsToken};
use engine_roles_domain::caller::ServerName;
use engine_roles_iam::{LoginHeaders, SignError, sign_login};

use super::connection::{ConnectionArgs, Session};
use super::exit::{EXIT_CODES, Exit};
use super::failure::Failure;
use super::screen::print_line;
use super::wire::time;
use crate::error_chain::chain;
use crate::print;

/// The arguments of `login`.
#[derive(Debug, Args)]
pub struct LoginArgs {
    #[command(subcommand)]
    action: LoginAction,
}

#[derive(Debug, Subcommand)]
enum LoginAction {
    /// Print a token for the AWS identity of this machine or user, which is used like an API key
    ///
    /// Signs a request to STS with the credentials of the AWS SDK's settings (AWS_* variables, profile,
    /// container or instance) and exchanges it for a token that is valid for some minutes. The secret
    /// access key is not sent.
    #[command(after_help = EXIT_CODES)]
    Aws(AwsArgs),
}

/// The arguments of `login aws`.
#[derive(Debug, Args)]
struct AwsArgs {
    /// Name of the service, as its setting of the same variable has it; the request is signed for this
    /// name and is of no use to another service
    #[arg(long, env = "ENGINE_ROLES_AWS_SERVER_NAME", value_name = "NAME", value_parser = ServerName::parse)]
    server_name: ServerName,
    /// Print a line for a shell, to be used as `eval "$(engine-roles login aws --export)"`
    #[arg(long, conflicts_with = "output")]
    export: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Runs a command about logins.
pub(crate) fn run(args: &LoginArgs) -> ExitCode {
    let LoginAction::Aws(args) = &args.action;
    args.connection
        .run(async |session: &Session| aws(session, args).await)
}

async fn aws(session: &Session, args: &AwsArgs) -> Result<Exit, Failure> {
    // The future of the SDK is large.
    let signed = Box::pin(sign_login(&args.server_name)).await;
    let headers = signed.map_err(|error| match error {
        SignError::NoRegion | SignError::UnsupportedRegion { .. } => {
            Failure::Usage(error.to_string())
        }
        _ => Failure::Outcome(chain(&error)),
    })?;
    let LoginHeaders {
        authorization,
        date,
        security_token,
        server,
    } = headers;
    let login = AwsLogin {
        authorization,
        date,
        security_token,
        server,
    };
    let answer = session.client.log_in_with_aws(&login).await?;
    if session.screen.is_json() {
        print_line(&answer.text)?;
        return Ok(Exit::Done);
    }
    let AwsToken {
        token,
        expires_at,
        arn,
        scopes,
        ..
    } = answer.body;
    // Not on standard output, which has the token alone, so that a script can take it.
    print::error_line(format_args!(
        "{arn} has the scopes {} until {}",
        scopes.join(","),
        time(expires_at)
    ));
    if args.export {
        print_line(&format!("export ENGINE_ROLES_API_KEY={token}"))?;
    } else {
        print_line(&token)?;
    }
    Ok(Exit::Done)
}
