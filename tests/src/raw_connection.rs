//! A connection to the service on which a test sends any bytes, also such that no HTTP client sends.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::polling::LIMIT;

/// A connection to the service.
pub struct RawConnection {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
}

/// A connection, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An answer, read from a [`RawConnection`].
#[derive(Clone, Debug)]
pub struct RawAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    /// The body as text.
    pub body: String,
}

impl RawAnswer {
    /// The value of a header, or `None` when it is missing. The name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    /// Returns the body of a complete problem with this status and code.
    ///
    /// # Panics
    /// When the answer is not such a problem.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        let kind = self.header("content-type");
        assert_eq!(kind, Some("application/problem+json"), "{self:?}");
        let body: Value = serde_json::from_str(&self.body).expect("a problem is JSON");
        assert_eq!(body["code"], code, "{self:?}");
        assert_eq!(body["status"], status, "{self:?}");
        let id = self.header("x-request-id");
        assert!(id.is_some_and(|id| body["request_id"] == id), "{self:?}");
        body
    }
}

impl RawConnection {
    /// Connects to the service.
    ///
    /// # Panics
    /// When the service does not accept the connection.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = timeout(LIMIT, TcpStream::connect(address)).await;
        let stream = stream.expect("the service listens");
        Self::over(stream.expect("the service accepts connections"))
    }

    /// Uses a connection that is open already, for example one with TLS.
    pub fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            unread: Vec::new(),
        }
    }

    /// Sends bytes. Returns whether the connection was still open.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sent = async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        };
        sent.await.is_ok()
    }

    /// Reads one answer with a `Content-Length`; `None` when the service has closed the connection.
    ///
    /// # Panics
    /// When neither happens within [`LIMIT`].
    pub async fn answer(&mut self) -> Option<RawAnswer> {
        let end = self
            .fill_until(|unread| position(unread, b"\r\n\r\n"))
            .await?;
        let head: Vec<u8> = self.unread.drain(..end + 4).collect();
        let head = String::from_utf8(head).expect("heads are text");
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        let mut answer = RawAnswer {
            status: status.expect("an answer has a status"),
            head,
            body: String::new(),
        };
        let length = answer.header("content-length").unwrap_or("0");
        let length: usize = length.parse().expect("a length is a number");
        self.fill_until(|unread| (unread.len() >= length).then_some(()))
            .await?;
        let body = self.unread.drain(..length).collect();
        answer.body = String::from_utf8(body).expect("bodies are text");
        Some(answer)
    }

    /// Sends a request and reads its answer.
    ///
    /// # Panics
    /// When the service does not answer.
    pub async fn exchange(&mut self, request: impl AsRef<[u8]>) -> RawAnswer {
        self.send(request).await;
        self.answer().await.expect("the service answers")
    }

    /// Reads until the service has closed the connection, and returns how many bytes came.
    ///
    /// # Panics
    /// When the service does not close the connection within [`LIMIT`].
    pub async fn closed(&mut self) -> usize {
        let never = self.fill_until(|_| None::<()>).await;
        assert!(never.is_none());
        std::mem::take(&mut self.unread).len()
    }

    /// Reads until `found` returns a value; `None` when the service has closed the connection.
    async fn fill_until<T>(&mut self, found: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let filled = async {
            loop {
                if let Some(found) = found(&self.unread) {
                    return Some(found);
                }
                // A connection that is reset is closed, too.
                let read = self.stream.read_buf(&mut self.unread).await;
                if read.unwrap_or(0) == 0 {
                    return None;
                }
            }
        };
        timeout(LIMIT, filled)
            .await
            .expect("the service answers or closes the connection")
    }
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
