"""`status`, `logs`, `drain` and `down` of a stack in a cluster, on a simulated API server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from novacron_infra.clock import ManualClock
from novacron_ops.clusters import DeployedCluster, Drain, LogReader, find_clusters, read_reports
from novacron_ops.clusters.logs import LONGEST_LINE, split_lines
from novacron_ops.errors import OpsError

from tests.rehearsal.kubernetes.api_server import ApiServer, serve_api
from tests.unit.ops.running import enter_project, novacron

SPACE = "novacron-llm"
SETS, PODS = f"/apis/apps/v1/namespaces/{SPACE}/statefulsets", f"/api/v1/namespaces/{SPACE}/pods"
LABELS = {"app.kubernetes.io/name": "llm-workers", "app.kubernetes.io/part-of": "novacron"}
PREFIX = "urn:pulumi:lab::shop::"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}


def resource(type_: str, name: str, id_: str, **more: Any) -> dict[str, Any]:
    return {"urn": f"{PREFIX}{type_}::{name}", "type": type_, "custom": True, "id": id_, **more}


def state(api: ApiServer) -> dict[str, Any]:
    """An exported state with a StatefulSet of workers and a ConfigMap."""
    provider_type = "pulumi:providers:kubernetes"
    inputs = {"kubeconfig": {**SECRET, "plaintext": json.dumps(api.kubeconfig())}}
    provider = resource(provider_type, "lab-kubernetes", "1", inputs=inputs, outputs=inputs)
    reference = {"provider": f"{provider['urn']}::1"}
    return {
        "version": 3,
        "deployment": {
            "manifest": {"time": "2026-01-01T00:00:00Z", "magic": "", "version": ""},
            "resources": [
                resource("pulumi:pulumi:Stack", "shop-lab", "", custom=False),
                provider,
                resource("kubernetes:core/v1:ConfigMap", "config", f"{SPACE}/config", **reference),
                resource("kubernetes:apps/v1:StatefulSet", "workers", f"{SPACE}/llm-workers", **reference),
                resource("kubernetes:apps/v1:StatefulSet", "old", f"{SPACE}/old", delete=True, **reference),
            ],
        },
    }


def put_pod(api: ApiServer, name: str, *, ready: bool = True, node: str = "node-1") -> None:
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    container = {"name": "worker", "image": "w:1", "ready": ready, "restartCount": 2, "state": {} if ready else waiting}
    owners = [{"uid": "set", "controller": True}]
    metadata = {"name": name, "namespace": SPACE, "labels": LABELS, "ownerReferences": owners}
    api.objects.pop(f"{PODS}/{name}", None)
    api.put(
        f"{PODS}/{name}",
        {
            "kind": "Pod",
            "metadata": metadata,
            "spec": {"nodeName": node, "containers": [{"name": "worker"}]},
            "status": {
                "phase": "Running" if ready else "Pending",
                "startTime": "2026-01-01T00:00:00Z",
                "conditions": [condition],
                "containerStatuses": [container],
            },
        },
    )


def count_ready(api: ApiServer) -> None:
    """Set the StatefulSet's status, as its controller does."""
    ready = sum(
        pod["status"]["conditions"][0]["status"] == "True" for pod in api.objects.values() if pod["kind"] == "Pod"
    )
    status = api.objects[f"{SETS}/llm-workers"]["status"]
    status.update(replicas=2, readyReplicas=ready, availableReplicas=ready, updatedReplicas=2)


@pytest.fixture
def api() -> Iterator[ApiServer]:
    """A cluster with two workers that are ready, on a node each."""
    with serve_api(ApiServer()) as served:
        put_pod(served, "llm-workers-0")
        put_pod(served, "llm-workers-1", node="node-2")
        served.put(
            f"{SETS}/llm-workers",
            {
                "kind": "StatefulSet",
                "metadata": {"name": "llm-workers", "namespace": SPACE, "generation": 1, "uid": "set"},
                "spec": {"replicas": 2, "selector": {"matchLabels": {"app.kubernetes.io/name": "llm-workers"}}},
                "status": {"observedGeneration": 1},
            },
        )
        for node in ("node-1", "node-2"):
            served.put(f"/api/v1/nodes/{node}", {"kind": "Node", "metadata": {"name": node}})
        served.controllers["StatefulSet"] = lambda _: count_ready(served)
        yield served


@pytest.fixture
def cluster(api: ApiServer) -> DeployedCluster:
    (found,) = find_clusters(state(api))
    return found


def test_the_state_names_the_clusters_and_their_workloads(cluster: DeployedCluster) -> None:
    assert cluster.name == "lab"
    assert list(map(str, cluster.workloads)) == ["StatefulSet novacron-llm/llm-workers"]


