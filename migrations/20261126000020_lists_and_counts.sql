-- Lists and counts whose cost does not grow with the number of bindings.
--
-- Names are in the order of their bytes, in every database alike. The columns keep their collation,
-- because another one would make the prepared statements of the release before this one fail.
--
-- The index bindings_newest stays for the lists of the release before this one; a later migration
-- drops it.

ALTER TABLE bindings
    -- Whether the binding has the highest generation of its cluster: lists contain these.
    ADD COLUMN newest boolean NOT NULL DEFAULT true,
    ADD COLUMN drifted boolean NOT NULL GENERATED ALWAYS AS (drift <> '[]'::jsonb) STORED,
    -- The name of the role that the engine gets: its own, or the administrator's. The
    -- administrator's role is recorded as a name or as an ARN, which ends with the name.
    ADD COLUMN role_name text COLLATE "C" NOT NULL GENERATED ALWAYS AS
        (COALESCE(split_part(spec ->> 'iam_role', '/', -1), resource_name)) STORED;

UPDATE bindings b SET newest = false
FROM (
    SELECT id, row_number() OVER (
        PARTITION BY namespace, cluster ORDER BY generation DESC, created_at, id) AS place
    FROM bindings
) ordered
WHERE ordered.id = b.id AND ordered.place > 1;

CREATE UNIQUE INDEX bindings_newest_of_cluster ON bindings (namespace, cluster) WHERE newest;

-- A list reads a range of this index for each combination of state, live, mode and drifted that its
-- filter admits, and merges the ranges.
CREATE INDEX bindings_listed
    ON bindings (namespace, state, live, mode, drifted, cluster COLLATE "C", generation)
    INCLUDE (id, updated_at) WHERE newest;

-- The same for the bindings of a role, past incarnations included. One prepared role may be that of
-- every binding.
CREATE INDEX bindings_of_role
    ON bindings (namespace, role_name, state, live, mode, drifted, cluster COLLATE "C", generation);
CREATE INDEX bindings_of_role_id ON bindings (namespace, role_id) WHERE role_id IS NOT NULL;
CREATE INDEX bindings_of_profile_id ON bindings (namespace, profile_id)
    WHERE profile_id IS NOT NULL;

-- What changed since a time, where that is little.
CREATE INDEX bindings_updated ON bindings (namespace, updated_at);

-- A new binding replaces the newest of its cluster. The newest binding is locked before the cluster
-- is, because every other statement of this release locks bindings before clusters too: Postgres
-- fires this trigger before it locks the row of `clusters` that an INSERT … ON CONFLICT meets. The
-- release before this one inserts generation 0, and locks bindings after clusters.
CREATE FUNCTION clusters_lock_newest_binding() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM bindings b
    WHERE b.namespace = NEW.namespace AND b.cluster = NEW.cluster AND b.newest
    FOR NO KEY UPDATE;
    RETURN NEW;
END
$$;

CREATE TRIGGER clusters_newest_binding
    BEFORE INSERT ON clusters
    FOR EACH ROW WHEN (NEW.generation > 0) EXECUTE FUNCTION clusters_lock_newest_binding();

-- The tombstone of an orphan has generation 0 and does not replace another binding.
CREATE FUNCTION bindings_replace_newest() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    replaced bindings.generation%TYPE;
BEGIN
    SELECT b.generation INTO replaced FROM bindings b
    WHERE b.namespace = NEW.namespace AND b.cluster = NEW.cluster AND b.newest;
    NEW.newest := replaced IS NULL OR replaced < NEW.generation;
    IF replaced < NEW.generation THEN
        UPDATE bindings b SET newest = false
        WHERE b.namespace = NEW.namespace AND b.cluster = NEW.cluster AND b.newest;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER bindings_replace_newest
    BEFORE INSERT ON bindings
    FOR EACH ROW EXECUTE FUNCTION bindings_replace_newest();

-- How many bindings there are. Every change is a row of its own, so that no two writers wait for
-- one another; one replica at a time adds the changes to the counts and deletes them. The number of
-- bindings is always the count plus the changes that are not added yet.
CREATE TABLE binding_counts (
    namespace     text COLLATE "C" NOT NULL,
    account_id    text COLLATE "C" NOT NULL,
    aws_partition text COLLATE "C" NOT NULL,
    state         text COLLATE "C" NOT NULL,
    live          boolean NOT NULL,
    count         bigint NOT NULL,
    PRIMARY KEY (namespace, account_id, aws_partition, state, live)
) WITH (fillfactor = 50);

CREATE TABLE binding_count_changes (
    namespace     text COLLATE "C" NOT NULL,
    account_id    text COLLATE "C" NOT NULL,
    aws_partition text COLLATE "C" NOT NULL,
    state         text COLLATE "C" NOT NULL,
    live          boolean NOT NULL,
    change        bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

INSERT INTO binding_counts (namespace, account_id, aws_partition, state, live, count)
SELECT namespace, account_id, aws_partition, state, live, count(*)
FROM bindings GROUP BY namespace, account_id, aws_partition, state, live;

CREATE FUNCTION bindings_count_change() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO binding_count_changes
            (namespace, account_id, aws_partition, state, live, change)
        VALUES (OLD.namespace, OLD.account_id, OLD.aws_partition, OLD.state, OLD.live, -1);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO binding_count_changes
            (namespace, account_id, aws_partition, state, live, change)
        VALUES (NEW.namespace, NEW.account_id, NEW.aws_partition, NEW.state, NEW.live, 1);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER bindings_counted
    AFTER INSERT OR DELETE ON bindings
    FOR EACH ROW EXECUTE FUNCTION bindings_count_change();

CREATE TRIGGER bindings_counted_again
    AFTER UPDATE ON bindings
    FOR EACH ROW
    WHEN ((OLD.namespace, OLD.account_id, OLD.aws_partition, OLD.state, OLD.live)
          IS DISTINCT FROM
          (NEW.namespace, NEW.account_id, NEW.aws_partition, NEW.state, NEW.live))
    EXECUTE FUNCTION bindings_count_change();
