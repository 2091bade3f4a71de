"""Writes the planned resources of stacks into a folder: see the package's docstring."""

from __future__ import annotations

import argparse
from pathlib import Path

from tools.planned_resources.export import STACKS, export


def main() -> None:
    """Export the stacks that are named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.planned_resources")
    parser.add_argument("stacks", nargs="*", default=list(STACKS))
    parser.add_argument("--output", type=Path, required=True, help="folder of the files")
    given = parser.parse_args()
    for path in export(given.stacks, given.output):
        print(path)  # noqa: T201


if __name__ == "__main__":
    main()
