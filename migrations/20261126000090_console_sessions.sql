-- Sessions of the console. Somebody signs in with an API key and gets a random token, of which the database
-- has only the SHA-256. A session lasts an hour at most, and never longer than its key.
CREATE TABLE console_sessions (
    sha256         bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    -- Names the session in logs.
    id             uuid NOT NULL,
    namespace      text COLLATE "C" NOT NULL,
    -- The key; none for the key in the configuration. An expired token is deleted with its sessions.
    key_id         uuid REFERENCES api_keys (id) ON DELETE CASCADE,
    -- The SHA-256 of the key. Each request of the session checks the key, too.
    key_sha256     bytea NOT NULL CHECK (octet_length(key_sha256) = 32),
    -- The scopes of the key that a session can have.
    scopes         text[] NOT NULL CHECK (scopes <@ '{read,audit}' AND cardinality(scopes) > 0),
    cluster_prefix text COLLATE "C",
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL
);

CREATE INDEX console_sessions_of_key ON console_sessions (namespace, key_sha256, created_at);
CREATE INDEX console_sessions_expire ON console_sessions (namespace, expires_at);
-- For the deletion of a key.
CREATE INDEX console_sessions_key_id ON console_sessions (key_id);

-- An older release has no console and does not know the table.
INSERT INTO schema_versions (version, oldest_reader)
SELECT 20261126000090, max(oldest_reader) FROM schema_versions;
