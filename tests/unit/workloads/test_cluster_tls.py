"""`cluster_tls`: the objects of cert-manager, and the pods that use the certificates."""

from __future__ import annotations

from typing import Any

import pytest
from novacron_infra.config import load
from novacron_infra.errors import ConfigurationError
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.worker.config import WorkerConfig

from tests.definitions import check_object
from tests.unit.workloads.cluster import IMAGES, Stack, declare, get

ON: dict[str, Any] = {"cluster_tls": True, "add_ons": {"cert_manager": "existing"}}
SECRETS = {"llm-coordinator": "llm-coordinator-tls", "llm-workers": "llm-workers-tls"}


@pytest.fixture(scope="module")
def stack() -> Stack:
    return declare(**ON)


@pytest.mark.go
@pytest.mark.parametrize("workers", [{}, {"gpus": 1}])
def test_its_objects_fit_the_definitions(workers: dict[str, Any]) -> None:
    stack = declare(**ON, workers=workers)
    items = [*stack.of("ClusterIssuer").values(), *stack.of("Certificate").values()]
    assert len(items) == 5
    for item in items:
        check_object(item.inputs)
    for kind in ("Deployment", "StatefulSet"):
        for item in stack.of(kind).values():
            check_object(item.inputs)


def test_the_ca_signs_a_certificate_for_each_side(stack: Stack) -> None:
    ca = get(stack.one("Certificate", "novacron-cluster-ca"), "spec")
    assert ca["isCA"] is True
    assert ca["privateKey"]["rotationPolicy"] == "Never"
    assert get(stack.one("ClusterIssuer", "novacron-cluster"), "spec") == {"ca": {"secretName": ca["secretName"]}}
    for name, secret in SECRETS.items():
        spec = get(stack.one("Certificate", secret), "spec")
        assert spec["issuerRef"] == {"name": "novacron-cluster", "kind": "ClusterIssuer"}, name
        assert {"server auth", "client auth"} <= set(spec["usages"])
        assert spec["privateKey"]["rotationPolicy"] == "Always"


def test_the_key_of_the_ca_is_in_no_namespace_of_the_stack(stack: Stack) -> None:
    namespaces = {get(item, "metadata.name") for item in stack.of("Namespace").values()}
    assert get(stack.one("Certificate", "novacron-cluster-ca"), "metadata.namespace") == "cert-manager"
    assert "cert-manager" not in namespaces


def test_pods_mount_the_certificate_that_their_configuration_names(stack: Stack) -> None:
    for pod, file, secret in (
        (stack.coordinator, "coordinator.json", SECRETS["llm-coordinator"]),
        (stack.worker, "worker.json", SECRETS["llm-workers"]),
    ):
        (volume,) = [item for item in pod["volumes"] if item.get("secret")]
        assert volume["secret"] == {"secretName": secret, "defaultMode": 0o440}
        (container,) = pod["containers"]
        (mount,) = [item for item in container["volumeMounts"] if item["name"] == volume["name"]]
        assert mount["readOnly"] is True
        section = stack.read_file(file)["cluster_tls"]
        assert {path.rpartition("/")[0] for key, path in section.items() if key != "server_name"} == {
            mount["mountPath"]
        }
        names = get(stack.one("Certificate", secret), "spec.dnsNames")
        assert names == [section["server_name"]]


def test_the_serving_package_accepts_the_files(stack: Stack) -> None:
    assert CoordinatorConfig.model_validate(stack.read_file("coordinator.json")).cluster_tls is not None
    assert (
        WorkerConfig.model_validate(stack.read_file("worker.json") | {"worker_id": "llm-workers-0"}).cluster_tls
        is not None
    )


def test_probes_of_workers_use_tls_and_those_of_coordinators_do_not(stack: Stack) -> None:
    (worker,), (coordinator,) = stack.worker["containers"], stack.coordinator["containers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert worker[probe]["httpGet"]["scheme"] == "HTTPS"
        assert "scheme" not in coordinator[probe]["httpGet"]


def test_without_it_nothing_of_cert_manager_is_needed() -> None:
    stack = declare()
    assert stack.of("Certificate") == stack.of("ClusterIssuer") == {}
    assert "cluster_tls" not in stack.read_file("worker.json")
    assert not [item for item in stack.worker["volumes"] if item.get("secret")]


def test_it_needs_cert_manager() -> None:
    with pytest.raises(ConfigurationError) as raised:
        load({"platform": "kubernetes", "images": IMAGES, "cluster_tls": True})
    assert "cluster_tls = true: cert-manager issues the certificates, and add_ons.cert_manager is none" in str(
        raised.value
    )
