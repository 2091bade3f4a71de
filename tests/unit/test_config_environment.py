"""What a user who writes a stack's configuration relies on."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from novacron_infra.config import CloudEnvironment, Device, EnvironmentSecrets, LocalEnvironment, load
from novacron_infra.config.schema import rendered, schemas
from novacron_infra.errors import ConfigurationError, Problem

ROOT = Path(__file__).parents[2]
CLOUD: dict[str, Any] = {
    "platform": "aws",
    "environment": "dev",
    "regions": [
        {
            "name": "us-west-2",
            "dns_label": "us-west",
            "weight": 1,
            "network": "10.0.0.0/16",
            "zones": ["us-west-2a", "us-west-2b"],
        }
    ],
    "clusters": {"admins": ["arn:aws:iam::123456789012:role/operators"]},
    "coordinators": {
        "count": 1,
        "mode": "single",
        "machine": "c6i.8xlarge",
        "hardware": {"cores": 16, "memory_gib": 64, "nvme_tb": 2, "network_gbps": 10},
    },
    "workers": {
        "count": 8,
        "minimum": 8,
        "maximum": 8,
        "gpus_per_worker": 1,
        "machine": "p5.48xlarge",
        "hardware": {"cores": 24, "memory_gib": 128, "nvme_tb": 4, "network_gbps": 25},
    },
    "model": {
        "id": "llama-3.1-405b",
        "context_tokens": 16384,
        "profiles": [{"name": "balanced", "quantization": "int8", "minimum_replicas": 1}],
        "store": {"kind": "s3", "bucket": "models"},
    },
    "targets": {
        "time_to_first_token_s": {"p50": 0.5, "p95": 1},
        "inter_token_latency_s": {"p50": 0.05, "p95": 0.1},
        "throughput_tokens_per_s": {"minimum": 10},
        "quality_fraction": {"minimum": 0.93, "maximum": 0.95},
        "weights_in_use_gb": {"minimum": 400, "maximum": 800},
    },
}


def changed(path: str, value: object) -> dict[str, Any]:
    values = copy.deepcopy(CLOUD)
    *parents, last = path.split(".")
    at: Any = values
    for step in parents:
        at = at[int(step)] if step.isdigit() else at[step]
    at[last] = value
    return values


def problems_of(values: object) -> dict[str, Problem]:
    with pytest.raises(ConfigurationError) as caught:
        load(values)
    for problem in caught.value.problems:
        assert problem.rule
        assert problem.fix
        assert str(problem) in str(caught.value)
    return {problem.path.removeprefix("novacron:environment.").strip(): problem for problem in caught.value.problems}


def test_the_local_stack_of_this_project_loads() -> None:
    stack = yaml.safe_load((ROOT / "Pulumi.local.yaml").read_text(encoding="utf-8"))
    config = load(stack["config"]["novacron:environment"])
    assert isinstance(config, LocalEnvironment)
    assert config.workers.count == 2


def test_the_platform_alone_is_a_whole_local_environment() -> None:
    config = load({"platform": "local", "workers": {"device": "cpu"}})
    assert isinstance(config, LocalEnvironment)
    assert (config.workers.device, config.coordinator.http_port, config.model.id) == (
        Device.CPU,
        8080,
        "novacron-tiny",
    )


def test_a_local_model_is_quantised_as_the_engine_can() -> None:
    config = load({"platform": "local", "model": {"quantization": "int8"}})
    assert isinstance(config, LocalEnvironment)
    assert config.model.quantization.value == "int8"
    found = problems_of({"platform": "local", "model": {"quantization": "fp8"}})
    assert "'none', 'int8' or 'int4'" in found["model.quantization"].rule


def test_a_local_coordinator_is_told_what_the_serving_package_can() -> None:
    coordinator = {
        "routing": "round_robin",
        "api_keys": True,
        "minimum_quality": 0.97,
        "response_cache": {"disk_mib": 5},
    }
    config = load({"platform": "local", "coordinator": coordinator})
    assert isinstance(config, LocalEnvironment)
    assert config.coordinator.response_cache is not None
    wrong = {"routing": "random", "minimum_quality": 97, "response_cache": {"memory": 5}, "max_requests": 0}
    assert set(problems_of({"platform": "local", "coordinator": wrong})) == {
        "coordinator.routing",
        "coordinator.minimum_quality",
        "coordinator.response_cache.memory",
        "coordinator.max_requests",
    }


def test_a_local_model_s_path_may_begin_with_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    config = load({"platform": "local", "model": {"path": "~/models/mine"}})
    assert isinstance(config, LocalEnvironment)
    assert config.model.path == Path("/home/ada/models/mine")
    found = problems_of({"platform": "local", "model": {"path": "~no-such-user/mine"}})
    assert "~no-such-user has no home folder on this machine; write the whole path" in found["model.path"].rule


def test_variables_that_local_processes_inherit_are_names_or_prefixes() -> None:
    config = load({"platform": "local", "pass_env": ["AWS_*", "MY_TOKEN"]})
    assert isinstance(config, LocalEnvironment)
    assert config.pass_env == ["AWS_*", "MY_TOKEN"]
    found = problems_of({"platform": "local", "pass_env": ["*", "A-B", "PULUMI_*"]})
    assert set(found) == {"pass_env.0", "pass_env.1", "pass_env.2"}
    assert "they hold the passphrase of its secrets" in found["pass_env.2"].rule


def test_the_former_name_of_the_response_cache_is_answered_with_the_new_one() -> None:
    found = problems_of({"platform": "local", "coordinator": {"answer_cache": {}}})
    assert "coordinator.response_cache" in str(found["coordinator.answer_cache"])


def test_every_problem_is_told_at_once() -> None:
    found = problems_of(
        {
            "platform": "local",
            "coordinator": {"http_port": 70000},
            "workers": {"count": -1, "threads": "two"},
            "modle": {"id": "x"},
        }
    )
    assert set(found) == {"coordinator.http_port", "workers.count", "workers.threads", "modle"}
    assert found["workers.count"].value == "-1"
    assert "greater than or equal to 1" in found["workers.count"].rule


@pytest.mark.parametrize(
    ("changes", "path", "rule"),
    [
        ({"model.store": {"kind": "gcs", "bucket": "models"}}, "model.store.kind", "aws makes its own buckets, s3"),
        ({"model.store.bucket": "m" * 50, "regions": 2}, "model.store.bucket", "no name for s3"),
        ({"traffic": {"domain": "novacron.ai"}}, "traffic.zone", "a top-level domain"),
    ],
)
def test_what_the_parts_imply_is_held_against_the_clouds_rules(changes: dict[str, Any], path: str, rule: str) -> None:
    values = copy.deepcopy(CLOUD)
    for place, value in changes.items():
        if place == "regions":
            other = {"name": "ap-southeast-1", "dns_label": "ap", "network": "10.1.0.0/16"}
            zones = {"zones": ["ap-southeast-1a", "ap-southeast-1b"]}
            values |= {"regions": [*values["regions"], values["regions"][0] | other | zones], "traffic": {}}
            continue
        *parents, last = place.split(".")
        at: Any = values
        for step in parents:
            at = at[step]
        at[last] = value
    found = problems_of(values)
    assert set(found) == {path}
    assert rule in found[path].rule


def test_rules_between_valid_parts_are_told_beside_a_part_that_is_invalid() -> None:
    values = changed("regions.0.weight", 0)
    values["workers"]["count"] = 99
    values["targets"]["throughput_tokens_per_s"]["minimum"] = -1
    assert set(problems_of(values)) == {"regions", "workers.count", "targets.throughput_tokens_per_s.minimum"}


@pytest.mark.parametrize(
    ("values", "path", "suggestion"),
    [
        ({"platform": "local", "worker": {}}, "worker", "workers"),
        ({"platform": "local", "workers": {"basePort": 1}}, "workers.basePort", "base_port"),
        (changed("model.context_token", 1), "model.context_token", "context_tokens"),
        (changed("model.profiles.0.quantisation", "int8"), "model.profiles.0.quantisation", "quantization"),
    ],
)
def test_a_misspelt_key_suggests_the_right_one(values: dict[str, Any], path: str, suggestion: str) -> None:
    assert problems_of(values)[path].fix == f"Did you mean {suggestion}?"


RULES: list[tuple[str, object, str, str, str]] = [
    # what is changed, to which value, where it is told, a part of the rule, a part of the fix
    ("workers.count", "eight", "", "integer", "without quotes"),
    ("workers.count", "8", "", "integer", "without quotes"),
    ("workers.count", True, "", "integer", "whole number"),
    ("workers.count", 8.5, "", "integer", "whole number"),
    ("workers.count", -8, "", "greater than 0", "more than 0"),
    ("workers.count", math.nan, "", "integer", "whole number"),
    ("workers.count", 10**30, "", "10000", "10000 or less"),
    ("workers.count", 9, "", "outside minimum 8 to maximum 8", "widen"),
    ("workers.spot_fraction", 0.9, "", "0.7", "0.7 or less"),
    ("workers.spot_fraction", math.nan, "", "finite", "ordinary number"),
    ("targets.throughput_tokens_per_s.minimum", math.inf, "", "finite", "ordinary number"),
    ("workers.machine", "c6i.8xlarge", "", "workers need GPUs", "p5.48xlarge"),
    ("workers.machine", "p5.48xlrage", "", "must be in the catalogue", "did you mean p5.48xlarge"),
    ("workers.machine", "a3-highgpu-8g", "", "a machine of gcp, not aws", "p4d.24xlarge"),
    ("workers.tensor_port", 9091, "", "coordination_port", "two ports"),
    ("workers", None, "", "nothing below", "leave the key out"),
    ("caches", None, "", "nothing below", "leave the key out"),
    ("coordinators.count", 3, "coordinators.mode", "does not go with count 3", "single goes with 1"),
    ("coordinators.mode", "active-active-standby", "", "count 1", "3 or more"),
    ("coordinators.mode", "clever", "", "should be", "'single'"),
    ("coordinators.machine", None, "", "nothing below", "value"),
    ("coordinators.grpc_port", 8080, "", "also http_port", "its own"),
    ("model.id", "llama-405b", "", "must be in the catalogue", "llama-3.1-405b"),
    ("model.id", 405, "", "string", "quote"),
    ("model.context_tokens", 1_000_000, "", "131072", "131072"),
    ("model.profiles", [], "", "at least 1", "add one"),
    ("model.profiles.0.minimum_replicas", 0, "", "serves by default", "1 or more"),
    ("model.store.bucket", "models.of.mine", "", "no name for s3", "novacron-models"),
    ("model.store", {"kind": "efs", "bucket": "models"}, "model.store.bucket", "no name for efs", "fs-"),
    ("model.store.prefix", "/models/", "", "pattern", "without leading"),
    ("model.store.configuration_prefix", "", "", "pattern", "without leading"),
    ("model.store.configuration_prefix", "models", "", "overlaps model.store.prefix models", "beside it"),
    ("model.store.configuration_prefix", "models/settings", "", "overlaps model.store.prefix", "beside it"),
    ("model.loader", {"retries": -1}, "model.loader.retries", "greater than or equal to 0", "0 or more"),
    ("targets.quality_fraction", {"minimum": 97}, "targets.quality_fraction.minimum", "at most 1", "0.97"),
    ("targets.quality_fraction", {"minimum": 0.9, "maximum": 0.8}, "", "minimum exceeds", "swap"),
    ("targets.time_to_first_token_s", {"p50": 2, "p95": 1}, "", "median", "swap"),
    ("environment", "production", "", "should be", "'prod'"),
    ("regions", [], "", "at least 1", "add one"),
    ("regions", [None], "regions.0", "nothing below", "value"),
    ("regions", "us-west-2", "", "array", "a list"),
    ("regions.0.name", "us-west2", "", "no region of aws", "us-west-2"),
    ("regions.0.weight", 0, "regions", "no region would get traffic", "a weight"),
    ("regions.0.weight", -1, "", "greater than or equal to 0", "0 or more"),
    ("regions.0.workers", {"count": 8, "minimum": 8, "maximum": 9}, "workers.maximum", "add up to 9", "use 9"),
    ("traffic", {"health_check": {"timeout_s": 5}}, "traffic.health_check.timeout_s", "cannot be set", "leave it out"),
    ("autoscaling", {"ceiling_workers": 4}, "workers.maximum", "above autoscaling.ceiling_workers 4", "raise"),
    (
        "autoscaling",
        {"scale_down": {"utilization_fraction": 0.9, "for_s": 900}},
        "autoscaling.scale_down.utilization_fraction",
        "flap",
        "gap",
    ),
    ("caches", {"memory_gib": 128}, "caches.memory_gib", "memory_limit_gib 128", "less than 128"),
    ("regions.0.network", "10.0.0.0/8", "", "/16 to /20", "10.0.0.0/16"),
    ("regions.0.network", "8.8.0.0/16", "", "no private", "10.0.0.0/16"),
    ("regions.0.zones", ["us-west-2a"], "", "2 to 3", "us-west-2a"),
    ("regions.0.zones", ["us-west-2a", "us-west-2a"], "regions.0.zones.1", "has it already", "once"),
    ("regions.0.zones", ["us-west-2a", "us-east-1a"], "regions.0.zones.1", "no zone of us-west-2", "us-west-2a"),
    ("clusters.admins", [], "", "at least 1", "add one"),
    ("clusters.public_networks", ["0.0.0.0/0"], "clusters.public_networks.0", "large part", "your own"),
    ("clusters.public_networks", ["home"], "clusters.public_networks.0", "no IPv4 network", "203.0.113.0/24"),
    ("data", {"redis_nodes": 5}, "data.redis_nodes", "three primaries", "even number"),
    ("monitoring", {"grafana": "yes"}, "monitoring.grafana", "boolean", "true or false"),
    ("images", {"worker": {"repository": "w", "tag": "latest"}}, "images.worker.tag", "another image", "digest"),
    ("images", {"worker": {"repository": "w", "tag": "1", "digest": "1"}}, "images.worker.digest", "pattern", "change"),
]


@pytest.mark.parametrize(("path", "value", "place", "rule", "fix"), RULES)
def test_a_wrong_value_is_named_with_its_rule_and_a_fix(
    path: str, value: object, place: str, rule: str, fix: str
) -> None:
    found = problems_of(changed(path, value))
    assert set(found) == {place or path}
    problem = found[place or path]
    assert rule in problem.rule
    assert fix.lower() in problem.fix.lower()


@pytest.mark.parametrize(
    ("prefix", "configuration", "names"),
    [
        ("models", "configuration", ("models/", "configuration/")),
        ("", "configuration", ("", "configuration/")),
        ("llm/models", "llm/settings", ("llm/models/", "llm/settings/")),
        ("models", "models2", ("models/", "models2/")),
    ],
)
def test_models_and_configuration_have_folders_of_their_own(
    prefix: str, configuration: str, names: tuple[str, str]
) -> None:
    store = CLOUD["model"]["store"] | {"prefix": prefix, "configuration_prefix": configuration}
    config = load(changed("model.store", store))
    assert isinstance(config, CloudEnvironment)
    assert (config.model.store.model_names, config.model.store.configuration_names) == names


def test_regions_have_names_of_their_own_weights_and_dns() -> None:
    region = CLOUD["regions"][0] | {"weight": 0}
    found = problems_of(changed("regions", [region, region | {"network": "10.1.0.0/16"}]))
    assert set(found) == {"regions.1.name", "regions.1.dns_label", "regions", "traffic"}


@pytest.mark.parametrize(
    ("environment", "ttl_s", "refused"), [("prod", 61, True), ("prod", 60, False), ("dev", 300, False)]
)
def test_in_prod_no_answer_is_kept_for_more_than_a_minute(environment: str, ttl_s: int, refused: bool) -> None:
    values = changed("traffic", {"ttl_s": ttl_s}) | {"environment": environment}
    if refused:
        assert set(problems_of(values)) == {"traffic.ttl_s"}
    else:
        load(values)


def test_requests_stay_below_their_limits() -> None:
    resources = {"cpu_request": 4, "cpu_limit": 2, "memory_request_gib": 4, "memory_limit_gib": 2}
    found = problems_of(changed("workers.resources", resources))
    assert set(found) == {"workers.resources.cpu_request", "workers.resources.memory_request_gib"}


@pytest.mark.parametrize(
    ("coordinator", "workers", "path"),
    [
        ({"http_port": 9090}, {}, "coordinator.grpc_port"),
        ({"grpc_port": 9092}, {}, "coordinator.grpc_port"),
        ({"http_port": 7001}, {"base_port": 7000, "count": 3}, "coordinator.http_port"),
        ({}, {"base_port": 65535}, "workers.base_port"),
    ],
)
def test_local_ports_collide_before_a_process_starts(
    coordinator: dict[str, int], workers: dict[str, int], path: str
) -> None:
    assert set(problems_of({"platform": "local", "coordinator": coordinator, "workers": workers})) == {path}


def test_an_unknown_platform_is_told_beside_the_rest_but_not_blamed_on_machines_and_regions() -> None:
    values = changed("workers.machine", "a3-highgpu-8g") | {"platform": "gpc"}
    values["regions"][0]["name"] = "us-central1"
    values["model"]["context_tokens"] = -1
    assert set(problems_of(values)) == {"platform", "model.context_tokens"}


@pytest.mark.parametrize("platform", [None, "lokal", "AWS"])
def test_an_unknown_platform_names_the_known_ones(platform: str | None) -> None:
    assert "local, aws, gcp, azure" in problems_of({"platform": platform})["platform"].fix


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("platform: local", "must be a mapping"),
        (None, "must be a mapping"),
        (["platform"], "must be a mapping"),
        (yaml.safe_load("&a {platform: aws, model: *a}"), "Circular reference"),
        ({("a", "b"): 1}, "keys must be str"),
    ],
)
def test_something_else_than_a_mapping_of_plain_values_is_refused(values: object, said: str) -> None:
    assert said in problems_of(values)["novacron:environment"].rule


def test_anchors_and_json_text_are_read_as_what_they_stand_for() -> None:
    text = (
        "{platform: aws, latency: &l {p50: 1, p95: 2}, targets: {time_to_first_token_s: *l, inter_token_latency_s: *l}}"
    )
    values = yaml.safe_load(text)
    targets = CLOUD["targets"] | values["targets"]
    config = load(json.dumps(CLOUD | {"targets": targets}))
    assert isinstance(config, CloudEnvironment)
    assert config.targets.time_to_first_token_s == config.targets.inter_token_latency_s


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("secrets", {"database_password": "hunter2"}),
        ("grafana_password", "hunter2"),
        ("databasePassword", "hunter2"),
        ("data", {"postgres_password": "hunter2"}),
        ("data", {"redis_nodes": {"password": "hunter2"}}),
        ("coordinators.api_key", "hunter2"),
        ("coordinators.token", "hunter2"),
        ("monitoring", {"grafana_passwd": {"secure": "hunter2"}}),
    ],
)
def test_a_plain_secret_is_refused_and_not_repeated(path: str, value: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(changed(path, value))
    assert "hunter" not in str(caught.value)


def test_secrets_are_never_shown_by_a_loaded_environment() -> None:
    config = load(CLOUD, secrets=EnvironmentSecrets(api_key="hunter2"))
    assert isinstance(config, CloudEnvironment)
    assert config.secrets.api_key == "hunter2"
    assert "hunter2" not in repr(config) + config.model_dump_json()


def test_an_editor_can_explain_every_field() -> None:
    definitions = schemas()[ROOT / "infra/novacron_infra/config/environment.schema.json"]["$defs"]
    assert not [
        f"{name}.{key}"
        for name, definition in definitions.items()
        for key, value in definition.get("properties", {}).items()
        if "description" not in value and "description" not in definitions[value["$ref"].rpartition("/")[2]]
    ]


@pytest.mark.parametrize("path", sorted(schemas()), ids=lambda path: path.name)
def test_the_schema_files_are_what_the_types_say(path: Path) -> None:
    hint = "run python -m novacron_infra.config.schema"
    assert path.read_text(encoding="utf-8") == rendered(schemas()[path]), hint
