"""Postgres and Redis that a serving stack runs in its own namespace."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
from novacron_infra import Resources, ServingImages
from novacron_infra.config.sections.own_databases import OwnPostgres, OwnRedis
from novacron_infra.environment import describe_missing_servers
from novacron_infra.errors import ArgumentError
from novacron_infra.workloads import ServingStack, ServingStackArgs
from novacron_infra.workloads.serving_args import OwnDatabases
from novacron_serving.coordinator.config import CoordinatorConfig

from tests.unit.graph import Registered
from tests.unit.workloads.cluster import DATABASE_URL, IMAGES, Stack, declare, environment, get

IMAGE = "localhost/novacron-databases:1"
SERVERS = ("llm-postgres", "llm-redis")


@pytest.fixture(scope="module")
def stack() -> Stack:
    return declare(postgres={"image": IMAGE}, redis={"image": IMAGE}, coordinators={"response_cache": {}})


def find_pod(stack: Stack, name: str) -> dict[str, Any]:
    return get(stack.one("StatefulSet", name), "spec.template.spec")


def decode(secret: Registered) -> dict[str, str]:
    return {key: b64decode(value).decode() for key, value in get(secret, "data").items()}


def find_claim(stack: Stack) -> Registered:
    return stack.one("PersistentVolumeClaim", "llm-postgres-data")


@pytest.mark.parametrize("name", SERVERS)
def test_servers_keep_the_restricted_standard(stack: Stack, name: str) -> None:
    pod = find_pod(stack, name)
    (container,) = pod["containers"]
    assert pod["securityContext"] == stack.coordinator["securityContext"]
    assert container["securityContext"] == stack.coordinator["containers"][0]["securityContext"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["automountServiceAccountToken"] is False
    kinds = {next(key for key in volume if key != "name") for volume in pod["volumes"]}
    assert kinds <= {"configMap", "emptyDir", "persistentVolumeClaim", "projected"}


def test_coordinators_find_the_servers_and_read_their_passwords_from_files(stack: Stack) -> None:
    file = CoordinatorConfig.model_validate_json(json.dumps(stack.read_file("coordinator.json")))
    assert file.database_url == "postgresql://novacron@llm-postgres.novacron-llm.svc:5432/novacron?sslmode=disable"
    assert file.redis_url == "redis://llm-redis.novacron-llm.svc:6379"
    assert file.cache is not None
    assert file.cache.redis
    (container,) = stack.coordinator["containers"]
    mounted = {item["name"]: item["mountPath"] for item in container["volumeMounts"]}
    for name, password_file in (
        ("llm-postgres", file.database_password_file),
        ("llm-redis", file.redis.password_file),
    ):
        assert str(password_file) == f"{mounted[name]}/password"
        (of_coordinator,) = [item for item in stack.coordinator["volumes"] if item["name"] == name]
        (of_server,) = [item for item in find_pod(stack, name)["volumes"] if item["name"] == name]
        assert of_coordinator == of_server
    assert set(stack.of("StatefulSet")) == {f"novacron-llm/{name}" for name in (*SERVERS, "llm-workers")}
    services = {name: get(item, "spec.ports")[0]["port"] for name, item in stack.of("Service").items()}
    assert (services["novacron-llm/llm-postgres"], services["novacron-llm/llm-redis"]) == (5432, 6379)


def test_passwords_are_generated_and_only_in_their_secrets(stack: Stack) -> None:
    for name, key in zip(SERVERS, ("POSTGRES_PASSWORD", "REDIS_PASSWORD"), strict=True):
        secret = stack.one("Secret", name)
        assert decode(secret) == {key: f"generated-serving-{name}-password"}
        assert any(path.startswith("data") for path in secret.secrets)
    others = [item.inputs for item in stack.objects if not item.type.endswith(":Secret")]
    assert "generated-serving-llm" not in json.dumps(others)


def test_only_postgres_has_a_volume_which_is_protected(stack: Stack) -> None:
    claim = find_claim(stack)
    assert claim.protect
    assert get(claim, "spec.resources.requests.storage") == "10Gi"
    assert "storageClassName" not in get(claim, "spec")  # the cluster's default class
    (volume,) = [item for item in find_pod(stack, "llm-postgres")["volumes"] if item["name"] == "data"]
    assert volume["persistentVolumeClaim"] == {"claimName": get(claim, "metadata.name")}
    assert len(stack.of("PersistentVolumeClaim")) == 1
    assert not any("persistentVolumeClaim" in item for item in find_pod(stack, "llm-redis")["volumes"])
    chosen = {"image": IMAGE, "storage_gib": 3, "storage_class": "fast-ssd", "protected": False}
    changed = find_claim(declare(postgres=chosen))
    assert not changed.protect
    assert get(changed, "spec.storageClassName") == "fast-ssd"
    assert get(changed, "spec.resources.requests.storage") == "3Gi"


def test_servers_use_a_part_of_their_memory_for_data() -> None:
    memory = {"cpu_request": 1, "cpu_limit": 1, "memory_request_gib": 2, "memory_limit_gib": 4}
    stack = declare(postgres={"image": IMAGE, "resources": memory}, redis={"image": IMAGE, "resources": memory})
    assert "shared_buffers=512MB" in find_pod(stack, "llm-postgres")["containers"][0]["args"]
    assert "3072mb" in find_pod(stack, "llm-redis")["containers"][0]["args"]


def test_coordinators_start_after_the_servers_and_servers_after_the_network_policies(stack: Stack) -> None:
    servers = {stack.one("StatefulSet", name).name for name in SERVERS}
    assert servers <= set(stack.one("Deployment", "llm-coordinator").dependencies)
    policies = {item.name for item in stack.of("NetworkPolicy").values()}
    for name in SERVERS:
        assert policies <= set(stack.one("StatefulSet", name).dependencies)


def test_the_quota_has_room_for_the_servers_also_while_they_are_removed(stack: Stack) -> None:
    for each in (stack, declare()):
        quota = each.one("ResourceQuota", "novacron")
        coordinators, workers = 2, 2
        assert int(get(quota, "spec.hard.pods")) == 2 * coordinators + workers + len(SERVERS)


def test_a_redis_that_exists_is_a_secret_of_the_coordinators() -> None:
    stack = declare(redis_url="rediss://:swordfish@redis.example.com:6380", coordinators={"response_cache": {}})
    secret = stack.one("Secret", "llm-coordinator")
    assert decode(secret)["NOVACRON_REDIS_URL"] == "rediss://:swordfish@redis.example.com:6380"
    assert stack.read_file("coordinator.json")["cache"]["redis"] is True
    (rule,) = get(stack.of("NetworkPolicy")["novacron-llm/coordinators-to-redis"], "spec.egress")
    assert rule["ports"] == [{"port": 6380, "protocol": "TCP"}]


def test_a_second_database_and_contradicting_resources_are_refused_together() -> None:
    args = ServingStackArgs(
        images=ServingImages.model_validate(IMAGES),
        database_url=DATABASE_URL,
        databases=OwnDatabases(
            postgres=OwnPostgres(image=IMAGE),
            redis=OwnRedis(
                image=IMAGE,
                resources=Resources(cpu_request=2, cpu_limit=1, memory_request_gib=1, memory_limit_gib=1),
            ),
        ),
    )
    with pytest.raises(ArgumentError) as caught:
        ServingStack("serving", args)
    assert [found.path for found in caught.value.problems] == ["database_url", "redis.resources.cpu_request"]
    assert "swordfish" not in str(caught.value)


@pytest.mark.parametrize(
    ("sections", "missing"),
    [
        ({}, "there is no database"),
        ({"redis": {"image": IMAGE}}, "there is no database"),
        ({"postgres": {"image": IMAGE}}, "there is no Redis: each of the 2 coordinators counts rate limits for itself"),
        ({"postgres": {"image": IMAGE}, "coordinators": {"count": 1}}, None),
        ({"postgres": {"image": IMAGE}, "redis": {"image": IMAGE}}, None),
    ],
)
def test_a_missing_server_is_a_warning(sections: dict[str, Any], missing: str | None) -> None:
    found = list(describe_missing_servers(environment(**sections)))
    assert len(found) == (missing is not None)
    assert all(text.startswith(str(missing)) for text in found)
