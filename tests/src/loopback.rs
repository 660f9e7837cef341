//! A server on loopback that plays what the service talks to.

use std::future::Future;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A server on a free port of loopback. Dropping this value ends it: connections that it has accepted go on.
#[derive(Debug)]
pub(crate) struct LoopbackServer {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl LoopbackServer {
    /// Starts a server that serves each connection with this function.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub(crate) async fn start<S, F>(serve: S) -> Self
    where
        S: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback has a free port");
        let address = listener.local_addr().expect("the listener has an address");
        let accepting = tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                // A connection ends with an error when the caller closes it.
                tokio::spawn(serve(caller));
            }
        });
        Self { address, accepting }
    }

    /// The address of the server.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for LoopbackServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
