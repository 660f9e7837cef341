-- The user that serves writes the audit log through two functions of the owner only: `audit_append`
-- adds events, `audit_sequence` numbers them. It may only read the tables.
--
-- Events get more fields, and there are events about no binding: denied requests, changes of keys, reads
-- of the log, orphans, and verdicts about pass-through roles. An older release can't read those.

ALTER TABLE audit_pending
    ALTER COLUMN cluster DROP NOT NULL,
    ALTER COLUMN binding_id DROP NOT NULL,
    ALTER COLUMN generation DROP NOT NULL,
    ALTER COLUMN to_state DROP NOT NULL,
    ADD COLUMN role_id text,
    ADD COLUMN key_id uuid,
    ADD COLUMN source text,
    ADD COLUMN trace_id text,
    ADD COLUMN aws_request_ids text[] NOT NULL DEFAULT '{}',
    -- An event is about a binding, or about none.
    ADD CONSTRAINT audit_pending_is_about_a_binding_or_none
        CHECK (num_nulls(cluster, binding_id, generation, to_state) IN (0, 4));

ALTER TABLE audit_events
    ALTER COLUMN cluster DROP NOT NULL,
    ALTER COLUMN binding_id DROP NOT NULL,
    ALTER COLUMN generation DROP NOT NULL,
    ALTER COLUMN to_state DROP NOT NULL,
    ADD COLUMN role_id text,
    ADD COLUMN key_id uuid,
    ADD COLUMN source text,
    ADD COLUMN trace_id text,
    ADD COLUMN aws_request_ids text[] NOT NULL DEFAULT '{}';

-- No release that could run on this schema inserts events without a number any more.
DROP TABLE audit_events_without_number;
DROP FUNCTION audit_events_to_pending();

-- The last verdict about a pass-through role that the audit log has.
ALTER TABLE prepared_roles ADD COLUMN verdict text;

-- Adds an event; does nothing where `event` is null. `event` has the members `id`, `action`, `actor`,
-- `key_id`, `source`, `request_id`, `trace_id`, `from_state`, `aws_request_ids` and `detail`. The other
-- arguments are those that a statement takes from the row that it writes. Returns whether there is an
-- event.
CREATE FUNCTION audit_append(
    event jsonb, at timestamptz, of_namespace text, of_cluster text, of_binding uuid,
    at_generation bigint, new_state text, of_role text
)
    RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF event IS NULL THEN
        RETURN false;
    END IF;
    IF at NOT BETWEEN service_now() - interval '1 minute' AND service_now() THEN
        RAISE EXCEPTION 'the time of an event is when it is added, not %', at;
    END IF;
    INSERT INTO audit_pending (
        id, at, namespace, cluster, binding_id, generation, action, actor, request_id, from_state,
        to_state, detail, role_id, key_id, source, trace_id, aws_request_ids)
    VALUES (
        (event ->> 'id')::uuid, at, of_namespace, of_cluster, of_binding, at_generation,
        event ->> 'action', event ->> 'actor', event ->> 'request_id', event ->> 'from_state',
        new_state, event -> 'detail', of_role, (event ->> 'key_id')::uuid, event ->> 'source',
        event ->> 'trace_id',
        ARRAY(SELECT jsonb_array_elements_text(event -> 'aws_request_ids')));
    RETURN true;
END
$$;

