-- API keys. The text of a key is stored nowhere, only its SHA-256: a key is random, so that its hash can't
-- be reversed. Several keys may have the same name, so that one can replace another without a gap.
CREATE TABLE api_keys (
    id             uuid PRIMARY KEY,
    namespace      text COLLATE "C" NOT NULL,
    name           text COLLATE "C" NOT NULL,
    sha256         bytea NOT NULL CHECK (octet_length(sha256) = 32),
    scopes         text[] NOT NULL CHECK (cardinality(scopes) > 0),
    cluster_prefix text COLLATE "C",
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz,
    revoked_at     timestamptz,
    -- At most one hour before the last request with the key.
    last_used_at   timestamptz,
    -- The number of the last change of the installation's keys that concerned this key.
    version        bigint NOT NULL,
    UNIQUE (namespace, sha256)
);

CREATE INDEX api_keys_changed ON api_keys (namespace, version);

-- The number of the last change of an installation's keys. Whoever changes a key locks this row first, so
-- that a reader who has seen a number has seen all changes with smaller ones.
CREATE TABLE api_key_versions (
    namespace text COLLATE "C" PRIMARY KEY,
    version   bigint NOT NULL
);

-- An older release knows only the key in its configuration.
INSERT INTO schema_versions (version, oldest_reader) VALUES (20261126000050, 20261126000040);
