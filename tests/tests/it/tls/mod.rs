//! The service with a certificate of its own.

mod certificate_rights;
mod client_certificates;
mod documented;
mod handshakes;
mod replacing;
mod serving;
mod starting;

use engine_roles_e2e::tls::{Pair, connect};
use engine_roles_e2e::{Installation, RawConnection, TlsFiles, eventually};
use serde_json::Value;
use tokio_rustls::rustls::ALL_VERSIONS;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

const UNUSABLE: &str = "TLS files have changed and can't be used; the earlier ones stay in use";
const LIVEZ: &str = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";

/// Opens a connection with a certificate of a client, if one is given.
async fn open(
    installation: &Installation,
    files: &TlsFiles,
    client: Option<&Pair>,
) -> std::io::Result<RawConnection> {
    let config = files.authority.client_config(ALL_VERSIONS, client);
    let stream = connect(installation.replicas[0].address(), config).await?;
    Ok(RawConnection::over(stream))
}

/// Returns the certificate that a new connection gets.
async fn served(installation: &Installation, files: &TlsFiles) -> Vec<u8> {
    let config = files.authority.client_config(ALL_VERSIONS, None);
    let stream = connect(installation.replicas[0].address(), config).await;
    let stream = stream.expect("a handshake");
    let (_, session) = stream.get_ref();
    let chain = session.peer_certificates().expect("a certificate");
    chain[0].to_vec()
}

fn der(pair: &Pair) -> Vec<u8> {
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes());
    certificate.expect("a certificate").to_vec()
}

/// Waits until new connections get this certificate.
async fn is_served(installation: &Installation, files: &TlsFiles, pair: &Pair) {
    let expected = der(pair);
    eventually("the new certificate is served", async || {
        (served(installation, files).await == expected).then_some(())
    })
    .await;
}

/// Returns the value of a metric without labels.
async fn metric(installation: &Installation, name: &str) -> f64 {
    let metrics = installation.client().anonymous().fetch("/metrics").await;
    let mut lines = metrics.text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = value.unwrap_or_else(|| panic!("no {name}: {}", metrics.text));
    value.parse().expect("a number")
}

/// Returns the lines of the log with this message.
fn logged(installation: &Installation, message: &str) -> Vec<Value> {
    let entries = installation.replicas[0].log().entries().into_iter();
    entries
        .filter(|entry| entry["message"] == message)
        .collect()
}

/// Waits until the service has reported unusable files so many times.
async fn is_reported(installation: &Installation, times: usize) {
    eventually("the unusable files are reported", async || {
        (logged(installation, UNUSABLE).len() == times).then_some(())
    })
    .await;
}
