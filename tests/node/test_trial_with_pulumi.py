"""The stack `trial` under the Pulumi CLI with Pulumi's own Kubernetes provider ends in the same objects.

The CLI works on the state of the engine, in place. Random values come from NovaCron's simulation: Pulumi's provider of
them has nothing to do with a cluster.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from novacron_rehearsal.clouds import serve_clouds

from tests.node.trial import Trial
from tests.rehearsal import pulumi_cli

pytestmark = [
    pytest.mark.node,
    pytest.mark.pulumi,
    pulumi_cli.needs_pulumi,
    pytest.mark.skipif(
        shutil.which("pulumi-resource-kubernetes") is None,
        reason="needs pulumi-resource-kubernetes on PATH: `pulumi plugin install resource kubernetes` downloads it",
    ),
]
UP_S = 600


def test_pulumi_finds_nothing_to_change_in_the_engines_stack_and_makes_the_same_objects(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = trial.folder / ".novacron"
    passphrase = (backend / "passphrase").read_text().strip()
    monkeypatch.setenv("KUBECONFIG", str(trial.node.kubeconfig))
    with serve_clouds(["random"], state=tmp_path / "random") as ports:

        def pulumi(*arguments: str) -> None:
            options = ("--stack", "trial", "--non-interactive")
            pulumi_cli.run(
                trial.folder,
                *(*arguments, *options),
                backend=backend,
                passphrase=passphrase,
                providers=ports,
                timeout_s=UP_S,
            )

        pulumi("preview", "--expect-no-changes", "--diff")
        of_the_engine = trial.objects()
        pulumi("destroy", "--yes", "--skip-preview")
        assert trial.objects() == {}
        pulumi("up", "--yes", "--skip-preview")
        assert trial.objects() == of_the_engine
        trial.key = trial.novacron("key").strip()
        assert trial.ask().json()["choices"][0]["message"]["content"]
        pulumi("preview", "--expect-no-changes")
    for command in ("preview", "up"):
        assert re.search(r"\d+ unchanged in", trial.novacron(command))
