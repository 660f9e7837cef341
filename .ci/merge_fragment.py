#!/usr/bin/env python3
"""Copies docker/cloudformation/ai-unlimited-fragment.yaml into a stand-in of AI Unlimited's template,
as a person does, and prints the result for cfn-lint. Ends with a message if the fragment replaces
something of AI Unlimited's, or if its units differ from those of docker/systemd/.

    .ci/merge_fragment.py          prints the merged template
    .ci/merge_fragment.py --write  first copies the units into the fragment
"""

import re
import sys
from pathlib import Path

import yaml

from compare_templates import Loader

ROOT = Path(__file__).resolve().parent.parent
FRAGMENT = ROOT / "docker/cloudformation/ai-unlimited-fragment.yaml"
STAND_IN = ROOT / "tests/ai-unlimited/cloudformation.yaml"
UNIT = re.compile(
    r"(?P<head>^ {12}/usr/lib/systemd/system/(?P<name>\S+\.service):\n {14}content: )"
    r"(?P<text>UNIT\n|\|\n(?:(?: {16}.*)?\n)+)",
    re.MULTILINE,
)


def with_units(text):
    """Returns the fragment with the units of docker/systemd/."""

    def unit(found):
        lines = (ROOT / "docker/systemd" / found["name"]).read_text().splitlines()
        indented = "".join(f"{' ' * 16}{line}".rstrip() + "\n" for line in lines)
        return f"{found['head']}|\n{indented}"

    return UNIT.sub(unit, text)


def merged(theirs, ours, path=""):
    """Returns two parts of a template as one; nothing of the first one may be replaced."""
    result = dict(theirs)
    for key, value in ours.items():
        if key not in result:
            result[key] = value
        elif isinstance(result[key], dict) and isinstance(value, dict):
            result[key] = merged(result[key], value, f"{path}/{key}")
        else:
            raise SystemExit(f"the fragment replaces {path}/{key}")
    return result


def main():
    """Prints the merged template."""
    text = FRAGMENT.read_text()
    wanted = with_units(text)
    if sys.argv[1:] == ["--write"]:
        FRAGMENT.write_text(wanted)
    elif text != wanted:
        raise SystemExit(f"{FRAGMENT.name} has other units than docker/systemd/: run {sys.argv[0]} --write")
    names = [found["name"] for found in UNIT.finditer(wanted)]
    units = sorted(path.name for path in (ROOT / "docker/systemd").glob("*.service"))
    assert sorted(names) == units, f"the fragment has {names}"
    template = merged(yaml.load(STAND_IN.read_text(), Loader), yaml.load(wanted, Loader))
    init = template["Resources"]["AiUnlimitedServer"]["Metadata"]["AWS::CloudFormation::Init"]
    steps = [step for steps in init["configSets"].values() for step in steps]
    assert set(steps) == set(init) - {"configSets"}, f"config sets name {steps}"
    print(yaml.safe_dump(template, sort_keys=False, width=10_000))


if __name__ == "__main__":
    sys.exit(main())
