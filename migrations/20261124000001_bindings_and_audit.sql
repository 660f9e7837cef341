-- The one clock of all replicas. Tests replace this function to move time.
CREATE FUNCTION service_now() RETURNS timestamptz
    LANGUAGE sql VOLATILE
    AS $$ SELECT clock_timestamp() $$;

-- One row a cluster: its lock orders all changes of intent, and its generation never starts
-- again, not even across lives.
CREATE TABLE clusters (
    namespace  text   NOT NULL,
    cluster    text   NOT NULL,
    generation bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (namespace, cluster)
);

CREATE TABLE bindings (
    id                 uuid PRIMARY KEY,
    namespace          text NOT NULL,
    cluster            text NOT NULL,
    -- The name of what is made for it at AWS, made or not.
    resource_name      text NOT NULL UNIQUE,
    account_id         text NOT NULL,
    aws_partition      text NOT NULL,
    state              text NOT NULL CHECK (state IN
        ('provisioning', 'active', 'deleting', 'deleted', 'failed', 'blocked')),
    -- Anything of it may still be at AWS.
    live               boolean NOT NULL,
    mode               text NOT NULL CHECK (mode IN ('create', 'pass_through')),
    generation         bigint NOT NULL,
    applied_generation bigint,
    spec               jsonb NOT NULL,
    applied_spec       jsonb,
    -- Keys of tags that an intent which was never applied may have set.
    unapplied_tags     text[] NOT NULL DEFAULT '{}',
    role               jsonb,
    profile            jsonb,
    policy             jsonb,
    drift              jsonb NOT NULL DEFAULT '[]',
    last_error         jsonb,
    receipt            jsonb,
    usable_after       timestamptz,
    verified_at        timestamptz,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    -- Work: who has it, until when, and when somebody is to look again.
    lease_token        uuid,
    lease_until        timestamptz,
    due_at             timestamptz,
    attempts           integer NOT NULL DEFAULT 0,
    -- Until then IAM's reads may not show our writes, or a write of ours may still arrive.
    reads_settle_at    timestamptz,
    writes_settle_at   timestamptz,
    FOREIGN KEY (namespace, cluster) REFERENCES clusters (namespace, cluster),
    CHECK ((lease_token IS NULL) = (lease_until IS NULL)),
    CHECK (live OR state IN ('deleted', 'failed'))
);

CREATE UNIQUE INDEX bindings_one_live ON bindings (namespace, cluster) WHERE live;
CREATE INDEX bindings_of_cluster ON bindings (namespace, cluster, generation DESC);
CREATE INDEX bindings_newest ON bindings (namespace, created_at DESC, id DESC);
CREATE INDEX bindings_due ON bindings (namespace, due_at) WHERE due_at IS NOT NULL;

-- Append-only. The number by which an installation's events are paged is given after the commit,
-- by one sequencer at a time: commits don't happen in the order of a serial.
CREATE TABLE audit_events (
    id         uuid PRIMARY KEY,
    seq        bigint CHECK (seq > 0),
    at         timestamptz NOT NULL,
    namespace  text NOT NULL,
    cluster    text NOT NULL,
    binding_id uuid NOT NULL REFERENCES bindings (id),
    generation bigint NOT NULL,
    action     text NOT NULL,
    actor      text NOT NULL,
    request_id text,
    from_state text,
    to_state   text NOT NULL,
    detail     jsonb NOT NULL,
    UNIQUE (namespace, seq)
);

CREATE INDEX audit_events_unsequenced ON audit_events (namespace, at, id) WHERE seq IS NULL;
CREATE INDEX audit_events_of_cluster ON audit_events (namespace, cluster, seq);

CREATE FUNCTION audit_events_are_append_only() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.seq IS NULL AND NEW.seq IS NOT NULL
       AND to_jsonb(OLD) - 'seq' = to_jsonb(NEW) - 'seq' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit_events is append-only';
END
$$;

CREATE TRIGGER audit_events_append_only
    BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION audit_events_are_append_only();

CREATE TRIGGER audit_events_no_truncate
    BEFORE TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_append_only();
