-- The rules of leases, as before, in PL/pgSQL. Postgres parses and plans a function of language SQL that
-- has a subquery each time a statement uses it; the plans of PL/pgSQL are kept for the connection.

CREATE OR REPLACE FUNCTION lease_is_held(
    lease_until timestamptz, lease_replica uuid, now timestamptz
)
    RETURNS boolean LANGUAGE plpgsql STABLE
    AS $$
BEGIN
    IF (lease_until > now) IS NOT TRUE THEN
        RETURN false;
    END IF;
    RETURN NOT EXISTS (
        SELECT FROM replicas r WHERE r.id = lease_replica AND r.dead_at IS NOT NULL);
END
$$;

CREATE OR REPLACE FUNCTION lease_resolved_at(
    lease_until timestamptz, lease_replica uuid, consistency_window interval
)
    RETURNS timestamptz LANGUAGE plpgsql STABLE
    AS $$
BEGIN
    RETURN LEAST(
        lease_until,
        (SELECT r.dead_at + r.call_timeout FROM replicas r WHERE r.id = lease_replica)
    ) + consistency_window;
END
$$;

-- The functions return what they returned before.
INSERT INTO schema_versions (version, oldest_reader)
SELECT 20261126000100, max(oldest_reader) FROM schema_versions;
