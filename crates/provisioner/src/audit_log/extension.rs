//! Adds numbered events to the tree.

use engine_roles_store::{AuditTree, Store, TreeExtension};
use engine_roles_transparency::{RightEdge, TreeHash};

use crate::audit_log::canonical;
use crate::audit_log::error::AuditLogError;
use crate::audit_log::stored::{read_edge, signed, to_store};

/// The most events that are added at once.
const BATCH: i64 = 1000;

/// Adds numbered events to the tree.
pub(crate) struct Extender {
    pub(crate) store: Store,
}

/// What became of the tree.
#[derive(Debug)]
pub(crate) enum Extended {
    /// The tree, with the events that were added. `is_behind` tells whether events are left.
    Tree {
        edge: Box<RightEdge>,
        is_behind: bool,
    },
    /// Another replica has extended the tree meanwhile.
    ByAnother,
}

impl Extender {
    /// Checks the tree against its root, and adds at most 1,000 events to it.
    ///
    /// # Errors
    /// When the tree or the log is damaged, or the database failed. Nothing was added then.
    pub(crate) async fn extend(&self) -> Result<Extended, AuditLogError> {
        let tree = self.store.audit_tree().await?;
        let mut edge = Box::new(read_edge(&self.store, &tree).await?);
        if let Some(seq) = self.store.audit_beyond_head().await? {
            return Err(AuditLogError::NotNumbered { seq });
        }
        if tree.head == tree.size {
            let is_behind = false;
            return Ok(Extended::Tree { edge, is_behind });
        }
        let entries = self.entries(&tree).await?;
        let old_root = edge.root();
        let leaves = entries.iter().map(|entry| TreeHash::of_leaf(entry));
        let written = edge.append(leaves).map_err(AuditLogError::Damaged)?;
        let extension = TreeExtension {
            old_size: tree.size,
            old_root: *old_root.as_bytes(),
            new_root: *edge.root().as_bytes(),
            tiles: to_store(&written),
            entries,
        };
        if !self.store.extend_audit_tree(&extension).await? {
            return Ok(Extended::ByAnother);
        }
        let is_behind = signed(edge.size()) < tree.head;
        Ok(Extended::Tree { edge, is_behind })
    }

    /// Returns the canonical bytes of the events that follow the tree, at least one.
    async fn entries(&self, tree: &AuditTree) -> Result<Vec<Vec<u8>>, AuditLogError> {
        let events = self.store.audit_after(tree.size, BATCH).await?;
        let numbered = (tree.size + 1..).zip(&events);
        let entries = numbered
            .take_while(|(seq, event)| *seq == event.seq)
            .map(|(_, event)| canonical::of_event(event));
        let entries: Vec<Vec<u8>> = entries.collect();
        if !entries.is_empty() {
            return Ok(entries);
        }
        // Partitions that were dropped before the tree began, or while it was not extended.
        let next = tree.size + 1;
        let kept = self.store.audit_first_kept(next).await?;
        let past = kept.unwrap_or(next).min(tree.head + 1);
        if past == next {
            return Err(AuditLogError::EventMissing { seq: next });
        }
        let dropped = next..past.min(next + BATCH);
        Ok(dropped.map(canonical::of_expired_event).collect())
    }
}
