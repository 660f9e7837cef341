-- The release before this one keeps lease, due time and consistency times in `bindings`. While its
-- replicas still run beside ours, the columns stay, and two triggers keep both places in step. A
-- later migration drops columns and triggers.

-- Our statements set this column, so that the trigger can distinguish them; it is never stored.
ALTER TABLE bindings ADD COLUMN written_by_this_release boolean;

-- What an older release writes to `bindings` is copied to `work` and `schedule`.
CREATE FUNCTION bindings_follow_older_release() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    held work;
BEGIN
    IF NEW.written_by_this_release THEN
        NEW.written_by_this_release := NULL;
        RETURN NEW;
    END IF;
    SELECT * INTO held FROM work w WHERE w.binding_id = NEW.id FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO work (binding_id) VALUES (NEW.id);
    END IF;
    IF NEW.lease_token IS DISTINCT FROM OLD.lease_token AND NEW.lease_token IS NOT NULL THEN
        IF lease_is_held(held.lease_until, held.lease_replica, service_now()) THEN
            -- The row is left out: the older release sees that another worker has the lease.
            RETURN NULL;
        END IF;
        NEW.writes_settle_at := GREATEST(
            NEW.writes_settle_at, held.writes_resolved_at,
            lease_resolved_at(held.lease_until, held.lease_replica, interval '1 minute'));
    END IF;
    IF (NEW.lease_token, NEW.lease_until) IS DISTINCT FROM (OLD.lease_token, OLD.lease_until) THEN
        UPDATE work w
        SET lease_token = NEW.lease_token, lease_until = NEW.lease_until, lease_replica = NULL
        WHERE w.binding_id = NEW.id;
    END IF;
    IF (NEW.reads_settle_at, NEW.writes_settle_at)
       IS DISTINCT FROM (OLD.reads_settle_at, OLD.writes_settle_at)
    THEN
        UPDATE work w
        SET reads_consistent_at = NEW.reads_settle_at,
            writes_resolved_at = GREATEST(w.writes_resolved_at, NEW.writes_settle_at)
        WHERE w.binding_id = NEW.id;
    END IF;
    IF NEW.due_at IS NULL AND OLD.due_at IS NOT NULL THEN
        DELETE FROM schedule s WHERE s.binding_id = NEW.id;
    ELSIF NEW.due_at IS DISTINCT FROM OLD.due_at THEN
        INSERT INTO schedule (binding_id, namespace, due_at)
        VALUES (NEW.id, NEW.namespace, NEW.due_at)
        ON CONFLICT (binding_id) DO UPDATE SET due_at = EXCLUDED.due_at;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER bindings_older_release
    BEFORE UPDATE OF lease_token, lease_until, due_at, reads_settle_at, writes_settle_at ON bindings
    FOR EACH ROW EXECUTE FUNCTION bindings_follow_older_release();

-- What this release writes to `work` ends a lease of the older release and clears its due time, so
-- that the older release leaves the binding to us.
CREATE FUNCTION work_ends_older_lease() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() > 1 THEN
        RETURN NULL;
    END IF;
    UPDATE bindings b
    SET lease_token = NULL, lease_until = NULL, due_at = NULL,
        reads_settle_at = NEW.reads_consistent_at, writes_settle_at = NEW.writes_resolved_at,
        written_by_this_release = true
    WHERE b.id = NEW.binding_id
      AND (b.lease_token IS NOT NULL OR b.due_at IS NOT NULL
           OR (b.reads_settle_at, b.writes_settle_at)
              IS DISTINCT FROM (NEW.reads_consistent_at, NEW.writes_resolved_at));
    RETURN NULL;
END
$$;

CREATE TRIGGER work_older_release
    AFTER INSERT OR UPDATE ON work
    FOR EACH ROW EXECUTE FUNCTION work_ends_older_lease();
