#!/usr/bin/env python3
"""Lints the rendered documents of policies/ with parliament, its community auditors included, and
checks their sizes.

Each finding must be listed in .ci/lint-findings.json with a reason to accept it. A listed finding
that no longer occurs is an error too, so that the list stays correct.
"""

import json
import sys
import warnings
from pathlib import Path

from render_policies import ENCRYPTED, POLICIES, SAMPLE, names, render

warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
import parliament  # noqa: E402

# Characters without white space. Source: IAM user guide, "IAM and AWS STS quotas".
MANAGED_LIMIT, INLINE_LIMIT, TRUST_LIMIT = 6_144, 10_240, 2_048


def findings(document):
    """Returns parliament's findings: the issue, the Sid or None, and the subject of each."""
    text = json.dumps(document, indent=2)
    # ARNs of AWS's own policies have "aws" in place of an account. parliament stops at such an ARN,
    # so the document is analysed a second time with an account in its place.
    account = text.replace(":iam::aws:", f":iam::{SAMPLE['ACCOUNT_ID']}:")
    found = set()
    for asked in {text, account}:
        policy = parliament.analyze_policy_string(asked, include_community_auditors=True)
        found |= {(f.issue, sid_at(asked, f.location), about(f)) for f in policy.findings}
    return found


def sid_at(text, location):
    """Returns the Sid of the statement at a finding's line, or None for the whole document."""
    lines = text.splitlines()[: location.get("line") or 0]
    starts = [number for number, line in enumerate(lines) if line == "    {"]
    if not starts:
        return None
    return json.loads(text)["Statement"][len(starts) - 1]["Sid"]


def about(finding):
    """Returns the subject of a finding: actions, an ARN, or its detail."""
    actions = finding.location.get("actions") or finding.detail
    if isinstance(actions, list):
        return " ".join(sorted(actions, key=str.lower))
    return finding.location.get("string") or str(finding.detail)


def listed():
    """Returns the accepted findings, one entry for each document."""
    entries = json.loads((Path(__file__).parent / "lint-findings.json").read_text())
    known = set()
    for entry in entries:
        if not entry["reason"].strip():
            raise SystemExit(f"a listed finding has no reason: {entry}")
        subject = entry["about"]
        subject = " ".join(sorted(subject, key=str.lower)) if isinstance(subject, list) else subject
        for document in entry["documents"]:
            known.add((document, entry["finding"], entry["statement"], subject))
    return known


def size(document):
    """Returns a document's size as IAM counts it."""
    return len("".join(json.dumps(document, separators=(",", ":")).split()))


def too_large():
    """Returns messages about documents that exceed IAM's size limits."""
    engine = size(render("ai-unlimited-engine", key=True)) + size(render("session-manager"))
    sizes = [
        ("engine-boundary with a key", size(render("engine-boundary", key=True)), MANAGED_LIMIT),
        ("engine-trust", size(render("engine-trust")), TRUST_LIMIT),
        ("the policies of an engine role together", engine, INLINE_LIMIT),
    ]
    others = set(names()) - {"engine-boundary", "engine-trust"}
    sizes += [(name, size(render(name)), MANAGED_LIMIT) for name in sorted(others)]
    larger = [(what, n, limit) for what, n, limit in sizes if n > limit]
    return [f"{what} has {n} characters; the limit of IAM is {limit}" for what, n, limit in larger]


def main():
    """Prints all errors. The exit code is 1 if there are any."""
    found = set()
    for name in names():
        documents = [render(name), render(name, {**SAMPLE, "PASS_THROUGH_ROLE": []})]
        documents += [render(name, key=True)] if name in ENCRYPTED else []
        for document in documents:
            found |= {(name, *finding) for finding in findings(document)}
    known = listed()
    wrong = [f"not listed: {json.dumps(finding)}" for finding in sorted(found - known, key=str)]
    wrong += [f"no longer found: {json.dumps(entry)}" for entry in sorted(known - found, key=str)]
    wrong += too_large()
    for line in wrong:
        print(line, file=sys.stderr)
    if not wrong:
        print(f"{len(names())} documents, {len(found)} findings, all explained")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