def test_a_provider_that_awaits_its_deletion_is_not_a_cluster(api: ApiServer) -> None:
    exported = state(api)
    resources = exported["deployment"]["resources"]
    resources.append({**resources[1], "id": "0", "delete": True})
    assert [cluster.name for cluster in find_clusters(exported)] == ["lab"]


def test_a_report_has_the_pods_and_nothing_else_while_all_is_well(cluster: DeployedCluster) -> None:
    (report,) = read_reports([cluster])
    assert (report.problems, report.unreachable) == ((), "")
    assert [(pod.name, pod.status, pod.node, pod.restarts) for pod in report.pods] == [
        ("llm-workers-0", "ready", "node-1", 2),
        ("llm-workers-1", "ready", "node-2", 2),
    ]


def test_a_report_says_why_a_pod_is_not_ready(api: ApiServer, cluster: DeployedCluster) -> None:
    put_pod(api, "llm-workers-1", ready=False)
    (report,) = read_reports([cluster])
    assert report.pods[1].status == "pending"
    (problem,) = report.problems
    assert problem.startswith("StatefulSet novacron-llm/llm-workers: pod llm-workers-1: container worker: image w:1")


def test_a_workload_that_was_deleted_is_reported(api: ApiServer, cluster: DeployedCluster) -> None:
    del api.objects[f"{SETS}/llm-workers"]
    (report,) = read_reports([cluster])
    assert "StatefulSet novacron-llm/llm-workers does not exist" in report.problems[0]


def test_a_cluster_that_does_not_answer_is_reported(api: ApiServer, cluster: DeployedCluster) -> None:
    api.stop()
    (report,) = read_reports([cluster])
    assert "cannot be reached" in report.unreachable


def stamp(second: int, text: str) -> str:
    return f"2026-01-01T00:00:{second:02}.000000000Z {text}\n"


def test_the_last_lines_of_the_chosen_pods_are_printed(api: ApiServer, cluster: DeployedCluster) -> None:
    api.logs = {f"llm-workers-{n}/worker": stamp(1, f"line of {n}") for n in range(2)}
    printed: list[tuple[str, str]] = []
    for wanted, pods in ((None, 2), ("worker", 2), ("llm-workers-1", 1), ("coordinator", 0)):
        printed.clear()
        reader = LogReader(cluster, wanted, lambda *line: printed.append(line))
        assert reader.print_last(7) == pods
        assert printed == [(f"llm-workers-{n}", f"line of {n}") for n in range(2)][2 - pods :]
    assert api.requests[-2][2].get("tailLines", "7") == "7"
    assert reader.list_names() == ["worker", "llm-workers-0", "llm-workers-1"]


def test_following_prints_each_line_once_and_finds_new_pods(api: ApiServer, cluster: DeployedCluster) -> None:
    api.logs = {"llm-workers-0/worker": stamp(1, "one")}
    del api.objects[f"{PODS}/llm-workers-1"]
    printed: list[tuple[str, str]] = []

    class Scripted(ManualClock):
        def sleep(self, seconds: float, /) -> None:
            super().sleep(seconds)
            if "llm-workers-9/worker" not in api.logs:
                api.logs["llm-workers-0/worker"] += stamp(2, "two")
                put_pod(api, "llm-workers-9")
                api.logs["llm-workers-9/worker"] = stamp(1, "new")
            elif len(printed) >= 3:
                for name in ("llm-workers-0", "llm-workers-9"):
                    del api.objects[f"{PODS}/{name}"]
            else:
                asyncio.run(asyncio.sleep(0.01))  # a stream that is being read prints its lines meanwhile

    reader = LogReader(cluster, None, lambda *line: printed.append(line), Scripted())
    reader.print_last(10)
    reader.follow()
    assert sorted(printed) == [("llm-workers-0", "one"), ("llm-workers-0", "two"), ("llm-workers-9", "new")]


def test_a_line_without_an_end_does_not_fill_the_memory() -> None:
    pieces = list(split_lines(b"x" * 1000 for _ in range(200)))
    assert [len(piece) for piece in pieces] == [LONGEST_LINE] * 3 + [200_000 - 3 * LONGEST_LINE]
    assert list(split_lines([b"caf\xc3", b"\xa9\nb"])) == ["café", "b"]


