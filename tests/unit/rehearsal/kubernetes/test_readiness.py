"""Verdicts on objects as clusters report them, and what keeps pods from running."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from novacron_rehearsal.kubernetes.objects import Kind
from novacron_rehearsal.kubernetes.readiness import Related, find_needs, judge
from novacron_rehearsal.kubernetes.readiness.nodes import explain_nodes
from novacron_rehearsal.kubernetes.readiness.pods import explain_pod, explain_pods, find_crashed

CASES = yaml.safe_load((Path(__file__).parent / "readiness.yaml").read_text())
VERSIONS = {
    "Certificate": "cert-manager.io/v1",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
    "DaemonSet": "apps/v1",
    "Deployment": "apps/v1",
    "Ingress": "networking.k8s.io/v1",
    "Job": "batch/v1",
    "LeaderWorkerSet": "leaderworkerset.x-k8s.io/v1",
    "StatefulSet": "apps/v1",
}


def kind_of(name: str) -> Kind:
    return Kind(VERSIONS.get(name, "v1"), name)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_verdicts(case: dict[str, Any]) -> None:
    related = Related(
        endpoint_slices=case.get("endpoint_slices", ()),
        storage_class=case.get("storage_class", {}),
        waited_s=case.get("waited_s", 0),
    )
    verdict = judge(kind_of(case["object"]["kind"]), case["object"], related, case.get("wait_for", ""))
    assert ("ready" if verdict.ready else "failed" if verdict.failed else verdict.progress) == case["verdict"]
    assert list(verdict.reasons) == case.get("reasons", [])


def container(**status: Any) -> dict[str, Any]:
    return {"name": "server", "image": "registry.example/server:1", "ready": False, **status}


def pod(*containers: dict[str, Any], phase: str = "Pending", **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web-0"}, "status": {"phase": phase, "containerStatuses": [*containers], **status}}


UNSCHEDULABLE = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
GATED = "Scheduling is blocked due to non-empty scheduling gates"
EVICTED = pod(
    container(state={"terminated": {"exitCode": 137, "reason": "Error"}}),
    phase="Failed",
    reason="Evicted",
    message="The node was low on resource: ephemeral-storage. ",
)
PULL = "rpc error: code = NotFound desc = failed to resolve reference: not found"


@pytest.mark.parametrize(
    ("found", "reasons"),
    [
        (
            pod(conditions=[{"type": "PodScheduled", "status": "False", "message": UNSCHEDULABLE}]),
            [
                f"it cannot be scheduled: {UNSCHEDULABLE} Add nodes, or change the pod's requests or tolerations; "
                "`kubectl describe nodes` shows taints and what is free"
            ],
        ),
        (
            pod(conditions=[{"type": "PodScheduled", "status": "False", "message": GATED}]),
            [
                f"it cannot be scheduled: {GATED}. Add nodes, or change the pod's requests or tolerations; "
                "`kubectl describe nodes` shows taints and what is free"
            ],
        ),
        (
            pod(container(state={"waiting": {"reason": "ImagePullBackOff", "message": PULL}})),
            [
                "container server: image registry.example/server:1 cannot be pulled (ImagePullBackOff): "
                "failed to resolve reference: not found. Check the image's name and digest, and whether the nodes "
                "reach its registry and may read from it"
            ],
        ),
        (
            pod(container(state={"waiting": {"reason": "ErrImageNeverPull", "message": "Image is not present."}})),
            [
                "container server: image registry.example/server:1 cannot be pulled (ErrImageNeverPull): "
                "Image is not present. Load the image onto every node; the pod then starts by itself"
            ],
        ),
        (
            pod(
                container(restartCount=2, state={"running": {}}, lastState={"terminated": {"exitCode": 0}}),
                phase="Running",
            ),
            [
                "container server runs again after 2 restarts and does not pass its readiness or startup probe yet. If "
                "it starts slowly, its startup probe must allow more time"
            ],
        ),
        (
            pod(
                container(
                    restartCount=1,
                    state={"waiting": {"reason": "CrashLoopBackOff"}},
                    lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                ),
                phase="Running",
            ),
            ["container server keeps crashing: exit code 137 for exceeding its memory limit after 1 restart"],
        ),
        (
            pod(container(state={"waiting": {"reason": "CreateContainerConfigError", "message": 'no secret "keys"'}})),
            ['container server: CreateContainerConfigError: no secret "keys"'],
        ),
        (
            pod(container(state={"running": {}}), phase="Running"),
            ["container server runs and does not pass its readiness or startup probe yet"],
        ),
        (EVICTED, ["its node evicted it: The node was low on resource: ephemeral-storage"]),
        (pod(container(state={"waiting": {"reason": "ContainerCreating"}})), []),
        (pod(), ["the scheduler has not placed it yet"]),
        ({**pod(), "spec": {"nodeName": "node-0"}}, ["node node-0 has not started it yet"]),
        (
            pod(
                initContainerStatuses=[container(name="init", state={"terminated": {"exitCode": 3, "message": "no\n"}})]
            ),
            ["container init ended: exit code 3: no"],
        ),
    ],
)
def test_reasons_of_a_pod(found: dict[str, Any], reasons: list[str]) -> None:
    assert explain_pod(found) == reasons


def test_only_pods_that_are_not_ready_explain_a_workload() -> None:
    ready = pod(conditions=[{"type": "Ready", "status": "True"}])
    ending = pod(container(state={"running": {}}), phase="Running")
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    broken = pod(container(state={"terminated": {"exitCode": 1}}))
    assert explain_pods([ready, ending, broken]) == ["pod web-0: container server ended: exit code 1"]
    assert explain_pods([broken] * 5)[-1] == "2 more pods are not ready"
    assert find_crashed([ready, broken, EVICTED]) == [("web-0", "server")]


def node(name: str, **conditions: str) -> dict[str, Any]:
    listed = [{"type": type_, "status": status, "message": f"{type_}."} for type_, status in conditions.items()]
    return {"metadata": {"name": name}, "status": {"conditions": listed}}


def test_nodes_explain_why_they_accept_no_pods() -> None:
    well = node("a", Ready="True", DiskPressure="False", MemoryPressure="False", PIDPressure="False")
    full = node("b", Ready="True", DiskPressure="True", MemoryPressure="True")
    assert explain_nodes([well, full, node("c", Ready="Unknown"), {"metadata": {"name": "d"}}]) == [
        "node b: its disk is nearly full (DiskPressure), and its memory is nearly used up (MemoryPressure)",
        "node c: it is not ready: Ready",
    ]
    assert explain_nodes([full] * 5)[-1] == "2 more nodes accept no pods"


def test_pods_of_an_old_revision_do_not_explain_a_rollout() -> None:
    revision = "deployment.kubernetes.io/revision"
    deployment = {
        "metadata": {"uid": "d", "generation": 2, "annotations": {revision: "2"}},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}},
        "status": {"observedGeneration": 2, "updatedReplicas": 1},
    }
    sets = [
        {"metadata": {"uid": uid, "annotations": {revision: number}, "ownerReferences": [{"uid": "d"}]}}
        for uid, number in (("old", "1"), ("new", "2"))
    ]
    pods = [pod(container(state={"terminated": {"exitCode": code}})) for code in (1, 2)]
    for one, owner in zip(pods, ("old", "new"), strict=True):
        one["metadata"]["ownerReferences"] = [{"uid": owner}]
    verdict = judge(kind_of("Deployment"), deployment, Related(pods=pods, replica_sets=sets))  # type: ignore[arg-type]
    assert list(verdict.reasons) == ["pod web-0: container server ended: exit code 2"]
    needs = find_needs(kind_of("Deployment"), deployment)  # type: ignore[arg-type]
    assert (needs.selector, needs.replica_sets) == ({"app": "web"}, True)
