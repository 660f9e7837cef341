//! A proxy in front of Postgres that can hold a commit: before the server sees it, or after the
//! server executed it and before the client gets the answer.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, watch};

use crate::loopback::LoopbackServer;
use crate::polling::eventually;

/// Parts of a statement that records an intent or an outcome.
const RECORDS: [&str; 2] = ["INSERT INTO bindings", "UPDATE bindings"];

/// The side of a commit at which the proxy holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The server has not seen the commit.
    Before,
    /// The server has executed the commit, and the proxy holds the answer.
    After,
}

/// A proxy on loopback. Dropping this value ends it.
#[derive(Debug)]
pub struct PostgresProxy {
    server: LoopbackServer,
    control: Arc<Control>,
}

#[derive(Debug)]
struct Control {
    /// The address of the server.
    server: Mutex<String>,
    state: Mutex<State>,
    pings: AtomicUsize,
    is_frozen: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    /// How many commits still pass, and at which side the next one is held.
    stop: Option<(usize, Side)>,
    /// Cuts the connection that is held.
    held: Option<Arc<Notify>>,
}

impl Control {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn server(&self) -> String {
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        server.clone()
    }

    /// Waits while the network does not work.
    async fn thawed(&self) {
        let mut is_frozen = self.is_frozen.subscribe();
        let thawed = is_frozen.wait_for(|is_frozen| !is_frozen).await;
        thawed.expect("the sender is in this value");
    }

    /// Counts a commit. Returns the side at which to hold it, if it is the one to hold.
    fn commit(&self) -> Option<Side> {
        let mut state = self.lock();
        match &mut state.stop {
            None => None,
            Some((0, side)) => {
                let side = *side;
                state.stop = None;
                Some(side)
            }
            Some((left, _)) => {
                *left -= 1;
                None
            }
        }
    }
}

