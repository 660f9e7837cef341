#!/usr/bin/env python3
"""Compares the decisions of this crate with those of other implementations.

Usage: compare.py PAIRS SIMULATED

PAIRS is the output of the example `pairs`, SIMULATED that of simulate.mjs. Each disagreement must
be listed in disagreements.json with its reason and a page of AWS's documentation. A listed one that
no longer occurs is an error too, so that the list stays correct.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.iam.policy_validation import IAMPolicyDocumentValidator, IAMTrustPolicyDocumentValidator
from policyuniverse.expander_minimizer import get_actions_from_statement

HERE = Path(__file__).parent


def lines(path):
    """Returns the JSON objects of a file, one a line."""
    with open(path) as file:
        return [json.loads(line) for line in file]


def statements(policies):
    """Returns the statements of all policies."""
    for policy in policies:
        own = policy["Statement"]
        yield from own if isinstance(own, list) else [own]


def by_moto(pair):
    """Returns moto's decision, or None where it has no rule: conditions, variables, boundaries."""
    text = json.dumps(pair["policies"])
    if pair["boundary"] or '"Condition"' in text or "${" in text:
        return None
    results = set()
    for policy in pair["policies"]:
        asked = IAMPolicy({"policy_document": json.dumps(policy)})
        try:
            results.add(asked.is_action_permitted(pair["action"], pair["resource"]))
        except Exception:
            return "error"
    if PermissionResult.DENIED in results or PermissionResult.PERMITTED not in results:
        return "denied"
    return "allowed"


def by_policyuniverse(pair):
    """Returns the decision by policyuniverse's expansion of actions, or None where more decides."""
    own = list(statements(pair["policies"]))
    simple = {"Effect", "Action", "NotAction", "Resource", "Sid"}
    if pair["boundary"] or any(set(it) - simple or it.get("Resource") != "*" for it in own):
        return None
    effects = {it["Effect"] for it in own if pair["action"].lower() in expansion(it)}
    return "allowed" if effects == {"Allow"} else "denied"


EXPANSIONS = {}


def expansion(statement):
    """Returns the actions of a statement. NotAction takes time, so each is computed once."""
    key = json.dumps(statement, sort_keys=True)
    if key not in EXPANSIONS:
        EXPANSIONS[key] = get_actions_from_statement(statement)
    return EXPANSIONS[key]


def documents():
    """Yields each identity and trust policy of the corpus that is about parsing."""
    for path in sorted((HERE.parent / "corpus").glob("*.json")):
        for case in json.loads(path.read_text()):
            if "parses" in case:
                text = case.get("text", json.dumps(case.get("document")))
                accepted = "accepted" if case["parses"] else "rejected"
                yield f"{path.stem}: {case['name']}", case["kind"], text, accepted


def validated(kind, text):
    """Returns whether moto's validation accepts a document."""
    trust = kind == "trust"
    validator = IAMTrustPolicyDocumentValidator if trust else IAMPolicyDocumentValidator
    try:
        validator(text).validate()
    except Exception:
        return "rejected"
    return "accepted"


def compared(pairs, simulated):
    """Yields implementation, pair, our decision and its decision."""
    simulated = {line["id"]: line["decision"] for line in simulated}
    for pair in pairs:
        name, ours = pair["id"], pair["decisions"]["engine-roles"]
        yield "iam-simulate", name, ours, simulated[name]
        yield "iam-rs", name, ours, pair["decisions"]["iam-rs"]
        yield "moto", name, ours, by_moto(pair)
        yield "policyuniverse", name, ours, by_policyuniverse(pair)
    for name, kind, text, ours in documents():
        yield "moto validation", name, ours, validated(kind, text)


def listed():
    """Returns the known disagreements, as implementation and pair."""
    known = set()
    for entry in json.loads((HERE / "disagreements.json").read_text()):
        page = entry["page"]
        if not entry["reason"].strip() or not page.startswith("https://docs.aws.amazon.com/"):
            raise SystemExit(f"a listed disagreement needs a reason and a page: {entry}")
        for pair in entry["pairs"]:
            known.add((entry["implementation"], pair))
    return known


def main():
    """Prints the numbers and all unlisted disagreements. The exit code is 1 if there are any."""
    counts, found, shown = Counter(), set(), {}
    for implementation, name, ours, theirs in compared(lines(sys.argv[1]), lines(sys.argv[2])):
        if theirs is None:
            continue
        # AWS's documentation does not settle the decision, so no other can be wrong about it.
        if ours == "indeterminate":
            counts[implementation, "not settled"] += 1
        elif ours == theirs:
            counts[implementation, "agree"] += 1
        else:
            counts[implementation, "disagree"] += 1
            found.add((implementation, name))
            shown[implementation, name] = f"{implementation}: {theirs}; this crate: {ours}; {name}"
    known = listed()
    wrong = [f"not listed: {shown[it]}" for it in sorted(found - known)]
    wrong += [f"no longer found: {' '.join(it)}" for it in sorted(known - found)]
    for line in wrong:
        print(line, file=sys.stderr)
    for implementation in sorted({implementation for implementation, _ in counts}):
        words = ("agree", "disagree", "not settled")
        numbers = ", ".join(f"{counts[implementation, word]} {word}" for word in words)
        print(f"{implementation}: {numbers}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
