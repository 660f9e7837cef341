//! What can be wrong with the audit log.

use std::io;

use engine_roles_store::StoreError;
use engine_roles_transparency::TransparencyError;

/// Why the tree of the audit log was not extended, signed or read.
#[derive(Debug, thiserror::Error)]
pub enum AuditLogError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored tree contradicts itself: rows of it were changed or removed.
    #[error("the tree of the audit log is damaged: restore the database from a backup")]
    Damaged(#[source] TransparencyError),
    /// There are fewer events than the tree has entries.
    #[error(
        "the audit log has {head} events, and its tree has {size} entries: events were removed at the end"
    )]
    Shortened {
        /// The number of entries.
        size: i64,
        /// The number of events.
        head: i64,
    },
    /// An event is missing although its partition was not dropped.
    #[error("event {seq} of the audit log is missing")]
    EventMissing {
        /// The number of the event.
        seq: i64,
    },
    /// An event has a number that was never given.
    #[error(
        "event {seq} of the audit log was added by somebody else: the service has given no such number"
    )]
    NotNumbered {
        /// The number of the event.
        seq: i64,
    },
    /// A checkpoint that was signed before is not one of the tree that there is now.
    #[error(
        "the log does not extend the checkpoint in {place}: the database was restored or changed; a new \
         ENGINE_ROLES_AUDIT_ORIGIN begins a new log"
    )]
    NotExtended {
        /// Where the checkpoint is.
        place: &'static str,
        /// How the two differ.
        #[source]
        source: TransparencyError,
    },
    /// What should be an earlier checkpoint is none that the keys in use have signed.
    #[error("the checkpoint in {place} is not signed by the key of this log")]
    NotVerified {
        /// Where the checkpoint is.
        place: &'static str,
        /// Why it was not verified.
        #[source]
        source: TransparencyError,
    },
    /// The checkpoint could not be signed.
    #[error("the checkpoint could not be signed")]
    NotSigned(#[source] TransparencyError),
    /// The directory of the checkpoints can't be read or written.
    #[error("the directory of the checkpoints can't be used")]
    Directory(#[source] io::Error),
    /// No key is configured with which checkpoints would be signed.
    #[error("this service signs no checkpoints: ENGINE_ROLES_AUDIT_KEY_FILE is not set")]
    NoKey,
    /// No checkpoint was signed yet.
    #[error("no checkpoint has been signed yet")]
    NoCheckpoint,
    /// The tree has no such entry, tile or size.
    #[error("the tree of the audit log, which has {size} entries, does not have {what}")]
    NotInTree {
        /// What was asked for.
        what: String,
        /// The number of entries.
        size: i64,
    },
}

impl AuditLogError {
    /// Returns the error and its causes in one line.
    pub(crate) fn in_one_line(&self) -> String {
        let mut line = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }
}
