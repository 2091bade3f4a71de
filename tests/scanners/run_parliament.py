"""Prints what parliament finds in IAM documents, as JSON. The virtual environment of the scanners runs it.

    python run_parliament.py FILE …

Each file has documents by the resource that has them. Each line of the output is a finding.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from parliament import analyze_policy_string


def main() -> None:
    """Analyse the documents of the files that are named on the command line."""
    for path in map(Path, sys.argv[1:]):
        for name, document in json.loads(path.read_text(encoding="utf-8")).items():
            for statement in document["Statement"]:
                # A trust policy is about its own role, so it has no resource, which parliament asks for.
                statement.setdefault("Resource", "*")
            for finding in analyze_policy_string(json.dumps(document)).findings:
                print(json.dumps({"file": path.name, "document": name, "issue": finding.issue}))  # noqa: T201


if __name__ == "__main__":
    main()