-- Numbers at most `most` events of an installation that have no number yet, in the order of their times.
-- Returns how many, and whether more may be left that the caller can number at once.
--
-- The lock on the head lets one sequencer of an installation work at a time. Another one does not wait
-- for it: it numbers nothing.
CREATE FUNCTION audit_sequence(
    of_namespace text, most bigint, OUT numbered bigint, OUT is_full boolean
)
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    head audit_heads;
BEGIN
    numbered := 0;
    is_full := false;
    IF NOT EXISTS (SELECT FROM audit_pending p WHERE p.namespace = of_namespace) THEN
        RETURN;
    END IF;
    IF NOT EXISTS (SELECT FROM audit_heads h WHERE h.namespace = of_namespace) THEN
        -- The first numbers follow in a transaction of their own: a partition for them is made only
        -- once the head is committed.
        INSERT INTO audit_heads (namespace) VALUES (of_namespace) ON CONFLICT DO NOTHING;
        is_full := true;
        RETURN;
    END IF;
    SELECT h.* INTO head FROM audit_heads h WHERE h.namespace = of_namespace
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    -- The statement sees what the sequencer before has committed, because its snapshot is taken after the
    -- head was locked. DELETE must not skip a row that somebody has locked: later events of the same
    -- binding would get smaller numbers.
    WITH batch AS MATERIALIZED (
        SELECT p.id FROM audit_pending p
        WHERE p.namespace = of_namespace
        ORDER BY p.at, p.generation, p.id
        LIMIT most
    ),
    moved AS (
        DELETE FROM audit_pending p USING batch WHERE p.id = batch.id
        RETURNING p.*
    ),
    inserted AS (
        INSERT INTO audit_events (
            seq, id, at, namespace, cluster, binding_id, generation, action, actor, request_id,
            from_state, to_state, detail, role_id, key_id, source, trace_id, aws_request_ids)
        SELECT head.seq + row_number() OVER (ORDER BY m.at, m.generation, m.id),
               m.id, m.at, m.namespace, m.cluster, m.binding_id, m.generation, m.action, m.actor,
               m.request_id, m.from_state, m.to_state, m.detail, m.role_id, m.key_id, m.source,
               m.trace_id, m.aws_request_ids
        FROM moved m
        RETURNING seq, at
    ),
    times AS (
        INSERT INTO audit_times (namespace, latest_at, seq)
        SELECT of_namespace, GREATEST(head.latest_at, n.at), n.seq FROM inserted n
        WHERE n.seq % 100::bigint = 0
    ),
    next_head AS (
        UPDATE audit_heads h
        SET seq = n.seq,
            latest_at = GREATEST(h.latest_at, n.latest_at),
            longest_delay = CASE WHEN h.latest_at > n.first_at THEN GREATEST(
                h.longest_delay, make_interval(secs => extract(
                    epoch FROM h.latest_at - n.first_at)::double precision))
                ELSE h.longest_delay END
        FROM (SELECT max(seq) AS seq, max(at) AS latest_at, min(at) AS first_at
              FROM inserted) n
        WHERE h.namespace = of_namespace AND n.seq IS NOT NULL
    )
    SELECT count(*), (SELECT count(*) FROM batch) = most INTO numbered, is_full FROM inserted;
END
$$;

-- As before, and only for a checkpoint of this origin and of no more entries than the tree has.
CREATE OR REPLACE FUNCTION audit_record_checkpoint(
    of_namespace text, of_origin text, of_size bigint, of_note text
)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF of_size > COALESCE((SELECT t.size FROM audit_trees t WHERE t.namespace = of_namespace), 0)
        OR NOT starts_with(of_note, of_origin || E'\n'::text || of_size::text || E'\n'::text)
        OR octet_length(of_note) > 65536
    THEN
        RAISE EXCEPTION 'this is no checkpoint of the tree';
    END IF;
    INSERT INTO audit_checkpoints AS c (namespace, origin, hour, size, note, signed_at)
    SELECT of_namespace, of_origin, date_trunc('hour', clock.now), of_size, of_note, clock.now
    FROM (SELECT service_now() AS now) clock
    ON CONFLICT (namespace, origin, hour) DO UPDATE
    SET size = EXCLUDED.size, note = EXCLUDED.note, signed_at = EXCLUDED.signed_at
    WHERE c.size <= EXCLUDED.size;
END
$$;

-- As before, except that a partition is not dropped while the tree over the log lacks an event of it. The
-- tree of an installation that never had one does not count.
CREATE OR REPLACE FUNCTION audit_maintain_partitions(retention interval) RETURNS text
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
          AND NOT EXISTS (SELECT FROM audit_trees t JOIN audit_heads h USING (namespace)
                          WHERE t.size < LEAST(h.seq, p.past - 1))
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

-- The functions do not depend on the schemas of their caller, where other objects may have these names.
DO $$
DECLARE
    signature text;
BEGIN
    FOREACH signature IN ARRAY ARRAY[
        'audit_append(jsonb, timestamptz, text, text, uuid, bigint, text, text)',
        'audit_sequence(text, bigint)',
        'audit_record_checkpoint(text, text, bigint, text)',
        'audit_maintain_partitions(interval)'
    ] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp',
                       signature, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
    END LOOP;
END
$$;

-- Users that could write the tables until now use the functions from now on.
DO $$
DECLARE
    writer text;
BEGIN
    FOR writer IN
        SELECT DISTINCT grantee::regrole::text
        FROM pg_class c, aclexplode(c.relacl) AS rights
        WHERE c.oid = 'audit_pending'::regclass AND privilege_type = 'INSERT'
          AND grantee <> c.relowner AND grantee <> 0
    LOOP
        EXECUTE format(
            'REVOKE INSERT, UPDATE, DELETE ON audit_pending, audit_events, audit_heads, audit_times FROM %s',
            writer);
        EXECUTE format(
            'GRANT EXECUTE ON FUNCTION
                 audit_append(jsonb, timestamptz, text, text, uuid, bigint, text, text),
                 audit_sequence(text, bigint) TO %s', writer);
    END LOOP;
END
$$;

-- An older release can't read the new kinds of events, and would add events to the tree without their
-- new fields.
INSERT INTO schema_versions (version, oldest_reader) VALUES (20261126000070, 20261126000070);
