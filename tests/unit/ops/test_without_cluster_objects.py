"""`--without-cluster-objects`, and what `up` and `preview` say about clusters that they may not reach."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from novacron_ops import backends
from novacron_ops.backends import RunOutcome
from novacron_rehearsal import Operation
from novacron_rehearsal.engine.run import Run
from novacron_rehearsal.engine.selection import Selection

from tests.unit.ops.running import ROOT, copy_stacks, novacron

PARENT = "urn:pulumi:dev::novacron::novacron:index:AwsRegion$"
PROVIDER = f"{PARENT}pulumi:providers:kubernetes::dev-us-west-2-kubernetes"
OBJECT = f"{PARENT}novacron:index:ClusterAddOns$kubernetes:storage.k8s.io/v1:StorageClass::dev-us-west-2-fast"


class Backend:
    """A backend with a deployed cluster, which records what its runs exclude."""

    description = "backend of a test"

    def __init__(self, server: str) -> None:
        self.excluded: list[tuple[str, ...]] = []
        self.server = server

    def run(self, operation: Operation, *, exclude: tuple[str, ...] = (), **options: Any) -> RunOutcome:
        del operation, options
        self.excluded.append(exclude)
        return RunOutcome.SUCCEEDED

    def outputs(self) -> dict[str, Any]:
        return {}

    def urns(self) -> list[str]:
        return []

    def export_state(self, *, show_secrets: bool) -> dict[str, Any]:
        assert show_secrets
        if not self.server:
            return {}
        kubeconfig = (
            '{"apiVersion": "v1", "current-context": "c", "clusters": [{"name": "c", "cluster": {"server": "%s"}}], '
            '"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], '
            '"users": [{"name": "u", "user": {"token": "t"}}]}'
        )
        kind = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass"}
        provider = {"urn": PROVIDER, "type": "pulumi:providers:kubernetes", "id": "1"}
        return {
            "deployment": {
                "resources": [
                    {**provider, "inputs": {"kubeconfig": kubeconfig % self.server}},
                    {
                        "urn": OBJECT,
                        "type": "kubernetes:storage.k8s.io/v1:StorageClass",
                        "id": "fast",
                        "inputs": kind,
                        "provider": f"{PROVIDER}::1",
                    },
                ]
            }
        }


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    copy_stacks(tmp_path, "trial", "local")
    shutil.copy(ROOT / "Pulumi.dev.yaml", tmp_path / "Pulumi.dev.yaml")
    with (tmp_path / "Pulumi.dev.yaml").open("r+") as file:
        text = file.read().replace("clusters:", "clusters:\n      add_ons: true")
        file.seek(0)
        file.write(text)
    made = Backend("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(backends, "open_backend", lambda *_: made)
    return made


@pytest.mark.parametrize("command", ["up", "preview"])
def test_the_objects_in_clusters_are_excluded_and_their_provider_is_not(
    backend: Backend, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert novacron(command, "-s", "dev", "--without-cluster-objects") == 0
    selection = Selection(Run(Operation.UP, "novacron", "dev", dry_run=False, exclude=backend.excluded[0]), {})
    assert selection.excludes(OBJECT)
    assert not selection.excludes(PROVIDER)
    assert not selection.excludes(f"{PARENT}aws:eks/cluster:Cluster::dev-us-west-2-cluster")
    assert "To apply them, render them for Argo CD or Flux (`novacron render dev" in capsys.readouterr().out


@pytest.mark.parametrize(("stack", "why"), [("local", "is local"), ("trial", "has nothing but the objects")])
@pytest.mark.usefixtures("backend")
def test_stacks_that_would_have_nothing_left_are_refused(
    stack: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert novacron("up", "-s", stack, "--without-cluster-objects") == 2
    assert f"--without-cluster-objects: stack '{stack}' {why}" in capsys.readouterr().err


def test_a_private_api_is_stated_before_the_first_run(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    assert novacron("preview", "-s", "dev") == 0
    assert "The clusters' APIs are private. This run applies the objects in them if this" in capsys.readouterr().out
    assert backend.excluded == [()]


def test_a_cluster_that_does_not_answer_is_named_with_what_to_type(
    backend: Backend, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        backend.server = f"http://127.0.0.1:{unused.getsockname()[1]}"
        assert novacron("up", "-s", "dev") == 0
    shown = capsys.readouterr().out
    assert "dev-us-west-2 does not answer: the cluster's API server http://127.0.0.1" in shown
    assert "This run cannot apply the objects there: leave them out with --without-cluster-objects" in shown
