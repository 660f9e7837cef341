//! Notices when the SDK signs with another access key: it renews credentials by itself, and the new ones
//! may belong to another account.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_credential_types::provider::future;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};

/// The access key that was last given to the SDK, and how often another one was given before.
#[derive(Debug, Default)]
pub(crate) struct AccessKeys {
    last: Mutex<Option<String>>,
    changes: AtomicU64,
}

impl AccessKeys {
    /// Returns how often the access key has changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Wraps a provider, so that a change of its access key is counted before the SDK signs with it.
    pub(crate) fn watched(self: &Arc<Self>, inner: SharedCredentialsProvider) -> Watched {
        Watched {
            inner,
            keys: Arc::clone(self),
        }
    }

    fn note(&self, access_key: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_deref() == Some(access_key) {
            return;
        }
        if last.replace(access_key.to_owned()).is_some() {
            self.changes.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A provider of credentials whose access key is watched.
#[derive(Debug)]
pub(crate) struct Watched {
    inner: SharedCredentialsProvider,
    keys: Arc<AccessKeys>,
}

impl ProvideCredentials for Watched {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let credentials = self.inner.provide_credentials().await?;
            self.keys.note(credentials.access_key_id());
            Ok(credentials)
        })
    }

    fn fallback_on_interrupt(&self) -> Option<aws_credential_types::Credentials> {
        self.inner.fallback_on_interrupt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_access_key_than_the_last_one_is_a_change() {
        let keys = AccessKeys::default();
        for (key, changes) in [("A", 0), ("A", 0), ("B", 1), ("B", 1), ("A", 2)] {
            keys.note(key);
            assert_eq!(keys.changes(), changes, "{key}");
        }
    }
}
