"""Registering models, recording their quality and loading them onto workers while requests are served."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from novacron_serving.models import Manifest, open_folder, publish

from tests.polling import free_port, wait_until

from .stack import HTTP, MODEL, TINY, Stack, running, start

pytestmark = pytest.mark.xdist_group("gateway")


class Models(Stack):
    """A coordinator with a database, and workers that load models from stores."""

    def coordinator_config(self) -> dict[str, Any]:
        database = f"sqlite:///{self.folder}/models.db"
        return super().coordinator_config() | {"database_url": database, "minimum_quality": 0.97}

    def worker_config(self, worker_id: str, port: int) -> dict[str, Any]:
        config = super().worker_config(worker_id, port) | {"model_cache": str(self.folder / "cache")}
        return config | {"model": {"id": MODEL, "url": self.store(MODEL)}} if worker_id == "worker-1" else config

    def store(self, model_id: str) -> str:
        return f"file://{self.folder}/store/{model_id}"

    def publish(self, model_id: str, source: Path = TINY) -> Manifest:
        return publish(source, open_folder(self.store(model_id)), model_id=model_id)

    def call(self, method: str, path: str, body: object = None) -> httpx.Response:
        return HTTP.request(method, f"{self.url}/api/v1/llm/models{path}", json=body)

    def register(self, model_id: str, source: Path = TINY, score: float | None = 0.98) -> Manifest:
        manifest = self.publish(model_id, source)
        assert self.call("POST", "", {"url": self.store(model_id)}).status_code == 201
        if score is not None:
            report = {"model_digest": manifest.digest, "score": score, "tasks": 5}
            assert self.call("PUT", f"/{model_id}/quality", report).status_code == 200
        return manifest

    def workers_now(self) -> list[dict[str, Any]]:
        return HTTP.get(f"{self.url}/api/v1/llm/cluster/status").json()["workers"]

    def served(self) -> list[str]:
        return sorted(worker["model"] for worker in self.workers_now() if worker["status"] == "active")

    def ask(self, model: str) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "temperature": 0, "max_tokens": 8}
        return HTTP.post(f"{self.url}/v1/chat/completions", json=body)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    made = Models(tmp_path_factory.mktemp("models"))
    made.publish(MODEL)
    with running(made, "worker-0", "worker-1"):
        yield made


def message(answer: httpx.Response) -> str:
    return answer.json()["error"]["message"]


def test_no_request_fails_while_a_second_model_is_loaded_and_unloaded(models: Models) -> None:
    models.register("second")
    statuses: list[int] = []
    over = threading.Event()

    def keep_asking() -> None:
        while not over.is_set():
            statuses.append(models.ask(MODEL).status_code)

    asking = [threading.Thread(target=keep_asking) for _ in range(3)]
    for thread in asking:
        thread.start()
    try:
        started = models.call("POST", "/second/load", {"worker_count": 1})
        assert started.status_code == 202, started.text
        assert len(started.json()["loading"]) == 1
        wait_until(lambda: models.served() == [MODEL, "second"], "one worker serves the second model", 30)
        assert models.ask("second").status_code == 200
        again = models.call("POST", "/second/load", {"worker_count": 1})
        assert (again.status_code, again.json()["status"]) == (200, "loaded")
        refused = models.call("POST", "/second/load", {"worker_count": 2})
        assert refused.status_code == 409
        assert "minimum_workers" in message(refused)
        assert models.call("POST", "/second/unload").status_code == 202
        wait_until(lambda: models.served() == [MODEL, MODEL], "both workers serve the first model again", 30)
    finally:
        over.set()
        for thread in asking:
            thread.join()
    assert len(statuses) > 10
    assert set(statuses) == {200}
    assert models.ask("second").status_code == 503, "registered, but not loaded"


def test_failed_load_is_reported_and_the_worker_serves_its_previous_model(models: Models, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_text("none")
    models.register("broken", tmp_path)
    assert models.call("POST", "/broken/load").status_code == 202

    def failed() -> list[dict[str, Any]]:
        models_ = [worker["next_model"] for worker in models.workers_now() if worker["next_model"]]
        return [one for one in models_ if one["state"] == "failed"]

    wait_until(lambda: bool(failed()), "the failure is reported", 30)
    assert failed()[0]["model"] == "broken"
    assert "has no usable tokenizer" in failed()[0]["reason"]
    wait_until(lambda: models.served() == [MODEL, MODEL], "both workers serve again", 30)
    assert models.ask(MODEL).status_code == 200


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that is smaller than the tiny model."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], capture_output=True, check=False
    ).returncode:
        pytest.skip("needs the right to mount file systems: run as root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_full_disk_is_reported_and_the_worker_keeps_serving(models: Models, small_disk: Path) -> None:
    models.register("large")
    config = models.worker_config("worker-2", free_port()) | {"model_cache": str(small_disk)}
    process = start("worker", config, models.folder)
    try:
        wait_until(lambda: len(models.served()) == 3, "the third worker is active")
        wait_until(
            lambda: models.call("POST", "/large/load", {"worker_count": 3, "force": True}).status_code < 300,
            "the load starts",
        )

        def third() -> dict[str, Any]:
            return next(worker for worker in models.workers_now() if worker["worker_id"] == "worker-2")

        wait_until(lambda: (third()["next_model"] or {}).get("state") == "failed", "the load fails")
        assert "the disk is full: " in third()["next_model"]["reason"]
        assert (third()["status"], third()["model"]) == ("active", MODEL)
        assert models.ask(MODEL).status_code == 200
        assert [path for path in small_disk.rglob("*") if path.is_file() and path.suffix != ".lock"] == []
        assert models.call("POST", "/large/unload", {"force": True}).status_code == 202
        wait_until(lambda: models.served() == [MODEL] * 3, "all serve their previous model")
    finally:
        process.terminate()
        process.wait(20)


def test_model_below_the_minimum_quality_is_not_loaded(models: Models) -> None:
    manifest = models.register("poor", score=None)
    refused = models.call("POST", "/poor/load")
    assert refused.status_code == 409
    assert "is not measured" in message(refused)
    assert "novacron quality" in message(refused)
    report = {"model_digest": manifest.digest, "score": 0.96}
    assert models.call("PUT", "/poor/quality", report | {"model_digest": "other"}).status_code == 409
    assert models.call("PUT", "/poor/quality", report).json()["quality"] == 0.96
    refused = models.call("POST", "/poor/load")
    assert refused.status_code == 409
    assert "0.96" in message(refused)
    assert "0.97" in message(refused)


def test_rejected_registrations_and_loads_name_the_reason(models: Models) -> None:
    models.register("fine")
    for method, path, body, status, expected in (
        ("POST", "", {"url": models.store("nothing")}, 422, "has no manifest.json"),
        ("POST", "", {"url": "ftp://x/y"}, 422, "must start with s3://"),
        ("POST", "", {"url": models.store("fine")}, 409, "already"),
        ("POST", "/unknown/load", {}, 404, "is not registered"),
        ("POST", "/fine/load", {"quantization": "FP8"}, 422, "quantization"),
        ("POST", "/fine/load", {"worker_count": 0}, 422, "worker_count"),
        ("POST", "/fine/load", {"performance_profile": "fastest"}, 422, "performance_profile"),
        ("POST", "/fine/unload", {}, 409, "is not loaded"),
    ):  # fmt: skip
        answer = models.call(method, path, body)
        assert answer.status_code == status, (path, body, answer.text)
        assert expected in message(answer)
    listed = {model["id"]: model for model in models.call("GET", "").json()["data"]}
    assert listed["fine"]["status"] == "registered"
    assert listed["fine"]["quality"] == 0.98
    assert listed[MODEL]["status"] == "loaded"
