-- Which releases can work on which version of the schema.
--
-- Every migration that is added inserts a row: its own version, and the version of the oldest release
-- that can still work on it. A release's version is that of its newest migration. A release admits an
-- older one only if it adds nothing, new values included, that the older one would read and not
-- understand.
CREATE TABLE schema_versions (
    version       bigint PRIMARY KEY,
    oldest_reader bigint NOT NULL CHECK (oldest_reader <= version),
    migrated_at   timestamptz NOT NULL DEFAULT now()
);

INSERT INTO schema_versions (version, oldest_reader) VALUES (20261126000030, 20261126000030);
