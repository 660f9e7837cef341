//! The environment variables for the service.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rand::RngExt;
use rand::distr::Alphanumeric;

use crate::options::DevOptions;

/// Set in the process that was started with the changed environment.
const ENTERED: &str = "ENGINE_ROLES_DEV_ENVIRONMENT";
/// The name of the sample pass-through role, which `cargo dev` creates as an administrator would.
pub(crate) const PREPARED_ROLE: &str = "prepared-engine-role";
/// The name of the instance profile of [`PREPARED_ROLE`].
pub(crate) const PREPARED_PROFILE: &str = "prepared-engine-profile";

/// Replaces this process by itself, with an environment in which the AWS SDK uses the sandbox. Does
/// nothing in the new process.
pub(crate) fn enter(options: &DevOptions) -> io::Result<()> {
    if env::var_os(ENTERED).is_some() {
        return Ok(());
    }
    let endpoint = format!("http://{}", options.sandbox_listen);
    let mut command = Command::new(env::current_exe()?);
    command.args(env::args_os().skip(1)).env(ENTERED, "1");
    // AWS settings of the developer must not be used: a real account could be changed.
    let inherited = env::vars_os().map(|(name, _)| name);
    for name in inherited.filter(|name| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    command
        .env("AWS_ACCESS_KEY_ID", "AKIASANDBOX000000000")
        .env("AWS_SECRET_ACCESS_KEY", "sandbox")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_REGION", "us-west-2")
        .env("AWS_ENDPOINT_URL_IAM", &endpoint)
        .env("AWS_ENDPOINT_URL_STS", &endpoint);
    if env::var_os("ENGINE_ROLES_INIT_API_KEY").is_none_or(|key| key.is_empty()) {
        let key: String = rand::rng()
            .sample_iter(Alphanumeric)
            .take(64)
            .map(char::from)
            .collect();
        command.env("ENGINE_ROLES_INIT_API_KEY", key);
    }
    if env::var_os("ENGINE_ROLES_PASS_THROUGH_ROLES").is_none_or(|roles| roles.is_empty()) {
        command.env("ENGINE_ROLES_PASS_THROUGH_ROLES", PREPARED_ROLE);
    }
    if env::var_os("ENGINE_ROLES_LOG").is_none() && options.once {
        command.env("ENGINE_ROLES_LOG", "warn");
    }
    Err(command.exec())
}
