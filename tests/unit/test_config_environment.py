"""What a user who writes a stack's configuration relies on."""

from __future__ import annotations

import copy
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
    "regions": [{"name": "us-west-2", "dns_label": "us-west", "weight": 1}],
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


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("workers.count", "eight", "integer"),
        ("workers.count", True, "integer"),
        ("workers.count", 8.5, "integer"),
        ("workers.count", -8, "greater than 0"),
        ("workers.count", 9, "outside minimum 8 to maximum 8"),
        ("workers.spot_fraction", 0.9, "0.7"),
        ("workers.machine", "c6i.8xlarge", "workers need GPUs"),
        ("workers.machine", "p5.48xlrage", "must be in the catalogue"),
        ("workers.machine", "a3-highgpu-8g", "a machine of gcp"),
        ("coordinators.count", 3, "does not go with count 3"),
        ("coordinators.mode", "clever", "should be"),
        ("coordinators.machine", None, "string"),
        ("model.id", "llama-405b", "must be in the catalogue"),
        ("model.context_tokens", 1_000_000, "131072"),
        ("model.profiles", [], "at least 1"),
        ("targets.quality_fraction", {"minimum": 97}, "at most 1"),
        ("targets.time_to_first_token_s", {"p50": 2, "p95": 1}, "median"),
        ("environment", "production", "should be"),
    ],
)
def test_a_wrong_value_is_named_with_its_rule(path: str, value: object, said: str) -> None:
    found = {name: problem.rule for name, problem in problems_of(changed(path, value)).items()}
    place = path if path in found else path.rpartition(".")[0] + ".mode"
    assert said in found[place]


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


@pytest.mark.parametrize("platform", [None, "lokal", "AWS"])
def test_an_unknown_platform_names_the_known_ones(platform: str | None) -> None:
    assert "local, aws, gcp, azure" in problems_of({"platform": platform})["platform"].fix


@pytest.mark.parametrize("values", ["platform: local", None, ["platform"]])
def test_something_else_than_a_mapping_is_refused(values: object) -> None:
    assert "must be a mapping" in problems_of(values)["novacron:environment"].rule


def test_a_plain_secret_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(CLOUD | {"secrets": {"database_password": "hunter2"}, "grafana_password": "hunter3"})
    assert "hunter" not in str(caught.value)
    assert "novacron:databasePassword" in str(caught.value)


def test_secrets_are_never_shown_by_a_loaded_environment() -> None:
    config = load(CLOUD, secrets=EnvironmentSecrets(api_key="hunter2"))
    assert isinstance(config, CloudEnvironment)
    assert config.secrets.api_key == "hunter2"
    assert "hunter2" not in repr(config) + config.model_dump_json()


@pytest.mark.parametrize("path", sorted(schemas()), ids=lambda path: path.name)
def test_the_schema_files_are_what_the_types_say(path: Path) -> None:
    hint = "run python -m novacron_infra.config.schema"
    assert path.read_text(encoding="utf-8") == rendered(schemas()[path]), hint
