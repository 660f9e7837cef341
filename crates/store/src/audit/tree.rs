//! The Merkle tree over the audit log, as it is stored. What the bytes mean, and whether they are
//! right, is known to crate `transparency`.

use crate::connection::{read, run};
use crate::{Store, StoreError};

/// The length of a hash in bytes.
const HASH_BYTES: usize = 32;

/// How far the tree of the audit log has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditTree {
    /// The number of entries.
    pub size: i64,
    /// The root of the tree; none where no entry was ever added.
    pub root: Option<[u8; HASH_BYTES]>,
    /// The greatest number of the audit log; 0 for an empty log.
    pub head: i64,
}

/// The place of a tile in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TilePlace {
    /// The level; 0 has the hashes of the entries.
    pub level: u8,
    /// The number of the tile in its level; 0 is the first.
    pub index: i64,
}

/// The hashes of a tile, one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTile {
    /// Where the tile is.
    pub place: TilePlace,
    /// From 1 to 256 hashes.
    pub hashes: Vec<u8>,
}

/// Entries to add to a tree, with what becomes of the tree.
#[derive(Clone, Debug)]
pub struct TreeExtension {
    /// The size before.
    pub old_size: i64,
    /// The root before; that of the empty tree for a size of 0.
    pub old_root: [u8; HASH_BYTES],
    /// The canonical bytes of the events that follow.
    pub entries: Vec<Vec<u8>>,
    /// The root afterwards.
    pub new_root: [u8; HASH_BYTES],
    /// The tiles that are new, or wider than before.
    pub tiles: Vec<StoredTile>,
}

