-- The Merkle tree over the audit log (RFC 6962, C2SP tlog-tiles), and its signed checkpoints.
--
-- The entries are tables of their own, so that `audit_events` stays append-only also for the events
-- that were numbered before this migration, and readers of the events do not read the entries.
--
-- The user that serves may only read these tables. It extends the tree and records checkpoints through
-- two functions of the owner, which only ever add.

-- The canonical bytes of each event, as they were hashed. They are made once, from the numbered event.
CREATE TABLE audit_entries (
    namespace text COLLATE "C" NOT NULL,
    seq       bigint NOT NULL CONSTRAINT audit_entries_seq_is_positive CHECK (seq > 0),
    -- At most what fits into an entry bundle of tlog-tiles.
    canonical bytea NOT NULL
        CONSTRAINT audit_entries_length CHECK (octet_length(canonical) BETWEEN 1 AND 65535),
    PRIMARY KEY (namespace, seq)
);

-- The tiles, each in its widest version: the narrower ones are its beginning. The tile with the number
-- `place` of a level has up to 256 hashes of 32 bytes. Tiles are kept when partitions are dropped, so
-- that the events that remain stay provable.
CREATE TABLE audit_tiles (
    namespace text COLLATE "C" NOT NULL,
    level     integer NOT NULL CHECK (level BETWEEN 0 AND 7),
    place     bigint NOT NULL CHECK (place >= 0),
    hashes    bytea NOT NULL
        CHECK (octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0),
    PRIMARY KEY (namespace, level, place)
);

-- The size and the root of each installation's tree. The root of the empty tree is the hash of nothing.
CREATE TABLE audit_trees (
    namespace   text COLLATE "C" PRIMARY KEY,
    size        bigint NOT NULL DEFAULT 0,
    root        bytea NOT NULL DEFAULT sha256('') CHECK (octet_length(root) = 32),
    extended_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- The last checkpoint of each hour.
CREATE TABLE audit_checkpoints (
    namespace text COLLATE "C" NOT NULL,
    origin    text COLLATE "C" NOT NULL,
    hour      timestamptz NOT NULL,
    size      bigint NOT NULL CHECK (size >= 0),
    -- The signed note.
    note      text NOT NULL,
    signed_at timestamptz NOT NULL,
    PRIMARY KEY (namespace, origin, hour)
);

CREATE INDEX audit_checkpoints_largest ON audit_checkpoints (namespace, origin, size);

CREATE FUNCTION audit_tree_is_append_only() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END
$$;

CREATE TRIGGER audit_entries_no_update BEFORE UPDATE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION audit_tree_is_append_only();
CREATE TRIGGER audit_tiles_only_grow BEFORE UPDATE ON audit_tiles
    FOR EACH ROW WHEN (
        (NEW.namespace, NEW.level, NEW.place) IS DISTINCT FROM (OLD.namespace, OLD.level, OLD.place)
        OR substr(NEW.hashes, 1, octet_length(OLD.hashes)) <> OLD.hashes)
    EXECUTE FUNCTION audit_tree_is_append_only();
CREATE TRIGGER audit_trees_only_grow BEFORE UPDATE ON audit_trees
    FOR EACH ROW WHEN (NEW.namespace <> OLD.namespace OR NEW.size <= OLD.size)
    EXECUTE FUNCTION audit_tree_is_append_only();
CREATE TRIGGER audit_checkpoints_only_grow BEFORE UPDATE ON audit_checkpoints
    FOR EACH ROW WHEN (
        (NEW.namespace, NEW.origin, NEW.hour)
            IS DISTINCT FROM (OLD.namespace, OLD.origin, OLD.hour)
        OR NEW.size < OLD.size)
    EXECUTE FUNCTION audit_tree_is_append_only();
CREATE TRIGGER audit_tiles_no_delete BEFORE DELETE ON audit_tiles
    FOR EACH ROW EXECUTE FUNCTION audit_tree_is_append_only();
CREATE TRIGGER audit_trees_no_delete BEFORE DELETE ON audit_trees
    FOR EACH ROW EXECUTE FUNCTION audit_tree_is_append_only();
CREATE TRIGGER audit_checkpoints_no_delete BEFORE DELETE ON audit_checkpoints
    FOR EACH ROW EXECUTE FUNCTION audit_tree_is_append_only();
CREATE TRIGGER audit_entries_no_truncate BEFORE TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit_tree_is_append_only();
CREATE TRIGGER audit_tiles_no_truncate BEFORE TRUNCATE ON audit_tiles
    FOR EACH STATEMENT EXECUTE FUNCTION audit_tree_is_append_only();
CREATE TRIGGER audit_trees_no_truncate BEFORE TRUNCATE ON audit_trees
    FOR EACH STATEMENT EXECUTE FUNCTION audit_tree_is_append_only();
CREATE TRIGGER audit_checkpoints_no_truncate BEFORE TRUNCATE ON audit_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION audit_tree_is_append_only();

-- An entry may be deleted once the partition of its event was dropped.
CREATE FUNCTION audit_entries_have_expired() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM removed r
               JOIN audit_partitions p ON r.seq >= p.first AND r.seq < p.past) THEN
        RAISE EXCEPTION 'audit_entries is append-only';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER audit_entries_no_delete AFTER DELETE ON audit_entries
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_have_expired();

