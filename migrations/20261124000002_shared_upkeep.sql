-- Upkeep that one replica does for all: each kind at most once an interval.
CREATE TABLE sweeps (
    namespace text NOT NULL,
    kind      text NOT NULL,
    next_at   timestamptz NOT NULL,
    PRIMARY KEY (namespace, kind)
);

-- What stands at AWS under our path and no record knows. Reported, never removed by itself.
CREATE TABLE orphans (
    namespace text NOT NULL,
    kind      text NOT NULL CHECK (kind IN ('role', 'instance_profile')),
    name      text NOT NULL,
    arn       text NOT NULL,
    found_at  timestamptz NOT NULL,
    PRIMARY KEY (namespace, kind, name)
);

-- Calls to one AWS account, shared by all replicas: a token bucket each for reads and writes.
-- The rate halves when AWS throttles and grows back slowly.
CREATE TABLE call_budgets (
    account_id   text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('read', 'write')),
    tokens       double precision NOT NULL,
    rate         double precision NOT NULL,
    updated_at   timestamptz NOT NULL,
    throttled_at timestamptz,
    PRIMARY KEY (account_id, kind)
);