impl PostgresProxy {
    /// Starts a proxy to the server of this URL, which must not require TLS. Returns the URL of the
    /// proxy too.
    ///
    /// # Panics
    /// When the URL is invalid, or no port is free.
    pub async fn start(url: &str) -> (Self, String) {
        let parsed = reqwest::Url::parse(url).expect("the URL is valid");
        let control = Arc::new(Control {
            server: Mutex::new(place(&parsed)),
            state: Mutex::default(),
            pings: AtomicUsize::default(),
            is_frozen: watch::Sender::default(),
        });
        let controlled = Arc::clone(&control);
        let server = LoopbackServer::start(move |client| {
            let control = Arc::clone(&controlled);
            async move {
                control.thawed().await;
                let server = TcpStream::connect(control.server()).await?;
                serve(client, server, &control).await;
                Ok(())
            }
        });
        let server = server.await;
        let address = server.address();
        let mut through = parsed;
        through
            .set_ip_host(address.ip())
            .expect("the URL has a host");
        through
            .set_port(Some(address.port()))
            .expect("the URL has a host");
        through.query_pairs_mut().append_pair("sslmode", "disable");
        let proxy = Self { server, control };
        (proxy, through.into())
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Holds a commit that records something, after `after` such commits have passed.
    pub fn stop_at(&self, after: usize, side: Side) {
        self.control.lock().stop = Some((after, side));
    }

    /// How many pings the clients sent: a Sync message without a statement, by which a client asks
    /// whether its connection still works.
    pub fn pings(&self) -> usize {
        self.control.pings.load(Ordering::Relaxed)
    }

    pub async fn holds(&self) {
        eventually("a commit is held", async || {
            self.control.lock().held.is_some().then_some(())
        })
        .await;
    }

    /// Stops forwarding: all connections stay open, and no data arrive on either side. New
    /// connections are accepted, and reach the server when the proxy forwards again.
    pub fn freeze(&self) {
        self.control.is_frozen.send_replace(true);
    }

    /// Forwards again, what was sent meanwhile included.
    pub fn thaw(&self) {
        self.control.is_frozen.send_replace(false);
    }

    /// Leads new connections to the server of this URL, as a failover does. Connections that are open
    /// stay where they are.
    ///
    /// # Panics
    /// When the URL is invalid.
    pub fn lead_to(&self, url: &str) {
        let url = reqwest::Url::parse(url).expect("the URL is valid");
        let mut server = self.control.server.lock();
        **server.as_mut().expect("no holder of the lock panics") = place(&url);
    }

    pub fn is_holding(&self) -> bool {
        self.control.lock().held.is_some()
    }

    /// Cuts the connection that is held and leaves the others open. A commit that the server has not
    /// seen is lost.
    pub fn cut(&self) {
        let mut state = self.control.lock();
        state.stop = None;
        if let Some(held) = state.held.take() {
            held.notify_one();
        }
    }
}

/// Returns host and port of a server.
pub(crate) fn place(url: &reqwest::Url) -> String {
    let host = url.host_str().expect("the server is reached over TCP");
    format!("{host}:{}", url.port().unwrap_or(5432))
}

async fn serve(client: TcpStream, server: TcpStream, control: &Arc<Control>) {
    // Without TCP_NODELAY each small message would wait 40 ms for a fuller packet.
    let (_, _) = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let cut = Arc::new(Notify::new());
    let held_answer = HeldAnswer::default();
    // When one future ends, the others are dropped, which closes both connections.
    tokio::select! {
        _ = forward(from_client, to_server, control, &cut, &held_answer) => {}
        _ = answer(from_server, to_client, control, &cut, &held_answer) => {}
        () = cut.notified() => {}
    }
}

/// Whether the server's next answer is held.
#[derive(Default)]
struct HeldAnswer(Mutex<bool>);

impl HeldAnswer {
    fn set(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    fn is_set(&self) -> bool {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn forward(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    control: &Control,
    cut: &Arc<Notify>,
    held_answer: &HeldAnswer,
) -> std::io::Result<()> {
    let mut messages = ClientMessages::default();
    // The first message has no type. Source: PostgreSQL documentation, "Message Formats".
    let start = message(&mut client).await?;
    server.write_all(&start).await?;
    loop {
        let kind = client.read_u8().await?;
        let body = message(&mut client).await?;
        if messages.pings(kind) {
            control.pings.fetch_add(1, Ordering::Relaxed);
        }
        if messages.commits(kind, &body[4..]) {
            match control.commit() {
                Some(Side::Before) => {
                    control.lock().held = Some(Arc::clone(cut));
                    return std::future::pending().await;
                }
                Some(Side::After) => held_answer.set(),
                None => {}
            }
        }
        control.thawed().await;
        server.write_u8(kind).await?;
        server.write_all(&body).await?;
    }
}

async fn answer(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    control: &Control,
    cut: &Arc<Notify>,
    held_answer: &HeldAnswer,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = server.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        if held_answer.is_set() {
            control.lock().held = Some(Arc::clone(cut));
            return std::future::pending().await;
        }
        control.thawed().await;
        client.write_all(&buffer[..length]).await?;
    }
}

/// Reads a message with its length field. The length includes the field itself.
async fn message(from: &mut OwnedReadHalf) -> std::io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let whole = usize::try_from(length).unwrap_or_default().max(4);
    let mut message = vec![0; whole];
    message[..4].copy_from_slice(&length.to_be_bytes());
    from.read_exact(&mut message[4..]).await?;
    Ok(message)
}

/// The state of one connection, as far as it follows from the client's messages.
#[derive(Default)]
struct ClientMessages {
    /// By the name of a prepared statement, whether it writes a record.
    writes: HashMap<Vec<u8>, bool>,
    /// Whether the statement that was bound last, or the current transaction, writes a record.
    records: bool,
    /// Whether the client began a transaction.
    in_transaction: bool,
    /// Whether the client sent anything since its last Sync message.
    is_unsynced: bool,
}

impl ClientMessages {
    /// Whether this message is a Sync on its own.
    fn pings(&mut self, kind: u8) -> bool {
        let was_unsynced = std::mem::replace(&mut self.is_unsynced, kind != b'S' && kind != b'Q');
        kind == b'S' && !was_unsynced
    }

    /// Whether this message commits a record: the execution of a statement outside a transaction, or
    /// the end of a transaction.
    fn commits(&mut self, kind: u8, body: &[u8]) -> bool {
        let mut parts = body.split(|byte| *byte == 0);
        let first = parts.next().unwrap_or_default();
        let second = parts.next().unwrap_or_default();
        match kind {
            b'P' => {
                let text = String::from_utf8_lossy(second);
                let writes = RECORDS.iter().any(|start| text.contains(start));
                self.writes.insert(first.to_vec(), writes);
            }
            b'B' => self.records |= self.writes.get(second).copied().unwrap_or_default(),
            b'E' if !self.in_transaction => return std::mem::take(&mut self.records),
            b'Q' if first.eq_ignore_ascii_case(b"COMMIT") => {
                self.in_transaction = false;
                return std::mem::take(&mut self.records);
            }
            b'Q' => {
                self.in_transaction = first.eq_ignore_ascii_case(b"BEGIN");
                self.records = false;
            }
            _ => {}
        }
        false
    }
}
