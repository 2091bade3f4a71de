"""The engine waits until objects are ready, and says why they are not."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from novacron_rehearsal import Diagnostic

from tests.rehearsal.kubernetes.api_server import ApiServer, Stored
from tests.rehearsal.kubernetes.conftest import KubeLab

WEB = """
template = {{"spec": {{"nodeName": "{node}"}}}}
spec = {{"replicas": 1, "selector": {{"matchLabels": {{"app": "web"}}}}, "template": template}}
k8s.apps.v1.Deployment("web", metadata=Meta(name="web", annotations={annotations}), spec=spec, opts=on)
"""
CRASHED = {
    "phase": "Running",
    "containerStatuses": [
        {
            "name": "server",
            "ready": False,
            "restartCount": 3,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
            "lastState": {"terminated": {"exitCode": 2, "reason": "Error"}},
        }
    ],
}


def web(node: str = "one", **annotations: str) -> str:
    """A program with a Deployment."""
    return WEB.format(node=node, annotations={f"pulumi.com/{key}": value for key, value in annotations.items()})


def add_pods(api: ApiServer, deployment: Stored, pod_status: dict[str, Any]) -> None:
    """Add what the controllers make of a Deployment: a ReplicaSet with a pod."""
    labels = {"app": "web"}
    deployment["metadata"].setdefault("annotations", {})["deployment.kubernetes.io/revision"] = "1"
    owner = {"uid": deployment["metadata"]["uid"]}
    annotations = {"deployment.kubernetes.io/revision": "1"}
    metadata = {"name": "web-1", "labels": labels, "annotations": annotations, "ownerReferences": [owner]}
    path = "/apis/apps/v1/namespaces/default/replicasets/web-1"
    replica_set = api.put(path, {"kind": "ReplicaSet", "metadata": metadata})
    pod_metadata = {"name": "web-1-x", "labels": labels, "ownerReferences": [{"uid": replica_set["metadata"]["uid"]}]}
    api.put("/api/v1/namespaces/default/pods/web-1-x", {"kind": "Pod", "metadata": pod_metadata, "status": pod_status})


def ready_status(deployment: Stored) -> dict[str, Any]:
    observed = {"observedGeneration": deployment["metadata"]["generation"]}
    return {**observed, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}


def test_it_waits_and_shows_the_progress(kube: KubeLab) -> None:
    reads: list[int] = []

    def control(deployment: Stored) -> None:
        reads.append(1)
        generation = deployment["metadata"]["generation"]
        starting = {"observedGeneration": generation, "replicas": 1, "updatedReplicas": 1}
        deployment["status"] = starting if len(reads) < 3 else ready_status(deployment)

    kube.api.controllers["Deployment"] = control
    result = kube.up(web())
    assert result.succeeded, result.errors
    progress = [one.message for one in kube.events if isinstance(one, Diagnostic) and one.ephemeral]
    assert "waiting for pods to be available (0 of 1)" in progress
    assert kube.state("web").outputs["status"] == ready_status(kube.api.find("Deployment", "web"))  # type: ignore[arg-type]


def test_a_failed_rollout_ends_the_wait_with_the_reasons_of_its_pods(kube: KubeLab) -> None:
    def control(deployment: Stored) -> None:
        add_pods(kube.api, deployment, CRASHED)
        failed = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too slow"}
        deployment["status"] = {"observedGeneration": deployment["metadata"]["generation"], "conditions": [failed]}

    kube.api.controllers["Deployment"] = control
    kube.api.logs["web-1-x/server"] = "ValueError: no model\n"
    result = kube.up(web())
    assert not result.succeeded
    assert "its rollout has failed: ProgressDeadlineExceeded: too slow" in result.errors
    assert "pod web-1-x: container server keeps crashing: exit code 2 after 3 restarts" in result.errors
    assert "pod web-1-x: the last log line of container server: ValueError: no model" in result.errors
    assert kube.state("web").init_errors
    kube.api.controllers["Deployment"] = lambda one: one.update(status=ready_status(one))
    repaired = kube.up()
    assert repaired.succeeded, repaired.errors
    assert kube.steps(repaired) == [("update", "web")]
    assert kube.state("web").init_errors == []


def test_a_timeout_says_how_long_and_for_what_and_keeps_a_large_state(kube: KubeLab) -> None:
    kube.api.controllers["Deployment"] = lambda one: one.update(status={"observedGeneration": 0})
    program = web("x" * 60_000, timeoutSeconds="0.3")
    result = kube.up(program)
    assert "Deployment default/web is not ready after 0.3 s: waiting for its controller" in result.errors
    assert kube.state("web").id == "default/web"
    kube.run("refresh")
    assert kube.state("web").init_errors == ["waiting for its controller"]


def test_nothing_is_waited_for_with_skip_await(kube: KubeLab) -> None:
    assert kube.up(web(skipAwait="true")).succeeded


def test_cancelling_ends_the_wait_says_what_it_waited_for_and_keeps_the_object(kube: KubeLab) -> None:
    timer = threading.Timer(0.5, kube.workspace.cancel)

    def control(deployment: Stored) -> None:
        if timer.ident is None:
            timer.start()
        add_pods(kube.api, deployment, CRASHED)
        generation = deployment["metadata"]["generation"]
        deployment["status"] = {"observedGeneration": generation, "replicas": 1, "updatedReplicas": 1}

    kube.api.controllers["Deployment"] = control
    result = kube.up(web())
    assert result.cancelled
    assert "cancelled while waiting for pods to be available (0 of 1)" in result.errors
    assert "pod web-1-x: container server keeps crashing: exit code 2 after 3 restarts" in result.errors
    assert kube.state("web").id == "default/web"


def test_a_deletion_waits_and_says_what_holds_it_up(kube: KubeLab) -> None:
    annotations = '{"pulumi.com/timeoutSeconds": "0.3"}'
    program = 'k8s.core.v1.ConfigMap("held", metadata=Meta(name="held", annotations={}), opts=on)'.replace(
        "{}", annotations
    )
    assert kube.up(program).succeeded
    stored = kube.api.find("ConfigMap", "held")
    assert stored is not None
    stored["metadata"]["finalizers"] = ["example.com/hold"]
    refused = kube.run("destroy")
    assert "ConfigMap default/held still exists 0.3 s after its deletion was requested" in refused.errors
    assert "finalizers remain: example.com/hold" in refused.errors
    del stored["metadata"]["finalizers"]
    assert kube.run("destroy").succeeded


def test_an_object_may_come_before_its_namespace(kube: KubeLab) -> None:
    program = """
    k8s.core.v1.ConfigMap("settings", metadata=Meta(name="settings", namespace="mine"), opts=on)
    k8s.core.v1.Namespace("mine", metadata=Meta(name="mine"), opts=on)
    """
    kube.api.controllers["Namespace"] = lambda one: one.update(status={"phase": "Active"})
    preview = kube.run("preview", program)
    assert preview.succeeded, preview.errors
    assert kube.api.writes() == []
    result = kube.up()
    assert result.succeeded, result.errors
    assert kube.state("settings").id == "mine/settings"


@pytest.mark.parametrize("kind", ["pods", "replicasets"])
def test_rights_to_read_pods_are_not_needed(kube: KubeLab, kind: str) -> None:
    kube.api.denied.add(("list", kind))
    kube.api.controllers["Deployment"] = lambda one: one.update(status=ready_status(one))
    result = kube.up(web())
    assert result.succeeded, result.errors
