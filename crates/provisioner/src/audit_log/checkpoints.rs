//! Signs checkpoints of the tree, each of which extends the ones before.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::Utc;
use engine_roles_files::FileAccess;
use engine_roles_store::Store;
use engine_roles_transparency::{
    Checkpoint, ConsistencyQuery, KeyName, Note, RightEdge, SigningKey, TransparencyError,
    TrustedKeys, VerifiedCheckpoint,
};

use crate::audit_log::directory::{CheckpointFiles, Filed};
use crate::audit_log::error::AuditLogError;
use crate::audit_log::stored::{read_tiles, signed};
use crate::moment::unix_seconds;

const IN_DATABASE: &str = "the database";
const IN_DIRECTORY: &str = "ENGINE_ROLES_AUDIT_CHECKPOINTS";

/// With which keys checkpoints are signed, and where they are written besides the database.
#[derive(Debug)]
pub struct AuditSigning {
    origin: KeyName,
    keys: Vec<SigningKey>,
    trusted: TrustedKeys,
    directory: Option<PathBuf>,
}

impl AuditSigning {
    /// Signs with each of these keys: while keys are rotated, with the old and the new one. All
    /// replicas have the same keys.
    ///
    /// # Errors
    /// When there is no key, or a key has another name than the origin.
    pub fn new(
        origin: KeyName,
        keys: Vec<SigningKey>,
        directory: Option<PathBuf>,
    ) -> Result<Self, TransparencyError> {
        let trusted = TrustedKeys::new(keys.iter().map(|key| key.verifier().clone()))?;
        if *trusted.origin() != origin {
            return Err(TransparencyError::OtherOrigin {
                found: trusted.origin().to_string(),
                expected: origin.to_string(),
            });
        }
        Ok(Self {
            origin,
            keys,
            trusted,
            directory,
        })
    }

    /// Returns the name of the log.
    pub fn origin(&self) -> &str {
        self.origin.as_str()
    }

    /// Returns the public keys, one on each line, as verifiers of the log read them.
    pub fn verifier_keys(&self) -> String {
        self.trusted.to_string()
    }

    pub(super) fn trusted(&self) -> &TrustedKeys {
        &self.trusted
    }
}

/// Signs checkpoints.
pub(crate) struct Checkpoints {
    store: Store,
    signing: Arc<AuditSigning>,
    files: Option<CheckpointFiles>,
    access: FileAccess,
}

/// The checkpoints that were signed last.
#[derive(Debug)]
pub(crate) struct Earlier {
    stored: Option<String>,
    filed: Filed,
}

impl Checkpoints {
    pub(crate) fn new(store: Store, signing: Arc<AuditSigning>) -> Self {
        let directory = signing.directory.clone();
        let files = directory.map(|directory| CheckpointFiles::new(directory, &signing.origin));
        Self {
            store,
            signing,
            files,
            access: FileAccess::default(),
        }
    }

    /// Reads the checkpoints that were signed last. This comes before the tree is read: a checkpoint
    /// that another replica signs meanwhile may be of a larger tree.
    pub(crate) async fn earlier(&self) -> Result<Earlier, AuditLogError> {
        let stored = self.store.audit_checkpoint(self.signing.origin()).await?;
        let filed = match self.files.clone() {
            Some(files) => self.work_on(move || files.read()).await?,
            None => Filed::default(),
        };
        Ok(Earlier { stored, filed })
    }

    /// Signs the tree, unless its checkpoint was signed before, and writes the checkpoint to the
    /// directory first and then to the database.
    ///
    /// # Errors
    /// When the tree does not extend one of the earlier checkpoints: nothing is signed then.
    pub(crate) async fn sign(
        &self,
        edge: &RightEdge,
        earlier: Earlier,
    ) -> Result<(), AuditLogError> {
        let current = Checkpoint {
            origin: self.signing.origin.clone(),
            size: edge.size(),
            root: edge.root(),
        };
        let stored = self
            .check(IN_DATABASE, earlier.stored.as_deref(), &current)
            .await?;
        self.check(IN_DIRECTORY, earlier.filed.largest.as_deref(), &current)
            .await?;
        let is_signed = stored.is_some_and(|stored| {
            let signed_by = stored.signed_by().len();
            *stored.checkpoint() == current && signed_by == self.signing.keys.len()
        });
        if is_signed {
            if let Some(note) = earlier
                .stored
                .filter(|note| earlier.filed.last.as_ref() != Some(note))
            {
                self.write(note, &current).await?;
            }
            return Ok(());
        }
        if current.size == 0 {
            return Ok(());
        }
        let keys: Vec<&SigningKey> = self.signing.keys.iter().collect();
        let note = current.sign(&keys).map_err(AuditLogError::NotSigned)?;
        let note = note.to_string();
        self.write(note.clone(), &current).await?;
        let size = signed(current.size);
        let recorded = self
            .store
            .record_audit_checkpoint(self.signing.origin(), size, &note);
        recorded.await?;
        metrics::gauge!("engine_roles_audit_checkpoint_size").set(size_as_metric(current.size));
        metrics::gauge!("engine_roles_audit_checkpoint_timestamp_seconds").set(unix_seconds());
        Ok(())
    }

    /// Checks that a checkpoint was signed by a key in use, and that the current one extends it.
    async fn check(
        &self,
        place: &'static str,
        text: Option<&str>,
        current: &Checkpoint,
    ) -> Result<Option<VerifiedCheckpoint>, AuditLogError> {
        let Some(text) = text else { return Ok(None) };
        let verified = text
            .parse()
            .and_then(|note: Note| self.signing.trusted.verify(&note))
            .map_err(|source| AuditLogError::NotVerified { place, source })?;
        let not_extended = |source| AuditLogError::NotExtended { place, source };
        let earlier = verified.checkpoint();
        let query = ConsistencyQuery::new(earlier.size, current.size).map_err(not_extended)?;
        let tiles = query.tiles().map_err(not_extended)?;
        let tiles = read_tiles(&self.store, tiles).await?;
        let proof = query.prove(&tiles).map_err(AuditLogError::Damaged)?;
        current.extends(earlier, &proof).map_err(not_extended)?;
        Ok(Some(verified))
    }

    async fn write(&self, note: String, checkpoint: &Checkpoint) -> Result<(), AuditLogError> {
        let Some(files) = self.files.clone() else {
            return Ok(());
        };
        let (size, today) = (checkpoint.size, Utc::now().date_naive());
        self.work_on(move || files.write(&note, size, today)).await
    }

    async fn work_on<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, AuditLogError> {
        let done = self.access.run(work).await;
        done.flatten().map_err(AuditLogError::Directory)
    }
}

#[allow(clippy::cast_precision_loss, reason = "a metric is a float")]
fn size_as_metric(size: u64) -> f64 {
    size as f64
}
