"""A serving stack in a simulated cluster: changes of its configuration, and how they are reverted."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest

from tests.rehearsal.kubernetes.api_server import ApiServer, Stored
from tests.rehearsal.kubernetes.conftest import KubeLab

PROGRAM = """
from base64 import b64decode
from hashlib import sha256
from unittest import mock
from novacron_infra import CoordinatorPods, ServingImages, WorkerPods
from novacron_infra.workloads import ServingStack, ServingStackArgs, config_objects, serving_stack
from novacron_infra.workloads.pods import PodContent, label_object
from novacron_infra.workloads.provider import declare_provider

cluster = PROVIDER

def declare():
    ServingStack(
        "serving",
        ServingStackArgs(
            images=ServingImages(coordinator="localhost/coordinator:TAG", worker="localhost/worker:1"),
            coordinators=CoordinatorPods(max_requests=REQUESTS),
            workers=WorkerPods(),
            admin_key="sk-of-the-administrator",
            database_url=DATABASE,
        ),
        O(providers=[cluster]),
    )
"""
OWN_PROVIDER = 'declare_provider("own", config)'
PLAIN_PROVIDER = 'k8s.Provider("plain", kubeconfig=config)'
"""A provider as an importing program may have it: it replaces ConfigMaps and Secrets whose content changes."""
HASHED_NAMES = """
def former(resource, namespace, name, file, text, opts):
    text = pulumi.Output.from_input(text)
    full_name = text.apply(lambda known: f"{name}-{sha256(known.encode()).hexdigest()[:10]}")
    made = k8s.core.v1.ConfigMap(
        resource, metadata=label_object(full_name, namespace, name), data={file: text}, immutable=True, opts=opts
    )
    return PodContent(name=made.metadata.name, made=made, content_hash=pulumi.Output.from_input(""))

with mock.patch.object(config_objects, "declare_file", former):
    declare()
