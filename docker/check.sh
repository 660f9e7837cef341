#!/usr/bin/env bash
# Builds the images of the service and of the sandbox, starts them with Postgres beside them, and
# checks what docker/README.md states. Then prints the image's size, the time from start to ready on
# a migrated database, and the memory of the idle service. Needs Docker, curl and a shell. Removes
# its containers and its network at the end, and keeps the images.
#
# Variables:
#   BUILD_IMAGE, RUNTIME_IMAGE  base images, see Dockerfile
#   POSTGRES_IMAGE              an image with Postgres 15 or newer (postgres:17-bookworm), also one with
#                               Debian's packages and no entrypoint
#   BUILD_OPTIONS               more options for `docker build`, such as "--network host"
#   IMAGE, SANDBOX_IMAGE        images that exist already; nothing is built then
#   NETWORK                     host: all containers use the host's network, for machines on which
#                               Docker can't make a bridge. Otherwise they have a network of their own
#   PORT                        the port on the host (3283)
#   IDLE_SECONDS                how long the service is idle before its memory is read (30)
#   MAX_SIZE_MB, MAX_IDLE_MB    limits: more is an error (40 and 30)
#   SUITE                       a filter of `cargo test`, such as "creating:: crashes::", or "all": runs
#                               these end-to-end tests with the service in containers of the image. Needs
#                               Rust and Postgres, and several minutes
set -euo pipefail
cd "$(dirname "$0")/.."

postgres_image=${POSTGRES_IMAGE:-postgres:17-bookworm}
port=${PORT:-3283}
name=engine-roles-check-$$
key=$(LC_ALL=C tr -dc A-Za-z0-9 </dev/urandom | head -c 64 || true)
password=$(LC_ALL=C tr -dc A-Za-z0-9 </dev/urandom | head -c 64 || true)
address=http://127.0.0.1:$port
results=$(mktemp)

finish() {
    local status=$?
    if [ $status != 0 ]; then
        docker logs --tail 20 "$name-service" >&2 2>/dev/null || true
    fi
    docker rm --force --volumes "$name-service" "$name-sandbox" "$name-postgres" >/dev/null 2>&1 || true
    [ "${NETWORK:-}" = host ] || docker network rm "$name" >/dev/null 2>&1 || true
    rm -f "$results"
}
trap finish EXIT

check() { printf '== %s\n' "$*"; }
fail() {
    printf 'failed: %s\n' "$*" >&2
    exit 1
}
result() { printf '%-34s %s\n' "$1" "$2" >>"$results"; }
ask() { curl --silent --noproxy '*' --max-time 5 "$@"; }
command_line() {
    docker exec -e ENGINE_ROLES_API_KEY="$key" -e ENGINE_ROLES_ADDR="$address" "$name-service" \
        engine-roles "$@"
}
# Whether the output of a command has a line that matches. grep reads all of it, so that the command
# doesn't end with a broken pipe.
prints() {
    local line=$1
    shift
    "$@" | grep -e "$line" >/dev/null
}
milliseconds() { date +%s%3N; }

# Runs a command twice a second until it succeeds, for at most a minute.
eventually() {
    local what=$1
    shift
    for _ in {1..120}; do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.5
    done
    fail "$what: $("$@" 2>&1)"
}

build() {
    local argument options=()
    for argument in BUILD_IMAGE RUNTIME_IMAGE; do
        [ -z "${!argument:-}" ] || options+=(--build-arg "$argument=${!argument}")
    done
    # shellcheck disable=SC2086 # BUILD_OPTIONS is a list of options.
    docker build ${BUILD_OPTIONS:-} "${options[@]}" --target "$1" --tag "$2" .
}

# Options that put a container into the network, under a name.
in_network() {
    if [ "${NETWORK:-}" = host ]; then
        echo --network host
    else
        echo --network "$name" --network-alias "$1"
    fi
}

# The address of a container for the others.
host_of() { if [ "${NETWORK:-}" = host ]; then echo 127.0.0.1; else echo "$1"; fi; }

start_postgres() {
    # shellcheck disable=SC2046 # several options
    docker run --detach --name "$name-postgres" $(in_network postgres) --user postgres \
        --env PASSWORD="$password" --env PORT="$postgres_port" --entrypoint sh "$postgres_image" -ec '
            bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
            umask 077
            printf %s "$PASSWORD" >/tmp/password
            "$bin/initdb" -D /tmp/data -U engine_roles -A scram-sha-256 --pwfile /tmp/password
            echo "host all all all scram-sha-256" >>/tmp/data/pg_hba.conf
            exec "$bin/postgres" -D /tmp/data -k /tmp -p "$PORT" -c listen_addresses="*"' >/dev/null
    # shellcheck disable=SC2016 # expanded in the container
    eventually "Postgres does not start" docker exec "$name-postgres" sh -c \
        'exec "$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)/pg_isready" -q -h 127.0.0.1 -p "$PORT"'
}

# Creates the service's container with everything that docker/compose.yaml takes away from it.
start_service() {
    local publish=()
    [ "${NETWORK:-}" = host ] || publish=(--publish "127.0.0.1:$port:$port")
    # shellcheck disable=SC2046 # several options
    docker run --detach --name "$name-service" $(in_network service) "${publish[@]}" \
        --cap-drop ALL --security-opt no-new-privileges "$@" \
        --env ENGINE_ROLES_LISTEN="0.0.0.0:$port" \
        --env ENGINE_ROLES_INIT_API_KEY="$key" --env PGPASSWORD="$password" \
        --env DATABASE_URL="postgres://engine_roles@$(host_of postgres):$postgres_port/postgres" \
        --env AWS_ENDPOINT_URL_IAM="http://$(host_of sandbox):4599" \
        --env AWS_ENDPOINT_URL_STS="http://$(host_of sandbox):4599" \
        --env AWS_ACCESS_KEY_ID=AKIASANDBOX000000000 --env AWS_SECRET_ACCESS_KEY=sandbox \
        --env AWS_EC2_METADATA_DISABLED=true --env AWS_REGION=us-west-2 "$image" >/dev/null
}

