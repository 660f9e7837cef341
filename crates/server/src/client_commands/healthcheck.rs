//! The command `healthcheck`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use engine_roles_client::{Client, Error};
use engine_roles_contract::ReadinessStatus;

use super::tls_advice::tls_advice;
use crate::error_chain::chain;
use crate::print;
use crate::setting_names::Named;

/// The arguments of `healthcheck`.
#[derive(Debug, Args)]
#[command(
    after_help = "Needs no API key. Exit codes:\n  0  the service is well\n  1  it is not, or does not answer in time"
)]
pub struct HealthcheckArgs {
    /// Ask whether the service can answer requests (/readyz), not only whether it runs (/livez)
    #[arg(long)]
    ready: bool,
    /// Address of the service, an http:// or https:// URL [default: the port of --listen on this
    /// machine, with https if --tls-cert is set]
    #[arg(long, env = "ENGINE_ROLES_ADDR", value_name = "URL")]
    addr: Option<String>,
    /// Address at which the service listens
    #[arg(long, env = "ENGINE_ROLES_LISTEN", default_value = "127.0.0.1:3283", value_parser = crate::values::listen_address)]
    listen: SocketAddr,
    /// File with the service's certificate in PEM, if the service on this machine speaks HTTPS
    #[arg(long, env = "ENGINE_ROLES_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// File with the certificate authorities in PEM that sign the service's certificate [default: the
    /// operating system's for --addr; without --addr, the certificate is not checked]
    #[arg(long, env = "ENGINE_ROLES_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// How long the service may take to answer
    #[arg(long, value_name = "DURATION", default_value = "4s", value_parser = crate::values::duration)]
    timeout: Duration,
}

/// Asks a service whether it is well, and says so in one line and by the exit code.
pub(crate) fn run(args: &HealthcheckArgs) -> ExitCode {
    let address = args.addr.clone().unwrap_or_else(|| {
        let is_tls = args.tls_cert.is_some();
        let scheme = if is_tls { "https" } else { "http" };
        format!("{scheme}://{}", reachable(args.listen))
    });
    let (answer, is_well) = match ask(args, &address) {
        Ok(answer) => answer,
        Err(error) => {
            let advice = error.downcast_ref().and_then(tls_advice);
            let advice = advice.map(|advice| format!("; {advice}"));
            let reason = chain(error.as_ref());
            (reason + advice.as_deref().unwrap_or_default(), false)
        }
    };
    let path = if args.ready { "/readyz" } else { "/livez" };
    // The exit code is the answer; the line is for a person who looks for the reason.
    let _ = print::line(format_args!("{address}{path}: {answer}"));
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn ask(args: &HealthcheckArgs, address: &str) -> anyhow::Result<(String, bool)> {
    // The check is for the service on this machine, which no proxy stands before.
    let mut client = Client::builder(address).timeout(args.timeout).no_proxy();
    if let Some(file) = &args.ca_file {
        let pem = std::fs::read(file);
        let pem = pem.with_context(|| {
            let flag = Named("--ca-file");
            format!("{flag}: the file {} can't be read", file.display())
        });
        client = client.certificate_authorities(pem?);
    } else if args.addr.is_none() {
        // The certificate is for the name by which others reach the service, and the file may already
        // have the next one. Nothing secret is sent, and it does not leave this machine.
        client = client.accept_any_certificate();
    }
    let client = client.build()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime
        .block_on(async {
            if !args.ready {
                client.liveness().await?;
                return Ok(("ok".to_owned(), true));
            }
            let readiness = client.readiness().await?.body;
            let status = readiness.status;
            let is_well = !status.is(&ReadinessStatus::Unready);
            Ok::<_, Error>((super::wire::word(status), is_well))
        })
        .map_err(anyhow::Error::new)
}

/// Returns the address at which a service can be reached from this machine that listens at `listen`.
/// A service that listens at all addresses of IPv6 also accepts connections of IPv4.
fn reachable(listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), listen.port())
    } else {
        listen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_listens_everywhere_is_asked_on_loopback() {
        for (listen, expected) in [
            ("0.0.0.0:3283", "127.0.0.1:3283"),
            ("[::]:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("10.0.0.7:3283", "10.0.0.7:3283"),
        ] {
            let listen = listen.parse().expect("an address");
            assert_eq!(reachable(listen).to_string(), expected);
        }
    }
}
