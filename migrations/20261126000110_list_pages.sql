-- The pages of lists. Postgres expects that a limit which it does not know yet is a tenth of all rows. So
-- it would plan a list again at each execution, for the limit of that execution, and among a million
-- bindings this takes as long as the list. These functions have it keep the plan for any limit.

-- The bindings after a place in the list that are the newest of their clusters: one range of the index
-- `bindings_listed` for each combination of state, liveness, mode and drift.
CREATE FUNCTION bindings_page(
    of_namespace text, states text[], lives boolean[], modes text[], drifts boolean[],
    after_cluster text, after_generation bigint, before_cluster text, since timestamptz, most bigint
)
    RETURNS SETOF uuid LANGUAGE plpgsql STABLE ROWS 100 SET plan_cache_mode = force_generic_plan
    AS $$
BEGIN
    RETURN QUERY
    SELECT found.id
    FROM unnest(states, lives, modes, drifts) AS class (state, live, mode, drifted)
    CROSS JOIN LATERAL (
        SELECT n.id, n.cluster, n.generation FROM bindings n
        WHERE n.namespace = of_namespace AND n.newest
          AND n.state = class.state AND n.live = class.live
          AND n.mode = class.mode AND n.drifted = class.drifted
          AND (n.cluster COLLATE "C", n.generation) > (after_cluster, after_generation)
          AND n.cluster COLLATE "C" < before_cluster
          AND n.updated_at >= since
        ORDER BY n.cluster COLLATE "C", n.generation LIMIT most
    ) found
    ORDER BY found.cluster COLLATE "C", found.generation LIMIT most;
END
$$;

-- The same for the bindings of a role, past incarnations included: one range of the index
-- `bindings_of_role` for each combination, and the binding to which AWS gave a unique id.
CREATE FUNCTION bindings_page_of_role(
    of_namespace text, states text[], lives boolean[], modes text[], drifts boolean[],
    after_cluster text, after_generation bigint, before_cluster text, since timestamptz, most bigint,
    of_role text, of_account text, of_partition text
)
    RETURNS SETOF uuid LANGUAGE plpgsql STABLE ROWS 100 SET plan_cache_mode = force_generic_plan
    AS $$
BEGIN
    RETURN QUERY
    SELECT found.id
    FROM unnest(states, lives, modes, drifts) AS class (state, live, mode, drifted)
    CROSS JOIN LATERAL (
        (SELECT n.id, n.cluster, n.generation FROM bindings n
         WHERE n.namespace = of_namespace AND n.role_name = of_role
           AND n.state = class.state AND n.live = class.live
           AND n.mode = class.mode AND n.drifted = class.drifted
           AND (n.cluster COLLATE "C", n.generation) > (after_cluster, after_generation)
           AND n.cluster COLLATE "C" < before_cluster
           AND n.updated_at >= since
           AND n.account_id = COALESCE(of_account, n.account_id)
           AND n.aws_partition = COALESCE(of_partition, n.aws_partition)
         ORDER BY n.cluster COLLATE "C", n.generation LIMIT most)
        UNION
        SELECT n.id, n.cluster, n.generation FROM bindings n
        WHERE n.namespace = of_namespace AND n.role_id = of_role
          AND n.state = class.state AND n.live = class.live
          AND n.mode = class.mode AND n.drifted = class.drifted
          AND (n.cluster COLLATE "C", n.generation) > (after_cluster, after_generation)
          AND n.cluster COLLATE "C" < before_cluster
          AND n.updated_at >= since
        UNION
        SELECT n.id, n.cluster, n.generation FROM bindings n
        WHERE n.namespace = of_namespace AND n.profile_id = of_role
          AND n.state = class.state AND n.live = class.live
          AND n.mode = class.mode AND n.drifted = class.drifted
          AND (n.cluster COLLATE "C", n.generation) > (after_cluster, after_generation)
          AND n.cluster COLLATE "C" < before_cluster
          AND n.updated_at >= since
    ) found
    ORDER BY found.cluster COLLATE "C", found.generation LIMIT most;
END
$$;

INSERT INTO schema_versions (version, oldest_reader)
SELECT 20261126000110, max(oldest_reader) FROM schema_versions;
