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

/// A listener whose connections can be broken off without an answer, one by one and all at once.
pub(crate) struct BreakableListener {
    pub(crate) tcp: TcpListener,
    /// Breaks all connections.
    pub(crate) all: CancellationToken,
}

/// Breaks off one connection.
#[derive(Clone)]
pub(crate) struct Breaker(CancellationToken);

impl Breaker {
    /// Whoever waits for an answer on the connection sees a reset.
    pub(crate) fn break_off(&self) {
        self.0.cancel();
    }
}

/// A connection that fails once it is broken off.
pub(crate) struct Breakable {
    tcp: TcpStream,
    token: CancellationToken,
    broken: Pin<Box<WaitForCancellationFutureOwned>>,
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
                    // Most likely there are too many; some will close.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        };
        // Answers must not wait for the acknowledgement of what went before.
        if let Err(error) = tcp.set_nodelay(true) {
            warn!(%error, "could not set TCP_NODELAY");
        }
        let token = self.all.child_token();
        let broken = Box::pin(token.clone().cancelled_owned());
        let connection = Breakable { tcp, token, broken };
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
    /// Ready once the connection is broken off; then closing it sends a reset.
    fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.broken.as_mut().poll(cx).is_pending() {
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
        if let Poll::Ready(error) = self.poll_broken(cx) {
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
        if let Poll::Ready(error) = self.poll_broken(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A shutdown would send an orderly end.
        if let Poll::Ready(error) = self.poll_broken(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