"""
"""The version before: another content had another name."""
PODS = "/api/v1/namespaces/novacron-llm"
COORDINATORS, WORKERS = ("Deployment", "llm-coordinator"), ("StatefulSet", "llm-workers")


def program(
    *,
    tag: str = "1",
    requests: int = 10,
    database: str | None = None,
    provider: str = OWN_PROVIDER,
    declared: str = "declare()",
) -> str:
    text = PROGRAM.replace("PROVIDER", provider, 1).replace("TAG", tag)
    return text.replace("REQUESTS", str(requests)).replace("DATABASE", repr(database)) + declared


def roll(workload: Stored) -> None:
    """Set the status as a controller does. The image with the tag `broken` cannot be pulled."""
    replicas, generation = workload["spec"]["replicas"], workload["metadata"]["generation"]
    image = workload["spec"]["template"]["spec"]["containers"][0]["image"]
    counts = dict.fromkeys(("replicas", "readyReplicas", "availableReplicas", "updatedReplicas"), replicas)
    workload["status"] = {"observedGeneration": generation, **counts}
    if image.endswith(":broken"):
        failure = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": image}
        workload["status"] |= {"updatedReplicas": 0, "conditions": [failure]}


@pytest.fixture
def stack(kube: KubeLab) -> KubeLab:
    """A project whose cluster has controllers."""
    active = {"status": {"phase": "Active"}}
    kube.api.controllers = {"Deployment": roll, "StatefulSet": roll, "Namespace": lambda one: one.update(active)}
    ready = {"addresses": ["10.0.0.1"], "conditions": {"ready": True}}
    slices = {"kind": "EndpointSlice", "endpoints": [ready]}
    labels = {"kubernetes.io/service-name": "llm-api"}
    metadata = {"name": "llm-api", "namespace": "novacron-llm", "labels": labels}
    kube.api.put(
        "/apis/discovery.k8s.io/v1/namespaces/novacron-llm/endpointslices/llm-api", slices | {"metadata": metadata}
    )
    return kube


def find(api: ApiServer, kind: str, name: str) -> Stored:
    found = api.find(kind, name)
    assert found is not None
    return found


def read_config(api: ApiServer) -> dict[str, Any]:
    return json.loads(find(api, "ConfigMap", "llm-coordinator")["data"]["coordinator.json"])


def pods_of(api: ApiServer, workload: tuple[str, str]) -> Stored:
    """Return a copy of the template, which controllers compare to decide whether pods are replaced."""
    return json.loads(json.dumps(find(api, *workload)["spec"]["template"]))


def list_names(api: ApiServer, kind: str) -> list[str]:
    return sorted(one["metadata"]["name"] for one in api.objects.values() if one["kind"] == kind)


@pytest.mark.parametrize("provider", [OWN_PROVIDER, PLAIN_PROVIDER], ids=["own", "plain"])
def test_an_update_that_fails_can_be_reverted(stack: KubeLab, provider: str) -> None:
    first = stack.up(program(provider=provider))
    assert first.succeeded, first.errors
    before = pods_of(stack.api, COORDINATORS)
    failed = stack.up(program(provider=provider, tag="broken", requests=20))
    assert "its rollout has failed: ProgressDeadlineExceeded" in failed.errors
    assert read_config(stack.api)["max_requests"] == 20
    reverted = stack.up(program(provider=provider))
    assert reverted.succeeded, reverted.errors
    assert read_config(stack.api)["max_requests"] == 10
    assert pods_of(stack.api, COORDINATORS) == before  # Kubernetes continues with the pods that never stopped
    assert list_names(stack.api, "ConfigMap") == list_names(stack.api, "Secret") == ["llm-coordinator", "llm-workers"]
    assert not [one.urn for one in stack.workspace.snapshot().resources if one.delete]
    assert stack.steps(stack.up()) == []
    removed = stack.run("destroy")
    assert removed.succeeded, removed.errors
    assert list_names(stack.api, "ConfigMap") == []


@pytest.mark.parametrize("provider", [OWN_PROVIDER, PLAIN_PROVIDER], ids=["own", "plain"])
def test_pods_are_replaced_if_what_they_read_changes_and_otherwise_not(stack: KubeLab, provider: str) -> None:
    assert stack.up(program(provider=provider)).succeeded
    coordinators, workers = pods_of(stack.api, COORDINATORS), pods_of(stack.api, WORKERS)
    uid = find(stack.api, *COORDINATORS)["metadata"]["uid"]
    changed = stack.up(program(provider=provider, requests=20))
    assert changed.succeeded, changed.errors
    assert pods_of(stack.api, COORDINATORS) != coordinators
    assert pods_of(stack.api, WORKERS) == workers
    assert find(stack.api, *COORDINATORS)["metadata"]["uid"] == uid  # it is updated, not replaced
    former = pods_of(stack.api, COORDINATORS)
    database = stack.up(program(provider=provider, requests=20, database="postgresql://db.example.com/novacron"))
    assert database.succeeded, database.errors
    hashes = [pods["metadata"]["annotations"] for pods in (former, pods_of(stack.api, COORDINATORS))]
    assert [name for name in hashes[0] if hashes[0][name] != hashes[1][name]] == ["novacron.io/secrets-hash"]
    assert pods_of(stack.api, WORKERS) == workers


def test_a_secret_that_is_no_longer_configured_is_gone_from_the_cluster(stack: KubeLab) -> None:
    assert stack.up(program(database="postgresql://novacron:swordfish@db.example.com/novacron")).succeeded
    held = find(stack.api, "Secret", "llm-coordinator")["data"]
    assert "swordfish" in b64decode(held["NOVACRON_DATABASE_URL"]).decode()
    assert stack.up(program()).succeeded
    held = find(stack.api, "Secret", "llm-coordinator")["data"]
    assert held.keys() == {"NOVACRON_ADMIN_KEY", "NOVACRON_CLUSTER_TOKEN"}


def test_objects_of_the_version_before_are_deleted_once_no_pod_reads_them(stack: KubeLab) -> None:
    former = stack.up(program(declared=HASHED_NAMES))
    assert former.succeeded, former.errors
    hashed = list_names(stack.api, "ConfigMap")
    assert [name.rpartition("-")[0] for name in hashed] == ["llm-coordinator", "llm-workers"]
    stack.api.requests.clear()
    upgraded = stack.up(program())
    assert upgraded.succeeded, upgraded.errors
    assert list_names(stack.api, "ConfigMap") == ["llm-coordinator", "llm-workers"]
    writes = [path for method, path in stack.api.writes()]
    last_roll = max(writes.index(path) for path in writes if path.endswith(("/llm-coordinator", "/llm-workers")))
    assert all(writes.index(f"{PODS}/configmaps/{name}") > last_roll for name in hashed)
    assert stack.steps(stack.up()) == []
