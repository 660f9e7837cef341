//! How long the sender of a request is entitled to it.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long the sender of a request may have its intent recorded.
#[derive(Clone, Debug, Default)]
pub struct Permit {
    /// Cancelled when the sender's key is revoked; never for a certificate.
    revoked: CancellationToken,
    /// When the sender's key, or certificate, expires; none where it does not.
    expires_at: Option<Instant>,
}

impl Permit {
    /// Makes a permit that ends when the token is cancelled, or at a time.
    pub fn new(revoked: CancellationToken, expires_at: Option<Instant>) -> Self {
        Self {
            revoked,
            expires_at,
        }
    }

    /// Returns whether the permit has ended.
    pub fn has_ended(&self) -> bool {
        self.revoked.is_cancelled() || self.expires_at.is_some_and(|at| at <= Instant::now())
    }

    /// Waits until the permit has ended.
    pub async fn ended(&self) {
        let expired = async {
            match self.expires_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.revoked.cancelled() => {}
            () = expired => {}
        }
    }
}
