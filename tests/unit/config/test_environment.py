"""Environments that a stack file describes, and the files made from their types."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from novacron_infra.config import CloudEnvironment, Device, EnvironmentKind, EnvironmentSecrets, LocalEnvironment, load
from novacron_infra.config.schema import create_schemas, render_schema
from novacron_infra.config.sections.platform import derive_kind

from tests.unit.config.environments import RECEIVERS, ROOT, SMALL, change, find_problems


def test_the_local_stack_of_this_project_loads() -> None:
    stack = yaml.safe_load((ROOT / "Pulumi.local.yaml").read_text(encoding="utf-8"))
    config = load(stack["config"]["novacron:environment"])
    assert isinstance(config, LocalEnvironment)
    assert config.workers.count == 2


def test_a_local_environment_needs_only_its_platform() -> None:
    config = load({"platform": "local", "workers": {"device": "cpu"}})
    assert isinstance(config, LocalEnvironment)
    assert (config.workers.device, config.coordinator.http_port, config.model.id) == (
        Device.CPU,
        8080,
        "novacron-tiny",
    )


def test_a_local_model_has_only_the_quantizations_of_the_pytorch_engine() -> None:
    config = load({"platform": "local", "model": {"quantization": "int8"}})
    assert isinstance(config, LocalEnvironment)
    assert config.model.quantization.value == "int8"
    found = find_problems({"platform": "local", "model": {"quantization": "fp8"}})
    assert "Use none, int8 or int4" in found["model.quantization"].fix


def test_a_local_stack_has_several_models_with_context_and_template() -> None:
    models = [{"id": "a", "context_tokens": 256}, {"id": "b", "path": "b", "chat_template": "~/b.jinja"}]
    config = load({"platform": "local", "models": models})
    assert isinstance(config, LocalEnvironment)
    assert [(item.id, item.context_tokens) for item in config.models] == [("a", 256), ("b", None)]
    assert config.models[1].chat_template == Path("~/b.jinja").expanduser()


@pytest.mark.parametrize(
    ("values", "path", "rule"),
    [
        ({"models": [{"id": "a"}, {"id": "a"}]}, "models.1.id", "another model has the same id"),
        ({"models": [{"id": "a"}], "model": {"id": "b"}}, "model.id", "there are models as well"),
        ({"models": [{"id": "a", "context_tokens": 8}]}, "models.0.context_tokens", "16"),
        ({"models": [{"id": ""}]}, "models.0.id", ""),
        ({"models": [{"id": str(at)} for at in range(17)]}, "models", "16"),
        (
            {"models": [{"id": "a"}, {"id": "b"}], "workers": {"base_port": 65533, "count": 2}},
            "workers.base_port",
            "worker-3 would listen on 65536",
        ),
        (
            {"models": [{"id": "a"}, {"id": "b"}], "workers": {"count": 1}, "coordinator": {"http_port": 9092}},
            "coordinator.http_port",
            "it is one of the workers' ports, 9091 to 9092",
        ),
    ],
)
def test_the_models_of_a_local_stack_have_ids_and_ports_of_their_own(
    values: dict[str, object], path: str, rule: str
) -> None:
    found = find_problems({"platform": "local"} | values)
    assert list(found) == [path]
    assert rule in str(found[path])


def test_a_local_coordinator_has_the_options_of_the_serving_package() -> None:
    coordinator = {
        "routing": "round_robin",
        "api_keys": True,
        "allowed_hosts": ["devbox.example.com"],
        "cors_origins": ["http://localhost:3000"],
        "minimum_quality": 0.97,
        "response_cache": {"disk_mib": 5},
    }
    config = load({"platform": "local", "coordinator": coordinator})
    assert isinstance(config, LocalEnvironment)
    assert config.coordinator.response_cache is not None
    assert config.coordinator.allowed_hosts == ("devbox.example.com",)
    wrong = {"routing": "random", "minimum_quality": 97, "response_cache": {"memory": 5}, "max_requests": 0}
    assert set(find_problems({"platform": "local", "coordinator": wrong})) == {
        "coordinator.routing",
        "coordinator.minimum_quality",
        "coordinator.response_cache.memory",
        "coordinator.max_requests",
    }


def test_the_path_of_a_local_model_may_begin_with_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    config = load({"platform": "local", "model": {"path": "~/models/mine"}})
    assert isinstance(config, LocalEnvironment)
    assert config.model.path == Path("/home/ada/models/mine")
    found = find_problems({"platform": "local", "model": {"path": "~no-such-user/mine"}})
    assert found["model.path"].rule == "~no-such-user has no home folder on this machine"
    assert found["model.path"].fix.startswith("Write the whole path")


def test_variables_that_local_processes_inherit_are_names_or_prefixes() -> None:
    config = load({"platform": "local", "pass_env": ["AWS_*", "MY_TOKEN"]})
    assert isinstance(config, LocalEnvironment)
    assert config.pass_env == ["AWS_*", "MY_TOKEN"]
    found = find_problems({"platform": "local", "pass_env": ["*", "A-B", "PULUMI_*"]})
    assert set(found) == {"pass_env.0", "pass_env.1", "pass_env.2"}
    assert "they hold the passphrase of its secrets" in found["pass_env.2"].rule


def test_the_old_key_of_the_response_cache_is_rejected_with_its_new_name() -> None:
    found = find_problems({"platform": "local", "coordinator": {"answer_cache": {}}})
    assert "coordinator.response_cache" in str(found["coordinator.answer_cache"])


@pytest.mark.parametrize(
    ("prefix", "configuration", "names"),
    [
        ("models", "configuration", ("models/", "configuration/")),
        ("", "configuration", ("", "configuration/")),
        ("llm/models", "llm/settings", ("llm/models/", "llm/settings/")),
        ("models", "models2", ("models/", "models2/")),
    ],
)
def test_models_and_configuration_have_separate_folders(
    prefix: str, configuration: str, names: tuple[str, str]
) -> None:
    store = SMALL["model"]["store"] | {"prefix": prefix, "configuration_prefix": configuration}
    config = load(change(SMALL, {"model.store": store}))
    assert isinstance(config, CloudEnvironment)
    assert (config.model.store.model_names, config.model.store.configuration_names) == names


def test_regions_have_unique_names_and_labels_a_weight_and_global_dns() -> None:
    region = SMALL["regions"][0] | {"weight": 0}
    found = find_problems(change(SMALL, {"regions": [region, region | {"network": "10.1.0.0/16"}]}))
    assert set(found) == {"regions.1.name", "regions.1.dns_label", "regions.0.weight", "traffic"}


@pytest.mark.parametrize(
    ("name", "ttl_s", "refused"),
    [
        ({"environment": "prod"}, 61, True),
        ({"environment": "prod"}, 60, False),
        ({"environment": "dev"}, 300, False),
        ({"environment": "search", "kind": "production"}, 61, True),
        ({"environment": "prod-copy", "kind": "development"}, 300, False),
    ],
)
def test_the_ttl_in_production_is_at_most_a_minute(name: dict[str, str], ttl_s: int, refused: bool) -> None:
    changed = {"traffic": {"domain": "api.example.com", "ttl_s": ttl_s}, "alarms": RECEIVERS}
    values = change(SMALL, changed) | name
    if refused:
        assert set(find_problems(values)) == {"traffic.ttl_s"}
    else:
        load(values)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("dev", "development"),
        ("search-dev", "development"),
        ("qa", "staging"),
        ("qa2", "staging"),
        ("prod-eu", "production"),
        ("eu-live", "production"),
        ("production", "production"),
        ("preprod", "staging"),
        ("search", None),
        ("pre-prod", None),
        ("non-prod", None),
        ("devotion", None),
        ("dev-prod", None),
    ],
)
def test_a_word_of_a_name_states_the_kind_of_an_environment(name: str, kind: str | None) -> None:
    found = derive_kind(name)
    assert (found and found.value) == kind


def test_a_stated_kind_wins_over_the_name() -> None:
    config = load(SMALL | {"environment": "prod-copy", "kind": "development"})
    assert isinstance(config, CloudEnvironment)
    assert config.effective_kind is EnvironmentKind.DEVELOPMENT


def test_resource_requests_are_at_most_their_limits() -> None:
    resources = {"cpu_request": 4, "cpu_limit": 2, "memory_request_gib": 80, "memory_limit_gib": 40}
    found = find_problems(change(SMALL, {"workers.resources": resources}))
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
def test_local_ports_must_not_collide(coordinator: dict[str, int], workers: dict[str, int], path: str) -> None:
    assert set(find_problems({"platform": "local", "coordinator": coordinator, "workers": workers})) == {path}


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ("platform: local", "must be a mapping"),
        (None, "must be a mapping"),
        (["platform"], "must be a mapping"),
        (yaml.safe_load("&a {platform: aws, model: *a}"), "an alias of itself"),
        ({("a", "b"): 1}, "keys must be str"),
    ],
)
def test_a_configuration_must_be_a_mapping_of_plain_values(values: object, rule: str) -> None:
    assert rule in find_problems(values)["novacron:environment"].rule


def test_yaml_anchors_and_json_text_are_read() -> None:
    text = (
        "{platform: aws, latency: &l {p50: 1, p95: 2}, targets: {time_to_first_token_s: *l, inter_token_latency_s: *l}}"
    )
    values = yaml.safe_load(text)
    targets = SMALL["targets"] | values["targets"]
    config = load(json.dumps(SMALL | {"targets": targets}))
    assert isinstance(config, CloudEnvironment)
    assert (config.targets.time_to_first_token_s.p95, config.targets.inter_token_latency_s.p95) == (2, 2)


def test_secrets_are_not_in_the_repr_or_dump_of_an_environment() -> None:
    config = load(SMALL, secrets=EnvironmentSecrets(api_key="hunter2"))
    assert isinstance(config, CloudEnvironment)
    assert config.secrets.api_key == "hunter2"
    assert "hunter2" not in repr(config) + config.model_dump_json()


def test_every_key_has_a_description_in_the_schema() -> None:
    definitions = create_schemas()[ROOT / "infra/novacron_infra/config/environment.schema.json"]["$defs"]
    assert not [
        f"{name}.{key}"
        for name, definition in definitions.items()
        for key, value in definition.get("properties", {}).items()
        if "description" not in value and "description" not in definitions[value["$ref"].rpartition("/")[2]]
    ]


@pytest.mark.parametrize("path", sorted(create_schemas()), ids=lambda path: path.name)
def test_the_schema_files_match_the_types(path: Path) -> None:
    hint = "run python -m novacron_infra.config.schema"
    assert path.read_text(encoding="utf-8") == render_schema(create_schemas()[path]), hint