-- Extends an installation's tree by entries, if it still has this size and root. Returns whether it
-- had. `new_root`, `levels`, `places` and `hashes` are the new root and the tiles that became new or
-- wider. A tile whose old bytes are not the beginning of the new ones is an error, and so is an entry
-- whose event has no number yet.
CREATE FUNCTION audit_extend_tree(
    of_namespace text, old_size bigint, old_root bytea, entries bytea[], new_root bytea,
    levels integer[], places bigint[], hashes bytea[]
)
    RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    new_size CONSTANT bigint := old_size + cardinality(entries);
    written bigint;
BEGIN
    IF new_size > COALESCE((SELECT h.seq FROM audit_heads h WHERE h.namespace = of_namespace), 0) THEN
        RAISE EXCEPTION 'the tree of the audit log can''t have more entries than there are events';
    END IF;
    IF old_size = 0 THEN
        INSERT INTO audit_trees (namespace, extended_at) VALUES (of_namespace, service_now())
        ON CONFLICT (namespace) DO NOTHING;
    END IF;
    UPDATE audit_trees t SET size = new_size, root = new_root, extended_at = service_now()
    WHERE t.namespace = of_namespace AND t.size = old_size AND t.root = old_root;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO audit_entries (namespace, seq, canonical)
    SELECT of_namespace, old_size + e.number, e.canonical
    FROM unnest(entries) WITH ORDINALITY AS e (canonical, number);
    INSERT INTO audit_tiles AS t (namespace, level, place, hashes)
    SELECT of_namespace, n.level, n.place, n.hashes
    FROM unnest(levels, places, hashes) AS n (level, place, hashes)
    ON CONFLICT (namespace, level, place) DO UPDATE SET hashes = EXCLUDED.hashes
    WHERE substr(EXCLUDED.hashes, 1, octet_length(t.hashes)) = t.hashes;
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written <> cardinality(levels) THEN
        RAISE EXCEPTION 'a tile of the audit log differs from the tree that is extended';
    END IF;
    RETURN true;
END
$$;

-- Records a signed checkpoint. Within an hour, a larger one replaces a smaller one.
CREATE FUNCTION audit_record_checkpoint(
    of_namespace text, of_origin text, of_size bigint, of_note text
)
    RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO audit_checkpoints AS c (namespace, origin, hour, size, note, signed_at)
    SELECT of_namespace, of_origin, date_trunc('hour', clock.now), of_size, of_note, clock.now
    FROM (SELECT service_now() AS now) clock
    ON CONFLICT (namespace, origin, hour) DO UPDATE
    SET size = EXCLUDED.size, note = EXCLUDED.note, signed_at = EXCLUDED.signed_at
    WHERE c.size <= EXCLUDED.size
$$;

-- Deletes at most `most` entries of an installation whose events were dropped with their partition.
-- Returns how many were deleted.
CREATE FUNCTION audit_expire_entries(of_namespace text, most bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    deleted bigint;
BEGIN
    DELETE FROM audit_entries e
    USING (SELECT o.seq FROM audit_entries o
           WHERE o.namespace = of_namespace
             AND o.seq < (SELECT min(p.first) FROM audit_partitions p)
           ORDER BY o.seq LIMIT most) expired
    WHERE e.namespace = of_namespace AND e.seq = expired.seq;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END
$$;

-- The functions do not depend on the schemas of their caller, where other objects may have these names.
DO $$
DECLARE
    signature text;
BEGIN
    FOREACH signature IN ARRAY ARRAY[
        'audit_extend_tree(text, bigint, bytea, bytea[], bytea, integer[], bigint[], bytea[])',
        'audit_record_checkpoint(text, text, bigint, text)',
        'audit_expire_entries(text, bigint)'
    ] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp',
                       signature, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
    END LOOP;
END
$$;

-- An older release reads none of these tables, so whichever release could work on the schema before
-- this migration still can.
INSERT INTO schema_versions (version, oldest_reader)
SELECT 20261126000060, max(oldest_reader) FROM schema_versions;
