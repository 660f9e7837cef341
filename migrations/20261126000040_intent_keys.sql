-- Recognises the request that recorded a binding's current intent, so that a conditional request that is
-- sent again after its answer was lost gets the answer that it would have had. It names the generation
-- that it belongs to, so an intent of an older release, which does not write this column, has no key.
ALTER TABLE bindings ADD COLUMN intent_key jsonb;

-- This release also records reasons of failures that an older one does not know: the codes
-- tag_limit_exceeded and other_account, and a denial whose layer AWS does not name.
INSERT INTO schema_versions (version, oldest_reader) VALUES (20261126000040, 20261126000040);
