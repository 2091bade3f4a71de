"""The network policies of a serving stack: which connections they allow, by the rules of Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from novacron_infra.workloads.serving_args import PortRange

from tests.unit.graph import Registered
from tests.unit.plan.serving import serve
from tests.unit.workloads.cluster import DATABASE_URL, Stack, declare, get
from tests.unit.workloads.regions import declare_region


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod of a namespace, or an address outside of the cluster."""

    namespace: str = ""
    name: str = ""

    @property
    def labels(self) -> dict[str, str]:
        ours = {"app.kubernetes.io/part-of": "novacron"} if self.name.startswith("llm-") else {}
        return {"app.kubernetes.io/name": self.name, **ours}


COORDINATOR = End("novacron-llm", "llm-coordinator")
WORKER = End("novacron-llm", "llm-workers")
GPU_WORKER = End("novacron-workers", "llm-workers")
PROMETHEUS = End("monitoring", "prometheus")
STRANGER = End("default", "shell")
INTRUDER = End("novacron-llm", "shell")
DNS = End("kube-system", "coredns")
OUTSIDE = End()


def selects(selector: dict[str, Any] | None, labels: dict[str, str]) -> bool:
    chosen = selector or {}
    for rule in chosen.get("matchExpressions", ()):
        assert rule["operator"] == "NotIn"
        if labels.get(rule["key"]) in rule["values"]:
            return False
    return chosen.get("matchLabels", {}).items() <= labels.items()


def matches(peer: dict[str, Any], end: End) -> bool:
    if not end.namespace:
        return False
    in_namespace = selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": end.namespace})
    return in_namespace and selects(peer.get("podSelector"), end.labels)


def permits(stack: Stack, pod: End, peer: End, port: int, protocol: str, direction: str) -> bool:
    """Return whether the policies at one end of a connection permit it."""
    here = [
        policy
        for policy in stack.of("NetworkPolicy").values()
        if get(policy, "metadata.namespace") == pod.namespace
        and selects(get(policy, "spec.podSelector"), pod.labels)
        and direction.capitalize() in get(policy, "spec.policyTypes")
    ]
    return not here or any(
        rule_permits(rule, peer, port, protocol, direction) for policy in here for rule in rules(policy, direction)
    )


def rules(policy: Registered, direction: str) -> Iterator[dict[str, Any]]:
    yield from get(policy, f"spec.{direction}") or ()


def rule_permits(rule: dict[str, Any], peer: End, port: int, protocol: str, direction: str) -> bool:
    peers = rule.get("from" if direction == "ingress" else "to")
    of_peer = peers is None or any(matches(item, peer) for item in peers)
    return of_peer and any((item["port"], item["protocol"]) == (port, protocol) for item in rule["ports"])


def connects(stack: Stack, client: End, server: End, port: int, protocol: str = "TCP") -> bool:
    """Return whether a connection is permitted at both ends."""
    return permits(stack, client, server, port, protocol, "egress") and permits(
        stack, server, client, port, protocol, "ingress"
    )


@pytest.fixture(scope="module")
def cpu() -> Stack:
    return declare()


@pytest.fixture(scope="module")
def gpu() -> Stack:
    return declare(workers={"gpus": 1})


@pytest.mark.parametrize(
    ("client", "server", "port", "allowed"),
    [
        (OUTSIDE, COORDINATOR, 8080, True),
        (STRANGER, COORDINATOR, 8080, True),
        (OUTSIDE, COORDINATOR, 9090, False),
        (STRANGER, COORDINATOR, 9090, False),
        (INTRUDER, COORDINATOR, 9090, False),
        (STRANGER, WORKER, 9091, False),
        (OUTSIDE, WORKER, 9091, False),
        (INTRUDER, WORKER, 9091, False),
        (WORKER, COORDINATOR, 9090, True),
        (WORKER, COORDINATOR, 8080, False),
        (COORDINATOR, WORKER, 9091, True),
        (COORDINATOR, COORDINATOR, 9090, False),
        (WORKER, WORKER, 9091, False),
        (PROMETHEUS, WORKER, 9091, True),
        (PROMETHEUS, COORDINATOR, 8080, True),
        (PROMETHEUS, COORDINATOR, 9090, False),
        (COORDINATOR, OUTSIDE, 443, False),
        (COORDINATOR, OUTSIDE, 5432, False),
        (WORKER, OUTSIDE, 443, False),
        (INTRUDER, OUTSIDE, 443, False),
        (INTRUDER, DNS, 53, False),
    ],
)
def test_only_the_named_connections_are_allowed(
    cpu: Stack, gpu: Stack, client: End, server: End, port: int, allowed: bool
) -> None:
    assert connects(cpu, client, server, port) is allowed
    on_gpus = [GPU_WORKER if end is WORKER else end for end in (client, server)]
    assert connects(gpu, on_gpus[0], on_gpus[1], port) is allowed


