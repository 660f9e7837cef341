//! Time that moves only when nobody works, until there is nothing left to do.

use std::time::Duration;

use crate::World;
use crate::checker::Checker;
use crate::patience::eventually;

/// What is due later than this is routine: a check of what is well.
const FAR: Duration = Duration::from_hours(1);
/// Longer than a lease.
pub const PAST_A_LEASE: Duration = Duration::from_secs(61);

impl World {
    /// Moves time on whenever nobody works, until nothing is due for an hour. The interval of
    /// checks must be longer, see [`crate::WorldBuilder::rarely_checked`].
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

    /// What is wrong now that all is at rest.
    pub async fn breaches_at_rest(&self) -> Vec<String> {
        Checker::read_at_rest(self).await.breaches()
    }

    /// Brings all to rest and checks it.
    ///
    /// # Panics
    /// With all that is wrong.
    pub async fn assert_sound_at_rest(&self, what: &str) {
        self.comes_to_rest().await;
        let breaches = self.breaches_at_rest().await;
        assert!(
            breaches.is_empty(),
            "{what}: {} breaches:\n{}",
            breaches.len(),
            breaches.join("\n")
        );
    }
}
