//! A client's socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;

/// A client's socket. Notes whether the client reads what is written. With TLS, this is the encrypted
/// side: the other side only writes into a buffer. During a handshake, limits how much the client sends.
pub(super) struct Socket<T> {
    io: T,
    activity: Arc<Activity>,
    /// How many bytes of a handshake the client may still send; `None` when there is none.
    handshake: Option<usize>,
}

/// A client that sends too much in a handshake.
#[derive(Debug, thiserror::Error)]
#[error("the handshake is too long")]
pub(super) struct TooLong;

impl<T> Socket<T> {
    pub(super) fn new(io: T, activity: Arc<Activity>) -> Self {
        Self {
            io,
            activity,
            handshake: None,
        }
    }

    /// Limits how many bytes the client can send until the handshake has ended.
    pub(super) fn begin_handshake(&mut self, longest: usize) {
        self.handshake = Some(longest);
    }

    pub(super) fn end_handshake(&mut self) {
        self.handshake = None;
    }

    fn note_write(&self, written: &Poll<io::Result<usize>>) {
        self.activity.wrote(written.is_pending());
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Socket<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        if let Some(left) = self.handshake {
            let taken = buffer.filled().len() - before;
            let Some(left) = left.checked_sub(taken) else {
                return Poll::Ready(Err(io::Error::other(TooLong)));
            };
            self.handshake = Some(left);
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Socket<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.note_write(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, parts);
        self.note_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
