#!/bin/sh
# Wraps a deploy and a suspend of an engine, so that the engine's role is there before the engine and
# goes after it. Read it and change it to suit: docs/deployment.md gives the reasons for the order.
#
#   engine-with-role.sh deploy  CLUSTER COMMAND [ARGUMENT]...
#   engine-with-role.sh suspend CLUSTER COMMAND [ARGUMENT]...
#
# CLUSTER is the name under which the engine's secrets are stored (compute-engine/CLUSTER/...).
# COMMAND deploys or suspends the engine. It finds the role and the instance profile in the variables
# ENGINE_ROLE, ENGINE_ROLE_ARN and ENGINE_INSTANCE_PROFILE.
#
# Needs engine-roles and jq on the PATH, and ENGINE_ROLES_ADDR and ENGINE_ROLES_API_KEY (or
# ENGINE_ROLES_API_KEY_FILE). ROLE_FLAGS has more flags for `engine-roles role put`, separated by
# spaces, such as "--all-secrets --region us-west-2".
#
# Exit codes: those of engine-roles (docs/cli.md), or that of COMMAND.
set -eu

usage() {
    sed -n 's/^# \{0,1\}//; 2,16p' "$0" >&2
    exit 2
}

say() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
}

# Reads one member of a binding.
member() {
    printf '%s' "$binding" | jq --raw-output "$1"
}

# Makes the binding's role and instance profile known to COMMAND.
export_role() {
    ENGINE_ROLE=$(member '.role.name // empty')
    ENGINE_ROLE_ARN=$(member '.role.arn // empty')
    ENGINE_INSTANCE_PROFILE=$(member '.instance_profile.name // empty')
    export ENGINE_ROLE ENGINE_ROLE_ARN ENGINE_INSTANCE_PROFILE
}

# Runs COMMAND, passes a signal on to it as TERM, and waits for its end. So the script does not end while
# COMMAND still runs, and says what is left.
run() {
    "$@" <&0 &
    child=$!
    trap 'kill -TERM "$child" 2>/dev/null || true' HUP INT TERM
    # A signal ends the wait early.
    while true; do
        code=0
        wait "$child" || code=$?
        kill -0 "$child" 2>/dev/null || break
    done
    trap - HUP INT TERM
    return "$code"
}

deploy() {
    # 1. The role. The command waits until the role is there, or says why it can't be.
    # shellcheck disable=SC2086 # ROLE_FLAGS is a list of flags.
    binding=$(engine-roles role put "$cluster" --output json --wait 5m ${ROLE_FLAGS:-}) || {
        code=$?
        say "$cluster has no role yet (exit code $code), and nothing was deployed: engine-roles role get $cluster"
        exit "$code"
    }
    export_role

    # 2. EC2 learns of a new instance profile some seconds later. An earlier RunInstances may fail.
    while [ "$(member '(now | strftime("%Y-%m-%dT%H:%M:%SZ")) < (.usable_after // "")')" = true ]; do
        sleep 1
    done

    # 3. The engine.
    say "$cluster has the role $ENGINE_ROLE; deploying"
    run "$@" || {
        code=$?
        # The role stays, because a part of the engine may run. Nobody else would find it.
        say "the deploy failed; the role $ENGINE_ROLE stays. Repeat the deploy, or suspend $cluster"
        exit "$code"
    }
}

suspend() {
    # 1. The engine, also when the service does not answer or knows no role. A suspend that fails ends
    #    the script: the engine may still run and needs its role.
    binding=$(engine-roles role get "$cluster" --output json) || binding='{}'
    export_role
    run "$@" || {
        code=$?
        say "the suspend failed; the role $ENGINE_ROLE stays"
        exit "$code"
    }

    # 2. The role. If somebody's instance profile still contains it, the answer names the profile.
    engine-roles role delete "$cluster" --output json --wait 5m >/dev/null || {
        code=$?
        case $code in
            3) say "the engine is suspended; $cluster never had a role" ;;
            *) say "the engine is suspended, but its role is not removed yet: engine-roles role get $cluster" ;;
        esac
        exit "$code"
    }
    say "$cluster is suspended, and its role is removed"
}

[ $# -ge 3 ] || usage
step=$1 cluster=$2
shift 2
case "$cluster" in
    -*) usage ;;
esac
case "$step" in
    deploy | suspend) "$step" "$@" ;;
    *) usage ;;
esac
