"""Environments in a Kubernetes cluster of your own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
from novacron_infra import ConfigurationError, EnvironmentSecrets, KubernetesEnvironment, load, load_stack
from novacron_infra.config import Device
from novacron_infra.generated import complete_secrets

from tests.unit.config.environments import AZURE, SMALL, change, find_problems, read_stack
from tests.unit.config.test_problems import check_style

DIGEST = "@sha256:" + "0" * 64
BASE: dict[str, Any] = {
    "platform": "kubernetes",
    "images": {"coordinator": "localhost/coordinator:1", "worker": f"registry.example.com:5000/a/worker:1{DIGEST}"},
    "cluster": {},
    "model": {},
    "coordinators": {},
    "workers": {},
    "access": {},
    "postgres": {"image": "localhost/postgres:1"},
    "redis": {"image": "localhost/valkey:1"},
}


GATEWAY = {"name": "public", "namespace": "gateways"}
GATEWAY_ACCESS = {"kind": "gateway", "address": "llm.example.com", "gateway": GATEWAY}
GATEWAY_API = {"add_ons": {"gateway_api": "existing"}}
WITHOUT_DATABASES = {key: value for key, value in BASE.items() if key not in ("postgres", "redis")}


def load_base(**changes: Any) -> KubernetesEnvironment:
    config = load(change(BASE, changes))
    assert isinstance(config, KubernetesEnvironment)
    return config


def test_the_trial_stack_of_this_project_loads() -> None:
    config = load(read_stack("trial"))
    assert isinstance(config, KubernetesEnvironment)
    assert (config.coordinators.count, config.workers.count, config.access.node_port) == (2, 2, 30080)


def test_an_environment_needs_only_its_images() -> None:
    config = load({"platform": "kubernetes", "images": BASE["images"]})
    assert isinstance(config, KubernetesEnvironment)
    assert (config.coordinators.count, config.workers.count) == (2, 2)
    assert (config.workers.device, config.workers.gpus) == (Device.AUTO, 0)
    assert (config.model.id, config.model.path, config.model.url) == ("novacron-tiny", None, None)
    assert (config.access.kind.value, config.monitoring_namespace) == ("cluster-ip", "monitoring")
    assert set(find_problems({"platform": "kubernetes"})) == {"images"}


def test_coordinators_have_the_settings_of_a_local_coordinator() -> None:
    settings = {"routing": "round_robin", "queue_timeout_s": 5, "response_cache": {"disk_mib": 5}}
    config = load_base(coordinators=settings)
    assert config.coordinators.routing.value == "round_robin"
    assert config.coordinators.response_cache is not None
    found = find_problems(change(BASE, {"coordinators": {"http_port": 80, "api_keys": False}}))
    assert set(found) == {"coordinators.http_port", "coordinators.api_keys"}


def test_a_gateway_with_a_host_name_leads_to_the_coordinators() -> None:
    assert load_base(access=GATEWAY_ACCESS, **GATEWAY_API).access.gateway is not None


def test_the_path_of_a_kubeconfig_may_begin_with_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert load_base(cluster={"kubeconfig": "~/clusters/one"}).cluster.kubeconfig == Path("/home/ada/clusters/one")


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("images.worker", "registry.example.com/worker:1", "End it with @sha256: and the digest that you tested"),
        ("images.worker", "localhost:5000/worker:1", "End it with @sha256: and the digest that you tested"),
        ("images.worker", "worker", "an image is a registry and a path in lower case, with a tag or a digest"),
        ("images.worker", f"Registry.example.com/w{DIGEST}", "an image is a registry and a path in lower case"),
        ("images.worker", "registry.example.com/worker@sha256:00", "an image is a registry and a path"),
        ("model.path", "models/mine", "a path inside an image starts with / and does not end with it"),
        ("model.path", "/models/", "a path inside an image starts with / and does not end with it"),
        ("model.url", "efs://fs-1/mine", "a model's URL starts with s3://, gs:// or az:// and names a folder"),
        ("model.url", "s3://bucket", "a model's URL starts with s3://, gs:// or az:// and names a folder"),
        ("access.kind", "ingress", "Use cluster-ip, node-port, load-balancer or gateway"),
        ("access.node_port", 8080, "it must be from 30000 to 32767"),
        ("access.address", "http://node", "it is not a host name or an IPv4 address"),
        ("monitoring_namespace", "Monitoring", "a namespace has 1 to 63 lower-case letters, digits and hyphens"),
        ("workers.count", 0, "it must be from 1 to 10000"),
        ("workers.gpus", -1, "it must be from 0 to 64"),
        ("workers.start_timeout_s", 29, "it must be from 30 to 3600"),
        ("coordinators.drain_s", -1, "it must be from 0 to 3600"),
        ("database_url", "postgresql://u:p@h/d", "it is an unknown key"),
        ("redis.image", "registry.example.com/valkey:9", "End it with @sha256: and the digest that you tested"),
        ("postgres.storage_gib", 0, "it must be 1 or more"),
    ],
)
def test_a_wrong_value_has_one_problem_with_rule_and_fix(path: str, value: object, problem: str) -> None:
    base = change(BASE, {"access.kind": "node-port"})
    ((found_at, found),) = find_problems(change(base, {path: value})).items()
    assert found_at == path
    assert problem in str(found)
    check_style(found)


@pytest.mark.parametrize(
    ("changes", "path", "rule"),
    [
        ({"model": {"path": "/m", "url": "s3://b/m"}}, "model.url", "model.path also names a model"),
        ({"access": {"node_port": 30080}}, "access.node_port", "access.kind is cluster-ip"),
        ({"access": {"kind": "load-balancer", "node_port": 30080}}, "access.node_port", "access.kind is load-balancer"),
        ({"access": {"address": "node"}}, "access.address", "no client outside the cluster"),
        ({"access.gateway": GATEWAY}, "access.gateway", "access.kind is cluster-ip"),
        ({"access": {**GATEWAY_ACCESS, "gateway": None}, **GATEWAY_API}, "access.gateway", "access.kind is gateway"),
        (
            {"access": {**GATEWAY_ACCESS, "address": None}, **GATEWAY_API},
            "access.address",
            "by the host name of the request",
        ),
        (
            {"access": {**GATEWAY_ACCESS, "address": "192.0.2.1"}, **GATEWAY_API},
            "access.address",
            "by the host name of the request",
        ),
        ({"access": GATEWAY_ACCESS}, "access.kind", "add_ons.gateway_api is none"),
        ({"monitoring": {"logs": {"destination": "cloud"}}}, "monitoring.logs.destination", "has no log service"),
        ({"monitoring": {"logs": {"destination": "loki"}}}, "monitoring.logs.loki", "logs.destination is loki"),
        ({"workers": {"device": "cuda"}}, "workers.device", "workers.gpus is 0"),
        ({"workers": {"device": "cpu", "gpus": 1}}, "workers.device", "workers.gpus is 1"),
        ({"workers": {"shared_memory_gib": 4}}, "workers.shared_memory_gib", "workers.resources.memory_limit_gib, 4"),
        (
            {"coordinators": {"response_cache": {"memory_mib": 1024}}},
            "coordinators.response_cache.memory_mib",
            "it must be less than coordinators.resources.memory_limit_gib, 1",
        ),
        (
            {"workers.resources": {"cpu_request": 4, "cpu_limit": 2, "memory_request_gib": 2, "memory_limit_gib": 2}},
            "workers.resources.cpu_request",
            "it is more than workers.resources.cpu_limit, 2",
        ),
        (
            {"redis.resources": {"cpu_request": 1, "cpu_limit": 2, "memory_request_gib": 3, "memory_limit_gib": 2}},
            "redis.resources.memory_request_gib",
            "it is more than redis.resources.memory_limit_gib, 2",
        ),
    ],
)
def test_keys_that_contradict_each_other_have_one_problem(changes: dict[str, Any], path: str, rule: str) -> None:
    ((found_at, found),) = find_problems(change(BASE, changes)).items()
    assert found_at == path
    assert rule in found.rule
    check_style(found)


def test_all_problems_are_reported_together() -> None:
    found = find_problems(
        change(BASE, {"images.worker": "worker", "workers": {"device": "cuda"}, "access": {"nodeport": 1}, "zones": 1})
    )
    assert set(found) == {"images.worker", "workers.device", "access.nodeport", "zones"}
    assert "Did you mean node_port?" in found["access.nodeport"].fix


def test_an_environment_without_a_platform_is_checked_as_what_it_looks_like() -> None:
    values = {key: value for key, value in BASE.items() if key != "platform"}
    found = find_problems(change(values, {"access.node_port": 1}))
    assert set(found) == {"platform", "access.node_port"}
    assert found["platform"].fix == "Add it, with one of local, aws, gcp, azure, kubernetes"


def test_a_region_of_a_cloud_environment_is_not_in_a_cluster_of_your_own() -> None:
    values = change(AZURE, {"regions": [AZURE["regions"][0] | {"overrides": {"platform": "kubernetes"}}]})
    assert "Use aws, gcp or azure" in find_problems(values)["regions[westus3].overrides.platform"].fix


def test_secrets_are_not_in_the_repr_or_dump_of_an_environment() -> None:
    config = load(BASE, secrets=EnvironmentSecrets(api_key="hunter2", database_url="postgresql://u:swordfish@h/d"))
    assert isinstance(config, KubernetesEnvironment)
    assert config.secrets.api_key == "hunter2"
    assert not any(secret in repr(config) + config.model_dump_json() for secret in ("hunter2", "swordfish"))


def set_stack(values: dict[str, Any], **secrets: str) -> None:
    keys = {f"novacron:{key}": value for key, value in secrets.items()}
    pulumi.runtime.set_all_config({"novacron:environment": json.dumps(values), **keys}, list(keys))


def test_a_stack_gives_the_admin_key_and_the_urls_of_its_servers_as_secrets() -> None:
    urls = {"databaseUrl": "postgresql://u:swordfish@h/d", "redisUrl": "rediss://:swordfish@h"}
    set_stack(WITHOUT_DATABASES, apiKey="sk-0123456789abcdef", **urls)
    config = load_stack()
    assert isinstance(config, KubernetesEnvironment)
    assert config.secrets.api_key is not None
    assert config.secrets.database_url is not None
    assert config.secrets.redis_url is not None


@pytest.mark.parametrize(
    ("values", "secrets", "rule"),
    [
        (WITHOUT_DATABASES, {"databaseUrl": "mysql://u:swordfish@h/d"}, "it is not the URL of a Postgres database"),
        (WITHOUT_DATABASES, {"redisUrl": "http://u:swordfish@h/d"}, "it is not the URL of a Redis server"),
        (BASE, {"redisUrl": "redis://:swordfish@h"}, "novacron:environment.redis also names a server"),
        (BASE, {"redisPassword": "swordfish-swordfish"}, "platform kubernetes does not use this secret"),
        (SMALL, {"databaseUrl": "postgresql://u:swordfish@h/d"}, "platform aws does not use this secret"),
    ],
)
def test_secrets_that_would_be_ignored_or_are_wrong_are_refused_without_showing_them(
    values: dict[str, Any], secrets: dict[str, str], rule: str
) -> None:
    set_stack(values, **secrets)
    with pytest.raises(ConfigurationError) as caught:
        load_stack()
    (found,) = caught.value.problems
    assert found.path == f"novacron:{next(iter(secrets))}"
    assert found.rule == rule
    assert "swordfish" not in str(caught.value)


def test_the_url_of_a_database_is_never_generated() -> None:
    given = EnvironmentSecrets(database_password="a", redis_password="b", api_key="c", grafana_password="d")
    assert complete_secrets(given) == given