is_ready() { [ "$(ask --output /dev/null --write-out '%{http_code}' "$address/readyz")" = 200 ]; }

# Removes the service and starts it again, and prints the milliseconds until it is ready.
restart() {
    docker stop "$name-service" >/dev/null
    docker rm "$name-service" >/dev/null
    local begin
    begin=$(milliseconds)
    start_service --read-only
    until is_ready; do
        [ $(($(milliseconds) - begin)) -lt 30000 ] || fail "the service is not ready after 30 seconds"
        sleep 0.01
    done
    echo $(($(milliseconds) - begin))
}

image=${IMAGE:-engine-roles}
sandbox_image=${SANDBOX_IMAGE:-engine-roles-sandbox}
if [ -z "${IMAGE:-}" ]; then
    check "build $image"
    build service "$image"
fi
if [ -z "${SANDBOX_IMAGE:-}" ]; then
    check "build $sandbox_image"
    build sandbox "$sandbox_image"
fi

check "the image has a user who is not root, and a health check"
user=$(docker image inspect --format '{{.Config.User}}' "$image")
[ "$user" = 65532:65532 ] || fail "the image's user is '$user'"
prints healthcheck docker image inspect --format '{{json .Config.Healthcheck.Test}}' "$image" ||
    fail "the image has no health check"
size=$(docker image inspect --format '{{.Size}}' "$image")
result "size of the image" "$((size / 1000000)) MB"
[ "$size" -le $((${MAX_SIZE_MB:-40} * 1000000)) ] || fail "the image has $((size / 1000000)) MB"
shell=$(docker run --rm --entrypoint /bin/sh "$image" -c 'echo yes' 2>/dev/null || echo no)
result "shell in the image" "$shell"

check "start Postgres and the sandbox"
postgres_port=5432
if [ "${NETWORK:-}" = host ]; then
    postgres_port=$((port + 1))
else
    docker network create "$name" >/dev/null
fi
start_postgres
# shellcheck disable=SC2046 # several options
docker run --detach --name "$name-sandbox" $(in_network sandbox) --read-only --cap-drop ALL \
    --security-opt no-new-privileges "$sandbox_image" >/dev/null

check "start the service on an empty database"
start_service
eventually "the service is not ready" is_ready
[ "$(ask "$address/healthcheck" --output /dev/null --write-out '%{http_code}')" = 200 ] ||
    fail "/healthcheck does not answer 200"
eventually "Docker's health check does not pass" \
    prints '^healthy$' docker inspect --format '{{.State.Health.Status}}' "$name-service"

check "provision a role and tear it down with the container's own command"
eventually "no role can be provisioned" command_line role put demo --all-secrets
prints 'compute-engine/demo/\*' command_line role access demo || fail "the role does not reach its secrets"
prints '^removed ' command_line role delete demo || fail "nothing was removed"

check "the service writes nothing to disk"
written=$(docker diff "$name-service")
[ -z "$written" ] || fail "the service has written: $written"

check "start on the migrated database, with a read-only file system"
best=
for _ in 1 2 3 4 5; do
    took=$(restart)
    result "start to ready" "$took ms"
    if [ -z "$best" ] || [ "$took" -lt "$best" ]; then best=$took; fi
done
result "start to ready, the best of five" "$best ms"
prints '^state *deleted' command_line role get demo || fail "the database has lost the record"
command_line healthcheck --ready || fail "the health check fails on a read-only file system"

check "idle for ${IDLE_SECONDS:-30} seconds"
sleep "${IDLE_SECONDS:-30}"
pid=$(docker inspect --format '{{.State.Pid}}' "$name-service")
if [ -r "/proc/$pid/status" ]; then
    idle=$(awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$pid/status")
    result "resident memory when idle" "$idle MiB"
    [ "$idle" -le "${MAX_IDLE_MB:-30}" ] || fail "the idle service uses $idle MiB"
fi
result "memory by docker stats" "$(docker stats --no-stream --format '{{.MemUsage}}' "$name-service")"

check "stop"
begin=$(milliseconds)
docker stop --time 45 "$name-service" >/dev/null
code=$(docker inspect --format '{{.State.ExitCode}}' "$name-service")
[ "$code" = 0 ] || fail "the service ends with $code"
result "stop" "$(($(milliseconds) - begin)) ms"

printf '\n'
cat "$results"

if [ -n "${SUITE:-}" ]; then
    filter=$SUITE
    [ "$filter" != all ] || filter=
    check "end-to-end tests with the image: $SUITE"
    # Docker's own program stands between a client command and its terminal or pipe, and the image has no
    # shell for `credential_process`.
    skipped=(--skip cli::terminal::a_terminal_shows
        --skip cli::audit_tail::a_tail_whose_reader_has_ended
        --skip credentials::a_credential_process)
    # shellcheck disable=SC2086 # SUITE is a list of filters.
    ENGINE_ROLES_TEST_IMAGE=$image cargo test --locked --package engine-roles-e2e \
        --package engine-roles --test it -- "${skipped[@]}" $filter
fi
