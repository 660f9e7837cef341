-- Roles that the administrator prepared, as IAM last showed them. What is said of them is worked
-- out from the documents, so that it can be said for any cluster without a call.
CREATE TABLE prepared_roles (
    namespace  text NOT NULL,
    account_id text NOT NULL,
    -- As the administrator wrote it: a name or an ARN.
    role       text NOT NULL,
    -- The role with its documents; 'null' where IAM said that it is not there, and none where it
    -- was never read.
    held       jsonb,
    read_at    timestamptz,
    -- Why it could not be read when that was last tried.
    unread     text,
    tried_at   timestamptz NOT NULL,
    PRIMARY KEY (namespace, account_id, role),
    CHECK ((held IS NULL) = (read_at IS NULL))
);
