//! How a command reaches the service.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use engine_roles_client::{ApiKey, BuildError, Client};
use secrecy::{ExposeSecret, SecretString};

use super::exit::Exit;
use super::failure::Failure;
use super::problem;
use super::screen::{Format, Screen};
use crate::error_chain::chain;
use crate::files;
use crate::setting_names::Named;

/// The address at which `serve` listens by default.
pub(super) const DEFAULT_ADDRESS: &str = "http://127.0.0.1:3283";
/// How long the service may take for an answer, beyond the time that it was asked to wait.
const ANSWER_LIMIT: Duration = Duration::from_mins(1);

/// The flags for the service's address, the API key and the form of the output.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Service and output")]
pub(super) struct ConnectionArgs {
    /// Address of the service, an http:// or https:// URL
    #[arg(long, env = "ENGINE_ROLES_ADDR", value_name = "URL", default_value = DEFAULT_ADDRESS)]
    addr: String,
    /// API key; a variable or a file hides the key from the list of processes
    #[arg(
        long,
        env = "ENGINE_ROLES_API_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    api_key: Option<SecretString>,
    /// File with the API key
    #[arg(long, env = "ENGINE_ROLES_API_KEY_FILE", value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// File with the certificate authorities in PEM that sign the service's certificate [default:
    /// the operating system's]
    #[arg(long, env = "ENGINE_ROLES_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// File with the certificate in PEM that the command presents to the service; it can take the place of
    /// an API key
    #[arg(
        long,
        env = "ENGINE_ROLES_CLIENT_CERT",
        value_name = "FILE",
        requires = "client_key"
    )]
    client_cert: Option<PathBuf>,
    /// File with the certificate's private key in PEM, not encrypted
    #[arg(
        long,
        env = "ENGINE_ROLES_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_cert"
    )]
    client_key: Option<PathBuf>,
    /// Form of the output
    #[arg(long, value_enum, default_value = "table")]
    output: Format,
}

/// A client of the service, and where the command prints.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) screen: Screen,
    /// The address as the user wrote it.
    pub(super) address: String,
    /// Whether the client sends a key.
    pub(super) has_key: bool,
}

impl ConnectionArgs {
    fn session(&self, screen: Screen) -> Result<Session, Failure> {
        let usage = |error: &dyn fmt::Display| Failure::Usage(Named(error).to_string());
        let mut builder = Client::builder(&self.addr).timeout(ANSWER_LIMIT);
        if is_loopback(&self.addr) {
            builder = builder.no_proxy();
        }
        let value = self.api_key.as_ref();
        let flags = ("--api-key", "--api-key-file");
        let source = files::value_or_file(flags, value, self.api_key_file.as_deref());
        let key = match source.map_err(|error| Failure::Usage(error.to_string()))? {
            Some(source) => {
                let flag = source.flag;
                let text = source.read();
                let text = text.map_err(|error| Failure::Usage(chain(&error)))?;
                Some(
                    ApiKey::new(text.expose_secret())
                        .map_err(|error| usage(&format!("{flag}: {error}")))?,
                )
            }
            None => None,
        };
        let has_key = key.is_some();
        if let Some(key) = key {
            builder = builder.api_key(key);
        }
        if let Some(path) = &self.ca_file {
            builder = builder.certificate_authorities(read("--ca-file", path)?);
        }
        if let (Some(certificate), Some(key)) = (&self.client_cert, &self.client_key) {
            let certificate = read("--client-cert", certificate)?;
            let key = read("--client-key", key)?;
            let presenting = builder.client_certificate(&certificate, &key);
            builder = presenting.map_err(|error| usage(&format!("--client-cert: {error}")))?;
        }
        let client = builder.build().map_err(|error| match error {
            BuildError::Address => usage(&format!("--addr: {error}")),
            BuildError::Certificates => usage(&format!("--ca-file: {error}")),
            BuildError::Identity => usage(&format!("--client-cert: {error}")),
            BuildError::Http(_) => Failure::Outcome(chain(&error)),
        })?;
        Ok(Session {
            client,
            screen,
            address: self.addr.clone(),
            has_key,
        })
    }

    /// Runs a command with a client of the service, prints why it failed, and returns its exit code.
    pub(super) fn run(
        &self,
        command: impl AsyncFnOnce(&Session) -> Result<Exit, Failure>,
    ) -> ExitCode {
        let screen = Screen::new(self.output);
        let ended = self.session(screen).and_then(|session| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.map_err(|error| {
                Failure::Outcome(format!("the program can't use the network: {error}"))
            })?;
            runtime.block_on(command(&session))
        });
        let exit = ended.unwrap_or_else(|failure| {
            problem::print(&failure, screen);
            failure.exit()
        });
        exit.into()
    }
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    let found = engine_roles_files::read_once(path).map_err(|error| {
        let file = path.display();
        let flag = Named(flag);
        Failure::Usage(format!("{flag}: the file {file} can't be read: {error}"))
    });
    found.map(|found| found.bytes)
}

/// Returns whether an address is on this machine, where no proxy is asked.
fn is_loopback(address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    };
    let host = host.unwrap_or_default();
    let ip = host.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_machine_is_recognised() {
        for address in [
            DEFAULT_ADDRESS,
            "http://localhost/x",
            "https://[::1]:3283",
            "http://127.8.0.1",
        ] {
            assert!(is_loopback(address), "{address}");
        }
        for address in ["http://10.0.0.1:3283", "https://localhost.example.com", ""] {
            assert!(!is_loopback(address), "{address}");
        }
    }
}
