"""kubeconform, kube-score and checkov on rendered manifests: nothing fails but what `accepted.yaml` justifies.

`make check-manifests` installs the checkers outside the checkout, and runs these tests.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.definitions import find_schema
from tests.unit.ops.running import copy_program, novacron
from tools.cluster.binaries import cache_folder

KUBERNETES = "1.36"
CHECKERS = ("kubeconform", "kube-score", "checkov")
ACCEPTED = Path(__file__).with_name("accepted.yaml")
MOST_ACCEPTED = 12
GPU_STACK = """
config:
  novacron:environment:
    platform: kubernetes
    images:
      coordinator: registry.example.com/coordinator:1@sha256:{digest}
      worker: registry.example.com/worker:1@sha256:{digest}
    model: {{id: large, url: s3://models/large}}
    workers: {{count: 2, gpus: 1, device: cuda}}
    access: {{kind: load-balancer}}
    postgres: {{image: registry.example.com/postgres:17@sha256:{digest}}}
    redis: {{image: registry.example.com/valkey:9@sha256:{digest}}}
"""


@pytest.fixture(scope="module")
def checkers() -> dict[str, str]:
    """The path of each checker. The tests are skipped without them."""
    folder = cache_folder().with_name("checkers") / "bin"
    found = {name: shutil.which(name, path=str(folder)) for name in CHECKERS}
    if None in found.values():
        pytest.skip(f"{', '.join(CHECKERS)} are not installed; `make check-manifests` installs them")
    return {name: path for name, path in found.items() if path is not None}


@pytest.fixture(scope="module")
def manifests(checkers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The manifests of the stack `trial`, and of one with GPUs, a load balancer, Postgres and Redis."""
    assert checkers
    folder = tmp_path_factory.mktemp("project")
    copy_program(folder, "trial")
    (folder / "Pulumi.gpu.yaml").write_text(GPU_STACK.format(digest="0" * 64))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PULUMI_CONFIG_PASSPHRASE", "checkers")
        patched.chdir(folder)
        for stack in ("trial", "gpu"):
            assert novacron("render", stack, "--output", f"rendered/{stack}") == 0
    return sorted((folder / "rendered").glob("*/*/[0-9]*/*.yaml"))


def run(command: Sequence[str | Path]) -> Any:
    """Run a checker, and return the JSON that it prints."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def assert_accepted(checker: str, findings: dict[str, str]) -> None:
    """Compare the findings of a checker, by check, with the accepted ones."""
    accepted = {entry["check"] for entry in yaml.safe_load(ACCEPTED.read_text()) if entry["checker"] == checker}
    unexpected = {check: text for check, text in findings.items() if check not in accepted}
    assert not unexpected, f"mend these, or add them to {ACCEPTED} with a reason: {unexpected}"
    assert not accepted - findings.keys(), f"{ACCEPTED} has entries that no longer occur: {accepted - findings.keys()}"


def test_every_accepted_finding_has_a_reason() -> None:
    entries = yaml.safe_load(ACCEPTED.read_text())
    assert len(entries) <= MOST_ACCEPTED
    assert all(entry.keys() == {"checker", "check", "reason"} and entry["reason"] for entry in entries)


def test_kubeconform_finds_every_object_valid_with_its_definition(
    checkers: dict[str, str], manifests: list[Path], tmp_path: Path
) -> None:
    for manifest in manifests:
        content = yaml.safe_load(manifest.read_text())
        group, _, version = content["apiVersion"].rpartition("/")
        schema = find_schema(content["apiVersion"], content["kind"])
        draft = {"$schema": "http://json-schema.org/draft-04/schema#"}
        # kubeconform takes the version of the core group for its name.
        (tmp_path / f"{content['kind'].lower()}-{group or version}-{version}.json").write_text(
            json.dumps({**draft, **schema})
        )
    location = f"{tmp_path}/{{{{.ResourceKind}}}}-{{{{.Group}}}}-{{{{.ResourceAPIVersion}}}}.json"
    found = run(
        [checkers["kubeconform"], "-strict", "-summary", "-output", "json", "-schema-location", location, *manifests]
    )
    assert found["summary"] == {"valid": len(manifests), "invalid": 0, "errors": 0, "skipped": 0}, found["resources"]


def test_kube_score_finds_only_what_is_accepted(checkers: dict[str, str], manifests: list[Path]) -> None:
    command = ["score", "--output-format", "json", "--kubernetes-version", f"v{KUBERNETES}"]
    found = run([checkers["kube-score"], *command, *manifests])
    assert_accepted(
        "kube-score",
        {
            check["check"]["id"]: f"{item['object_name']}: {check['comments']}"
            for item in found
            for check in item["checks"]
            if not check["skipped"] and check["grade"] < 10
        },
    )


def test_checkov_finds_only_what_is_accepted(checkers: dict[str, str], manifests: list[Path]) -> None:
    command = ["--framework", "kubernetes", "--compact", "--quiet", "--skip-download", "--output", "json"]
    found = run([checkers["checkov"], *command, "--directory", manifests[0].parents[3]])
    assert found["summary"]["parsing_errors"] == 0
    assert found["summary"]["passed"] > 100
    failed = found["results"]["failed_checks"]
    assert_accepted("checkov", {check["check_id"]: f"{check['check_name']}: {check['resource']}" for check in failed})
