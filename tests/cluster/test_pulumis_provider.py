"""Objects of a small program: created, changed, replaced, drifted and deleted by either tool, step by step.

The Pulumi CLI with Pulumi's own Kubernetes provider says what is right: NovaCron's engine with its own provider takes
the same steps and ends in the same objects, on a state of its own and on one that the CLI changes in turn.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.objects import read_objects
from tests.rehearsal import pulumi_cli
from tests.rehearsal.kubernetes.lab import ClusterLab
from tools.cluster.cluster import Cluster

pytestmark = pytest.mark.pulumi

PROGRAM = """
    namespace = k8s.core.v1.Namespace("space", opts=on).metadata.name
    labels = {{"app": "{app}"}}
    def meta(**more):
        return Meta(namespace=namespace, labels=labels, **more)
    settings = k8s.core.v1.ConfigMap(
        "settings", metadata=meta(), data={{"level": "{level}"}}, immutable=True, opts=on)
    k8s.core.v1.ConfigMap("notes", metadata=meta(name="notes"), data={notes}, opts=on)
    k8s.core.v1.Secret("token", metadata=meta(), string_data={{"token": pulumi.Output.secret("hunter2")}}, opts=on)
    account = k8s.core.v1.ServiceAccount("account", metadata=meta(), opts=on)
    k8s.core.v1.Service("service", opts=on, metadata=meta(name="service"), spec={{
        "selector": labels, "ports": [{{"port": 80}}], "type": "{service}"}})
    k8s.policy.v1.PodDisruptionBudget("budget", opts=on, metadata=meta(), spec={{
        "min_available": 1, "selector": {{"match_labels": labels}}}})
    k8s.apps.v1.Deployment("server", opts=on, metadata=meta(annotations={{"pulumi.com/timeoutSeconds": "120"}}), spec={{
        "replicas": {replicas},
        "selector": {{"match_labels": labels}},
        "template": {{
            "metadata": {{"labels": labels}},
            "spec": {{
                "service_account_name": account.metadata.name,
                "automount_service_account_token": False,
                "containers": [{{
                    "name": "pause",
                    "image": "registry.example/server:1",
                    "env": [{{"name": "LEVEL", "value_from": {{"config_map_key_ref": {{
                        "name": settings.metadata.name, "key": "level"}}}}}}],
                    "resources": {{"requests": {{"cpu": "0.01", "memory": "8Mi"}}, "limits": {{"memory": "16384Ki"}}}},
                    "ports": [{{"container_port": 80}}],
                }}],
            }},
        }},
    }})
    pulumi.export("namespace", namespace)
"""
FIRST = {
    "app": "server",
    "level": "info",
    "notes": {"a": "1", "b": "2"},
    "service": "ClusterIP",
    "replicas": 1,
}


@dataclass(frozen=True)
class Step:
    """A change of the program or of the cluster, and the operation that follows it."""

    title: str
    program: dict[str, Any]
    operation: str = "up"
    drift: tuple[tuple[str, ...], ...] = ()
    """Arguments of kubectl, in the namespace of the program."""


CHANGED = {**FIRST, "level": "debug", "notes": {"a": "3"}, "replicas": 2, "service": "NodePort"}
STEPS = (
    Step("create", FIRST),
    Step("nothing to do", FIRST),
    Step("values change, and an immutable object is replaced", CHANGED),
    Step(
        "drift is read",
        CHANGED,
        "refresh",
        (("delete", "configmap", "notes"), ("patch", "service", "service", "-p", '{"spec":{"type":"ClusterIP"}}')),
    ),
    Step("drift is repaired", CHANGED),
    Step("an immutable field changes", {**CHANGED, "app": "other"}),
    Step("destroy", FIRST, "destroy"),
)
Tool = Callable[[str], list[tuple[str, str]]]
"""Runs an operation. Returns (operation, name) of every step that changed something."""


class Lab(ClusterLab):
    """A project that either tool deploys to the control plane."""

    def __init__(self, folder: Path, plane: Cluster, path: str) -> None:
        super().__init__(folder, plane.kubeconfig.read_text())
        self.started = True
        self._path = path

    def engine(self, operation: str) -> list[tuple[str, str]]:
        """Run NovaCron's engine with its own provider."""
        result = self.run(operation)
        assert result.succeeded, result.errors
        return sorted(self.steps(result))

    def cli(self, operation: str) -> list[tuple[str, str]]:
        """Run the CLI with Pulumi's provider."""
        backend, log = self.folder / ".novacron", self.folder / "events"
        backend.mkdir(exist_ok=True)
        log.unlink(missing_ok=True)

        def pulumi(*arguments: str) -> None:
            pulumi_cli.run(
                *(self.folder, *arguments, "--stack", "dev"),
                backend=backend,
                passphrase="correct horse",
                providers={},
                path=self._path,
                timeout_s=300,
            )

        pulumi("stack", "select", "--create")
        pulumi(operation, "--yes", "--skip-preview", "--event-log", str(log))
        events = [json.loads(line) for line in log.read_text().splitlines()]
        kind = "resOutputsEvent" if operation == "refresh" else "resourcePreEvent"
        taken = [event[kind]["metadata"] for event in events if kind in event]
        return sorted(
            (step["op"], step["urn"].rpartition("::")[2])
            for step in taken
            if "::kubernetes:" in step["urn"] and step["op"] != "same"
        )


def take_steps(lab: Lab, plane: Cluster, choose: Callable[[int], Tool]) -> list[tuple[str, Any, Any]]:
    """Take all steps. Returns title, operations and objects of each."""
    seen: list[tuple[str, Any, Any]] = []
    for index, step in enumerate(STEPS):
        lab.write(PROGRAM.format(**step.program))
        for arguments in step.drift:
            plane.kubectl(*arguments, "-n", str(lab.state("space").id))
        taken = choose(index)(step.operation)
        seen.append((step.title, taken, read_objects(plane, lab.workspace.snapshot().resources)))
    return seen


@pytest.fixture(scope="module")
def of_pulumi(plane: Cluster, pulumi_path: str, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Any, Any]]:
    lab = Lab(tmp_path_factory.mktemp("pulumi"), plane, pulumi_path)
    return take_steps(lab, plane, lambda _: lab.cli)


@pytest.mark.parametrize("first", ["engine", "cli", "engine alone"])
def test_the_engine_takes_pulumis_steps_and_makes_its_objects(
    plane: Cluster, pulumi_path: str, of_pulumi: list[tuple[str, Any, Any]], tmp_path: Path, first: str
) -> None:
    lab = Lab(tmp_path, plane, pulumi_path)
    in_turn = {"engine": (lab.engine, lab.cli), "cli": (lab.cli, lab.engine), "engine alone": (lab.engine, lab.engine)}
    seen = take_steps(lab, plane, lambda index: in_turn[first][index % 2])
    for ours, theirs in zip(seen, of_pulumi, strict=True):
        assert ours == theirs, ours[0]
