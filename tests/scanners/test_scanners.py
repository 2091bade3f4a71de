"""checkov and parliament on the planned resources of every cloud: nothing fails but what `accepted.yaml` justifies.

`make check-scanners` installs the scanners outside the checkout, and runs these tests.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.cluster.binaries import cache_folder
from tools.planned_resources.export import STACKS, export

ACCEPTED = Path(__file__).with_name("accepted.yaml")
PARLIAMENT = Path(__file__).with_name("run_parliament.py")
MOST_ACCEPTED = 50
FORMS = {"aws": "terraform_plan", "gcp": "terraform_plan", "azure": "arm", "iam": "iam"}


@dataclass(frozen=True)
class Finding:
    """A check that a resource of a stack fails."""

    checker: str
    check: str
    resource: str
    """The stack and the resource, such as `prod aws_lb.prod-us-west-2`."""


@pytest.fixture(scope="module")
def scanners() -> Path:
    """The folder of the scanners' programs. The tests are skipped without them."""
    folder = cache_folder().with_name("checkers") / "scanners" / "bin"
    if not (folder / "checkov").exists():
        pytest.skip("checkov and parliament are not installed; `make check-scanners` installs them")
    return folder


@pytest.fixture(scope="module")
def exported(scanners: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The planned resources of all stacks, in a folder for each form."""
    assert scanners
    folder = tmp_path_factory.mktemp("exported")
    for path in export(STACKS, folder):
        form = folder / FORMS[path.name.split(".")[1]]
        form.mkdir(exist_ok=True)
        path.rename(form / path.name)
    return folder


def run_checkov(scanners: Path, exported: Path, framework: str) -> Iterator[Finding]:
    command = [scanners / "checkov", "--framework", framework, "--compact", "--quiet", "--skip-download"]
    command += ["--output", "json", "--directory", exported / framework]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["summary"]["parsing_errors"] == 0
    assert found["summary"]["passed"] > 150, "it read no resources"
    for item in found["results"]["failed_checks"]:
        stack = item["file_path"].strip("/").partition(".")[0]
        yield Finding("checkov", item["check_id"], f"{stack} {item['resource']}")


def run_parliament(scanners: Path, exported: Path) -> Iterator[Finding]:
    files = sorted((exported / "iam").iterdir())
    assert sum(len(json.loads(path.read_text())) for path in files) > 50, "there are no documents"
    command = [scanners / "python", "-W", "ignore", PARLIAMENT, *files]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        item = json.loads(line)
        yield Finding("parliament", item["issue"], f"{item['file'].partition('.')[0]} {item['document']}")


@pytest.fixture(scope="module")
def findings(scanners: Path, exported: Path) -> set[Finding]:
    """Everything that the scanners find."""
    return {
        *run_checkov(scanners, exported, "terraform_plan"),
        *run_checkov(scanners, exported, "arm"),
        *run_parliament(scanners, exported),
    }


def accepts(entry: dict[str, Any], finding: Finding) -> bool:
    same = (entry["checker"], entry["check"]) == (finding.checker, finding.check)
    return same and any(fnmatch(finding.resource, pattern) for pattern in entry.get("resources", ["*"]))


def read_accepted() -> list[dict[str, Any]]:
    return yaml.safe_load(ACCEPTED.read_text(encoding="utf-8"))


def test_every_accepted_finding_has_a_reason() -> None:
    entries = read_accepted()
    assert len(entries) <= MOST_ACCEPTED
    assert all(entry.keys() - {"resources"} == {"checker", "check", "reason"} and entry["reason"] for entry in entries)


def test_scanners_find_only_what_is_accepted(findings: set[Finding]) -> None:
    accepted = read_accepted()
    unexpected = sorted(
        f"{item.check}: {item.resource}" for item in findings if not any(accepts(entry, item) for entry in accepted)
    )
    assert not unexpected, f"mend these, or add them to {ACCEPTED} with a reason:\n" + "\n".join(unexpected)


def test_everything_that_is_accepted_still_occurs(findings: set[Finding]) -> None:
    gone = [entry for entry in read_accepted() if not any(accepts(entry, item) for item in findings)]
    assert not gone, f"{ACCEPTED} has entries that no longer occur: {gone}"
