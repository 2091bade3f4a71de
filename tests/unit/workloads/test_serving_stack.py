"""The serving stack in a cluster: its objects, what its pods may do, and how they start and stop."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import ApiClient
from novacron_infra import ConfigurationError, CoordinatorPods, ServedModel, ServingImages, WorkerPods
from novacron_infra.errors import ArgumentError
from novacron_infra.workloads import ServingStack, ServingStackArgs
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.worker.config import WorkerConfig

from tests.unit.config.environments import read_stack
from tests.unit.graph import violations
from tests.unit.workloads.cluster import DATABASE_URL, IMAGES, Stack, declare, get

CPU: dict[str, Any] = {}
GPU: dict[str, Any] = {"workers": {"gpus": 2, "start_timeout_s": 1200}}
TRIAL = {key: value for key, value in read_stack("trial").items() if key != "platform"}
STACKS = {"cpu": CPU, "gpu": GPU, "trial": TRIAL}


@pytest.fixture(scope="module")
def cpu() -> Stack:
    return declare(**CPU)


@pytest.fixture(scope="module", params=STACKS.values(), ids=STACKS)
def stack(request: pytest.FixtureRequest) -> Stack:
    return declare(**request.param)


def test_coordinators_and_cpu_workers_share_a_namespace(cpu: Stack) -> None:
    assert set(cpu.of("Namespace")) == {"None/novacron-llm"}
    named = {name for kind in ("Deployment", "StatefulSet", "Service") for name in cpu.of(kind)}
    assert named == {
        "novacron-llm/llm-coordinator",
        "novacron-llm/llm-workers",
        "novacron-llm/llm-coordinators",
        "novacron-llm/llm-api",
    }
    assert get(cpu.one("Deployment", "llm-coordinator"), "spec.replicas") == 2
    assert get(cpu.one("StatefulSet", "llm-workers"), "spec.replicas") == 2


def test_gpu_workers_have_a_namespace_of_their_own() -> None:
    gpu = declare(**GPU)
    assert set(gpu.of("Namespace")) == {"None/novacron-llm", "None/novacron-workers"}
    in_it = {
        item.type.rpartition(":")[2] for item in gpu.objects if get(item, "metadata.namespace") == "novacron-workers"
    }
    assert in_it == {
        "ConfigMap", "LimitRange", "NetworkPolicy", "PodDisruptionBudget", "ResourceQuota", "Secret", "Service",
        "ServiceAccount", "StatefulSet",
    }  # fmt: skip
    assert set(gpu.of("Deployment")) == {"novacron-llm/llm-coordinator"}
    assert gpu.read_file("worker.json")["coordinator"] == "llm-coordinators.novacron-llm.svc:9090"


def test_every_namespace_enforces_the_restricted_standard(stack: Stack) -> None:
    for namespace in stack.of("Namespace").values():
        labels = get(namespace, "metadata.labels")
        assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "audit", "warn")} == {"restricted"}


def test_pods_are_unprivileged_and_have_no_token(stack: Stack) -> None:
    for pod in (stack.coordinator, stack.worker):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] >= 10000
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        rights = container["securityContext"]
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert (rights["privileged"], rights["allowPrivilegeEscalation"]) == (False, False)
        assert {next(key for key in volume if key != "name") for volume in pod["volumes"]} == {"configMap", "emptyDir"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert all(get(item, "automountServiceAccountToken") is False for item in stack.of("ServiceAccount").values())


def test_only_containers_with_gpus_may_write_their_root_filesystem(cpu: Stack) -> None:
    def is_read_only(pod: dict[str, Any]) -> bool:
        return pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"]

    assert is_read_only(cpu.coordinator)
    assert is_read_only(cpu.worker)
    gpu = declare(**GPU)
    assert is_read_only(gpu.coordinator)
    assert not is_read_only(gpu.worker)


def test_processes_can_write_their_home_and_temporary_files(cpu: Stack) -> None:
    for pod in (cpu.coordinator, cpu.worker):
        (container,) = pod["containers"]
        writable = {item["mountPath"] for item in container["volumeMounts"] if not item.get("readOnly")}
        assert {"/home/novacron", "/tmp"} <= writable
        variables = {item["name"]: item.get("value") for item in container["env"]}
        assert (variables["HOME"], variables["TMPDIR"]) == ("/home/novacron", "/tmp")


def test_workers_have_shared_memory_of_the_configured_size() -> None:
    pod = declare(workers={"shared_memory_gib": 1.5}).worker
    (volume,) = [item for item in pod["volumes"] if item["name"] == "shared-memory"]
    assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "1536Mi"}
    (mount,) = [item for item in pod["containers"][0]["volumeMounts"] if item["name"] == "shared-memory"]
    assert mount["mountPath"] == "/dev/shm"


def test_gpu_workers_request_gpus_and_tolerate_the_taint_of_gpu_nodes(cpu: Stack) -> None:
    pod = declare(**GPU).worker
    resources = pod["containers"][0]["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "2"
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert "tolerations" not in cpu.worker
    assert "nvidia.com/gpu" not in cpu.worker["containers"][0]["resources"]["limits"]


def test_the_trial_fits_a_node_of_two_cores_and_8_gib_even_during_an_update() -> None:
    trial = declare(**TRIAL)
    pods = [trial.coordinator] * (2 + 1) + [trial.worker] * 2
    requests = [pod["containers"][0]["resources"]["requests"] for pod in pods]
    assert sum(int(item["cpu"].removesuffix("m")) for item in requests) <= 1500
    limits = [pod["containers"][0]["resources"]["limits"] for pod in pods]
    assert sum(int(item["memory"].removesuffix("Mi")) for item in limits) <= 6 * 1024
    assert all(pod["containers"][0]["imagePullPolicy"] == "Never" for pod in pods)
    assert trial.endpoint == "http://127.0.0.1:30080/v1"


def test_images_of_a_registry_are_pulled_by_digest_if_they_are_missing() -> None:
    digest = "registry.example.com/novacron-{}:0.1.0@sha256:" + "0" * 64
    stack = declare(images={"coordinator": digest.format("coordinator"), "worker": digest.format("worker-cpu")})
    (container,) = stack.coordinator["containers"]
    assert container["image"] == digest.format("coordinator")
    assert container["imagePullPolicy"] == "IfNotPresent"


def test_a_pod_outlives_its_drain(cpu: Stack) -> None:
    stack = declare(coordinators={"drain_s": 200}, workers={"drain_s": 300})
    file = CoordinatorConfig.model_validate_json(json.dumps(stack.read_file("coordinator.json")))
    pre_stop_s = stack.coordinator["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert file.drain_s == 200
    assert file.drain_notice_s > 0
    assert stack.coordinator["terminationGracePeriodSeconds"] > pre_stop_s + file.drain_notice_s + file.drain_s
    assert stack.read_file("worker.json")["drain_s"] == 300
    assert stack.worker["terminationGracePeriodSeconds"] > 300
    assert "lifecycle" not in cpu.worker["containers"][0]  # it tells coordinators itself


def test_probes_ask_for_health_and_readiness(cpu: Stack) -> None:
    for pod, starts_with in ((cpu.coordinator, "/health"), (cpu.worker, "/ready")):
        (container,) = pod["containers"]
        paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
        assert paths == {"startup": starts_with, "liveness": "/health", "readiness": "/ready"}
        assert {container[f"{name}Probe"]["httpGet"]["port"] for name in paths} == {"http"}


@pytest.mark.parametrize("start_timeout_s", [30, 121, 1201])
def test_a_worker_may_load_for_as_long_as_its_timeout(start_timeout_s: int) -> None:
    stack = declare(workers={"start_timeout_s": start_timeout_s})
    probe = stack.worker["containers"][0]["startupProbe"]
    allowed_s = probe["periodSeconds"] * probe["failureThreshold"]
    assert start_timeout_s <= allowed_s < start_timeout_s + probe["periodSeconds"]


def test_coordinators_are_updated_without_a_gap_and_before_workers(cpu: Stack) -> None:
    deployment, workers = cpu.one("Deployment", "llm-coordinator"), cpu.one("StatefulSet", "llm-workers")
    assert get(deployment, "spec.strategy.rollingUpdate") == {"maxUnavailable": 0, "maxSurge": 1}
    assert deployment.name in workers.dependencies
    assert get(workers, "spec.podManagementPolicy") == "Parallel"
    assert get(workers, "spec.updateStrategy.type") == "RollingUpdate"


def test_a_new_stack_has_no_cycle_of_pods_that_wait_for_each_other(cpu: Stack) -> None:
    """Workers are created after available coordinators, so these must not wait for workers without limit."""
    file = cpu.read_file("coordinator.json")
    assert file["minimum_workers"] == 1
    assert file["workers_timeout_s"] > 0
    assert file["workers_name"] == "llm-workers.novacron-llm.svc", "no address: there are no workers to wait for"
    for name in ("llm-coordinators", "llm-workers"):
        service = cpu.one("Service", name)
        assert get(service, "metadata.annotations") == {"pulumi.com/skipAwait": "true"}
        assert get(service, "spec.clusterIP") == "None"
        assert get(service, "spec.publishNotReadyAddresses") is True
    assert cpu.one("Deployment", "llm-coordinator").name in cpu.one("Service", "llm-api").dependencies


def test_pods_start_after_policies_and_accounts(cpu: Stack) -> None:
    earlier = {item.name for kind in ("NetworkPolicy", "ServiceAccount") for item in cpu.of(kind).values()}
    assert earlier <= set(cpu.one("Deployment", "llm-coordinator").dependencies)


def test_pods_are_spread_over_zones_and_hosts(stack: Stack) -> None:
    for pod, name in ((stack.coordinator, "llm-coordinator"), (stack.worker, "llm-workers")):
        spread = pod["topologySpreadConstraints"]
        assert [item["topologyKey"] for item in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        selected = {"matchLabels": {"app.kubernetes.io/name": name}}
        assert all(item["labelSelector"] == selected and item["maxSkew"] == 1 for item in spread)


def test_a_drain_of_nodes_evicts_one_pod_of_each_kind_at_a_time(stack: Stack) -> None:
    budgets = list(stack.of("PodDisruptionBudget").values())
    assert {get(item, "metadata.name") for item in budgets} == {"llm-coordinator", "llm-workers"}
    assert {get(item, "spec.maxUnavailable") for item in budgets} == {1}
    assert {get(item, "spec.unhealthyPodEvictionPolicy") for item in budgets} == {"AlwaysAllow"}


def test_each_worker_takes_its_name_and_address_from_its_pod(cpu: Stack) -> None:
    fields = {
        item["name"]: item["valueFrom"]["fieldRef"]["fieldPath"]
        for item in cpu.worker["containers"][0]["env"]
        if "fieldRef" in item.get("valueFrom", {})
    }
    assert fields == {"NOVACRON_WORKER_ID": "metadata.name", "NOVACRON_HOST": "status.podIP"}
    assert not {"worker_id", "host"} & cpu.read_file("worker.json").keys()


def test_processes_accept_their_files(stack: Stack) -> None:
    coordinator = CoordinatorConfig.model_validate_json(json.dumps(stack.read_file("coordinator.json")))
    assert (coordinator.host, coordinator.http_port, coordinator.grpc_port) == ("0.0.0.0", 8080, 9090)  # noqa: S104
    assert coordinator.database_url is None
    identity = {"worker_id": "llm-workers-0", "host": "192.0.2.7"}
    worker = WorkerConfig.model_validate_json(json.dumps({**stack.read_file("worker.json"), **identity}))
    assert (worker.port, worker.coordinators) == (9091, ("llm-coordinators.novacron-llm.svc:9090",))
    for pod, file in ((stack.coordinator, "coordinator.json"), (stack.worker, "worker.json")):
        assert pod["containers"][0]["args"] == ["--config", f"/etc/novacron/{file}"]


@pytest.mark.parametrize(
    ("model", "served"),
    [
        ({}, {"id": "novacron-tiny"}),
        ({"id": "mine", "path": "/models/mine"}, {"id": "mine", "path": "/models/mine"}),
        ({"id": "mine", "url": "s3://models/mine"}, {"id": "mine", "url": "s3://models/mine"}),
    ],
)
def test_workers_serve_the_configured_model(model: dict[str, str], served: dict[str, str]) -> None:
    assert declare(model=model).read_file("worker.json")["model"] == served


def test_a_cache_on_disk_is_in_the_writable_home_and_within_its_size() -> None:
    stack = declare(coordinators={"response_cache": {"disk_mib": 1000}})
    file = CoordinatorConfig.model_validate_json(json.dumps(stack.read_file("coordinator.json")))
    assert file.cache is not None
    assert file.cache.disk == Path("/home/novacron/responses")
    (home,) = [item for item in stack.coordinator["volumes"] if item["name"] == "home"]
    assert int(home["emptyDir"]["sizeLimit"].removesuffix("Mi")) > 1000
    resources = stack.coordinator["containers"][0]["resources"]
    assert int(resources["requests"]["ephemeral-storage"].removesuffix("Mi")) > 1000
    assert "ephemeral-storage" not in resources["limits"]  # with some snapshotters the image would count as well


def read_hashes(stack: Stack, name: str) -> list[tuple[str, str]]:
    """Return the hashes of configuration and of secrets that the pods of coordinators and of workers have."""
    workloads = (stack.one("Deployment", "llm-coordinator"), stack.one("StatefulSet", "llm-workers"))
    return [get(item, "spec.template.metadata.annotations")[f"novacron.io/{name}-hash"] for item in workloads]


def test_another_configuration_replaces_the_pods_that_read_it_and_no_others(cpu: Stack) -> None:
    before = read_hashes(cpu, "configuration")
    assert read_hashes(declare(**CPU), "configuration") == before
    coordinators, workers = (
        read_hashes(declare(**sections), "configuration")
        for sections in ({"coordinators": {"max_requests": 7}}, {"workers": {"threads": 2}})
    )
    assert [old == new for old, new in zip(before, coordinators, strict=True)] == [False, True]
    assert [old == new for old, new in zip(before, workers, strict=True)] == [True, False]


def test_configuration_and_secrets_keep_their_names_and_can_be_changed(stack: Stack) -> None:
    for kind in ("ConfigMap", "Secret"):
        found = stack.of(kind)
        assert {name.partition("/")[2] for name in found} == {"llm-coordinator", "llm-workers"}
        assert all(get(item, "immutable") is None for item in found.values())
    for name, pod in (("llm-coordinator", stack.coordinator), ("llm-workers", stack.worker)):
        (volume,) = [item for item in pod["volumes"] if item["name"] == "config"]
        assert volume["configMap"] == {"name": name}
        assert set(find_secrets(pod).values()) == {name}


def find_secrets(pod: dict[str, Any]) -> dict[str, str]:
    """Return the names of the Secrets of a container's variables."""
    references = [item["valueFrom"] for item in pod["containers"][0]["env"] if "valueFrom" in item]
    keys = [item["secretKeyRef"] for item in references if "secretKeyRef" in item]
    return {item["key"]: item["name"] for item in keys}


