"""Run the style check: `python -m tools.prose [--count] [PATH …]`. Exits 1 when it finds a banned phrase."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from pathlib import Path, PurePath

from tools.prose.check import check, load_rules


def main() -> int:
    """Check the files of the working tree that git does not ignore."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.prose", description="Find phrases to rewrite in plain English."
    )
    parser.add_argument("--count", action="store_true", help="print the number of findings per folder instead")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files and folders to check (default: all)")
    arguments = parser.parse_args()
    rules = load_rules()
    findings = [
        finding
        for path in _files(arguments.paths)
        for finding in check(PurePath(path), Path(path).read_text("utf-8"), rules)
    ]
    if arguments.count:
        counts = Counter("/".join(finding.path.parts[:-1][:4]) or "." for finding in findings)
        lines = [f"{count:6} {folder}" for folder, count in sorted(counts.items())]
    else:
        lines = [str(finding) for finding in findings]
    summary = f"{len(findings)} phrases to rewrite in plain English" if findings else "No banned phrases"
    print("\n".join([*lines, summary]))  # noqa: T201 - the output of a program
    return 1 if findings else 0


def _files(paths: list[str]) -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *paths]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    texts = {
        ".py",
        ".md",
        ".yaml",
        ".yml",
        ".toml",
        ".in",
        ".js",
        ".mjs",
        ".css",
        ".proto",
        ".html",
        ".jinja",
        ".j2",
        ".sh",
    }
    named = {"Makefile", "run", ".gitignore"}
    return sorted(
        {name for name in listed if Path(name).is_file() and (Path(name).suffix in texts or Path(name).name in named)}
    )


if __name__ == "__main__":
    sys.exit(main())
