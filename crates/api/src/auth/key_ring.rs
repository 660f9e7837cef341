//! The API keys and the tokens of the installation, kept in memory.
//!
//! A request costs no query: each heartbeat reads the number of the last change of the keys, and a change
//! is read then. A key that is not known yet may be new, so that the changes are read for it, too, but only
//! a few times per second, whatever strangers send.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use engine_roles_domain::audit::Actor;
use engine_roles_domain::caller::{Caller, KeyId};
use engine_roles_provisioner::{KeysSeen, Permit};
use engine_roles_store::{KeyChange, KeyHash, Store};
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How long known keys are accepted without news of the database.
const TRUSTED_FOR: Duration = Duration::from_secs(10);
/// The shortest time between two reads of the changes for keys that are not known.
const READ_PAUSE: Duration = Duration::from_millis(250);
/// How long a read of the changes may take.
const READ_LIMIT: Duration = Duration::from_secs(2);
/// How long a token is kept after it has expired, so that its holder is told that it has.
const KEEP_EXPIRED: Duration = Duration::from_secs(10);
/// How often the uses of keys are recorded, and tokens that have expired are deleted.
const USES_EVERY: Duration = Duration::from_secs(10);

/// What is known of a key.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Valid(Box<Caller>, Permit),
    Expired(Box<Caller>),
    Revoked(Box<Caller>),
    Unknown,
}

/// The database did not answer, so that a key can't be checked.
#[derive(Debug)]
pub(super) struct NotChecked;

pub(super) struct KeyRing {
    store: Store,
    seen: watch::Receiver<Option<KeysSeen>>,
    known: RwLock<Known>,
    /// When the last read of the changes began, and whether it succeeded. Locked during a read.
    last_read: AsyncMutex<Option<(Instant, bool)>>,
    /// The keys that were used since their uses were last recorded, and when they were used last.
    used: Mutex<BTreeMap<KeyId, Instant>>,
}

#[derive(Debug, Default)]
struct Known {
    by_hash: HashMap<KeyHash, KnownKey>,
    /// The number of the last change that is known.
    version: i64,
    /// A time at which this was all there is; none before the first read.
    confirmed_at: Option<Instant>,
}

#[derive(Debug)]
struct KnownKey {
    caller: Caller,
    expires_at: Option<Instant>,
    /// Cancelled when the key is revoked. The requests with the key that are open then have it, too.
    revoked: CancellationToken,
}

impl KnownKey {
    fn new(change: &KeyChange, read_at: Instant, revoked: CancellationToken) -> Self {
        let key = &change.key;
        if key.revoked_at.is_some() {
            revoked.cancel();
        }
        Self {
            caller: Caller {
                actor: Actor(match &key.identity {
                    Some(identity) => identity.arn().to_owned(),
                    None => key.name.to_string(),
                }),
                key: Some(key.id),
                principal: key.identity.as_ref().map(|it| it.principal().clone()),
                scopes: key.scopes.clone(),
                prefix: key.prefix.clone(),
            },
            // A time too far away to be reckoned with is never reached.
            expires_at: change.valid_for.and_then(|left| read_at.checked_add(left)),
            revoked,
        }
    }

    /// Returns whether this is a token that expired long enough before this time to be forgotten.
    fn is_over(&self, now: Instant) -> bool {
        let over_at = self.expires_at.and_then(|at| at.checked_add(KEEP_EXPIRED));
        self.caller.principal.is_some() && over_at.is_some_and(|at| at <= now)
    }

    fn found(&self) -> Found {
        if self.revoked.is_cancelled() {
            Found::Revoked(Box::new(self.caller.clone()))
        } else if self.expires_at.is_some_and(|at| at <= Instant::now()) {
            Found::Expired(Box::new(self.caller.clone()))
        } else {
            let permit = Permit::new(self.revoked.clone(), self.expires_at);
            Found::Valid(Box::new(self.caller.clone()), permit)
        }
    }
}

impl Known {
    /// Forgets the tokens that expired before this time. Returns how many there were.
    fn forget_tokens(&mut self, now: Instant) -> usize {
        let before = self.by_hash.len();
        self.by_hash.retain(|_, key| !key.is_over(now));
        before - self.by_hash.len()
    }
}

impl KeyRing {
    pub(super) fn new(store: Store, seen: watch::Receiver<Option<KeysSeen>>) -> Self {
        Self {
            store,
            seen,
            known: RwLock::default(),
            last_read: AsyncMutex::default(),
            used: Mutex::default(),
        }
    }

