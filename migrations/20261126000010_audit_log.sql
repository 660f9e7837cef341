-- The audit log in two tables. Writers insert into `audit_pending` and wait for nobody. The
-- sequencer moves events from there to `audit_events` and numbers them, all in one statement.

-- Renamed first, so that no replica of an older release inserts any more. It is dropped below.
ALTER TABLE audit_events RENAME TO audit_events_to_move;
DROP INDEX audit_events_unsequenced, audit_events_of_cluster;
DROP TRIGGER audit_events_append_only ON audit_events_to_move;
DROP TRIGGER audit_events_no_truncate ON audit_events_to_move;
DROP FUNCTION audit_events_are_append_only();

-- Events that await their number.
CREATE TABLE audit_pending (
    id         uuid PRIMARY KEY,
    at         timestamptz NOT NULL,
    namespace  text COLLATE "C" NOT NULL,
    cluster    text NOT NULL,
    binding_id uuid NOT NULL REFERENCES bindings (id),
    generation bigint NOT NULL,
    action     text NOT NULL,
    actor      text NOT NULL,
    request_id text,
    from_state text,
    to_state   text NOT NULL,
    detail     jsonb NOT NULL
);

CREATE INDEX audit_pending_order ON audit_pending (namespace, at, generation, id);

-- The audit log. The partitions are shared by all installations in the database: the events with
-- number 5 of all namespaces are in the same partition.
--
-- `binding_id` is no foreign key. The check of a foreign key would make the sequencer wait for
-- whoever has locked a binding, and a binding may be deleted before the last of its events.
CREATE TABLE audit_events (
    seq        bigint NOT NULL CONSTRAINT audit_events_seq_is_positive CHECK (seq > 0),
    id         uuid NOT NULL,
    at         timestamptz NOT NULL,
    namespace  text COLLATE "C" NOT NULL,
    cluster    text NOT NULL,
    binding_id uuid NOT NULL,
    generation bigint NOT NULL,
    action     text NOT NULL,
    actor      text NOT NULL,
    request_id text,
    from_state text,
    to_state   text NOT NULL,
    detail     jsonb NOT NULL
) PARTITION BY RANGE (seq);

-- The last number of each installation. Only the sequencer changes this row. The row's lock lets one
-- sequencer of an installation work at a time.
CREATE TABLE audit_heads (
    namespace     text COLLATE "C" PRIMARY KEY,
    seq           bigint NOT NULL DEFAULT 0,
    -- The latest time of all numbered events.
    latest_at     timestamptz NOT NULL DEFAULT '-infinity',
    -- By how much the time of an event is at most before the latest time of the events that were
    -- numbered before it.
    longest_delay interval NOT NULL DEFAULT '0'
) WITH (fillfactor = 50);

-- For every hundredth number, the latest time of all events up to this number. It never gets earlier
-- while the numbers grow, so that a time can be translated to a number.
CREATE TABLE audit_times (
    namespace text COLLATE "C" NOT NULL,
    latest_at timestamptz NOT NULL,
    seq       bigint NOT NULL,
    PRIMARY KEY (namespace, latest_at, seq)
);

-- The partitions. Each holds the numbers from `first` and before `past`.
CREATE VIEW audit_partitions AS
SELECT part.relname::text AS name, bounds[1]::bigint AS first, bounds[2]::bigint AS past
FROM pg_inherits inherits
JOIN pg_class part ON part.oid = inherits.inhrelid
CROSS JOIN LATERAL regexp_match(
    pg_get_expr(part.relpartbound, part.oid), '\(''(\d+)''\).*\(''(\d+)''\)') AS bounds
WHERE inherits.inhparent = 'audit_events'::regclass AND bounds IS NOT NULL;

CREATE FUNCTION audit_events_are_append_only() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_events is append-only';
END
$$;

CREATE TRIGGER audit_events_append_only
    BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION audit_events_are_append_only();

CREATE TRIGGER audit_events_no_truncate
    BEFORE TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_append_only();

