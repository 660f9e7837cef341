# Short names for the commands of this repository. Nothing needs `just`: each line of a recipe can be
# typed as it is.

# Lists the recipes.
default:
    @just --list

# Runs Postgres, the IAM sandbox and the service; `just dev --once` runs a sample and ends.
dev *args:
    cargo dev -- {{ args }}

# Runs all tests.
test:
    cargo test --workspace

# Runs the tests of one package whose names contain FILTER.
one-test package filter="":
    cargo test --package engine-roles --package {{ package }} -- {{ filter }}

# Formats the code.
fmt:
    cargo fmt --all

# Lints the code as CI does.
clippy:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Writes .sqlx anew, after a change of a query or a migration.
sqlx:
    .ci/sqlx

# Checks that .sqlx is up to date.
sqlx-check:
    .ci/sqlx --check

# Runs the suite for an AWS account against a sandbox.
aws-suite:
    .ci/aws-suite

# Lints the policy documents and templates.
policies:
    .ci/policies

# Checks the files of docker/.
deployment:
    .ci/deployment

# Compares decisions of the policy engine with those of other implementations.
policy-comparison:
    .ci/policy-comparison

# Looks at the console in a browser; `just console --update-screenshots` also takes its pictures.
console *args:
    .ci/console {{ args }}

# Prints the OpenAPI document.
openapi:
    cargo run --quiet --package engine-roles -- openapi

# Runs everything that CI runs.
ci:
    .ci/run

# Checks licences, bans, sources and advisories; needs `cargo install cargo-deny --locked`.
deny *checks:
    cargo deny check {{ checks }}

# Runs random requests, faults, drift and kills of replicas and Postgres, then the checker.
chaos seed="1" minutes="1":
    cargo build --package engine-roles
    cargo run --package engine-roles-e2e --bin engine-roles-chaos -- --seed {{ seed }} --minutes {{ minutes }}

# Measures recovery, throughput, idle or round-trips: `just measure recovery`.
measure *args:
    cargo build --package engine-roles
    cargo run --package engine-roles-e2e --bin engine-roles-measure -- {{ args }}

# Measures the table of docs/performance.md: `just bench --only reads`; takes about ten minutes.
bench *args:
    cargo build --release --package engine-roles
    cargo bench-all {{ args }}

# Kills the binary at every call to AWS and at every commit; takes long.
kill-points:
    ENGINE_ROLES_ALL_KILL_POINTS=1 cargo test --package engine-roles-e2e --package engine-roles --test it -- crashes

# Runs the bulk drift sweep over many roles.
bulk roles="5000":
    ENGINE_ROLES_BULK_ROLES={{ roles }} cargo test --package engine-roles-provisioner --test bulk
