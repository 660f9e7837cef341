-- Processes of the service. A replica raises its heartbeat once per second; the other replicas
-- compare the counters that they read, never the age of a timestamp.
CREATE TABLE replicas (
    id           uuid PRIMARY KEY,
    namespace    text COLLATE "C" NOT NULL,
    heartbeat    bigint NOT NULL DEFAULT 0,
    -- The longest time that one of its calls to AWS may take.
    call_timeout interval NOT NULL,
    started_at   timestamptz NOT NULL,
    -- When another replica declared it dead.
    dead_at      timestamptz
) WITH (fillfactor = 50);

-- What the workers need and callers do not see: the lease on a binding, and the times from which
-- IAM's answers can be believed. No column but the key is indexed, so that an update of the lease
-- is a heap-only update.
CREATE TABLE work (
    binding_id          uuid PRIMARY KEY REFERENCES bindings (id) ON DELETE CASCADE,
    lease_token         uuid,
    lease_until         timestamptz,
    -- None for a lease of an older release, which ends by time alone.
    lease_replica       uuid,
    reads_consistent_at timestamptz,
    writes_resolved_at  timestamptz,
    CHECK ((lease_token IS NULL) = (lease_until IS NULL))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

-- When a worker must converge a binding next; no row where only a request makes it due. A binding
-- stays due while a worker has its lease, so that it is found as soon as the lease ends.
CREATE TABLE schedule (
    binding_id uuid PRIMARY KEY REFERENCES bindings (id) ON DELETE CASCADE,
    namespace  text COLLATE "C" NOT NULL,
    due_at     timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX schedule_due ON schedule (namespace, due_at);

INSERT INTO work (binding_id, lease_token, lease_until, reads_consistent_at, writes_resolved_at)
SELECT id, lease_token, lease_until, reads_settle_at, writes_settle_at FROM bindings;

INSERT INTO schedule (binding_id, namespace, due_at)
SELECT id, namespace, due_at FROM bindings WHERE due_at IS NOT NULL;

-- A lease ends at its time, or when its replica is declared dead.
CREATE FUNCTION lease_is_held(lease_until timestamptz, lease_replica uuid, now timestamptz)
    RETURNS boolean LANGUAGE sql STABLE
    AS $$
        SELECT COALESCE($1 > $3, false)
           AND NOT EXISTS (SELECT FROM replicas r WHERE r.id = $2 AND r.dead_at IS NOT NULL)
    $$;

-- Until when writes of a lease's holder may still take effect, once the lease has ended; none where
-- there was no lease.
CREATE FUNCTION lease_resolved_at(
    lease_until timestamptz, lease_replica uuid, consistency_window interval
)
    RETURNS timestamptz LANGUAGE sql STABLE
    AS $$
        SELECT LEAST($1, (SELECT r.dead_at + r.call_timeout FROM replicas r WHERE r.id = $2)) + $3
    $$;

-- The number of the representation: it grows with every change that a caller can see, whoever
-- writes it. A compare-and-swap names id, generation and revision.
ALTER TABLE bindings
    ADD COLUMN revision bigint NOT NULL DEFAULT 1,
    -- The unique ids that AWS gave to role and profile. They are kept after the teardown, so that a
    -- past incarnation can be found.
    ADD COLUMN role_id text COLLATE "C",
    ADD COLUMN profile_id text COLLATE "C";
UPDATE bindings SET role_id = role ->> 'id', profile_id = profile ->> 'id';
ALTER TABLE bindings SET (fillfactor = 70);

CREATE FUNCTION bindings_count_revision() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    NEW.role_id := COALESCE(NEW.role ->> 'id', NEW.role_id);
    NEW.profile_id := COALESCE(NEW.profile ->> 'id', NEW.profile_id);
    IF TG_OP = 'INSERT' THEN
        RETURN NEW;
    END IF;
    NEW.role_id := COALESCE(NEW.role_id, OLD.role_id);
    NEW.profile_id := COALESCE(NEW.profile_id, OLD.profile_id);
    NEW.revision := OLD.revision;
    IF (NEW.state, NEW.live, NEW.mode, NEW.generation, NEW.applied_generation, NEW.spec,
        NEW.applied_spec, NEW.unapplied_tags, NEW.role, NEW.profile, NEW.policy, NEW.drift,
        NEW.last_error, NEW.receipt, NEW.usable_after, NEW.verified_at, NEW.updated_at,
        NEW.attempts)
       IS DISTINCT FROM
       (OLD.state, OLD.live, OLD.mode, OLD.generation, OLD.applied_generation, OLD.spec,
        OLD.applied_spec, OLD.unapplied_tags, OLD.role, OLD.profile, OLD.policy, OLD.drift,
        OLD.last_error, OLD.receipt, OLD.usable_after, OLD.verified_at, OLD.updated_at,
        OLD.attempts)
    THEN
        NEW.revision := OLD.revision + 1;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER bindings_revision
    BEFORE INSERT OR UPDATE ON bindings
    FOR EACH ROW EXECUTE FUNCTION bindings_count_revision();
