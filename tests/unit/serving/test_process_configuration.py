"""Configuration files of coordinators and workers: what is wrong in them, and what the environment adds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.errors import StartError
from novacron_serving.server import read_config
from novacron_serving.worker.config import WorkerConfig

SHARED = {"port": 9091, "coordinator": "llm-coordinators:9090", "model": {"id": "tiny", "path": "/models/tiny"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"database_url": "postgresql://u:hunter2@h/db",}', "file: Invalid JSON: trailing comma at line 1 column 48"),
        ('{"databse_url": "postgresql://u:hunter2@h/db"}', "databse_url: Extra inputs are not permitted"),
        (
            '{"cache": {"largest_answer_kib": 64}}',
            "cache: largest_answer_kib is now called max_response_kib; rename it",
        ),
        ('{"http_port": 70000}', "http_port: Input should be less than or equal to 65535 (got 70000)"),
    ],
    ids=["not JSON", "unknown field", "old name", "wrong value"],
)
def test_a_wrong_configuration_file_is_reported_without_secrets(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "coordinator.json"
    path.write_text(text)
    with pytest.raises(StartError) as caught:
        read_config(["--config", str(path)], CoordinatorConfig)
    assert str(caught.value) == f"configuration {path}: {expected}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "worker.json"


def read_worker(file: Path, **fields: object) -> WorkerConfig:
    file.write_text(json.dumps({**SHARED, **fields}))
    return read_config(["--config", str(file)], WorkerConfig)


def test_one_file_serves_all_pods_that_get_their_identity_from_the_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, address in (("llm-workers-0", "192.0.2.7"), ("llm-workers-1", "192.0.2.8")):
        monkeypatch.setenv("NOVACRON_WORKER_ID", name)
        monkeypatch.setenv("NOVACRON_HOST", address)
        config = read_worker(file)
        assert (config.worker_id, config.host) == (name, address)


def test_the_environment_gives_the_coordinators_host(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVACRON_HOST", "192.0.2.9")
    monkeypatch.setenv("NOVACRON_WORKER_ID", "not-a-field-of-coordinators")
    file.write_text("{}")
    assert read_config(["--config", str(file)], CoordinatorConfig).host == "192.0.2.9"


def test_the_same_value_in_file_and_environment_is_accepted(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVACRON_WORKER_ID", "worker-0")
    assert read_worker(file, worker_id="worker-0").worker_id == "worker-0"


def test_different_values_in_file_and_environment_are_an_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVACRON_WORKER_ID", "worker-1")
    with pytest.raises(StartError, match=r"worker_id is 'worker-0', but NOVACRON_WORKER_ID is 'worker-1'; remove one"):
        read_worker(file, worker_id="worker-0")


@pytest.mark.parametrize(
    ("content", "problem"),
    {
        "not JSON": ("{", "file: Invalid JSON"),
        "not a mapping": ("[]", "file: Input should be an object"),
        "unknown field": (json.dumps({**SHARED, "wokers": 1}), "wokers: Extra inputs are not permitted"),
    }.values(),
)
def test_a_bad_file_is_reported_in_the_same_way_with_an_identity_in_the_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch, content: str, problem: str
) -> None:
    monkeypatch.setenv("NOVACRON_WORKER_ID", "worker-0")
    file.write_text(content)
    with pytest.raises(StartError, match=problem):
        read_config(["--config", str(file)], WorkerConfig)


def test_an_empty_identity_is_an_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVACRON_WORKER_ID", "")
    with pytest.raises(StartError, match="worker_id: String should have at least 1 character"):
        read_worker(file)


def test_a_model_without_path_and_url_is_the_tiny_model_of_the_package(file: Path) -> None:
    config = read_worker(file, worker_id="w", model={"id": "novacron-tiny"})
    assert config.model.folder is not None
    assert (config.model.folder / "config.json").is_file()
    assert read_worker(file, worker_id="w", model={"id": "m", "path": "/models/m"}).model.folder == Path("/models/m")
    assert read_worker(file, worker_id="w", model={"id": "m", "url": "s3://bucket/m"}).model.folder is None