    /// Returns what is known of a key, without asking the database.
    pub(super) fn known(&self, hash: &KeyHash) -> Option<Found> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let confirmed_at = known.confirmed_at?;
        let is_trusted = confirmed_at.elapsed() < TRUSTED_FOR;
        let found = known.by_hash.get(hash).filter(|_| is_trusted)?.found();
        drop(known);
        if let Found::Valid(caller, _) = &found
            && let Some(key) = caller.key
        {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            used.insert(key, Instant::now());
        }
        Some(found)
    }

    /// Returns what is known of a key. Reads the changes if nothing is known, or if what is known is too
    /// old.
    pub(super) async fn find(&self, hash: &KeyHash) -> Result<Found, NotChecked> {
        if let Some(found) = self.known(hash) {
            return Ok(found);
        }
        if self.read_changes().await {
            Ok(self.known(hash).unwrap_or(Found::Unknown))
        } else {
            Err(NotChecked)
        }
    }

    /// Keeps up with the changes until `stop` is cancelled, and records which keys are used.
    pub(super) async fn keep_up(&self, stop: CancellationToken) {
        let mut seen = self.seen.clone();
        let mut uses = tokio::time::interval(USES_EVERY);
        let working = async {
            loop {
                tokio::select! {
                    changed = seen.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        let news = *seen.borrow_and_update();
                        if let Some(news) = news && self.is_stale(news) {
                            self.read_changes().await;
                        }
                    }
                    _ = uses.tick() => {
                        self.record_uses().await;
                        self.forget_tokens().await;
                    }
                }
            }
        };
        stop.run_until_cancelled(working).await;
    }

    /// Compares what is known with what a heartbeat has read. Returns whether keys have changed.
    fn is_stale(&self, news: KeysSeen) -> bool {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if news.version == known.version {
            known.confirmed_at = known.confirmed_at.max(Some(news.sent_at));
            return false;
        }
        let is_newer = known.confirmed_at.is_none_or(|at| at < news.sent_at);
        if news.version < known.version && is_newer {
            // The database was restored from a backup: everything is read again.
            *known = Known::default();
        }
        news.version > known.version || is_newer
    }

    /// Reads what has changed. Returns whether everything is known then. Calls at the same time share one
    /// read, and one that comes shortly after another waits.
    async fn read_changes(&self) -> bool {
        let asked_at = Instant::now();
        let mut last = self.last_read.lock().await;
        if let Some((read_at, succeeded)) = *last {
            if read_at >= asked_at {
                return succeeded;
            }
            tokio::time::sleep_until(read_at + READ_PAUSE).await;
        }
        let read_at = Instant::now();
        let after = self.version();
        let changes = timeout(READ_LIMIT, self.store.api_key_changes(after)).await;
        let succeeded = match changes {
            Ok(Ok(changes)) => {
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                for change in &changes.changes {
                    let earlier = known.by_hash.get(&change.hash);
                    let revoked =
                        earlier.map_or_else(CancellationToken::new, |key| key.revoked.clone());
                    let key = KnownKey::new(change, read_at, revoked);
                    known.by_hash.insert(change.hash, key);
                }
                known.version = changes.version;
                known.confirmed_at = Some(read_at);
                true
            }
            Ok(Err(error)) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "list of API keys could not be read"
                );
                false
            }
            Err(_) => {
                warn!("list of API keys could not be read in time");
                false
            }
        };
        *last = Some((read_at, succeeded));
        succeeded
    }

    /// Forgets the tokens that have expired, and deletes them. The database is asked only where this replica
    /// knew of some.
    async fn forget_tokens(&self) {
        let forgotten = {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.forget_tokens(Instant::now())
        };
        if forgotten == 0 {
            return;
        }
        if let Err(error) = self.store.delete_expired_tokens(KEEP_EXPIRED).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "expired tokens could not be deleted"
            );
        }
    }

    fn version(&self) -> i64 {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.version
    }

    async fn record_uses(&self) {
        let used = {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *used)
        };
        if used.is_empty() {
            return;
        }
        let used: Vec<(KeyId, Duration)> = used
            .into_iter()
            .map(|(key, at)| (key, at.elapsed()))
            .collect();
        if let Err(error) = self.store.note_api_keys_used(&used).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "uses of API keys could not be recorded"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use engine_roles_domain::caller::{AwsIdentity, KeyName, KeyScopes};
    use engine_roles_store::ApiKeyRecord;
    use uuid::Uuid;

    use super::*;

    fn change(hash: u8, seconds: u64, identity: Option<&str>) -> KeyChange {
        let key = ApiKeyRecord {
            id: KeyId(Uuid::now_v7()),
            name: KeyName::parse("key").expect("a name"),
            scopes: KeyScopes::all(),
            prefix: None,
            created_at: Utc::now(),
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
            identity: identity.map(|arn| AwsIdentity::of_arn(arn).expect("an identity")),
        };
        KeyChange {
            hash: [hash; 32],
            key,
            valid_for: Some(Duration::from_secs(seconds)),
        }
    }

    #[test]
    fn an_expired_token_is_forgotten_some_seconds_later_and_an_expired_key_is_kept() {
        let arn = "arn:aws:sts::123456789012:assumed-role/manager/session";
        let mut known = Known::default();
        let read_at = Instant::now();
        for change in [
            change(1, 60, Some(arn)),
            change(2, 90, Some(arn)),
            change(3, 60, None),
        ] {
            let key = KnownKey::new(&change, read_at, CancellationToken::new());
            known.by_hash.insert(change.hash, key);
        }
        let token = &known.by_hash[&[1; 32]].caller;
        assert_eq!(token.actor.0, arn);
        assert_eq!(token.identity(), "arn:aws:iam::123456789012:role/manager");
        for (seconds, forgotten) in [(69, 0), (71, 1), (101, 1), (10_000, 0)] {
            let at = read_at + Duration::from_secs(seconds);
            assert_eq!(known.forget_tokens(at), forgotten, "{seconds}");
        }
        assert!(known.by_hash.contains_key(&[3; 32]));
    }
}