impl Store {
    /// Reads how far the tree has come.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_tree(&self) -> Result<AuditTree, StoreError> {
        let row = read!(
            self,
            fetch_one,
            sqlx::query!(
                r#"/* audit_tree */
                SELECT COALESCE((SELECT seq FROM audit_heads WHERE namespace = $1), 0) AS "head!",
                       tree.size AS "size?", tree.root AS "root?"
                FROM (SELECT) AS one_row
                LEFT JOIN audit_trees AS tree ON tree.namespace = $1"#,
                self.namespace.as_str(),
            )
        )?;
        Ok(AuditTree {
            size: row.size.unwrap_or_default(),
            root: row.root.and_then(|root| root.try_into().ok()),
            head: row.head,
        })
    }

    /// Returns the smallest number of an event that is greater than the head of the log, and was never given;
    /// none in a log that nobody changed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_beyond_head(&self) -> Result<Option<i64>, StoreError> {
        let row = read!(
            self,
            fetch_optional,
            sqlx::query!(
                "/* task: audit_tree */
                SELECT e.seq FROM audit_events e
                WHERE e.namespace = $1 AND e.seq > COALESCE(
                    (SELECT h.seq FROM audit_heads h WHERE h.namespace = $1), 0)
                ORDER BY e.seq LIMIT 1",
                self.namespace.as_str(),
            )
        )?;
        Ok(row.map(|row| row.seq))
    }

    /// Reads those of these tiles that exist, in no particular order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_tiles(&self, places: &[TilePlace]) -> Result<Vec<StoredTile>, StoreError> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let levels: Vec<i32> = places.iter().map(|place| place.level.into()).collect();
        let indexes: Vec<i64> = places.iter().map(|place| place.index).collect();
        let rows = read!(
            self,
            fetch_all,
            sqlx::query!(
                r#"/* audit_tree */
                SELECT tile.level, tile.place, tile.hashes
                FROM unnest($2::integer[], $3::bigint[]) AS wanted (level, place)
                -- One look-up for each, also where the planner expects many.
                CROSS JOIN LATERAL (
                    SELECT t.level, t.place, t.hashes FROM audit_tiles t
                    WHERE t.namespace = $1 AND t.level = wanted.level AND t.place = wanted.place
                    LIMIT 1
                ) AS tile"#,
                self.namespace.as_str(),
                &levels,
                &indexes,
            )
        )?;
        let tiles = rows.into_iter().map(|row| StoredTile {
            place: TilePlace {
                level: u8::try_from(row.level).unwrap_or_default(),
                index: row.place,
            },
            hashes: row.hashes,
        });
        Ok(tiles.collect())
    }

    /// Adds entries to the tree, in one transaction, if the tree still has the old size and root.
    /// Returns whether it had.
    ///
    /// # Errors
    /// When the database does not answer, when a tile is not the continuation of the stored one, or
    /// when there are more entries than events. Nothing was added then.
    pub async fn extend_audit_tree(&self, extension: &TreeExtension) -> Result<bool, StoreError> {
        let tiles = || extension.tiles.iter();
        let levels: Vec<i32> = tiles().map(|tile| tile.place.level.into()).collect();
        let places: Vec<i64> = tiles().map(|tile| tile.place.index).collect();
        let hashes: Vec<Vec<u8>> = tiles().map(|tile| tile.hashes.clone()).collect();
        let row = run!(
            self,
            fetch_one,
            sqlx::query!(
                r#"/* task: audit_tree */
                SELECT audit_extend_tree($1, $2, $3, $4, $5, $6, $7, $8) AS "is_extended!""#,
                self.namespace.as_str(),
                extension.old_size,
                extension.old_root.as_slice(),
                &extension.entries,
                extension.new_root.as_slice(),
                &levels,
                &places,
                &hashes,
            )
        )?;
        Ok(row.is_extended)
    }

    /// Returns the canonical bytes of the events from number `first` and before `past`, with their
    /// numbers, lowest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_entries(
        &self,
        first: i64,
        past: i64,
    ) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
        let rows = read!(
            self,
            fetch_all,
            sqlx::query!(
                "/* audit_tree */
                SELECT e.seq, e.canonical FROM audit_entries e
                WHERE e.namespace = $1 AND e.seq >= $2 AND e.seq < $3
                ORDER BY e.seq",
                self.namespace.as_str(),
                first,
                past,
            )
        )?;
        Ok(rows
            .into_iter()
            .map(|row| (row.seq, row.canonical))
            .collect())
    }

    /// Returns the smallest number from `seq` on whose event was not dropped with a partition; none
    /// where no partition has such a number.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_first_kept(&self, seq: i64) -> Result<Option<i64>, StoreError> {
        let row = read!(
            self,
            fetch_one,
            sqlx::query!(
                "/* audit_tree */
                SELECT GREATEST(min(p.first), $1) AS kept FROM audit_partitions p WHERE p.past > $1
                HAVING min(p.first) IS NOT NULL
                UNION ALL SELECT NULL
                LIMIT 1",
                seq,
            )
        )?;
        Ok(row.kept)
    }

    /// Deletes at most 1,000 entries whose events were dropped with their partition. Returns how many
    /// were deleted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn expire_audit_entries(&self) -> Result<u64, StoreError> {
        let row = run!(
            self,
            fetch_one,
            sqlx::query!(
                r#"/* task: audit_log */ SELECT audit_expire_entries($1, 1000) AS "deleted!""#,
                self.namespace.as_str(),
            )
        )?;
        Ok(row.deleted.unsigned_abs())
    }

    /// Returns the largest checkpoint that was recorded for a log with this origin: the signed note.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_checkpoint(&self, origin: &str) -> Result<Option<String>, StoreError> {
        let row = read!(
            self,
            fetch_optional,
            sqlx::query!(
                "/* audit_tree */
                SELECT note FROM audit_checkpoints WHERE namespace = $1 AND origin = $2
                ORDER BY size DESC LIMIT 1",
                self.namespace.as_str(),
                origin,
            )
        )?;
        Ok(row.map(|row| row.note))
    }

    /// Records a signed checkpoint of a tree with this size.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn record_audit_checkpoint(
        &self,
        origin: &str,
        size: i64,
        note: &str,
    ) -> Result<(), StoreError> {
        run!(
            self,
            fetch_one,
            sqlx::query!(
                r#"/* task: audit_tree */
                SELECT audit_record_checkpoint($1, $2, $3, $4)::text AS "done?""#,
                self.namespace.as_str(),
                origin,
                size,
                note,
            )
        )?;
        Ok(())
    }
}
