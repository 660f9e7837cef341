#!/usr/bin/env python3
"""Lints the rendered documents of policies/ with parliament, its community auditors included, and
checks their sizes.

Each finding must be in .ci/lint-findings.json, with the reason why it stands. One that is
listed there and no longer found fails as well, so that the list stays true.
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
    """What parliament says: pairs of finding, Sid or None, and what it is about."""
    text = json.dumps(document, indent=2)
    # AWS's own policies have "aws" in the place of an account, and parliament looks no further once
    # it has seen that. So it is asked once more with an account there.
    account = text.replace(":iam::aws:", f":iam::{SAMPLE['ACCOUNT_ID']}:")
    found = set()
    for asked in {text, account}:
        policy = parliament.analyze_policy_string(asked, include_community_auditors=True)
        found |= {(f.issue, sid_at(asked, f.location), about(f)) for f in policy.findings}
    return found


def sid_at(text, location):
    """The Sid of the statement at a finding's line; None for findings about the whole document."""
    lines = text.splitlines()[: location.get("line") or 0]
    starts = [number for number, line in enumerate(lines) if line == "    {"]
    if not starts:
        return None
    return json.loads(text)["Statement"][len(starts) - 1]["Sid"]


def about(finding):
    """What a finding is about: actions, an ARN, or its own words."""
    actions = finding.location.get("actions") or finding.detail
    if isinstance(actions, list):
        return " ".join(sorted(actions, key=str.lower))
    return finding.location.get("string") or str(finding.detail)


def listed():
    """The findings that are known, each with the documents that have it."""
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
    """A document's size as IAM counts it."""
    return len("".join(json.dumps(document, separators=(",", ":")).split()))


def too_large():
    """Documents that IAM would not take."""
    engine = size(render("ai-unlimited-engine", key=True)) + size(render("session-manager"))
    sizes = [
        ("engine-boundary with a key", size(render("engine-boundary", key=True)), MANAGED_LIMIT),
        ("engine-trust", size(render("engine-trust")), TRUST_LIMIT),
        ("the policies of an engine role together", engine, INLINE_LIMIT),
    ]
    others = set(names()) - {"engine-boundary", "engine-trust"}
    sizes += [(name, size(render(name)), MANAGED_LIMIT) for name in sorted(others)]
    larger = [(what, n, limit) for what, n, limit in sizes if n > limit]
    return [f"{what} has {n} characters; IAM takes {limit}" for what, n, limit in larger]


def main():
    """Prints what is wrong; exit code 1 if anything is."""
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
