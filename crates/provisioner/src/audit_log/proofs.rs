//! Reads of the tree: proofs, tiles and the signed checkpoint.

use std::collections::HashMap;
use std::sync::Arc;

use engine_roles_store::Store;
use engine_roles_transparency::{
    Checkpoint, ConsistencyQuery, EntryBundle, Frontier, HASH_BYTES, InclusionQuery, LogProof,
    Note, Tile, TilePath, TransparencyError, TreeHash, encode_bundle,
};

use crate::audit_log::checkpoints::AuditSigning;
use crate::audit_log::error::AuditLogError;
use crate::audit_log::stored::{hash_at, place, read_tiles, signed, unsigned};

/// The proof that an event is in the log. Hashes are in base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// The number of the event.
    pub seq: i64,
    /// The size of the tree to whose root the proof leads.
    pub size: i64,
    /// The hash of the event's canonical bytes.
    pub leaf: String,
    /// The root of the tree.
    pub root: String,
    /// The hashes from the sibling of the leaf to a child of the root.
    pub hashes: Vec<String>,
    /// The event's canonical bytes, which are JSON; none where the event has expired.
    pub entry: Option<String>,
    /// Proof and checkpoint in one text (C2SP tlog-proof); none where no checkpoint of this size was
    /// signed.
    pub text: Option<String>,
}

/// The proof that a tree extends a smaller one. Hashes are in base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistency {
    /// The size of the smaller tree.
    pub from: i64,
    /// The size of the larger tree.
    pub to: i64,
    /// The root of the smaller tree.
    pub from_root: String,
    /// The root of the larger tree.
    pub to_root: String,
    /// The hashes in the order of RFC 6962.
    pub hashes: Vec<String>,
}

/// Reads the tree.
pub(crate) struct Proofs {
    pub(crate) store: Store,
    /// None where no checkpoints are signed.
    pub(crate) signing: Option<Arc<AuditSigning>>,
}

impl Proofs {
    /// Returns the largest signed checkpoint.
    pub(crate) async fn checkpoint(&self) -> Result<String, AuditLogError> {
        let signing = self.signing.as_ref().ok_or(AuditLogError::NoKey)?;
        let note = self.store.audit_checkpoint(signing.origin()).await?;
        note.ok_or(AuditLogError::NoCheckpoint)
    }

    /// Proves that an event is in the tree of this size; by default that of the signed checkpoint if
    /// it has the event, else of the whole tree.
    pub(crate) async fn inclusion(
        &self,
        seq: i64,
        size: Option<i64>,
    ) -> Result<Inclusion, AuditLogError> {
        let checkpoint = self.verified_checkpoint().await?;
        let of_checkpoint = checkpoint
            .as_ref()
            .map(|(_, checkpoint)| signed(checkpoint.size));
        let tree = self.store.audit_tree().await?.size;
        let asked = size;
        let size = asked
            .or_else(|| of_checkpoint.filter(|size| *size >= seq))
            .unwrap_or(tree);
        let outside = || {
            let what = match asked {
                Some(size) if size > tree => format!("{size} entries"),
                Some(size) => format!("event {seq} among its first {size} entries"),
                None => format!("event {seq}"),
            };
            AuditLogError::NotInTree { what, size: tree }
        };
        if size > tree || seq < 1 || seq > size {
            return Err(outside());
        }
        let index = unsigned(seq) - 1;
        let query = InclusionQuery::new(index, unsigned(size)).map_err(|_| outside())?;
        let leaves = Tile::in_tree(
            0,
            index / u64::from(engine_roles_transparency::TILE_WIDTH),
            unsigned(size),
        );
        let needed = query.tiles().map_err(AuditLogError::Damaged)?;
        let tiles = read_tiles(&self.store, needed).await?;
        let proof = query.prove(&tiles).map_err(AuditLogError::Damaged)?;
        let leaf = self.leaf(leaves.ok_or_else(outside)?, index).await?;
        let root = self.frontier(size).await?.root();
        proof.verify(&leaf, &root).map_err(AuditLogError::Damaged)?;
        let entry = self.entry(seq, &leaf).await?;
        let hashes = proof.hashes.iter().map(ToString::to_string).collect();
        let same = checkpoint.filter(|(_, checkpoint)| signed(checkpoint.size) == size);
        let text = same.map(|(note, _)| LogProof::new(proof, note).to_string());
        Ok(Inclusion {
            seq,
            size,
            leaf: leaf.to_string(),
            root: root.to_string(),
            hashes,
            entry,
            text,
        })
    }