def test_a_drained_pod_is_evicted_once_its_budget_allows_it_and_then_replaced(
    api: ApiServer, cluster: DeployedCluster
) -> None:
    attempts = iter([{"causes": [{"message": "The disruption budget llm-workers needs 1 healthy pods"}]}, None])

    def evict(path: str) -> dict[str, Any] | None:
        if (refusal := next(attempts)) is None:
            put_pod(api, path.rpartition("/")[2], ready=False)
        return refusal

    api.evict = evict
    lines: list[str] = []

    class Replacing(ManualClock):
        def sleep(self, seconds: float, /) -> None:
            super().sleep(seconds)
            if self.monotonic() >= 1003:
                put_pod(api, "llm-workers-0")

    Drain(cluster, 60, lines.append, Replacing()).drain("llm-workers-0")
    assert lines == [
        "pod novacron-llm/llm-workers-0: cannot evict it now: Cannot evict pod as it would violate the pod's "
        "disruption budget. The disruption budget llm-workers needs 1 healthy pods",
        "pod novacron-llm/llm-workers-0 finishes its requests",
        "pod novacron-llm/llm-workers-0 is gone; waiting for its replacement",
        "pod novacron-llm/llm-workers-0 is drained",
    ]


def test_a_drained_node_gets_no_pods_until_that_is_undone(api: ApiServer, cluster: DeployedCluster) -> None:
    evicted: list[str] = []

    def evict(path: str) -> None:
        evicted.append(path)
        put_pod(api, path.rpartition("/")[2], node="node-1")

    api.evict = evict
    drain = Drain(cluster, 60, lambda _: None, ManualClock())
    drain.drain("node-2")
    assert evicted == [f"{PODS}/llm-workers-1"]
    node = api.objects["/api/v1/nodes/node-2"]
    assert node["spec"] == {"unschedulable": True}
    drain.undo("node-2")
    assert node["spec"] == {"unschedulable": False}
    assert (drain.has("node-2"), drain.has("llm-workers-0"), drain.has("node-9")) == (True, True, False)


def test_a_drain_of_a_node_includes_the_pods_that_it_gets_until_it_is_unschedulable(
    api: ApiServer, cluster: DeployedCluster
) -> None:
    evicted: list[str] = []
    api.controllers["Node"] = lambda _: put_pod(api, "llm-workers-2", node="node-2")

    def evict(path: str) -> None:
        evicted.append(path)
        put_pod(api, path.rpartition("/")[2], node="node-1")

    api.evict = evict
    Drain(cluster, 60, lambda _: None, ManualClock()).drain("node-2")
    assert evicted == [f"{PODS}/llm-workers-1", f"{PODS}/llm-workers-2"]


def test_a_drain_that_takes_too_long_says_what_keeps_it(api: ApiServer, cluster: DeployedCluster) -> None:
    drain = Drain(cluster, 5, lambda _: None, ManualClock())
    with pytest.raises(OpsError, match=r"was evicted and still runs \(after 5 s\)"):
        drain.drain("llm-workers-0")
    api.evict = lambda path: put_pod(api, path.rpartition("/")[2], ready=False)
    with pytest.raises(OpsError, match=r"its replacement is not ready: pod llm-workers-0: container worker: image"):
        drain.drain("llm-workers-0")
    api.evict = lambda _: {"causes": []}
    with pytest.raises(OpsError, match="was not evicted: cannot evict it now: Cannot evict pod"):
        drain.drain("llm-workers-0")


@pytest.fixture
def project(api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a stack `lab` that is deployed to the cluster."""
    enter_project(tmp_path, monkeypatch)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (tmp_path / "Pulumi.lab.yaml").write_text("config: {novacron:environment: {platform: kubernetes}}\n")
    (tmp_path / "state.json").write_text(json.dumps(state(api)))
    assert novacron("import", "state.json", "-s", "lab") == 0
    return tmp_path


def test_commands_find_the_cluster_through_the_state(
    api: ApiServer, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del project
    api.logs = {"llm-workers-1/worker": stamp(1, "hello")}
    assert novacron("logs", "-s", "lab", "--service", "llm-workers-1") == 0
    assert capsys.readouterr().out == "llm-workers-1 hello\n"
    assert novacron("logs", "-s", "lab", "--service", "coordinator") == 2
    assert "there are: worker, llm-workers-0, llm-workers-1" in capsys.readouterr().err
    assert novacron("drain", "absent", "-s", "lab") == 2
    assert "absent: there is no such node and no such pod of this stack in lab" in capsys.readouterr().err
    assert novacron("status", "-s", "lab") == 1  # this state has no endpoint
    shown = capsys.readouterr().out
    assert "lab      llm-workers-0  ready   node-1" in shown


def test_a_stack_whose_cluster_is_gone_can_be_removed(
    api: ApiServer, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.stop()
    assert novacron("down", "-s", "lab") == 1
    advice = "These clusters do not answer: lab. If they are gone for good, `novacron down -s lab --delete-unreachable`"
    assert advice in capsys.readouterr().err
    assert novacron("down", "-s", "lab", "--delete-unreachable") == 0
    assert "the state forgets it" in capsys.readouterr().out
    assert not (project / ".novacron/.pulumi/stacks/shop/lab.json").exists()
