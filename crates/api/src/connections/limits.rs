//! The limits of connections.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// The size from which on a request's head is too large, in bytes. hyper reads into a buffer of this
/// size, so it also bounds the memory of a connection.
pub(super) const LARGEST_HEAD: usize = 16 * 1024;
/// How long an unfinished request may still arrive after the service was told to stop.
pub(super) const STOP_GRACE: Duration = Duration::from_millis(500);

/// The limits of the connections of clients.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// The largest number of connections at once; at least 1.
    pub most: usize,
    /// How long a client may take to send a request's head, as long again for the body, and how long
    /// a client may read nothing of an answer.
    pub slow_client: Duration,
    /// How long a connection may be idle after an answer. A load balancer in front of the service
    /// must close its idle connections earlier.
    pub idle: Duration,
}

/// How long the body of a request may take to arrive; an extension of each request.
#[derive(Clone, Debug)]
pub(crate) struct BodyTime {
    limit: Duration,
    stop: CancellationToken,
}

impl BodyTime {
    pub(super) fn new(limit: Duration, stop: CancellationToken) -> Self {
        Self { limit, stop }
    }

    /// Returns when the body has taken too long, or when the service stops.
    pub(crate) async fn is_over(&self) {
        let stopped = async {
            self.stop.cancelled().await;
            sleep(STOP_GRACE).await;
        };
        tokio::select! {
            () = sleep(self.limit) => {}
            () = stopped => {}
        }
    }
}
