//! The flags that say what a role should be.

use std::io::Read;

use clap::{ArgAction, Args, ValueEnum};
use engine_roles_contract::{Mode, RoleRequest, Secrets, Tags};

use super::failure::Failure;

/// The flags for members, which `--file` excludes.
const MEMBERS: [&str; 9] = [
    "mode",
    "iam_role",
    "secrets",
    "all_secrets",
    "session_manager",
    "region",
    "role_prefix",
    "permissions_boundary",
    "tags",
];

/// What the role should be: a flag for each member of the body, or the body itself.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What the role should be (by default: as configured, or unchanged)")]
pub(super) struct RoleFlags {
    /// create (the service creates a role) or `pass_through` (a prepared role)
    #[arg(long, value_enum)]
    mode: Option<ModeWord>,
    /// Name or ARN of the prepared role; for mode `pass_through`
    #[arg(long, value_name = "ROLE")]
    iam_role: Option<String>,
    /// Name of a secret that the role may read, below compute-engine/CLUSTER/; can be repeated
    #[arg(long = "secret", value_name = "NAME", conflicts_with = "all_secrets")]
    secrets: Vec<String>,
    /// Let the role read every secret of the cluster
    #[arg(long)]
    all_secrets: bool,
    /// Whether Session Manager can reach the engine's nodes
    #[arg(long, value_name = "BOOL", action = ArgAction::Set)]
    session_manager: Option<bool>,
    /// AWS region of the secrets
    #[arg(long)]
    region: Option<String>,
    /// Prefix of the names of the created role and instance profile
    #[arg(long, value_name = "PREFIX")]
    role_prefix: Option<String>,
    /// ARN of a permissions boundary that the administrator allows
    #[arg(long, value_name = "ARN")]
    permissions_boundary: Option<String>,
    /// Tag of the created role and instance profile; can be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// File with the body as JSON, such as the spec of `role get --output json`; `-` for standard
    /// input
    #[arg(long, value_name = "FILE", conflicts_with_all = MEMBERS)]
    file: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeWord {
    Create,
    #[value(name = "pass_through", alias = "pass-through")]
    PassThrough,
}

fn tag(text: &str) -> Result<(String, String), &'static str> {
    let parts = text.split_once('=').ok_or("must be KEY=VALUE")?;
    Ok((parts.0.to_owned(), parts.1.to_owned()))
}

impl RoleFlags {
    /// Returns the body of the request.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(super) fn body(&self) -> Result<String, Failure> {
        let unreadable = |file: &str, error: std::io::Error| {
            Failure::Usage(format!("--file: {file} can't be read: {error}"))
        };
        match self.file.as_deref() {
            Some("-") => {
                let mut text = String::new();
                let read = std::io::stdin().read_to_string(&mut text);
                read.map_err(|error| unreadable("standard input", error))?;
                Ok(text)
            }
            Some(file) => std::fs::read_to_string(file).map_err(|error| unreadable(file, error)),
            None => {
                let text = serde_json::to_string(&self.request());
                Ok(text.expect("plain data with text keys serialises"))
            }
        }
    }

    fn request(&self) -> RoleRequest {
        let secrets = if self.all_secrets {
            Some(Secrets::Word("all".to_owned()))
        } else {
            let names = self.secrets.clone();
            (!names.is_empty()).then_some(Secrets::Names(names))
        };
        RoleRequest {
            mode: self.mode.map(|mode| match mode {
                ModeWord::Create => Mode::Create,
                ModeWord::PassThrough => Mode::PassThrough,
            }),
            iam_role: self.iam_role.clone(),
            secrets,
            session_manager: self.session_manager,
            region: self.region.clone(),
            role_prefix: self.role_prefix.clone(),
            permissions_boundary: self.permissions_boundary.clone(),
            tags: (!self.tags.is_empty()).then(|| Tags(self.tags.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        flags: RoleFlags,
    }

    fn body(arguments: &[&str]) -> Option<Value> {
        let program = Program::try_parse_from([&["program"], arguments].concat()).ok()?;
        let body = program.flags.body().expect("no file is read");
        Some(serde_json::from_str(&body).expect("JSON"))
    }

    #[test]
    fn each_flag_is_a_member_of_the_body_and_an_absent_flag_is_none() {
        assert_eq!(body(&[]), Some(json!({})));
        let arguments = "--mode pass-through --iam-role r --secret a --secret b/c \
                         --session-manager false --region us-west-2 --role-prefix td- \
                         --permissions-boundary arn:x --tag team=x --tag empty= --tag e=q=r";
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let expected = json!({
            "mode": "pass_through", "iam_role": "r", "secrets": ["a", "b/c"],
            "session_manager": false, "region": "us-west-2", "role_prefix": "td-",
            "permissions_boundary": "arn:x", "tags": {"team": "x", "empty": "", "e": "q=r"},
        });
        assert_eq!(body(&arguments), Some(expected));
        let all = body(&["--all-secrets", "--mode", "create"]);
        assert_eq!(all, Some(json!({"mode": "create", "secrets": "all"})));
    }

    #[test]
    fn flags_that_contradict_each_other_are_rejected() {
        for arguments in [
            ["--all-secrets", "--secret=a"],
            ["--file=x", "--region=us-west-2"],
            ["--file=x", "--tag=a=b"],
            ["--tag=a", "--all-secrets"],
            ["--session-manager=maybe", "--all-secrets"],
        ] {
            assert_eq!(body(&arguments), None, "{arguments:?}");
        }
    }
}
