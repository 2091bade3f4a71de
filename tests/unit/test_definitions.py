"""Objects are checked against definitions, and a wrong object fails."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import pytest

from tests.definitions import (
    FULL_DEFINITIONS,
    check_object,
    compare,
    find_problems,
    find_reduced,
    read_full,
    reduced_definitions,
)

POD = {"spec": {"containers": [{"name": "worker", "image": "localhost/worker:1"}]}}
SCALED_OBJECT = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledObject",
    "metadata": {"name": "llm-workers", "namespace": "novacron-workers"},
    "spec": {
        "scaleTargetRef": {"name": "llm-workers"},
        "minReplicaCount": 2.0,
        "triggers": [{"type": "prometheus", "metadata": {"query": "1"}}],
    },
}
CERTIFICATE = {
    "apiVersion": "cert-manager.io/v1",
    "kind": "Certificate",
    "metadata": {"name": "workers", "namespace": "novacron-llm"},
    "spec": {"secretName": "workers", "issuerRef": {"name": "cluster"}, "privateKey": {"algorithm": "ECDSA"}},
}
EXTERNAL_SECRET = {
    "apiVersion": "external-secrets.io/v1",
    "kind": "ExternalSecret",
    "metadata": {"name": "database", "namespace": "novacron-llm"},
    "spec": {"data": [{"secretKey": "url", "remoteRef": {"key": "database-url"}}], "refreshInterval": "1h"},
}
SERVICE_MONITOR = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "ServiceMonitor",
    "metadata": {"name": "workers", "namespace": "novacron-llm"},
    "spec": {"selector": {"matchLabels": {"a": "b"}}, "endpoints": [{"port": "http", "interval": "15s"}]},
}
GATEWAY = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "api", "namespace": "novacron-llm"},
    "spec": {"gatewayClassName": "internal", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
}
LEADER_WORKER_SET = {
    "apiVersion": "leaderworkerset.x-k8s.io/v1",
    "kind": "LeaderWorkerSet",
    "metadata": {"name": "llm-workers", "namespace": "novacron-workers"},
    "spec": {"replicas": 2, "leaderWorkerTemplate": {"size": 2, "workerTemplate": POD}},
}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "llm-coordinator", "namespace": "novacron-llm"},
    "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, **POD}},
}
OBJECTS: tuple[dict[str, Any], ...] = (
    SCALED_OBJECT,
    CERTIFICATE,
    EXTERNAL_SECRET,
    SERVICE_MONITOR,
    GATEWAY,
    LEADER_WORKER_SET,
    DEPLOYMENT,
)


def changed(item: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of an object with another value at a dotted path. None removes the field."""
    result = copy.deepcopy(item)
    *steps, last = path.split(".")
    place: Any = result
    for step in steps:
        place = place[int(step) if step.isdigit() else step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return result


@pytest.mark.go
@pytest.mark.parametrize("item", OBJECTS, ids=lambda item: str(item["kind"]))
def test_a_valid_object_is_accepted(item: dict[str, Any]) -> None:
    check_object(item)


@pytest.mark.go
@pytest.mark.parametrize(
    ("item", "path", "value", "problem"),
    [
        (SCALED_OBJECT, "spec.minReplicas", 2, "spec: Additional properties are not allowed ('minReplicas' was"),
        (SCALED_OBJECT, "spec.minReplicaCount", 2.5, "spec.minReplicaCount: 2.5 is not of type 'integer'"),
        (SCALED_OBJECT, "spec.triggers.0.metadata.threshold", 3, "spec.triggers[0].metadata.threshold: 3 is not of"),
        (SCALED_OBJECT, "spec.triggers", None, "spec: 'triggers' is a required property"),
        (SCALED_OBJECT, "metadata.label", {}, "metadata: Additional properties are not allowed ('label' was"),
        (SCALED_OBJECT, "metadata.namespace", None, "metadata.namespace: it must be set"),
        (CERTIFICATE, "spec.privateKey.algorithm", "DSA", "spec.privateKey.algorithm: 'DSA' is not one of"),
        (EXTERNAL_SECRET, "spec.data.0.remoteRef.key", None, "spec.data[0].remoteRef: 'key' is a required property"),
        (SERVICE_MONITOR, "spec.endpoints.0.interval", "fast", "spec.endpoints[0].interval: 'fast' does not match"),
        (GATEWAY, "spec.listeners.0.port", 70000, "spec.listeners[0].port: 70000 is greater than the maximum"),
        (LEADER_WORKER_SET, "spec.leaderWorkerTemplate.workerTemplate.spec.containers.0.imagen", "a", "('imagen' was"),
        (LEADER_WORKER_SET, "spec.leaderWorkerTemplate.restartPolicy", "Never", "'Never' is not one of"),
        (DEPLOYMENT, "spec.template.spec.containers.0.ports", [{"containerPort": "http"}], "'http' is not of type"),
        (DEPLOYMENT, "spec.template.spec.containers.0.env", [{"name": "A"}, {"name": "A"}], "two items have the same"),
    ],
)
def test_a_wrong_object_is_a_problem(item: dict[str, Any], path: str, value: Any, problem: str) -> None:
    (found,) = find_problems(changed(item, path, value))
    assert problem in found


@pytest.mark.go
@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("keda.sh/v2", "scaledobjects.keda.sh serves v1alpha1, not v2"),
        ("keda.example.com/v1", "no definition of ScaledObject in keda.example.com/v1"),
    ],
)
def test_an_unknown_version_or_kind_fails(version: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_object(changed(SCALED_OBJECT, "apiVersion", version))


def test_a_reduced_definition_that_contradicts_the_full_one_is_found() -> None:
    reduced = find_reduced("leaderworkerset.x-k8s.io", "LeaderWorkerSet")
    assert reduced is not None
    full = copy.deepcopy(reduced)
    assert compare(reduced, full) == []
    fields = full["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del fields["properties"]["replicas"]
    fields["required"].append("failover")
    fields["properties"]["leaderWorkerTemplate"]["properties"]["size"]["type"] = "string"
    assert compare(reduced, full) == [
        ".spec: failover is required",
        ".spec.replicas: the full definition does not have it",
        ".spec.leaderWorkerTemplate.size: type is 'integer', not 'string'",
    ]


@pytest.mark.parametrize("reduced", reduced_definitions(), ids=lambda item: str(item["spec"]["names"]["kind"]))
def test_reduced_definitions_agree_with_the_full_ones(reduced: dict[str, Any]) -> None:
    folder = os.environ.get(FULL_DEFINITIONS)
    if folder is None:
        pytest.skip(f"{FULL_DEFINITIONS} names no folder with the definitions that the projects publish")
    group, kind = reduced["spec"]["group"], reduced["spec"]["names"]["kind"]
    full = read_full(Path(folder), group, kind)
    assert full is not None, f"{folder} has no definition of {kind}"
    assert compare(reduced, full) == []
