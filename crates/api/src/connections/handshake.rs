//! The beginning of a TLS connection.

use std::sync::Arc;

use axum::Router;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::client::Client;
use super::connection;
use super::handshake_outcome::HandshakeOutcome;
use super::limits::LARGEST_HEAD;
use super::open::Place;
use super::socket::Socket;
use crate::request_context::Peer;
use crate::tls::{ClientCertificate, ServerCertificate};

/// How many bytes a client may send until its handshake has ended. The largest parts are its certificate
/// with those of the authorities between, and up to 20 kB of the first request, which may arrive with the
/// end of the handshake. The TLS library alone would keep 64 kB of an unfinished message.
const LONGEST_HANDSHAKE: usize = 48 * 1024;

/// Makes a TLS connection of a client's socket and answers its requests, as [`connection::serve`] does.
///
/// The handshake has the time of the first head: who does not finish it in time, or has kept the service
/// waiting the longest when a new connection needs the place, is closed.
pub(super) async fn serve(
    mut socket: Socket<TcpStream>,
    peer: Peer,
    certificate: ServerCertificate,
    router: Arc<Router>,
    place: Place,
    stop: CancellationToken,
) {
    socket.begin_handshake(LONGEST_HANDSHAKE);
    let acceptor = TlsAcceptor::from(certificate.config());
    // What the client does not read is not kept in memory without end.
    let handshake = acceptor.accept_with(socket, |session| {
        session.set_buffer_limit(Some(LARGEST_HEAD));
    });
    let ended = tokio::select! {
        ended = handshake.into_fallible() => ended,
        cut = place.activity.must_close() => {
            let outcome = HandshakeOutcome::from(cut);
            outcome.count();
            debug!(
                outcome = outcome.as_str(),
                peer = %peer.0,
                "connection closed by the service during the TLS handshake"
            );
            return;
        }
    };
    match ended {
        Ok(mut stream) => {
            stream.get_mut().0.end_handshake();
            HandshakeOutcome::Completed.count();
            let client = Client {
                peer,
                tls: true,
                certificate: client_certificate(&stream, &certificate),
            };
            connection::serve(stream, client, router, place, stop).await;
        }
        Err((error, socket)) => {
            let outcome = HandshakeOutcome::from(&error);
            outcome.count();
            debug!(
                outcome = outcome.as_str(),
                error = &error as &dyn std::error::Error,
                peer = %peer.0,
                "TLS handshake failed"
            );
            // The alert is sent, and tells the client the reason, unless the connection is reset.
            connection::close(socket, "", &place).await;
        }
    }
}

fn client_certificate(
    stream: &TlsStream<Socket<TcpStream>>,
    certificate: &ServerCertificate,
) -> Option<ClientCertificate> {
    let (_, session) = stream.get_ref();
    certificate.client(session.peer_certificates()?)
}