def test_workers_get_only_the_cluster_token_and_coordinators_the_keys_too(cpu: Stack) -> None:
    assert set(find_secrets(cpu.worker)) == {"NOVACRON_CLUSTER_TOKEN"}
    assert set(find_secrets(cpu.coordinator)) == {"NOVACRON_CLUSTER_TOKEN", "NOVACRON_ADMIN_KEY"}
    with_database = declare(database_url=DATABASE_URL)
    assert find_secrets(with_database.coordinator).keys() - find_secrets(cpu.coordinator) == {"NOVACRON_DATABASE_URL"}
    assert set(find_secrets(with_database.worker)) == {"NOVACRON_CLUSTER_TOKEN"}


def test_secrets_are_generated_unless_they_are_given_and_stay_secret(cpu: Stack) -> None:
    assert cpu.admin_key == "generated-serving-admin-key"
    given = declare(admin_key="sk-given-by-the-user", database_url=DATABASE_URL)
    assert given.admin_key == "sk-given-by-the-user"
    secret = given.one("Secret", "llm-coordinator")
    assert {key: b64decode(value).decode() for key, value in get(secret, "data").items()} == {
        "NOVACRON_CLUSTER_TOKEN": "generated-serving-cluster-token",
        "NOVACRON_ADMIN_KEY": "sk-given-by-the-user",
        "NOVACRON_DATABASE_URL": DATABASE_URL,
    }
    assert "data" in secret.secrets
    elsewhere = [item for item in given.objects if item is not secret]
    assert "swordfish" not in json.dumps([item.inputs for item in elsewhere])


