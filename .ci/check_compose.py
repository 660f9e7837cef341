#!/usr/bin/env python3
"""Gives the commands of docker/README.md to Compose, with a stand-in of AI Unlimited's files, and
checks what Compose makes of the stacked files. Needs docker-compose; where `docker compose` exists,
the commands go to both. Starts no container.
"""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
STAND_IN = ROOT / "tests" / "ai-unlimited"

# Takes the place of `docker` and `docker-compose`: shows what Compose makes of the files instead of
# doing something with them. Compose 1 takes one --env-file; several are joined, because in Compose 2
# the last one takes precedence.
SHIM = """#!/bin/bash
set -euo pipefail
[ "$(basename "$0")" = docker-compose ] || {
    [ "$1" = compose ] || exit 0
    shift
}
options=() files=()
while [ $# != 0 ]; do
    case "$1" in
        --env-file) files+=("$2"); shift 2 ;;
        -f | -p) options+=("$1" "$2"); shift 2 ;;
        *) break ;;
    esac
done
[ "$(basename "$0")" = docker ] || [ ${#files[@]} -le 1 ] || { echo "several --env-file" >&2; exit 1; }
cat /dev/null "${files[@]}" >"$WORK/variables"
exec $COMPOSE --env-file "$WORK/variables" "${options[@]}" config >"$WORK/config.$(date +%s%N)"
"""

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIA",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
}


def blocks():
    """Returns the blocks of commands of docker/README.md, by the heading above each."""
    heading, found, lines = None, [], []
    for line in [*(ROOT / "docker/README.md").read_text().splitlines(), ""]:
        if line.startswith("    ") or (not line and lines):
            lines.append(line[4:])
            continue
        if lines:
            found.append((heading, "\n".join(lines)))
            lines = []
        if line.startswith("## "):
            heading = line.removeprefix("## ")
    return [(heading, text.strip()) for heading, text in found]


def compose_programs():
    """Returns the Compose programs of this machine, version 1 or 2."""
    programs = ["docker-compose"] if shutil.which("docker-compose") else []
    if shutil.which("docker"):
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        # Without the plugin, docker prints its own help.
        if plugin.returncode == 0 and b"Compose version" in plugin.stdout:
            programs.append("docker compose")
    if not programs:
        raise SystemExit("neither docker-compose nor docker compose is installed")
    return programs


class Reader:
    """A person who follows docker/README.md, in a home directory of their own."""

    def __init__(self, home, compose):
        self.home = home
        shims = home / "shims"
        shims.mkdir()
        for name in ("docker", "docker-compose"):
            shim = shims / name
            shim.write_text(SHIM)
            shim.chmod(shim.stat().st_mode | stat.S_IXUSR)
        shutil.copytree(STAND_IN, self.theirs)
        (self.theirs / ".env").write_text("AI_UNLIMITED_INIT_API_KEY=theirs\n")
        first, *rest = compose.split()
        real = " ".join([shutil.which(first), *rest])
        self.environment = {
            "HOME": str(home),
            "PATH": f"{shims}:{os.environ['PATH']}",
            "COMPOSE": real,
            "WORK": str(home),
            **CREDENTIALS,
        }

    @property
    def theirs(self):
        """The folder with AI Unlimited's files."""
        return self.home / "ai-unlimited/deployments/docker"

    def run(self, block):
        """Runs a block, and returns what Compose made of the files in each command."""
        for old in self.home.glob("config.*"):
            old.unlink()
        shell = ["bash", "-euo", "pipefail", "-c", block]
        ran = subprocess.run(shell, cwd=ROOT, env=self.environment, capture_output=True, check=False)
        if ran.returncode != 0:
            raise SystemExit(f"{block}\nfails: {ran.stderr.decode()}")
        return [yaml.safe_load(path.read_text()) for path in sorted(self.home.glob("config.*"))]


def sources(config, service):
    """Returns the target and the source of each mount of a service."""
    mounts = {}
    for mount in config["services"][service].get("volumes", []):
        if isinstance(mount, str):
            source, target, *_ = mount.split(":")
        else:
            source, target = mount["source"], mount["target"]
        mounts[target] = source
    return mounts


def ports(config):
    """Returns each port of the host with the service that uses it."""
    used = []
    for name, service in config["services"].items():
        for port in service.get("ports", []):
            published = port.split(":")[-2] if isinstance(port, str) else str(port["published"])
            used.append((published, name))
    return used


def check_alone(config):
    """Checks what each command must have: the service with its secrets, and a hidden database."""
    service = config["services"]["engine-roles"]
    database = config["services"]["engine-roles-postgres"]
    if "secrets" not in config:
        assert len(service["environment"]["ENGINE_ROLES_INIT_API_KEY"]) == 64
        assert service["environment"]["PGPASSWORD"]
        assert database["environment"]["POSTGRES_PASSWORD"] == service["environment"]["PGPASSWORD"]
    assert "ports" not in database and list(database["networks"]) == ["engine-roles-database"]
    assert config["networks"]["engine-roles-database"]["internal"] is True
    assert config["networks"]["ai-unlimited-network"]["name"] == "ai-unlimited-network"
    # The sandbox never uses the database of the roles at AWS.
    prefix = "engine-roles-sandbox" if "engine-roles-sandbox" in config["services"] else "engine-roles"
    assert config["volumes"]["engine-roles-postgres"]["name"] == f"{prefix}-postgres"
    assert service["read_only"] is True


