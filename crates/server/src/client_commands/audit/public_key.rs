//! The command `audit public-key`.

use std::process::ExitCode;

use clap::Args;
use engine_roles_domain::resources::Namespace;

use super::offline::{OfflineError, exit_code};
use crate::audit_signing::AuditSigningArgs;
use crate::config_error::ConfigError;
use crate::config_error::invalid_in;
use crate::print;

/// The arguments of `audit public-key`.
#[derive(Debug, Args)]
pub(super) struct PublicKeyArgs {
    #[command(flatten)]
    signing: AuditSigningArgs,
    /// Name of the installation, which is in the default name of the log
    #[arg(long, env = "ENGINE_ROLES_NAMESPACE", default_value = "default")]
    namespace: String,
}

/// Prints the public keys.
pub(super) fn run(args: &PublicKeyArgs) -> ExitCode {
    let keys = invalid_in("--namespace", Namespace::parse(&args.namespace))
        .and_then(|namespace| args.signing.signing(Some(&namespace)))
        .and_then(|signing| {
            signing.ok_or(ConfigError::Form {
                flag: "--audit-key-file",
                rule: "is missing (ENGINE_ROLES_AUDIT_KEY_FILE)",
            })
        });
    match keys {
        Ok(signing) => {
            if let Some(file) = args.signing.exposed_key_file() {
                print::error_line(format_args!(
                    "engine-roles: warning: --audit-key-file: every user of the machine can read {}; \
                     remove the file's permissions for others",
                    file.display()
                ));
            }
            let keys = signing.verifier_keys();
            exit_code(print::line(keys.trim_end()).map_err(OfflineError::from))
        }
        Err(error) => {
            let error = anyhow::Error::new(error);
            print::error_line(format_args!("engine-roles: {error:#}"));
            ExitCode::from(2)
        }
    }
}
