"""Prints the lowest versions that pyproject.toml names, as constraints for pip; see `make lowest`."""

from __future__ import annotations

import re
import sys
import tomllib
from itertools import chain
from pathlib import Path

BOUND = re.compile(r"(?P<name>[\w.-]+)(?:\[[\w,-]+\])?>=(?P<version>[\w.]+)(?:; .+)?")


def lowest(pyproject: str) -> list[str]:
    """Returns `name==version` of every requirement, sorted; an extra of our own names no package.

    Raises:
        ValueError: a requirement without a lower bound, or a package with two of them.
    """
    project = tomllib.loads(pyproject)["project"]
    found: dict[str, str] = {}
    for requirement in chain(project["dependencies"], *project["optional-dependencies"].values()):
        if requirement.startswith(f"{project['name']}["):
            continue
        bound = BOUND.fullmatch(requirement)
        if not bound:
            raise ValueError(f"{requirement}: write name>=version")
        if found.setdefault(bound["name"], bound["version"]) != bound["version"]:
            raise ValueError(f"{bound['name']}: is named with two lower bounds")
    return sorted(f"{name}=={version}" for name, version in found.items())


if __name__ == "__main__":
    sys.stdout.write("\n".join(lowest(Path("pyproject.toml").read_text(encoding="utf-8"))) + "\n")
