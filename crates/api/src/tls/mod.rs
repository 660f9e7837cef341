//! TLS: the certificate with which the service proves who it is, and those of its clients.
//!
//! The server reads the files and decides when to read them again. A certificate that was checked here
//! serves the connections that are accepted from then on.

mod client_authorities;
mod client_certificate;
mod error;
mod server_certificate;

pub use client_certificate::ClientCertificate;
pub use error::TlsError;
pub use server_certificate::{Chain, PemFiles, ServerCertificate};
use tokio::sync::watch;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};

/// What TLS connections are served with: always the newest certificate. Each connection keeps the one
/// with which it was accepted.
#[derive(Clone, Debug)]
pub struct Tls(watch::Receiver<ServerCertificate>);

impl Tls {
    /// Returns what TLS connections are served with, and the sender of newer certificates.
    pub fn new(first: ServerCertificate) -> (watch::Sender<ServerCertificate>, Self) {
        let (sender, receiver) = watch::channel(first);
        (sender, Self(receiver))
    }

    pub(crate) fn current(&self) -> ServerCertificate {
        self.0.borrow().clone()
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    CertificateDer::pem_slice_iter(pem).collect()
}
