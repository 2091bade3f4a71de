"""Check that a tag matches the repository's versions, and print its notes: `python -m tools.release v0.2.0`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECTS = ("pyproject.toml", "infra/pyproject.toml", "serving/pyproject.toml")


def find_versions(root: Path) -> dict[str, str]:
    """Return the version in each project's file and each Dockerfile, by path."""
    patterns = dict.fromkeys((root / path for path in PROJECTS), r'^version = "(.+)"$')
    patterns |= dict.fromkeys(sorted((root / "images").glob("*.Dockerfile")), r"^ARG VERSION=(.+)$")
    found = {path: re.search(pattern, path.read_text(), re.MULTILINE) for path, pattern in patterns.items()}
    return {str(path.relative_to(root)): match[1] if match else "missing" for path, match in found.items()}


def read_notes(changelog: str, version: str) -> str:
    """Return the changelog's section of a version, without its heading. Empty if there is none."""
    heading = rf"^## {re.escape(version)}\b.*\n"
    parts = re.split(heading, changelog, maxsplit=1, flags=re.MULTILINE)
    return "" if len(parts) == 1 else re.split(r"^## ", parts[1], maxsplit=1, flags=re.MULTILINE)[0].strip()


def find_problems(root: Path, tag: str) -> list[str]:
    """Return what keeps a tag from being released."""
    version = tag.removeprefix("v")
    if not re.fullmatch(r"v\d+\.\d+\.\d+", tag):
        return [f"tag {tag!r}: a release is tagged vMAJOR.MINOR.PATCH, for example v0.2.0"]
    problems = [
        f"{path}: the version is {found}; it must be {version}"
        for path, found in find_versions(root).items()
        if found != version
    ]
    if not read_notes((root / "CHANGELOG.md").read_text(), version):
        problems.append(f"CHANGELOG.md: no section {version!r}; rename the section 'Unreleased' to '{version}'")
    return problems


def main() -> int:
    """Run the command. Returns its exit status."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m tools.release TAG\n")
        return 2
    if problems := find_problems(ROOT, sys.argv[1]):
        sys.stderr.write("\n".join([f"{sys.argv[1]} cannot be released:", *problems, ""]))
        return 1
    sys.stdout.write(read_notes((ROOT / "CHANGELOG.md").read_text(), sys.argv[1].removeprefix("v")) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
