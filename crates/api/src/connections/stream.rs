//! A client's connection, as hyper sees it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;

/// A client's connection. Notes when the client sends bytes of requests, and withholds the answers that
/// hyper itself gives to malformed heads.
pub(super) struct Stream<T> {
    io: T,
    activity: Arc<Activity>,
    withheld: Option<StatusCode>,
}

impl<T> Stream<T> {
    pub(super) fn new(io: T, activity: Arc<Activity>) -> Self {
        Self {
            io,
            activity,
            withheld: None,
        }
    }

    /// Returns the connection, and the status of hyper's own answer if there was one.
    pub(super) fn into_inner(self) -> (T, Option<StatusCode>) {
        (self.io, self.withheld)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Stream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.received();
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Stream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let bytes = match own_answer(bytes) {
            Some((0, status)) => {
                self.withheld = Some(status);
                return Poll::Ready(Ok(bytes.len()));
            }
            // Answers before it were not written yet.
            Some((start, _)) => &bytes[..start],
            None => bytes,
        };
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // The first part holds heads, the other parts hold bodies. hyper's own answers have no body.
        if let [head] = parts {
            return self.poll_write(cx, head);
        }
        Pin::new(&mut self.io).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        // hyper copies each answer into a buffer of the connection otherwise, and keeps the buffer.
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What is written is flushed. The connection's task shuts the connection down, after a last answer.
        Pin::new(&mut self.io).poll_flush(cx)
    }
}

/// Returns where in these heads of answers hyper's own answer begins, and its status. hyper answers a
/// malformed head with a 4xx of its own, as the last answer of the connection. Every other answer has
/// the header `x-request-id`.
fn own_answer(heads: &[u8]) -> Option<(usize, StatusCode)> {
    const VERSION: &[u8] = b"HTTP/1.";
    if !heads.ends_with(b"\r\n\r\n") {
        return None;
    }
    let start = heads
        .windows(VERSION.len())
        .rposition(|window| window == VERSION)?;
    let head = str::from_utf8(&heads[start..]).ok()?;
    let status = StatusCode::from_bytes(head.get(9..12)?.as_bytes()).ok()?;
    let is_own = status.is_client_error() && !head.contains("\r\nx-request-id: ");
    is_own.then_some((start, status))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "HTTP/1.1 431 Request Header Fields Too Large\r\n\
                       connection: close\r\ncontent-length: 0\r\n\r\n";
    const OF_SERVICE: &str =
        "HTTP/1.1 404 Not Found\r\nx-request-id: a\r\ncontent-length: 0\r\n\r\n";

    #[test]
    fn an_answer_of_hyper_is_the_last_head_without_a_request_id() {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        assert_eq!(own_answer(OWN.as_bytes()), Some((0, status)));
        let after = format!("{OF_SERVICE}{OWN}");
        assert_eq!(
            own_answer(after.as_bytes()),
            Some((OF_SERVICE.len(), status))
        );
        for other in [
            "",
            OF_SERVICE,
            "HTTP/1.1 100 Continue\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "{\"detail\": \"HTTP/1.1 400\"}",
        ] {
            assert_eq!(own_answer(other.as_bytes()), None, "{other}");
        }
    }
}
