//! The loop that accepts connections.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::client::Client;
use super::connection;
use super::handshake;
use super::handshake_outcome::HandshakeOutcome;
use super::limits::{ConnectionLimits, STOP_GRACE};
use super::open::OpenConnections;
use super::socket::Socket;
use crate::request_context::Peer;
use crate::router::router;
use crate::state::Api;
use crate::tls::Tls;

/// How long no connection is accepted after the operating system has failed to accept one.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// How many bytes of answers the operating system buffers for one connection; Linux doubles the number.
/// Its own limit is megabytes, which clients that read nothing could take many times. A client that
/// reads slowly would also seem to read nothing until a third of the buffer is free.
const SEND_BUFFER: u32 = 128 * 1024;
/// How long connections are accepted after the stop: those that the operating system has made by then.
const LAST_ACCEPTS: Duration = Duration::from_millis(10);
/// How many connections may wait in the operating system until the service accepts them.
const BACKLOG: u32 = 1024;

/// Listens on an address. Must be called within a tokio runtime.
///
/// # Errors
/// When another process listens on the address, or the address is not of this machine.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // The service can start again while connections of its earlier process still end.
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit the size.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves the HTTP interface, over TLS if `tls` is given, until `stop` is cancelled. Then this function
/// accepts no more connections, waits until the running requests are answered, and returns. A request of
/// which only a part has arrived gets another half second, and so does a client that has just connected.
/// Dropping the future closes all connections.
pub async fn serve(
    listener: TcpListener,
    api: Api,
    tls: Option<Tls>,
    limits: ConnectionLimits,
    stop: CancellationToken,
) {
    let open = Arc::new(OpenConnections::new(limits));
    let _closing = CloseAllOnDrop(Arc::clone(&open));
    let tasks = TaskTracker::new();
    if tls.is_some() {
        HandshakeOutcome::show_all();
    }
    let serving = async {
        let router = Arc::new(router(api));
        tokio::select! {
            () = stop.cancelled().then(|()| sleep(LAST_ACCEPTS)) => {}
            () = accept(&listener, &open, |stream, peer, place| {
                let (router, stop) = (Arc::clone(&router), stop.clone());
                let socket = Socket::new(stream, Arc::clone(&place.activity));
                if let Some(tls) = &tls {
                    let now = tls.current();
                    tasks.spawn(handshake::serve(socket, peer, now, router, place, stop));
                } else {
                    let client = Client { peer, tls: false, certificate: None };
                    tasks.spawn(connection::serve(socket, client, router, place, stop));
                }
            }) => {}
        }
        drop(listener);
        tasks.close();
        if timeout(STOP_GRACE, tasks.wait()).await.is_err() {
            open.close_unanswering();
        }
        tasks.wait().await;
    };
    tokio::select! {
        () = serving => {}
        () = open.sweep() => {}
    }
}

struct CloseAllOnDrop(Arc<OpenConnections>);

impl Drop for CloseAllOnDrop {
    fn drop(&mut self) {
        self.0.close_all();
    }
}

/// Accepts connections, each when it has a place among the open ones. Never returns.
async fn accept(
    listener: &TcpListener,
    open: &Arc<OpenConnections>,
    serve: impl Fn(TcpStream, Peer, super::open::Place),
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // An answer is written at once, so it need not wait for more bytes. A connection that
                // refuses the option was closed by the client.
                let _ = stream.set_nodelay(true);
                let place = open.place().await;
                serve(stream, Peer(peer), place);
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "connection could not be accepted"
                );
                // The process or the machine may have run out of file descriptors or memory.
                open.close_one();
                sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}

/// Returns whether only the connection that was to be accepted has failed.
fn concerns_one_connection(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}
