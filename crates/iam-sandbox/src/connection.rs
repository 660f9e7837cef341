use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tracing::warn;

/// A listener whose connections can be reset without an answer, each alone or all at once.
pub(crate) struct BreakableListener {
    pub(crate) tcp: TcpListener,
    /// Resets all connections when cancelled.
    pub(crate) all: CancellationToken,
}

/// Resets one connection.
#[derive(Clone)]
pub(crate) struct Breaker(CancellationToken);

impl Breaker {
    /// Resets the connection; a caller that waits for an answer gets a connection reset.
    pub(crate) fn reset(&self) {
        self.0.cancel();
    }
}

/// A connection that fails after it was reset.
pub(crate) struct Breakable {
    tcp: TcpStream,
    token: CancellationToken,
    reset: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Listener for BreakableListener {
    type Io = Breakable;
    type Addr = ();

    async fn accept(&mut self) -> (Breakable, ()) {
        let (tcp, ()) = loop {
            match self.tcp.accept().await {
                Ok((tcp, _)) => break (tcp, ()),
                Err(error) => {
                    warn!(%error, "could not accept a connection");
                    // Most likely too many connections are open; some will close soon.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        };
        // Without TCP_NODELAY, an answer could wait for the acknowledgement of earlier packets.
        if let Err(error) = tcp.set_nodelay(true) {
            warn!(%error, "could not set TCP_NODELAY");
        }
        let token = self.all.child_token();
        let reset = Box::pin(token.clone().cancelled_owned());
        let connection = Breakable { tcp, token, reset };
        (connection, ())
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Connected<IncomingStream<'_, BreakableListener>> for Breaker {
    fn connect_info(stream: IncomingStream<'_, BreakableListener>) -> Self {
        Self(stream.io().token.clone())
    }
}

impl Breakable {
    /// Ready once the connection is to be reset; closing the connection then sends a TCP reset.
    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.reset.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        if let Err(error) = self.tcp.set_zero_linger() {
            warn!(%error, "could not set SO_LINGER");
        }
        Poll::Ready(io::ErrorKind::ConnectionReset.into())
    }
}

impl AsyncRead for Breakable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = self.poll_reset(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.tcp).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Breakable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(error) = self.poll_reset(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A shutdown would close the connection in order, without a TCP reset.
        if let Poll::Ready(error) = self.poll_reset(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
