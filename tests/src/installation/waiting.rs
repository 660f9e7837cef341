//! Waiting until an installation is in a state, and moving its time meanwhile.

use std::time::Duration;

use serde_json::Value;

use super::Installation;
use crate::database::BindingRow;
use crate::polling::eventually;

/// What is due later than this is routine: a check of what is well.
const FAR: Duration = Duration::from_hours(1);
/// Longer than a lease.
pub const PAST_A_LEASE: Duration = Duration::from_secs(61);

impl Installation {
    /// Moves the database's clock and the sandbox's.
    pub async fn advance(&self, by: Duration) {
        self.sandbox.advance(by);
        self.database.advance(by).await;
    }

    /// Waits until the newest binding of a cluster is in this state; the answer about it.
    pub async fn reaches(&self, cluster: &str, state: &str) -> Value {
        eventually(&format!("{cluster} is {state}"), async || {
            let binding = self.database.binding(cluster).await?;
            (binding.state == state).then_some(())
        })
        .await;
        self.client().get(cluster).await.body
    }

    /// As [`Installation::reaches`], and moves time on whenever the binding only waits until
    /// something is due. Never while a worker holds it: its lease would run out meanwhile.
    pub async fn reaches_in_time(&self, cluster: &str, state: &str) -> Value {
        let what = format!("{cluster} is {state}");
        self.in_time(&what, cluster, |binding| binding.state == state)
            .await
    }

    /// Moves time on as [`Installation::reaches_in_time`] does until IAM was read and held what is
    /// meant; the answer about it.
    pub async fn is_verified_in_time(&self, cluster: &str) -> Value {
        let what = format!("{cluster} is verified");
        self.in_time(&what, cluster, |binding| binding.verified_at.is_some())
            .await
    }

    async fn in_time(
        &self,
        what: &str,
        cluster: &str,
        is_so: impl Fn(&BindingRow) -> bool,
    ) -> Value {
        eventually(what, async || {
            let binding = self.database.binding(cluster).await?;
            if is_so(&binding) {
                return Some(());
            }
            let now = self.database.now().await;
            let due_at = binding.due_at.filter(|_| binding.lease_until.is_none());
            if let Some(wait) = due_at.and_then(|due_at| (due_at - now).to_std().ok()) {
                self.advance(wait + Duration::from_secs(1)).await;
            }
            None
        })
        .await;
        self.client().get(cluster).await.body
    }

    /// Moves time on whenever nobody works, until nothing is due for an hour. The interval of
    /// checks must be longer, see [`crate::InstallationBuilder::rarely_checked`].
    pub async fn comes_to_rest(&self) {
        eventually("all is at rest", async || {
            let bindings = self.database.bindings().await;
            if bindings.iter().any(|binding| binding.lease_until.is_some()) {
                return None;
            }
            let now = self.database.now().await;
            let next = bindings.iter().filter_map(|binding| binding.due_at).min();
            let wait = next.map(|next| (next - now).to_std().unwrap_or_default());
            match wait {
                Some(wait) if wait < FAR => {
                    if !wait.is_zero() {
                        self.advance(wait + Duration::from_millis(100)).await;
                    }
                    None
                }
                _ => Some(()),
            }
        })
        .await;
    }

    /// Moves time on whenever nobody works, to whatever is due next, until something is so.
    ///
    /// # Panics
    /// When it is not for two minutes.
    pub async fn in_time_until<T>(
        &self,
        what: &str,
        mut look: impl AsyncFnMut() -> Option<T>,
    ) -> T {
        eventually(what, async || {
            if let Some(found) = look().await {
                return Some(found);
            }
            let bindings = self.database.bindings().await;
            let works = bindings.iter().any(|binding| binding.lease_until.is_some());
            let next = bindings.iter().filter_map(|binding| binding.due_at).min();
            if let Some(next) = next.filter(|_| !works) {
                let wait = (next - self.database.now().await).to_std();
                if let Ok(wait) = wait {
                    self.advance(wait + Duration::from_millis(100)).await;
                }
            }
            None
        })
        .await
    }
}
