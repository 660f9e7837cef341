-- Reads a page of the audit log: at most `most` events with numbers after `after`, lowest number
-- first. An argument that is null selects all.
--
-- Every combination of filters has a statement of its own, and reads an index of `audit_events` in the
-- order of the numbers until the page is full. The settings below keep Postgres from another plan: it
-- would collect all events of a cluster and sort them, because it expects a cluster to have few. Its
-- settings belong to a function, or to a whole connection. And a plan is made once for a connection,
-- because planning takes longer than reading the page.
--
-- Times select a range of numbers, since no index has both. Up to the greatest number in `audit_times`
-- with a latest time before `since`, all events are too early. No event is numbered more than
-- `longest_delay` too late, so after a number whose latest time is `until` plus `longest_delay` or
-- later, all events are too late. Between the two, the events' own times decide.
CREATE FUNCTION audit_page(
    of_namespace text, after bigint, since timestamptz, until timestamptz,
    of_cluster text, of_actor text, of_actions text[], most bigint
)
    RETURNS SETOF audit_events LANGUAGE plpgsql STABLE
    SET plan_cache_mode = force_generic_plan
    SET enable_sort = off
    SET enable_bitmapscan = off
    -- Merging the events of several actions needs a sort, whose disabled state looks so costly that
    -- Postgres would compile the plan, which takes 100 ms.
    SET jit = off
    AS $$
DECLARE
    low bigint := after;
    high bigint := 9223372036854775807;
BEGIN
    IF since IS NOT NULL THEN
        low := GREATEST(low, (
            SELECT t.seq FROM audit_times t
            WHERE t.namespace = of_namespace AND t.latest_at < since
            ORDER BY t.latest_at DESC, t.seq DESC LIMIT 1));
    END IF;
    IF until IS NOT NULL THEN
        high := COALESCE((
            SELECT t.seq FROM audit_times t
            WHERE t.namespace = of_namespace AND t.latest_at >= until + (
                SELECT h.longest_delay FROM audit_heads h WHERE h.namespace = of_namespace)
            ORDER BY t.latest_at, t.seq LIMIT 1), high);
    END IF;

    IF of_actions IS NULL AND of_cluster IS NULL AND of_actor IS NULL THEN
        RETURN QUERY
        SELECT e.* FROM audit_events e
        WHERE e.namespace = of_namespace AND e.seq > low AND e.seq <= high
          AND (since IS NULL OR e.at >= since) AND (until IS NULL OR e.at < until)
        ORDER BY e.seq LIMIT most;
    ELSIF of_actions IS NULL AND of_actor IS NULL THEN
        RETURN QUERY
        SELECT e.* FROM audit_events e
        WHERE e.namespace = of_namespace AND e.cluster = of_cluster COLLATE "C"
          AND e.seq > low AND e.seq <= high
          AND (since IS NULL OR e.at >= since) AND (until IS NULL OR e.at < until)
        ORDER BY e.seq LIMIT most;
    ELSIF of_actions IS NULL AND of_cluster IS NULL THEN
        RETURN QUERY
        SELECT e.* FROM audit_events e
        WHERE e.namespace = of_namespace AND e.actor = of_actor COLLATE "C"
          AND e.seq > low AND e.seq <= high
          AND (since IS NULL OR e.at >= since) AND (until IS NULL OR e.at < until)
        ORDER BY e.seq LIMIT most;
    ELSIF of_actions IS NULL THEN
        RETURN QUERY
        SELECT e.* FROM audit_events e
        WHERE e.namespace = of_namespace AND e.cluster = of_cluster COLLATE "C"
          AND e.actor = of_actor COLLATE "C" AND e.seq > low AND e.seq <= high
          AND (since IS NULL OR e.at >= since) AND (until IS NULL OR e.at < until)
        ORDER BY e.seq LIMIT most;
    ELSIF of_cluster IS NULL AND of_actor IS NULL THEN
        -- The events of each action are read in the order of the numbers, then merged.
        RETURN QUERY
        SELECT found.* FROM unnest(of_actions) AS word, LATERAL (
            SELECT e.* FROM audit_events e
            WHERE e.namespace = of_namespace AND e.action = word COLLATE "C"
              AND e.seq > low AND e.seq <= high
              AND (since IS NULL OR e.at >= since) AND (until IS NULL OR e.at < until)
            ORDER BY e.seq LIMIT most) found
        ORDER BY found.seq LIMIT most;
    ELSIF of_cluster IS NULL THEN
        RETURN QUERY
        SELECT found.* FROM unnest(of_actions) AS word, LATERAL (
            SELECT e.* FROM audit_events e
            WHERE e.namespace = of_namespace AND e.actor = of_actor COLLATE "C"
              AND e.action = word COLLATE "C" AND e.seq > low AND e.seq <= high
              AND (since IS NULL OR e.at >= since) AND (until IS NULL OR e.at < until)
            ORDER BY e.seq LIMIT most) found
        ORDER BY found.seq LIMIT most;
    ELSE
        -- With all three filters, the events of the cluster and the action are compared with the actor.
        RETURN QUERY
        SELECT found.* FROM unnest(of_actions) AS word, LATERAL (
            SELECT e.* FROM audit_events e
            WHERE e.namespace = of_namespace AND e.cluster = of_cluster COLLATE "C"
              AND e.action = word COLLATE "C" AND e.seq > low AND e.seq <= high
              AND (of_actor IS NULL OR e.actor = of_actor)
              AND (since IS NULL OR e.at >= since) AND (until IS NULL OR e.at < until)
            ORDER BY e.seq LIMIT most) found
        ORDER BY found.seq LIMIT most;
    END IF;
END
$$;
