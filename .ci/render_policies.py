#!/usr/bin/env python3
"""Renders the documents of policies/ with sample values, by the same rules as the service:

- `<A_NAME>` is replaced by its value.
- In an array, a string with a placeholder of several values is repeated for each value. A statement
  without any resource is left out. A condition without a value is an error, because it would never
  match.
- With a customer-managed key, the statement of engine-secrets-key is added to ENCRYPTED.
- A cluster narrows the secrets of PER_CLUSTER to its own.

    .ci/render_policies.py NAME [--with-key] [--cluster CLUSTER] [--no-pass-through]
"""

import argparse
import json
import re
from pathlib import Path

POLICIES = Path(__file__).resolve().parent.parent / "policies"

SAMPLE = {
    "PARTITION": "aws",
    "REGION": "us-west-2",
    "ACCOUNT_ID": "123456789012",
    "DNS_SUFFIX": "amazonaws.com",
    "EC2_PRINCIPAL": "ec2.amazonaws.com",
    "NAMESPACE": "default",
    "KMS_KEY_ARN": "arn:aws:kms:us-west-2:123456789012:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
    "PERMISSIONS_BOUNDARY": ["arn:aws:iam::123456789012:policy/engine-boundary"],
    "PASS_THROUGH_ROLE": [
        "arn:aws:iam::123456789012:role/engine",
        "arn:aws:iam::123456789012:role/teams/other-engine",
    ],
    "SERVICE_ROLE": ["arn:aws:iam::123456789012:role/engine-roles"],
}

ENCRYPTED = ("ai-unlimited-engine", "engine-boundary")
PER_CLUSTER = ("ai-unlimited-engine", "engine-secrets-key")

PLACEHOLDER = re.compile(r"<([A-Z0-9_]+)>")


# The documents that `engine-roles policy render` has, those that only the templates have, and that of
# the suite for AWS.
FOLDERS = (POLICIES, POLICIES / "boundaries", POLICIES.parent / "tests" / "aws")


def names():
    """Returns the names of all documents."""
    return sorted(path.stem for folder in FOLDERS for path in folder.glob("*.json"))


def path_of(name):
    """Returns the file of a document."""
    (path,) = (folder / f"{name}.json" for folder in FOLDERS if (folder / f"{name}.json").exists())
    return path


def render(name, values=SAMPLE, key=False, cluster=None):
    """Returns one document, optionally with the key's statement and for one cluster."""
    document = json.loads(path_of(name).read_text())
    statements = [fill(statement, values) for statement in document["Statement"]]
    document["Statement"] = [s for s in statements if s.get("Resource") != []]
    for statement in document["Statement"]:
        reject_empty_conditions(name, statement)
    if cluster and name in PER_CLUSTER:
        document = narrowed(document, cluster)
    if key and name in ENCRYPTED:
        reach = cluster if name in PER_CLUSTER else None
        document["Statement"] += render("engine-secrets-key", values, cluster=reach)["Statement"]
    return document


def fill(node, values):
    """Fills the placeholders of a part of a document."""
    if isinstance(node, dict):
        return {key: fill(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [text for item in node for text in repeated(item, values)]
    if isinstance(node, str):
        return PLACEHOLDER.sub(lambda found: single(found[1], values), node)
    return node


def repeated(item, values):
    """Fills an item of an array: once, or once for each value of its placeholder."""
    named = PLACEHOLDER.findall(item) if isinstance(item, str) else []
    many = [name for name in named if isinstance(values[name], list)]
    if not many:
        return [fill(item, values)]
    (name,) = set(many)
    return [fill(item, {**values, name: value}) for value in values[name]]


def single(name, values):
    """Returns the value of a placeholder outside an array."""
    value = values[name]
    if isinstance(value, list):
        raise SystemExit(f"<{name}> has several values and is used outside an array")
    return value


def reject_empty_conditions(name, statement):
    """Ends with a message when a condition has no value."""
    for operator, keys in statement.get("Condition", {}).items():
        for key, value in keys.items():
            if value == []:
                raise SystemExit(f"{name}, {statement['Sid']}: {operator} {key} has no value")


def narrowed(document, cluster):
    """Limits the document to the secrets of one cluster."""
    every, one = ":secret:compute-engine/*", f":secret:compute-engine/{cluster}/*"
    return json.loads(json.dumps(document).replace(every, one))


def main():
    """Prints one document."""
    arguments = argparse.ArgumentParser(description="Renders a document with sample values.")
    arguments.add_argument("name", choices=names())
    arguments.add_argument("--with-key", action="store_true")
    arguments.add_argument("--cluster")
    arguments.add_argument("--no-pass-through", action="store_true")
    asked = arguments.parse_args()
    values = {**SAMPLE, "PASS_THROUGH_ROLE": []} if asked.no_pass_through else SAMPLE
    print(json.dumps(render(asked.name, values, asked.with_key, asked.cluster), indent=2))


if __name__ == "__main__":
    main()