def test_another_secret_replaces_the_pods_that_use_it(cpu: Stack) -> None:
    before = read_hashes(cpu, "secrets")
    changed = declare(admin_key="sk-given-by-the-user")
    assert [old == new for old, new in zip(before, read_hashes(changed, "secrets"), strict=True)] == [False, True]
    assert read_hashes(changed, "configuration") == read_hashes(cpu, "configuration")
    deployment = changed.one("Deployment", "llm-coordinator")
    assert deployment.secrets == ()  # a diff shows the hashes


def test_the_policies_have_nothing_against_it(stack: Stack) -> None:
    assert [reason for item in stack.objects for reason in violations(item)] == []


def as_kubernetes_reads(kind: str, inputs: dict[str, Any]) -> Any:
    """An object as Kubernetes' own client takes it in and writes it out again: without what its API does not have."""
    api, text = ApiClient(), json.dumps(with_whole_numbers(inputs))
    return api.sanitize_for_serialization(api.deserialize(text, f"V1{kind}", "application/json"))


def with_whole_numbers(value: Any) -> Any:
    """A copy without floats, which all numbers are on their way to the engine."""
    if isinstance(value, dict):
        return {key: with_whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def test_kubernetes_own_models_have_every_property_and_miss_none(stack: Stack) -> None:
    for item in stack.objects:
        assert as_kubernetes_reads(item.type.rpartition(":")[2], item.inputs) == item.inputs


def test_a_preview_before_the_first_update_succeeds() -> None:
    names = {item.name for item in declare(preview=True).objects}
    assert {"serving-llm-coordinator", "serving-llm-workers", "serving-llm-api"} <= names


def test_arguments_that_contradict_each_other_are_refused_together() -> None:
    args = ServingStackArgs(
        images=ServingImages.model_validate(IMAGES),
        model=ServedModel(path="/models/mine", url="s3://models/mine"),
        coordinators=CoordinatorPods(),
        workers=WorkerPods.model_validate_json('{"device": "cuda"}'),
    )
    with pytest.raises(ArgumentError) as caught:
        ServingStack("serving", args)
    assert isinstance(caught.value, ConfigurationError)
    assert [found.path for found in caught.value.problems] == ["model.url", "workers.device"]
