-- Tokens of AWS identities: keys that a login made, each valid for some minutes. `principal` is the ARN of
-- the identity as STS stated it; keys that an operator made have none. A token is deleted when it has
-- expired.
ALTER TABLE api_keys ADD COLUMN principal text COLLATE "C",
    ADD CONSTRAINT api_keys_tokens_expire CHECK (principal IS NULL OR expires_at IS NOT NULL);

CREATE INDEX api_keys_tokens ON api_keys (namespace, expires_at) WHERE principal IS NOT NULL;

-- An older release accepts a token as a key of the name `aws-identity`, with the same rights and expiry, so
-- whichever release could work on the schema before this migration still can.
INSERT INTO schema_versions (version, oldest_reader)
SELECT 20261126000080, max(oldest_reader) FROM schema_versions;
