//! TLS: the certificate with which the service proves who it is, and those of its clients.
//!
//! The server reads the files and decides when to read them again. A certificate that was checked here
//! serves the connections that are accepted from then on.

mod client_certificate;
mod server_certificate;

pub use client_certificate::ClientCertificate;
pub use server_certificate::{PemFiles, ServerCertificate, TlsError};
use tokio::sync::watch;

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