    /// Proves that the tree with `to` entries extends the one with `from`.
    pub(crate) async fn consistency(
        &self,
        from: i64,
        to: i64,
    ) -> Result<Consistency, AuditLogError> {
        let size = self.store.audit_tree().await?.size;
        if from < 0 || from > to || to > size {
            return Err(AuditLogError::NotInTree {
                what: format!("a beginning with {to} entries that extends one with {from}"),
                size,
            });
        }
        let damaged = AuditLogError::Damaged;
        let query = ConsistencyQuery::new(unsigned(from), unsigned(to)).map_err(damaged)?;
        let tiles = query.tiles().map_err(AuditLogError::Damaged)?;
        let tiles = read_tiles(&self.store, tiles).await?;
        let proof = query.prove(&tiles).map_err(AuditLogError::Damaged)?;
        let from_root = self.frontier(from).await?.root();
        let to_root = self.frontier(to).await?.root();
        let verified = proof.verify(&from_root, &to_root);
        verified.map_err(AuditLogError::Damaged)?;
        Ok(Consistency {
            from,
            to,
            from_root: from_root.to_string(),
            to_root: to_root.to_string(),
            hashes: proof.hashes.iter().map(ToString::to_string).collect(),
        })
    }

    /// Returns the bytes of a tile or of a bundle of entries, whose path begins with `tile/`; none
    /// where the path names none, the tree does not have it yet, or the entries have expired.
    pub(crate) async fn tile(&self, path: &str) -> Result<Option<Vec<u8>>, AuditLogError> {
        let Ok(path) = path.parse::<TilePath>() else {
            return Ok(None);
        };
        let size = unsigned(self.store.audit_tree().await?.size);
        match path {
            TilePath::Hashes(tile) if tile.is_in_tree(size) => self.hashes(tile).await.map(Some),
            TilePath::Entries(bundle) if bundle.is_in_tree(size) => self.bundle(bundle).await,
            TilePath::Hashes(_) | TilePath::Entries(_) => Ok(None),
        }
    }

    async fn bundle(&self, bundle: EntryBundle) -> Result<Option<Vec<u8>>, AuditLogError> {
        let first = signed(bundle.first()) + 1;
        let past = first + i64::from(bundle.width());
        let mut entries: HashMap<i64, Vec<u8>> = self
            .store
            .audit_entries(first, past)
            .await?
            .into_iter()
            .collect();
        if let Some(missing) = (first..past).find(|seq| !entries.contains_key(seq)) {
            let kept = self.store.audit_first_kept(missing).await?;
            if kept != Some(missing) {
                return Ok(None);
            }
        }
        // An entry that was removed, and has not expired, is empty, so that the others can be read. No
        // event has an empty entry: whoever hashes it finds that it is not the one that was added.
        let entries: Vec<Vec<u8>> = (first..past)
            .map(|seq| entries.remove(&seq).unwrap_or_default())
            .collect();
        let entries = entries.iter().map(Vec::as_slice);
        let bytes = encode_bundle(entries).map_err(AuditLogError::Damaged)?;
        Ok(Some(bytes))
    }

    /// Returns the bytes of a tile with exactly its width.
    async fn hashes(&self, tile: Tile) -> Result<Vec<u8>, AuditLogError> {
        let missing = || {
            let tile = tile.to_string();
            AuditLogError::Damaged(TransparencyError::MissingTile { tile })
        };
        let stored = self.store.audit_tiles(&[place(&tile)]).await?;
        let stored = stored.into_iter().next().ok_or_else(missing)?;
        let length = usize::from(tile.width()) * HASH_BYTES;
        let bytes = stored.hashes.get(..length).ok_or_else(missing)?;
        Ok(bytes.to_vec())
    }

    async fn leaf(&self, tile: Tile, index: u64) -> Result<TreeHash, AuditLogError> {
        let bytes = self.hashes(tile).await?;
        let number = index % u64::from(engine_roles_transparency::TILE_WIDTH);
        let leaf = usize::try_from(number)
            .ok()
            .and_then(|number| hash_at(&bytes, number));
        leaf.ok_or_else(|| {
            let tile = tile.to_string();
            AuditLogError::Damaged(TransparencyError::MissingTile { tile })
        })
    }

    /// Returns the canonical bytes of an event, which are checked against the leaf.
    async fn entry(&self, seq: i64, leaf: &TreeHash) -> Result<Option<String>, AuditLogError> {
        let entries = self.store.audit_entries(seq, seq + 1).await?;
        let Some((_, entry)) = entries.into_iter().next() else {
            return Ok(None);
        };
        if TreeHash::of_leaf(&entry) != *leaf {
            return Err(AuditLogError::Damaged(TransparencyError::ProofDoesNotMatch));
        }
        Ok(String::from_utf8(entry).ok())
    }

    /// Returns the frontier of the tree's first `size` entries.
    async fn frontier(&self, size: i64) -> Result<Frontier, AuditLogError> {
        let size = unsigned(size);
        let tiles = read_tiles(&self.store, Tile::right_edge(size)).await?;
        Frontier::from_tiles(size, &tiles).map_err(AuditLogError::Damaged)
    }

    /// Returns the largest signed checkpoint, if one was signed and is verified.
    async fn verified_checkpoint(&self) -> Result<Option<(Note, Checkpoint)>, AuditLogError> {
        let Some(signing) = &self.signing else {
            return Ok(None);
        };
        let text = self.store.audit_checkpoint(signing.origin()).await?;
        let note = text.and_then(|text| text.parse::<Note>().ok());
        Ok(note.and_then(|note| {
            let verified = signing.trusted().verify(&note).ok()?;
            Some((note, verified.checkpoint().clone()))
        }))
    }
}
