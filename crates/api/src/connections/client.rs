//! What is known of the client of a connection.

use axum::body::Body;
use axum::http::Request;
use chrono::Utc;

use crate::request_context::{OverTls, Peer};
use crate::tls::ClientCertificate;

/// The client of a connection.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) peer: Peer,
    /// Whether the connection is one over TLS.
    pub(super) tls: bool,
    pub(super) certificate: Option<ClientCertificate>,
}

impl Client {
    /// Adds what is known of the client to a request. A certificate that has expired since the
    /// connection was opened counts as none.
    pub(super) fn describe(&self, request: &mut Request<Body>) {
        let extensions = request.extensions_mut();
        extensions.insert(self.peer);
        if self.tls {
            extensions.insert(OverTls);
        }
        let certificate = self.certificate.as_ref();
        if let Some(certificate) = certificate.filter(|found| found.is_valid(Utc::now())) {
            extensions.insert(certificate.clone());
        }
    }
}