-- Makes the partition for the numbers from `first` and before `past`. The table is attached instead
-- of created as a partition, because readers and writers can continue while it is attached.
CREATE FUNCTION audit_make_partition(first bigint, past bigint) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    name text := 'audit_events_from_' || first;
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE audit_events INCLUDING CONSTRAINTS)', name);
    -- Partitions do not inherit a trigger for statements.
    EXECUTE format(
        'CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON %I
         FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_append_only()', name);
    EXECUTE format(
        'ALTER TABLE audit_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        name, first, past);
END
$$;

-- Does one thing that the partitions need, and returns its name; none where nothing is left to do:
-- - `made`: a partition for numbers that are given next. Every installation has a partition for its
--   next 1,000 numbers, which is the most that one statement of the sequencer gives, and 1,000,000
--   numbers have a partition before the first event gets one of them.
-- - `dropped`: the oldest partition whose events are all older than the retention.
-- - `closed`: the newest partition takes no more events, and a new one takes them. This happens when
--   the first event of the partition is older than an eighth of the retention. Otherwise an
--   installation with few events would not fill a partition for years, and would drop none.
--
-- A retention of none keeps all events, and one of less than a day counts as a day. The function has
-- the rights of its owner: a database role that may only call the function can't choose a table and
-- can't delete an event that is younger.
CREATE FUNCTION audit_maintain_partitions(retention interval) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    -- Readers of the audit log wait while this function waits for a lock. Postgres cancels an
    -- automatic vacuum that has the lock after one second.
    SET lock_timeout = '2s'
    -- Without this, the planner expects to find an event that has not expired among the first rows.
    SET enable_seqscan = off
    AS $$
DECLARE
    clock CONSTANT timestamptz := service_now();
    kept CONSTANT interval := GREATEST(retention, interval '1 day');
    head bigint;
    wanted bigint;
    lower bigint;
    size bigint := 10000000;
    part audit_partitions;
BEGIN
    -- One call works at a time. Readers and writers continue.
    LOCK TABLE ONLY audit_events IN SHARE UPDATE EXCLUSIVE MODE;
    SELECT COALESCE(max(h.seq), 0) INTO head FROM audit_heads h;

    SELECT n INTO wanted
    FROM (SELECT h.seq + 1 FROM audit_heads h
          UNION ALL SELECT h.seq + 1000 FROM audit_heads h
          UNION ALL SELECT head + 1000000) AS numbers (n)
    WHERE NOT EXISTS (SELECT FROM audit_partitions p WHERE n >= p.first AND n < p.past)
    ORDER BY n LIMIT 1;
    IF FOUND THEN
        -- Where a retention is set, smaller partitions, unless ten million events come within an
        -- eighth of it.
        IF retention IS NOT NULL AND NOT EXISTS (
            SELECT FROM audit_heads h JOIN audit_times t USING (namespace)
            WHERE h.seq - t.seq >= size AND t.latest_at > clock - kept / 8)
        THEN
            size := 1000000;
        END IF;
        lower := COALESCE((SELECT max(p.past) FROM audit_partitions p WHERE p.past <= wanted), 1);
        lower := lower + (wanted - lower) / size * size;
        PERFORM audit_make_partition(lower, LEAST(
            lower + size, (SELECT min(p.first) FROM audit_partitions p WHERE p.first > wanted)));
        RETURN 'made';
    END IF;
    IF retention IS NULL THEN
        RETURN NULL;
    END IF;

    FOR part IN
        SELECT p.* FROM audit_partitions p
        WHERE p.past <= head + 1
          AND NOT EXISTS (SELECT FROM audit_heads h
                          WHERE h.seq + 1 < p.past AND h.seq + 1000 >= p.first)
        ORDER BY p.first
    LOOP
        IF NOT EXISTS (
            SELECT FROM audit_events e
            WHERE e.seq >= part.first AND e.seq < part.past AND e.at >= clock - kept)
        THEN
            EXECUTE format('DROP TABLE %I', part.name);
            DELETE FROM audit_times t WHERE t.seq >= part.first AND t.seq < part.past;
            RETURN 'dropped';
        END IF;
    END LOOP;

    -- A larger partition is not closed before it is full: closing reads all rows of the partition,
    -- and nobody can read or write the audit log meanwhile.
    SELECT p.* INTO part
    FROM audit_partitions p
    WHERE p.first <= head AND p.past > head + 1 AND head - p.first < 1000000
      AND EXISTS (SELECT FROM audit_heads h JOIN audit_events e USING (namespace)
                  WHERE e.seq = p.first AND e.at < clock - kept / 8);
    IF FOUND THEN
        LOCK TABLE ONLY audit_events IN ACCESS EXCLUSIVE MODE;
        -- Read again: the sequencer could continue until the lock was granted.
        SELECT max(h.seq) INTO head FROM audit_heads h;
        IF head + 1 < part.past THEN
            EXECUTE format('ALTER TABLE audit_events DETACH PARTITION %I', part.name);
            EXECUTE format(
                'ALTER TABLE audit_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                part.name, part.first, head + 1);
            PERFORM audit_make_partition(head + 1, part.past);
            RETURN 'closed';
        END IF;
    END IF;
    RETURN NULL;
END
$$;

-- The function does not depend on the schemas of its caller, where other objects may have these names.
DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION audit_maintain_partitions(interval) SET search_path = %I, pg_temp',
        current_schema());
END
$$;

REVOKE ALL ON FUNCTION audit_maintain_partitions(interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_make_partition(bigint, bigint) FROM PUBLIC;

-- Events without a number. An older release, which runs beside this one during an upgrade, inserts
-- them into `audit_events`; a trigger moves them to `audit_pending`. The table is always empty. A
-- later migration drops it.
CREATE TABLE audit_events_without_number
    PARTITION OF audit_events (CONSTRAINT audit_events_seq_is_null CHECK (seq IS NULL)) DEFAULT;

CREATE FUNCTION audit_events_to_pending() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.seq IS NOT NULL THEN
        -- Postgres raises the same error where a partitioned table has no default partition.
        RAISE check_violation USING
            MESSAGE = format('audit_events has no partition for number %s', NEW.seq);
    END IF;
    INSERT INTO audit_pending (id, at, namespace, cluster, binding_id, generation, action, actor,
                               request_id, from_state, to_state, detail)
    VALUES (NEW.id, NEW.at, NEW.namespace, NEW.cluster, NEW.binding_id, NEW.generation, NEW.action,
            NEW.actor, NEW.request_id, NEW.from_state, NEW.to_state, NEW.detail);
    RETURN NULL;
END
$$;

CREATE TRIGGER audit_events_to_pending
    BEFORE INSERT ON audit_events_without_number
    FOR EACH ROW EXECUTE FUNCTION audit_events_to_pending();

CREATE TRIGGER audit_events_no_truncate
    BEFORE TRUNCATE ON audit_events_without_number
    FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_append_only();

-- The events that the older release wrote.
INSERT INTO audit_pending (id, at, namespace, cluster, binding_id, generation, action, actor,
                           request_id, from_state, to_state, detail)
SELECT id, at, namespace, cluster, binding_id, generation, action, actor, request_id, from_state,
       to_state, detail
FROM audit_events_to_move WHERE seq IS NULL;

INSERT INTO audit_times (namespace, latest_at, seq)
SELECT namespace, latest_at, seq
FROM (SELECT namespace, seq, max(at) OVER (PARTITION BY namespace ORDER BY seq) AS latest_at
      FROM audit_events_to_move WHERE seq IS NOT NULL) event
WHERE seq % 100 = 0;

INSERT INTO audit_heads (namespace, seq, latest_at, longest_delay)
SELECT namespace, max(seq), max(latest_at),
       make_interval(secs => max(extract(epoch FROM latest_at - at))::double precision)
FROM (SELECT namespace, seq, at, max(at) OVER (PARTITION BY namespace ORDER BY seq) AS latest_at
      FROM audit_events_to_move WHERE seq IS NOT NULL) event
GROUP BY namespace;

SELECT audit_make_partition(first, first + 10000000)
FROM generate_series(
    1, (SELECT COALESCE(max(seq), 0) FROM audit_heads) + 1000000, 10000000) AS first;

INSERT INTO audit_events (seq, id, at, namespace, cluster, binding_id, generation, action, actor,
                          request_id, from_state, to_state, detail)
SELECT seq, id, at, namespace, cluster, binding_id, generation, action, actor, request_id,
       from_state, to_state, detail
FROM audit_events_to_move WHERE seq IS NOT NULL
ORDER BY seq;

DROP TABLE audit_events_to_move;

ALTER TABLE audit_events ADD PRIMARY KEY (namespace, seq);

-- Each filter of the audit log, alone and in pairs, finds its events in the order of the numbers. The
-- sort order of names is that of their bytes, in every database alike.
CREATE INDEX audit_events_of_cluster ON audit_events
    (namespace, cluster COLLATE "C", seq);
CREATE INDEX audit_events_of_actor ON audit_events
    (namespace, actor COLLATE "C", seq);
CREATE INDEX audit_events_of_action ON audit_events
    (namespace, action COLLATE "C", seq);
CREATE INDEX audit_events_of_cluster_and_actor ON audit_events
    (namespace, cluster COLLATE "C", actor COLLATE "C", seq);
CREATE INDEX audit_events_of_cluster_and_action ON audit_events
    (namespace, cluster COLLATE "C", action COLLATE "C", seq);
CREATE INDEX audit_events_of_actor_and_action ON audit_events
    (namespace, actor COLLATE "C", action COLLATE "C", seq);

-- Whether a partition has an event that is younger than a given time.
CREATE INDEX audit_events_at ON audit_events USING brin (at) WITH (autosummarize = on);

-- Finished incarnations, oldest first: they are deleted after their events.
CREATE INDEX bindings_finished ON bindings (namespace, created_at) WHERE NOT live;