def test_pods_of_the_stack_resolve_names(cpu: Stack, gpu: Stack) -> None:
    for stack, worker in ((cpu, WORKER), (gpu, GPU_WORKER)):
        for pod in (COORDINATOR, worker):
            assert connects(stack, pod, DNS, 53, "UDP")
            assert connects(stack, pod, DNS, 53)
            assert not connects(stack, pod, DNS, 8080)


def test_a_pod_in_the_other_namespace_that_calls_itself_a_worker_reaches_nothing(gpu: Stack) -> None:
    assert not connects(gpu, WORKER, COORDINATOR, 9090)
    assert not connects(gpu, End("default", "llm-coordinator"), GPU_WORKER, 9091)


def test_coordinators_reach_the_port_of_their_database() -> None:
    stack = declare(database_url=DATABASE_URL)
    assert connects(stack, COORDINATOR, OUTSIDE, 6543)
    assert not connects(stack, COORDINATOR, OUTSIDE, 5432)
    assert not connects(stack, WORKER, OUTSIDE, 6543)
    assert connects(declare(database_url="postgresql://u:p@db/n"), COORDINATOR, OUTSIDE, 5432)


def test_ports_that_are_stated_replace_the_port_of_the_url() -> None:
    ports = (PortRange(first=5432), PortRange(first=11000, last=13047))
    stack = declare_region(serve(), database_url=DATABASE_URL, database_ports=ports)
    (rule,) = get(stack.of("NetworkPolicy")["novacron-llm/coordinators-to-database"], "spec.egress")
    assert rule["ports"] == [
        {"port": 5432, "protocol": "TCP"},
        {"port": 11000, "endPort": 13047, "protocol": "TCP"},
    ]


def test_workers_reach_a_model_store_only_if_they_download_from_one(cpu: Stack) -> None:
    stack = declare(model={"id": "mine", "url": "s3://models/mine"})
    assert connects(stack, WORKER, OUTSIDE, 443)
    assert not connects(stack, COORDINATOR, OUTSIDE, 443)


def test_the_namespace_of_the_monitoring_is_configurable() -> None:
    stack = declare(monitoring_namespace="observability")
    assert connects(stack, End("observability", "prometheus"), WORKER, 9091)
    assert not connects(stack, PROMETHEUS, WORKER, 9091)


def test_every_namespace_denies_by_default(gpu: Stack) -> None:
    for namespace in ("novacron-llm", "novacron-workers"):
        policy = gpu.of("NetworkPolicy")[f"{namespace}/default-deny"]
        assert get(policy, "spec") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_only_coordinators_reach_the_databases_of_the_stack_which_reach_nothing() -> None:
    image = "localhost/novacron-databases:1"
    stack = declare(postgres={"image": image}, redis={"image": image})
    postgres, redis = End("novacron-llm", "llm-postgres"), End("novacron-llm", "llm-redis")
    for server, port in ((postgres, 5432), (redis, 6379)):
        assert connects(stack, COORDINATOR, server, port)
        assert not connects(stack, COORDINATOR, OUTSIDE, port)
        for client in (WORKER, INTRUDER, STRANGER, PROMETHEUS, OUTSIDE, postgres, redis):
            assert not connects(stack, client, server, port)
        assert not connects(stack, server, DNS, 53, "UDP")
        assert not connects(stack, server, OUTSIDE, 443)
    assert connects(stack, COORDINATOR, DNS, 53, "UDP")
    assert connects(stack, WORKER, DNS, 53, "UDP")
