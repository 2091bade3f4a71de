"""GPU workers in a cluster, as the plan of a region decides: their workloads, how they start, and what they may do."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from novacron_infra.plan.serving import RegionServing
from novacron_infra.workloads.serving_args import (
    Identities,
    ModelStoreAccess,
    NfsMount,
    PodIdentity,
    RedisLogin,
    ServiceLogin,
)
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.worker.config import WorkerConfig

from tests.definitions import check_object
from tests.unit.graph import violations
from tests.unit.plan.serving import STACKS, serve
from tests.unit.workloads.cluster import Stack, get
from tests.unit.workloads.regions import declare_region

WIDE: dict[str, Any] = {
    "model": {"profiles": [{"name": "quality", "quantization": "fp16", "minimum_replicas": 4}]},
    "targets": {
        "weights_in_use_gb": {"minimum": 400, "maximum": 5000},
        "inter_token_latency_s": {"p50": 0.05, "p95": 0.1},
        "time_to_first_token_s": {"p50": 1, "p95": 2},
    },
    "workers": {"minimum": 64},
}
"""A model whose replicas span two nodes."""
BALANCED, QUALITY = "llm-workers-balanced", "llm-workers-quality"


@pytest.fixture(scope="module")
def prod() -> Stack:
    return declare_region(serve())


@pytest.fixture(scope="module", params=STACKS)
def wide(request: pytest.FixtureRequest) -> tuple[str, Stack]:
    serving = serve(request.param, **WIDE)
    return request.param, declare_region(serving)


def template(stack: Stack, name: str = BALANCED) -> dict[str, Any]:
    return get(stack.one("StatefulSet", name), "spec.template")


def group(stack: Stack, part: str = "leader") -> dict[str, Any]:
    return get(stack.one("LeaderWorkerSet", QUALITY), f"spec.leaderWorkerTemplate.{part}Template")


def container(pod: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod["spec"]["containers"]
    return found


def variables(pod: dict[str, Any]) -> dict[str, Any]:
    return {item["name"]: item.get("value") for item in container(pod)["env"]}


def test_the_plan_decides_the_workload_of_each_profile(prod: Stack) -> None:
    sets = {key.partition("/")[2]: get(item, "spec.replicas") for key, item in prod.of("StatefulSet").items()}
    assert sets == {BALANCED: 6, "llm-workers-memory": 0}
    assert list(prod.of("LeaderWorkerSet")) == [f"novacron-workers/{QUALITY}"]
    quality = prod.one("LeaderWorkerSet", QUALITY)
    assert (get(quality, "spec.replicas"), get(quality, "spec.leaderWorkerTemplate.size")) == (0, 2)
    assert get(quality, "spec.leaderWorkerTemplate.restartPolicy") == "RecreateGroupAfterStart"
    for pod, gpus in ((template(prod), "8"), (template(prod, "llm-workers-memory"), "4"), (group(prod), "8")):
        resources = container(pod)["resources"]
        assert resources["limits"]["nvidia.com/gpu"] == resources["requests"]["nvidia.com/gpu"] == gpus


def test_production_requests_what_its_specification_asks_for(prod: Stack) -> None:
    resources = container(template(prod))["resources"]
    assert (resources["requests"]["cpu"], resources["requests"]["memory"]) == ("32000m", f"{256 * 1024}Mi")
    assert (resources["limits"]["cpu"], resources["limits"]["memory"]) == ("64000m", f"{512 * 1024}Mi")
    volumes = {item["name"]: item for item in template(prod)["spec"]["volumes"]}
    assert volumes["shared-memory"]["emptyDir"] == {"medium": "Memory", "sizeLimit": f"{32 * 1024}Mi"}


def test_a_worker_has_as_long_to_start_as_its_download_and_its_engine_may_take(prod: Stack) -> None:
    for planned in serve().workers:
        pod = group(prod) if planned.spans_nodes else template(prod, planned.name)
        probe = container(pod)["startupProbe"]
        allowed_s = probe["periodSeconds"] * probe["failureThreshold"]
        assert allowed_s >= planned.load.loader.timeout_s + planned.load.engine_start_s
        assert pod["spec"]["terminationGracePeriodSeconds"] > planned.drain_s


def test_no_pod_without_gpus_runs_on_a_gpu_node(prod: Stack) -> None:
    labels = {"novacron.io/node-type": "worker"}
    for pod in (template(prod), group(prod), group(prod, "worker")):
        assert pod["spec"]["nodeSelector"] == labels
        assert [item["key"] for item in pod["spec"]["tolerations"]] == ["nvidia.com/gpu"]
    assert prod.coordinator["nodeSelector"] == {"novacron.io/node-type": "coordinator"}
    assert "tolerations" not in prod.coordinator


def test_coordinators_are_in_as_many_zones_as_there_are(prod: Stack) -> None:
    zones, hosts = prod.coordinator["topologySpreadConstraints"]
    assert (zones["topologyKey"], zones["whenUnsatisfiable"]) == ("topology.kubernetes.io/zone", "DoNotSchedule")
    assert zones["nodeTaintsPolicy"] == "Honor"
    assert hosts["whenUnsatisfiable"] == "ScheduleAnyway"


def test_every_worker_reads_a_configuration_that_its_process_accepts(wide: tuple[str, Stack], prod: Stack) -> None:
    for stack in (wide[1], prod):
        files = [get(item, "data") for key, item in stack.of("ConfigMap").items() if "llm-workers" in key]
        for data in files:
            file = json.loads(data["worker.json"])
            accepted = WorkerConfig.model_validate({"worker_id": "pod-0", **file})
            assert accepted.coordinators == ("llm-coordinators.novacron-llm.svc:9090",)
            assert accepted.model.url is not None
            assert accepted.model.url.startswith("s3://novacron-prod-models/models/llama-3.1-405b-")


def test_a_new_configuration_replaces_all_pods_of_a_replica(wide: tuple[str, Stack]) -> None:
    leader, other = (group(wide[1], part)["metadata"]["annotations"] for part in ("leader", "worker"))
    hashes = {"novacron.io/configuration-hash", "novacron.io/secrets-hash"}
    assert hashes <= leader.keys()
    assert leader == other


def test_a_new_certificate_authority_replaces_coordinators() -> None:
    before, after = (
        get(
            declare_region(serve(), database_login=ServiceLogin(ca_certificate=text)).one("Deployment", "llm-coord"),
            "spec.template.metadata.annotations",
        )
        for text in ("authority", "another authority")
    )
    assert before["novacron.io/configuration-hash"] != after["novacron.io/configuration-hash"]
    assert before["novacron.io/secrets-hash"] == after["novacron.io/secrets-hash"]


def test_a_replica_that_spans_nodes_starts_its_ranks_from_the_leader(wide: tuple[str, Stack]) -> None:
    _, stack = wide
    assert stack.of("StatefulSet") == {}
    leader, other = group(stack), group(stack, "worker")
    for pod in (leader, other):
        assert container(pod)["command"][-3:] == ["python", "-m", "novacron_serving.worker.launch"]
        assert {"name": "launch", "containerPort": 9092} in container(pod)["ports"]
    assert container(leader)["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert container(leader)["livenessProbe"]["httpGet"]["path"] == "/health"
    assert container(other)["readinessProbe"]["tcpSocket"] == {"port": "launch"}
    assert "livenessProbe" not in container(other)


def test_the_pods_of_a_group_have_the_same_time_to_drain(wide: tuple[str, Stack]) -> None:
    leader, other = (group(wide[1], part)["spec"]["terminationGracePeriodSeconds"] for part in ("leader", "worker"))
    assert leader == other > 300


def test_only_leaders_get_requests_and_count_for_the_disruption_budget(wide: tuple[str, Stack]) -> None:
    _, stack = wide
    leader, other = (group(stack, part)["metadata"]["labels"] for part in ("leader", "worker"))
    budget = get(stack.of("PodDisruptionBudget")[f"novacron-workers/{QUALITY}"], "spec.selector.matchLabels")
    service = get(stack.of("Service")["novacron-workers/llm-workers"], "spec.selector")
    for selector in (budget, service):
        assert selector.items() <= leader.items()
        assert not selector.items() <= other.items()


def test_any_port_is_open_within_the_pods_of_a_set_only(wide: tuple[str, Stack]) -> None:
    policies = wide[1].of("NetworkPolicy")
    selector = {"matchLabels": {"leaderworkerset.sigs.k8s.io/name": QUALITY}}
    for direction, peers in (("in", "from"), ("out", "to")):
        spec = get(policies[f"novacron-workers/{QUALITY}-ranks-{direction}"], "spec")
        assert spec["podSelector"] == selector
        assert spec["ingress" if direction == "in" else "egress"] == [{peers: [{"podSelector": selector}]}]
    everywhere = [key for key, item in policies.items() if get(item, "spec.ingress") == [{}]]
    assert everywhere == []


RANKS = {
    "aws": {"vpc.amazonaws.com/efa": "32", "hugepages-2Mi": "5120Mi"},
    "gcp": {},
    "azure": {"rdma/ib": "1"},
}
RANK_VARIABLES = {
    "aws": {"FI_PROVIDER": "efa", "FI_EFA_USE_DEVICE_RDMA": "1"},
    "gcp": {"NCCL_GPUDIRECTTCPX_SOCKET_IFNAME": "eth1,eth2,eth3,eth4", "NCCL_SOCKET_IFNAME": "eth0"},
    "azure": {"UCX_NET_DEVICES": ",".join(f"mlx5_{index}:1" for index in range(8)), "NCCL_SOCKET_IFNAME": "eth0"},
}


def test_pods_of_a_replica_have_the_fabric_of_their_cloud(wide: tuple[str, Stack]) -> None:
    cloud, stack = wide
    for part in ("leader", "worker"):
        pod = group(stack, part)
        limits = container(pod)["resources"]["limits"]
        devices = {key: value for key, value in limits.items() if key not in ("cpu", "memory", "nvidia.com/gpu")}
        assert devices == RANKS[cloud]
        assert RANK_VARIABLES[cloud].items() <= variables(pod).items()


def test_a_namespace_is_restricted_unless_a_fabric_is_the_reason(wide: tuple[str, Stack]) -> None:
    cloud, stack = wide
    coordinators, workers = (stack.of("Namespace")[f"None/{name}"] for name in ("novacron-llm", "novacron-workers"))
    enforce = "pod-security.kubernetes.io/enforce"
    assert get(coordinators, "metadata.labels")[enforce] == "restricted"
    exempted = cloud == "gcp"
    assert get(workers, "metadata.labels")[enforce] == ("privileged" if exempted else "restricted")
    annotations = get(workers, "metadata.annotations") or {}
    assert ("TCPX" in annotations.get("novacron.io/pod-security-exemption", "")) is exempted


def test_workers_never_run_as_root_and_add_no_capability(wide: tuple[str, Stack]) -> None:
    _, stack = wide
    for part in ("leader", "worker"):
        pod = group(stack, part)
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        rights = container(pod)["securityContext"]
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert (rights["privileged"], rights["allowPrivilegeEscalation"]) == (False, False)
        assert pod["spec"]["automountServiceAccountToken"] is False


def test_the_daemon_of_a_fabric_starts_before_the_worker_with_the_capabilities_that_are_named() -> None:
    stack = declare_region(serve("gcp", **WIDE))
    (daemon,) = group(stack)["spec"]["initContainers"]
    assert (daemon["name"], daemon["restartPolicy"]) == ("tcpx-daemon", "Always")
    assert daemon["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}
    assert daemon["securityContext"]["privileged"] is False
    interfaces = json.loads(group(stack)["metadata"]["annotations"]["networking.gke.io/interfaces"])
    assert [item["network"] for item in interfaces] == ["default", "vpc1", "vpc2", "vpc3", "vpc4"]


@pytest.mark.parametrize(("cloud", "local"), [("aws", True), ("gcp", True), ("azure", False)])
def test_models_are_cached_on_local_disks_where_pods_can_use_them(cloud: str, local: bool) -> None:
    stack = declare_region(serve(cloud))
    balanced = stack.one("StatefulSet", BALANCED)
    claims = get(balanced, "spec.volumeClaimTemplates") or []
    on_disk = {item["name"] for item in get(balanced, "spec.template.spec.volumes") if "emptyDir" in item}
    assert ("models" in on_disk) is local
    assert [item["spec"]["storageClassName"] for item in claims] == ([] if local else ["fast-ssd"])
    mounts = container(template(stack))["volumeMounts"]
    assert {"name": "models", "mountPath": "/home/novacron/models"} in mounts
    if not local:
        policy = get(balanced, "spec.persistentVolumeClaimRetentionPolicy")
        assert policy == {"whenDeleted": "Delete", "whenScaled": "Delete"}


def test_a_file_system_is_mounted_for_reading_only() -> None:
    mount = NfsMount(server="fs-1.efs.us-west-2.amazonaws.com", url="efs://fs-1")
    stack = declare_region(serve(), ModelStoreAccess(url="efs://fs-1/models", mount=mount))
    volume = stack.one("PersistentVolume", "llm-model-store")
    assert get(volume, "spec.nfs") == {"server": "fs-1.efs.us-west-2.amazonaws.com", "path": "/", "readOnly": True}
    assert get(stack.one("PersistentVolumeClaim", "llm-model-store"), "spec.volumeName") == "llm-model-store"
    assert {"name": "model-store", "mountPath": "/mnt/models", "readOnly": True} in container(template(stack))[
        "volumeMounts"
    ]
    file = next(get(item, "data") for key, item in stack.of("ConfigMap").items() if BALANCED in key)["worker.json"]
    assert json.loads(file)["store_mounts"] == {"efs://fs-1": "/mnt/models"}
    assert not any("to-model-store" in key for key in stack.of("NetworkPolicy"))


def test_warm_capacity_is_displaced_by_any_other_pod(prod: Stack) -> None:
    assert not [item for item in prod.objects if "warm" in item.name]
    stack = declare_region(serve(workers={"warm_replicas": 2}))
    warm = stack.one("Deployment", "llm-warm-capacity")
    assert get(warm, "spec.replicas") == 2
    pod = get(warm, "spec.template")
    assert container(pod)["resources"]["limits"]["nvidia.com/gpu"] == "8"
    assert pod["spec"]["nodeSelector"] == template(stack)["spec"]["nodeSelector"]
    values = {get(item, "metadata.name"): get(item, "value") for item in stack.of("PriorityClass").values()}
    assert values[pod["spec"]["priorityClassName"]] < 0 < values[template(stack)["spec"]["priorityClassName"]]
    assert get(stack.one("PriorityClass", "novacron-warm"), "preemptionPolicy") == "Never"


def test_every_namespace_has_a_quota_that_its_pods_fit(prod: Stack) -> None:
    quotas = {key.partition("/")[0]: get(item, "spec.hard") for key, item in prod.of("ResourceQuota").items()}
    assert quotas["novacron-llm"] == {"pods": "8", "requests.nvidia.com/gpu": "0"}
    # 13 machines of 8 GPUs; 13 replicas of one pod, 6 of two and 26 of one that has half a machine.
    assert quotas["novacron-workers"] == {"pods": str(13 + 12 + 26), "requests.nvidia.com/gpu": "104"}
    assert len(prod.of("LimitRange")) == 2


def test_quotas_leave_all_gpus_to_replicas_that_displace_warm_capacity() -> None:
    stack = declare_region(serve(workers={"warm_replicas": 2}))
    hard = get(stack.of("ResourceQuota")["novacron-workers/novacron"], "spec.hard")
    assert hard == {"pods": str(13 + 12 + 26 + 2 * 2), "requests.nvidia.com/gpu": str(104 + 2 * 16)}


def test_pods_have_the_identity_of_their_cloud() -> None:
    workers = PodIdentity(
        annotations={"azure.workload.identity/client-id": "1-2"}, labels={"azure.workload.identity/use": "true"}
    )
    coordinators = PodIdentity(annotations={"iam.gke.io/gcp-service-account": "c@p.iam"}, metadata_server=True)
    stack = declare_region(serve(), identities=Identities(coordinators=coordinators, workers=workers))
    account = stack.one("ServiceAccount", "llm-workers")
    assert get(account, "metadata.annotations") == workers.annotations
    assert workers.labels.items() <= template(stack)["metadata"]["labels"].items()
    assert workers.labels.items() <= group(stack, "worker")["metadata"]["labels"].items()
    policy = get(stack.of("NetworkPolicy")["novacron-llm/coordinators-to-metadata-server"], "spec.egress")
    assert policy[0]["to"] == [{"ipBlock": {"cidr": "169.254.0.0/16"}}]
    assert "novacron-workers/workers-to-metadata-server" not in stack.of("NetworkPolicy")


def test_logins_and_the_certificate_are_files_that_coordinators_read_again() -> None:
    stack = declare_region(
        serve(),
        database_url="postgresql://novacron@database.example.com:5433/novacron",
        database_login=ServiceLogin(password_secret="llm-database", ca_certificate="authority"),
        redis_url="rediss://cache.example.com:6380",
        redis_login=RedisLogin(google=True, cluster=True),
        tls_secret="llm-api-tls",
    )
    (container,) = stack.coordinator["containers"]
    mounts = {item["name"]: item["mountPath"] for item in container["volumeMounts"]}
    volumes = {item["name"]: item.get("projected") for item in stack.coordinator["volumes"]}
    secret, authority = volumes["database"]["sources"]
    assert secret == {"secret": {"name": "llm-database"}}
    assert authority == {"configMap": {"name": "llm-database-ca"}}
    assert volumes["api-tls"]["sources"] == [{"secret": {"name": "llm-api-tls"}}]
    assert volumes["api-tls"]["defaultMode"] == 0o440
    assert "redis" not in volumes
    file = json.loads(get(stack.one("ConfigMap", "llm-coordinator"), "data")["coordinator.json"])
    assert file["database_password_file"] == f"{mounts['database']}/password"
    assert file["redis"] == {"cluster": True, "login": "google"}
    assert file["tls"] == {
        "certificate": f"{mounts['api-tls']}/tls.crt",
        "key": f"{mounts['api-tls']}/tls.key",
        "port": 8443,
    }
    CoordinatorConfig.model_validate(file)
    policies = stack.of("NetworkPolicy")
    ports = [
        get(policies[f"novacron-llm/coordinators-to-{name}"], "spec.egress")[0]["ports"][0]["port"]
        for name in ("database", "redis")
    ]
    assert ports == [5433, 6380]
    # Clients from outside have TLS; plain HTTP is for pods of the cluster.
    (from_clients,) = get(policies["novacron-llm/coordinators-from-clients"], "spec.ingress")
    assert from_clients == {"ports": [{"port": 8443, "protocol": "TCP"}]}
    (from_cluster,) = get(policies["novacron-llm/coordinators-from-cluster"], "spec.ingress")
    assert from_cluster == {"from": [{"namespaceSelector": {}}], "ports": [{"port": 8080, "protocol": "TCP"}]}
    for item in stack.objects:
        check_object(item.inputs)


def test_other_ports_are_used_everywhere() -> None:
    serving: RegionServing = serve(coordinators={"http_port": 8000, "grpc_port": 9000})
    stack = declare_region(serving)
    ports = {item["name"]: item["containerPort"] for item in stack.coordinator["containers"][0]["ports"]}
    assert ports == {"http": 8000, "grpc": 9000, "metrics": 9464}
    assert stack.endpoint == "http://llm-api.novacron-llm.svc:8000/v1"
    assert get(stack.of("NetworkPolicy")["novacron-llm/coordinators-from-clients"], "spec.ingress")[0]["ports"] == [
        {"port": 8000, "protocol": "TCP"}
    ]


def test_objects_fit_their_definitions(wide: tuple[str, Stack], prod: Stack) -> None:
    for stack in (wide[1], prod):
        for item in stack.objects:
            check_object(item.inputs)


def test_the_policies_have_nothing_against_a_region_on_aws(prod: Stack) -> None:
    assert [reason for item in prod.objects for reason in violations(item)] == []


def test_a_plan_is_the_same_for_equal_input() -> None:
    assert dataclasses.asdict(serve()) == dataclasses.asdict(serve())
