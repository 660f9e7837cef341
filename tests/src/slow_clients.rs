//! Clients that keep the service waiting, each on a connection that it opens again when the service
//! closes it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Installation;
use crate::polling::eventually;

/// How often a client sends another byte.
const BYTE_INTERVAL: Duration = Duration::from_millis(500);
/// How long a client waits before it opens its connection again, at least.
const PAUSE: Duration = Duration::from_millis(500);
/// A client that reads nothing takes few bytes.
const RECEIVE_BUFFER: u32 = 4096;

/// How a client keeps the service waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowClient {
    /// Sends a request's head, a byte at a time.
    Head,
    /// Sends a request's body, a byte at a time, with a valid key.
    Body,
    /// Sends requests and reads no answers.
    Reader,
    /// Sends one request, and then nothing.
    Idle,
}

impl SlowClient {
    /// Those for which the service waits in the middle of a request.
    pub const BUSY: [Self; 3] = [Self::Head, Self::Body, Self::Reader];

    /// Returns what a client sends at once, and the byte that it sends then again and again, if any.
    fn sends(self, key: &str) -> (String, Option<u8>) {
        match self {
            Self::Head => (
                "GET /livez HTTP/1.1\r\nHost: x\r\nX-a: ".to_owned(),
                Some(b'a'),
            ),
            Self::Body => {
                let head = format!(
                    "PUT /v1/clusters/slow/role HTTP/1.1\r\nHost: x\r\n\
                     Authorization: Bearer {key}\r\nContent-Type: application/json\r\n\
                     Content-Length: 10000\r\n\r\n{{"
                );
                (head, Some(b' '))
            }
            // Far more than fits into the buffers of the sockets; the last request is unfinished.
            Self::Reader => {
                let request = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
                (format!("{}GET /", request.repeat(100)), Some(b'a'))
            }
            Self::Idle => ("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), None),
        }
    }
}

/// Slow clients that are at work. Dropping this value ends them.
#[derive(Debug)]
pub struct SlowClients {
    opened: Arc<AtomicUsize>,
    _clients: JoinSet<()>,
}

impl SlowClients {
    /// Starts so many clients of the first replica, of all these kinds in turn, and waits until each has
    /// opened a connection.
    pub async fn start(installation: &Installation, number: usize, kinds: &[SlowClient]) -> Self {
        let address = installation.replicas[0].address();
        let opened = Arc::new(AtomicUsize::new(0));
        let mut clients = JoinSet::new();
        for kind in kinds.iter().cycle().take(number) {
            let (first, byte) = kind.sends(installation.key());
            let (kind, opened) = (*kind, Arc::clone(&opened));
            clients.spawn(async move {
                loop {
                    // The service has closed the connection, or did not accept it.
                    let _ = keep_waiting(address, kind, &first, byte, &opened).await;
                    sleep(PAUSE).await;
                }
            });
        }
        let clients = Self {
            opened,
            _clients: clients,
        };
        eventually("each slow client has a connection", async || {
            (clients.opened() >= number).then_some(())
        })
        .await;
        clients
    }

    /// How many connections the clients have opened, those included that the service has closed.
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }
}

async fn keep_waiting(
    address: SocketAddr,
    kind: SlowClient,
    first: &str,
    byte: Option<u8>,
    opened: &AtomicUsize,
) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    let mut stream = socket.connect(address).await?;
    opened.fetch_add(1, Ordering::Relaxed);
    stream.write_all(first.as_bytes()).await?;
    let mut answer = [0; 1024];
    loop {
        if kind == SlowClient::Reader {
            sleep(BYTE_INTERVAL).await;
        } else if let Ok(read) = timeout(BYTE_INTERVAL, stream.read(&mut answer)).await {
            // An answer, or the end of the connection.
            if read? == 0 {
                return Ok(());
            }
        }
        stream.write_all(byte.as_slice()).await?;
    }
}

/// Raises the limit on the files that this process may open, which the service inherits.
///
/// # Panics
/// When the limit can't be raised to its maximum.
pub fn raise_file_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("a process may raise its limit to the maximum");
}
