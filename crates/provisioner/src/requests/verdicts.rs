//! Evaluations of policies from outside: on threads of their own, and once for the same documents.
//!
//! An evaluation takes no time in which other tasks could run, and how long it takes depends on
//! documents that this service did not write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use engine_roles_domain::account::{Region, Scope};
use engine_roles_domain::cluster::{ClusterName, RoleSpec};
use engine_roles_domain::grant::KmsKeyArn;
use engine_roles_domain::prepared::{Attestation, HeldRole, Purpose, attest};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

/// The most verdicts that are kept; when there are more, all are dropped and found again.
const MOST_KEPT: usize = 500;

/// Verdicts about roles, kept by a hash of everything that they follow from.
#[derive(Default)]
pub(crate) struct Verdicts(Mutex<HashMap<[u8; 32], Attestation>>);

impl Verdicts {
    /// Returns the verdict about a role. The policies are evaluated only if they, or what they are
    /// evaluated for, differ from those of all kept verdicts.
    pub(crate) async fn attest(
        &self,
        shown: &Shown,
        scope: &Scope,
        purpose: Purpose<'_>,
        key: Option<&KmsKeyArn>,
    ) -> Attestation {
        self.find_or(hash(shown, scope, purpose, key), || {
            let (held, scope, key) = (Arc::clone(&shown.held), scope.clone(), key.cloned());
            let purpose = OwnedPurpose::from(purpose);
            move || attest(&held, &scope, purpose.borrowed(), key.as_ref())
        })
        .await
    }

    async fn find_or<W>(&self, hash: [u8; 32], work: impl FnOnce() -> W) -> Attestation
    where
        W: FnOnce() -> Attestation + Send + 'static,
    {
        if let Some(verdict) = self.kept(|kept| kept.get(&hash).cloned()) {
            return verdict;
        }
        let verdict = on_blocking_thread(work()).await;
        self.kept(|kept| {
            if kept.len() >= MOST_KEPT {
                kept.clear();
            }
            kept.insert(hash, verdict.clone());
        });
        verdict
    }

    fn kept<T>(&self, change: impl FnOnce(&mut HashMap<[u8; 32], Attestation>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Returns a hash of what a verdict follows from. It can't be forged, so no other documents can get
/// the verdict of these.
fn hash(shown: &Shown, scope: &Scope, purpose: Purpose<'_>, key: Option<&KmsKeyArn>) -> [u8; 32] {
    Sha256::digest(format!("{:?}", (shown.digest, scope, purpose, key))).into()
}

/// A role as IAM showed it, with a hash of all its documents.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) held: Arc<HeldRole>,
    digest: [u8; 32],
}

impl Shown {
    /// Hashes the documents, which may be long, on a thread of its own.
    pub(crate) async fn new(held: Arc<HeldRole>) -> Self {
        on_blocking_thread(move || Self::hashed(held)).await
    }

    fn hashed(held: Arc<HeldRole>) -> Self {
        let text = serde_json::to_vec(&*held).expect("plain data with text keys serialises");
        Self {
            digest: Sha256::digest(text).into(),
            held,
        }
    }
}

/// A [`Purpose`] that can move to another thread.
enum OwnedPurpose {
    Cluster(Box<(ClusterName, RoleSpec)>),
    Any(Region),
}

impl OwnedPurpose {
    fn borrowed(&self) -> Purpose<'_> {
        match self {
            Self::Cluster(cluster) => Purpose::Cluster(&cluster.0, &cluster.1),
            Self::Any(region) => Purpose::Any(region),
        }
    }
}

impl From<Purpose<'_>> for OwnedPurpose {
    fn from(purpose: Purpose<'_>) -> Self {
        match purpose {
            Purpose::Cluster(cluster, spec) => {
                Self::Cluster(Box::new((cluster.clone(), spec.clone())))
            }
            Purpose::Any(region) => Self::Any(region.clone()),
        }
    }
}

/// Runs an evaluation on a thread where it holds up no other task.
pub(crate) async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // Only a runtime that stops cancels the work, and then nothing runs on here either.
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use engine_roles_domain::account::{AccountId, Partition};
    use engine_roles_domain::binding::RoleRecord;
    use engine_roles_domain::prepared::{HeldPolicy, PolicyName};
    use engine_roles_domain::resources::RoleName;

    use super::*;

    fn held(text: &str) -> HeldRole {
        HeldRole {
            role: RoleRecord {
                name: RoleName::parse("prepared").expect("a name"),
                arn: None,
                id: None,
                path: None,
            },
            trust: None,
            policies: vec![HeldPolicy {
                name: PolicyName::Inline("a".to_owned()),
                text: Ok(text.to_owned()),
            }],
            boundary: None,
            unlisted: Vec::new(),
            profile: None,
        }
    }

    fn hash_of(text: &str, region: &str) -> [u8; 32] {
        let scope = Scope {
            partition: Partition::Aws,
            account: AccountId::parse("123456789012").expect("an account"),
        };
        let region = Region::parse(region).expect("a region");
        let shown = Shown::hashed(Arc::new(held(text)));
        hash(&shown, &scope, Purpose::Any(&region), None)
    }

    #[tokio::test]
    async fn the_same_documents_are_evaluated_once() {
        let verdicts = Verdicts::default();
        let evaluations = Arc::new(AtomicUsize::new(0));
        for (text, region, expected) in [
            ("{}", "us-west-2", 1),
            ("{}", "us-west-2", 1),
            ("[]", "us-west-2", 2),
            ("{}", "us-east-1", 3),
            ("[]", "us-west-2", 3),
        ] {
            let verdict = verdicts.find_or(hash_of(text, region), || {
                let evaluations = Arc::clone(&evaluations);
                let reason = format!("{text} {region}");
                move || {
                    evaluations.fetch_add(1, Ordering::Relaxed);
                    Attestation::unread(reason)
                }
            });
            assert_eq!(verdict.await.reasons(), format!("{text} {region}"));
            assert_eq!(evaluations.load(Ordering::Relaxed), expected);
        }
    }

    #[tokio::test]
    async fn the_number_of_kept_verdicts_is_limited() {
        let verdicts = Verdicts::default();
        for index in 0..=MOST_KEPT {
            let hash = Sha256::digest(index.to_string()).into();
            let work = || || Attestation::unread(String::new());
            verdicts.find_or(hash, work).await;
        }
        assert_eq!(verdicts.kept(|kept| kept.len()), 1);
    }

    #[tokio::test]
    async fn an_evaluation_does_not_run_on_the_thread_of_the_tasks() {
        let here = thread::current().id();
        let there = on_blocking_thread(|| thread::current().id()).await;
        assert_ne!(here, there);
    }
}
