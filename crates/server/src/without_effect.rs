//! Settings that have no effect without other settings, or beside them.
//!
//! Settings that are wrong without others, such as a certificate without its key, end the start instead.

use std::fmt::{self, Display, Formatter};

use crate::config::ServeArgs;
use crate::setting_names::{Named, is_given};

/// A setting that is given and has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WithoutEffect {
    /// The flag of the setting.
    flag: &'static str,
    /// Why the setting has no effect; names settings by their flags.
    because: &'static str,
}

impl Display for WithoutEffect {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} has no effect: {}",
            Named(self.flag),
            Named(self.because)
        )
    }
}

/// Returns the settings that are given and have no effect.
pub(crate) fn without_effect(args: &ServeArgs) -> Vec<WithoutEffect> {
    found(args, is_given)
}

fn found(args: &ServeArgs, is_given: impl Fn(&str) -> bool) -> Vec<WithoutEffect> {
    let authentication = &args.authentication;
    let is_blank = |text: &Option<String>| text.as_deref().is_none_or(|it| it.trim().is_empty());
    let logins = &authentication.aws_login;
    let no_logins = is_blank(&logins.principals) && is_blank(&logins.server_name);
    let no_roles = is_blank(&args.pass_through_roles) && is_blank(&args.default_iam_role);
    let (login, create) = (
        "needs --aws-principals and --aws-server-name, without which nobody logs in with an AWS identity",
        "no role is created, because --allowed-modes permits pass_through only",
    );
    let creates_none = args.limits.permits_only_pass_through();
    let rules = [
        ("--aws-login-regions", login, no_logins),
        ("--aws-token-lifetime", login, no_logins),
        (
            "--insecure-no-auth",
            "requests need a key, because --init-api-key is set",
            authentication.init_api_key.is_some(),
        ),
        (
            "--insecure-no-auth",
            "requests need a key, because --init-api-key-file is set",
            authentication.init_api_key_file.is_some(),
        ),
        (
            "--attestation",
            "needs --pass-through-roles or --default-iam-role, without which there is no role to attest",
            no_roles,
        ),
        ("--permissions-boundary", create, creates_none),
        ("--allowed-boundaries", create, creates_none),
    ];
    let found = rules
        .into_iter()
        .filter(|(flag, _, applies)| *applies && is_given(flag));
    found
        .map(|(flag, because, _)| WithoutEffect { flag, because })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Serve {
        #[command(flatten)]
        args: ServeArgs,
    }

    /// Returns the settings without effect of a command line, which has only flags.
    fn of(flags: &[&str]) -> Vec<String> {
        let program = ["serve"].iter().chain(flags);
        let args = Serve::try_parse_from(program).expect("a command line").args;
        let is_given = |flag: &str| flags.iter().any(|it| it.split('=').next() == Some(flag));
        let found = found(&args, is_given);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_setting_that_needs_another_has_no_effect_without_it() {
        let both = ["--aws-principals=x", "--aws-server-name=y"];
        let roles = "--pass-through-roles=a";
        let key = "--init-api-key=k";
        for (setting, with_effect) in [
            ("--aws-login-regions=us-west-2", &both[..]),
            ("--aws-token-lifetime=15m", &both),
            ("--attestation=warn", &["--default-iam-role=a"]),
            ("--attestation=warn", &[roles]),
            ("--insecure-no-auth", &[]),
            (
                "--permissions-boundary=x",
                &["--allowed-modes=create,pass_through"],
            ),
            ("--allowed-boundaries=x", &[]),
        ] {
            let flags = [&[setting], with_effect].concat();
            assert_eq!(of(&flags), [""; 0], "{setting}");
        }
        for (setting, others, expected) in [
            (
                "--aws-login-regions=us-west-2",
                &[][..],
                "--aws-login-regions has no effect: needs",
            ),
            (
                "--aws-token-lifetime=15m",
                &[],
                "--aws-token-lifetime has no effect: needs",
            ),
            (
                "--attestation=enforce",
                &[],
                "--attestation has no effect: needs",
            ),
            (
                "--insecure-no-auth",
                &[key],
                "because --init-api-key is set",
            ),
            (
                "--insecure-no-auth",
                &["--init-api-key-file=/k"],
                "because --init-api-key-file is set",
            ),
            (
                "--permissions-boundary=x",
                &["--allowed-modes=pass_through"],
                "no role is created",
            ),
            (
                "--allowed-boundaries=x",
                &["--allowed-modes=pass_through"],
                "no role is created",
            ),
        ] {
            let found = of(&[&[setting], others].concat());
            assert_eq!(found.len(), 1, "{setting}: {found:?}");
            assert!(found[0].contains(expected), "{setting}: {found:?}");
        }
        assert_eq!(of(&[]), [""; 0]);
    }
}
