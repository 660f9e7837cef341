-- Fills the database with {bindings} bindings, with their work and schedule, and with as many audit
-- events. The proportions are those of an installation that has run for years: most bindings are
-- active or deleted, one in five is a past incarnation, one prepared role is that of a quarter of
-- the clusters, and some states are very rare.

-- Neither triggers nor foreign keys are needed for rows that fit together.
SET session_replication_role = replica;
SET synchronous_commit = off;

-- Building an index on all rows takes less time than inserting rows into it one by one.
SET maintenance_work_mem = '256MB';
CREATE TEMP TABLE indexes AS
SELECT indexrelid::regclass::text AS name,
       -- Without ONLY, the index is made on every partition.
       replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') AS definition
FROM pg_index
WHERE indrelid = ANY ('{bindings, schedule, audit_events}'::regclass[])
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid);
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT i.name FROM indexes i LOOP
        EXECUTE 'DROP INDEX ' || name;
    END LOOP;
END
$$;

CREATE TEMP TABLE plan AS
SELECT n,
       n % 5 <> 0 AS newest,
       -- Every fifth binding is a past incarnation of the cluster before it.
       'cluster-' || n - (n % 5 = 0)::int AS cluster,
       CASE WHEN n % 5 = 0 THEN 'deleted'
            WHEN n % 50021 = 0 THEN 'blocked'
            WHEN n % 9973 = 0 THEN 'failed'
            WHEN n % 5003 = 0 THEN 'provisioning'
            WHEN n % 3 = 0 THEN 'deleted'
            ELSE 'active' END AS state,
       lpad(to_hex(n), 32, '0')::uuid AS id,
       timestamptz '2026-01-01' + n * interval '11 seconds' AS at
FROM generate_series(1, {bindings}) n;

INSERT INTO clusters (namespace, cluster, generation)
SELECT 'test', cluster, 3 FROM plan WHERE newest;

INSERT INTO bindings (id, namespace, cluster, resource_name, account_id, aws_partition, state, live,
                      mode, generation, spec, profile, drift, created_at, updated_at, newest,
                      role_id, profile_id)
SELECT id, 'test', cluster, 'td-' || n, '123456789012', 'aws', state,
       state NOT IN ('deleted', 'failed'),
       CASE WHEN n % 4 = 0 THEN 'pass_through' ELSE 'create' END,
       CASE WHEN newest THEN 3 ELSE 1 END,
       CASE WHEN n % 4 = 0 THEN '{"mode": "pass_through", "iam_role": "engine"}'::jsonb
            ELSE '{"mode": "create"}'::jsonb END,
       CASE WHEN state = 'active' THEN '{"managed": true}'::jsonb END,
       CASE WHEN n % 10007 = 0 THEN '[{}]'::jsonb ELSE '[]'::jsonb END,
       at, at, newest, 'AROA' || n, 'AIPA' || n
FROM plan;

INSERT INTO work (binding_id) SELECT id FROM plan;

INSERT INTO schedule (binding_id, namespace, due_at)
SELECT id, 'test', at FROM plan WHERE state <> 'deleted';

INSERT INTO audit_events (id, seq, at, namespace, cluster, binding_id, generation, action, actor,
                          to_state, detail)
SELECT id, n, at, 'test', cluster, id, 1,
       CASE WHEN n % 1000 = 0 THEN 'rejected' ELSE 'provisioned' END,
       CASE WHEN n % 1000 = 1 THEN 'operator' ELSE 'reconciler' END, 'active', '{}'
FROM plan;

INSERT INTO audit_heads (namespace, seq, latest_at) SELECT 'test', max(n), max(at) FROM plan;

INSERT INTO audit_entries (namespace, seq, canonical)
SELECT 'test', n, convert_to('{"seq":' || n || '}', 'UTF8') FROM plan;

INSERT INTO audit_tiles (namespace, level, place, hashes)
SELECT 'test', 0, n / 10, sha256('') FROM plan WHERE n % 10 = 0;

INSERT INTO audit_times (namespace, latest_at, seq)
SELECT 'test', at, n FROM plan WHERE n % 100 = 0;

DO $$
DECLARE
    definition text;
BEGIN
    FOR definition IN SELECT i.definition FROM indexes i LOOP
        EXECUTE definition;
    END LOOP;
END
$$;
