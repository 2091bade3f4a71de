"""Replicas that span nodes, with the real controller of LeaderWorkerSets and its webhooks.

The module proxy serves version 0.9.0 only: the chart that this project installs has 0.10.0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.controllers import definitions, prepare, serve_webhooks
from tests.cluster.serving_stack import pods, program, region_nodes, running
from tests.definitions import Module, read_module
from tests.polling import free_port, listens, wait_until
from tests.rehearsal.kubernetes.lab import ClusterLab
from tools.cluster.binaries import LEADER_WORKER_SET
from tools.cluster.certificates import Authority, write_private
from tools.cluster.cluster import Cluster

MODULE = Module("sigs.k8s.io/lws", "v0.9.0", "h1:DcJCgxjjoGOx//QHZkeKpyiblxYq70aCRZNYSfykWyI=", "config/")
GROUP = "leaderworkerset.sigs.k8s.io"
SPACE = "novacron-workers"
SET = "llm-workers-quality"


@pytest.fixture
def region(plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Add a region's nodes to the control plane, and run the controller of LeaderWorkerSets."""
    folder = tmp_path_factory.mktemp("leader-worker-set")
    processes = prepare((LEADER_WORKER_SET,), folder)
    port, authority = free_port(), Authority(folder / "webhooks")
    authority.issue("tls", "webhooks", addresses=("127.0.0.1",))
    settings = {
        "apiVersion": "config.lws.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
        "webhook": {"host": "127.0.0.1", "port": port, "certDir": str(authority.certificate_file.parent)},
        "metrics": {"bindAddress": "0"},
        "health": {"healthProbeBindAddress": "0"},
    }
    write_private(folder / "settings.yaml", json.dumps(settings).encode())
    webhooks = serve_webhooks(read_webhooks(), port, authority.certificate_file)
    nodes = {"apiVersion": "v1", "kind": "List", "items": region_nodes()}
    plane.kubectl("apply", "--server-side", "-f", "-", given=nodes)
    with definitions(plane, read_module(MODULE, "config/crd/bases/")):
        processes.start(
            LEADER_WORKER_SET.name,
            *("--kubeconfig", str(plane.kubeconfig), "--config", str(folder / "settings.yaml")),
        )
        try:
            processes.wait_until("the webhooks of LeaderWorkerSets", lambda: listens(port))
            plane.kubectl("create", "-f", "-", given=webhooks)
            yield plane
        finally:
            plane.kubectl("delete", "--ignore-not-found", "-f", "-", given=webhooks)
            processes.stop()
            plane.kubectl("delete", "nodes", "-l", "novacron.io/node-type", "--wait=false", check=False)


def read_webhooks() -> list[dict[str, Any]]:
    """Return the configurations of the webhooks. Those of pods see the pods of LeaderWorkerSets only, as installed."""
    found = read_module(MODULE, "config/webhook/manifests.yaml")
    for webhook in (item for one in found for item in one["webhooks"]):
        if webhook["rules"][0]["resources"] == ["pods"]:
            label = {"key": f"{GROUP}/name", "operator": "Exists"}
            webhook["objectSelector"] = {"matchExpressions": [label]}
    return found


def group_pods(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """Return the pods of the LeaderWorkerSet by name."""
    found = cluster.get("pods", "-n", SPACE, "-l", f"{GROUP}/name={SET}")["items"]
    return {pod["metadata"]["name"]: pod for pod in found}


def test_a_replica_that_spans_nodes_starts_restarts_and_is_updated_as_a_group(region: Cluster, lab: ClusterLab) -> None:
    lab.started = True
    up = lab.up(program(balanced=1, quality=1))
    assert up.succeeded, up.errors
    assert lab.warnings(up) == []
    first = group_pods(region)
    assert set(first) == {f"{SET}-0", f"{SET}-0-1"}
    assert len(set(running(list(first.values())))) == 2
    assert [pod["metadata"]["name"] for pod in pods(region, SPACE, "llm-worker-ranks")] == [f"{SET}-0-1"]
    for index, pod in enumerate(first.values()):
        variables = {item["name"]: item.get("value") for item in pod["spec"]["containers"][0]["env"]}
        assert variables["LWS_LEADER_ADDRESS"] == f"{SET}-0.{SET}.{SPACE}"
        assert (variables["LWS_GROUP_SIZE"], variables["LWS_WORKER_INDEX"]) == ("2", str(index))
    assert lab.steps(lab.run("preview")) == []

    region.kubectl("delete", "pod", f"{SET}-0-1", "-n", SPACE, "--wait=false")
    wait_until(lambda: _is_new(region, first), "the group of a lost pod has started again")
    removed = lab.run("destroy")
    assert removed.succeeded, removed.errors


def _is_new(cluster: Cluster, before: dict[str, dict[str, Any]]) -> bool:
    """Whether both pods of the group are others and run."""
    now = group_pods(cluster)
    return (
        set(now) == set(before)
        and all(now[name]["metadata"]["uid"] != before[name]["metadata"]["uid"] for name in now)
        and len(running(list(now.values()))) == 2
    )
