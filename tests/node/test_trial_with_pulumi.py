"""The stack `trial` under the Pulumi CLI with Pulumi's own Kubernetes provider.

Both work on one state, in place.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from novacron_rehearsal import Workspace

from tests.cluster.objects import read_objects
from tests.node.random_provider import serve_random
from tests.node.trial import NAMESPACE, Trial
from tests.rehearsal import pulumi_cli

pytestmark = [pytest.mark.node, pytest.mark.pulumi]
UP_S = 600


class Both:
    """The trial stack, its state, and the CLI."""

    def __init__(self, trial: Trial, path: str, ports: dict[str, int]) -> None:
        self.trial = trial
        self._backend = trial.folder / ".novacron"
        self._passphrase = (self._backend / "passphrase").read_text().strip()
        self._path, self._ports = path, ports

    def pulumi(self, *arguments: str) -> None:
        """Run the CLI, which has to succeed."""
        pulumi_cli.run(
            self.trial.folder,
            *arguments,
            "--stack",
            "trial",
            backend=self._backend,
            passphrase=self._passphrase,
            providers=self._ports,
            path=self._path,
            timeout_s=UP_S,
        )

    def objects(self) -> dict[str, Any]:
        """Return the stack's objects."""
        workspace = Workspace(self.trial.folder, "trial", passphrase=self._passphrase)
        return read_objects(self.trial.node, workspace.snapshot().resources)

    def check_chat(self) -> None:
        """Ask a pod for an answer, with the stack's present key."""
        self.trial.key = self.trial.novacron("key").strip()
        answer = self.trial.ask()
        assert answer.status_code == 200, answer.text
        assert answer.json()["choices"][0]["message"]["content"]

    def check_nothing_is_left(self) -> None:
        """Check that the cluster has no namespace of the stack."""
        assert NAMESPACE not in self.trial.node.kubectl("get", "namespaces", "-o", "name")


@pytest.fixture
def both(trial: Trial, pulumi_path: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    monkeypatch.setenv("KUBECONFIG", str(trial.node.kubeconfig))
    (trial.folder / ".venv").symlink_to(sys.prefix)  # the CLI wants the folders that Pulumi.yaml names
    with serve_random() as port:
        yield Both(trial, pulumi_path, {"random": port})
    (trial.folder / ".venv").unlink()


def test_pulumi_finds_nothing_to_change_and_makes_the_objects_that_the_engine_makes(both: Both) -> None:
    both.pulumi("preview", "--expect-no-changes", "--diff")
    both.pulumi("destroy", "--yes", "--skip-preview")
    both.check_nothing_is_left()
    both.pulumi("up", "--yes", "--skip-preview")
    both.check_chat()
    by_pulumi = both.objects()
    for command in ("preview", "up"):
        assert re.search(r"\d+ unchanged in", both.trial.novacron(command))
    both.trial.novacron("down")
    both.check_nothing_is_left()
    both.trial.novacron("up")
    both.check_chat()
    assert both.objects() == by_pulumi
    both.pulumi("preview", "--expect-no-changes", "--diff")
