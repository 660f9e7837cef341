-- Copies the binding of cluster c1 {bindings} times, each with ten events that the service's own
-- sequencer then numbers. The copies are due for a check in a week, so that no work is done for them.

-- Neither triggers nor foreign keys are needed for rows that fit together.
SET session_replication_role = replica;
SET synchronous_commit = off;

DO $$
DECLARE
    names text;
BEGIN
    SELECT string_agg(quote_ident(column_name), ', ') INTO names
    FROM information_schema.columns
    WHERE table_name = 'bindings' AND table_schema = current_schema() AND is_generated = 'NEVER';
    EXECUTE format(
        'INSERT INTO bindings (%1$s) SELECT %1$s FROM (
             SELECT (jsonb_populate_record(b, jsonb_build_object(
                 ''id'', gen_random_uuid(), ''cluster'', ''x'' || n, ''resource_name'', ''td-x'' || n,
                 ''role_id'', ''AROAX'' || n, ''profile_id'', ''AIPAX'' || n))).*
             FROM bindings b, generate_series(1, {bindings}) n WHERE b.cluster = ''c1'') copies',
        names);
END
$$;

INSERT INTO clusters (namespace, cluster, generation)
SELECT namespace, cluster, generation FROM bindings WHERE cluster LIKE 'x%';

INSERT INTO work (binding_id) SELECT id FROM bindings WHERE cluster LIKE 'x%';

INSERT INTO schedule (binding_id, namespace, due_at)
SELECT id, namespace, now() + interval '7 days' FROM bindings WHERE cluster LIKE 'x%';

INSERT INTO audit_pending (id, at, namespace, cluster, binding_id, generation, action, actor, to_state,
                           detail)
SELECT gen_random_uuid(), now(), b.namespace, b.cluster, b.id, b.generation,
       CASE n WHEN 1 THEN 'provision' ELSE 'provisioned' END, 'init', 'active', '{}'
FROM bindings b, generate_series(1, 10) n WHERE b.cluster LIKE 'x%';

RESET session_replication_role;
ANALYZE;