def check_secrets(reader, config):
    """Checks that the secrets are in files, and that neither Compose nor Docker shows them."""
    check_alone(config)
    folder = reader.home / "engine-roles-secrets"
    key, password, url = (
        (folder / name).read_text().strip()
        for name in ("init-api-key", "postgres-password", "database-url")
    )
    assert len(key) == 64 and len(password) == 64 and password in url, (key, password, url)
    shown = yaml.safe_dump(config)
    assert key not in shown and password not in shown
    mounted = {}
    for name in ("engine-roles", "engine-roles-postgres"):
        service = config["services"][name]
        for secret in service["secrets"]:
            source = secret if isinstance(secret, str) else secret["source"]
            file = Path(config["secrets"][source]["file"])
            assert file.parent == folder and stat.S_IMODE(file.stat().st_mode) == 0o600, file
            mounted[f"/run/secrets/{source}"] = file.name
        for variable, value in service["environment"].items():
            if variable.endswith("_FILE") and value:
                # The file is mounted, and the variable with the secret itself counts as not set.
                assert value in mounted, (variable, value)
                assert service["environment"][variable.removesuffix("_FILE")] == "", variable
    assert config["services"]["engine-roles"]["environment"]["PGPASSWORD"] == ""
    assert sorted(mounted.values()) == ["database-url", "init-api-key", "postgres-password"]
    assert config["services"]["engine-roles"]["user"] == f"{os.getuid()}:{os.getgid()}"


def check_beside(reader, config):
    """Checks that AI Unlimited's services are as they are without this service."""
    check_alone(config)
    theirs = config["services"]["ai-unlimited"]
    assert theirs["environment"]["TD_VCD_INIT_API_KEY"] == "theirs"
    wanted = reader.theirs / "volumes/ai-unlimited-workspaces"
    assert sources(config, "ai-unlimited")["/etc/td"] == str(wanted), sources(config, "ai-unlimited")
    assert "ai-unlimited-network" in theirs["networks"]
    assert "ai-unlimited-network" in config["services"]["engine-roles"]["networks"]
    used = ports(config)
    assert len({port for port, _ in used}) == len(used), used
    assert ("3283", "engine-roles") in used and ("3282", "ai-unlimited") in used, used
    assert "container_name" not in config["services"]["engine-roles"]


def check_sandbox(config):
    """Checks that no call and no key can reach AWS."""
    check_alone(config)
    service = config["services"]["engine-roles"]
    for endpoint in ("AWS_ENDPOINT_URL_IAM", "AWS_ENDPOINT_URL_STS"):
        assert service["environment"][endpoint] == "http://engine-roles-sandbox:4599"
    assert service["environment"]["AWS_ACCESS_KEY_ID"] != CREDENTIALS["AWS_ACCESS_KEY_ID"]
    assert "engine-roles-sandbox" in service["networks"]
    assert config["networks"]["engine-roles-sandbox"]["internal"] is True
    assert "ports" not in config["services"]["engine-roles-sandbox"]


def the_other_order_is_wrong(reader):
    """Checks the reason for the documented order, so that the text is correct."""
    files = '-f docker/compose.yaml -f "$AI_UNLIMITED/ai-unlimited.yaml"'
    block = f'AI_UNLIMITED={reader.theirs}\ndocker compose --env-file "$AI_UNLIMITED/.env" '
    (config,) = reader.run(f"{block} --env-file ~/engine-roles.env {files} config")
    found = sources(config, "ai-unlimited")["/etc/td"]
    assert found == str(ROOT / "docker/volumes/ai-unlimited-workspaces"), found


def check(compose):
    """Runs all commands of the page with one Compose program."""
    seen = {}
    with tempfile.TemporaryDirectory() as home:
        reader = Reader(Path(home).resolve(), compose)
        for heading, block in blocks():
            if not any(word in block for word in ("compose", "engine-roles.env", "secrets")):
                continue
            configs = reader.run(block)
            seen[heading] = seen.get(heading, 0) + len(configs)
            for config in configs:
                if "ai-unlimited" in config["services"]:
                    check_beside(reader, config)
                elif heading == "Without AWS":
                    check_sandbox(config)
                elif heading == "Secrets in files":
                    check_secrets(reader, config)
                else:
                    check_alone(config)
                external = config["networks"]["ai-unlimited-network"].get("external", False)
                assert external == ("NETWORK_EXTERNAL=true" in block), block
        the_other_order_is_wrong(reader)
    wanted = {
        "Run": 3,
        "Secrets in files": 1,
        "Beside AI Unlimited": 3,
        "Without AWS": 1,
        "Stop": 1,
    }
    assert {heading: count for heading, count in seen.items() if count} == wanted, seen
    print(f"{compose}: {sum(seen.values())} commands of docker/README.md give the intended services")


def main():
    """Checks with each Compose program."""
    for compose in compose_programs():
        check(compose)


if __name__ == "__main__":
    sys.exit(main())
