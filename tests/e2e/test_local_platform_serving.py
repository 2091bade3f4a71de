"""A local stack with every setting of the coordinator: keys, a second model, minimum quality, the cache."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import httpx
import novacron_serving
import pytest
from novacron_serving.models import open_folder, publish

from tests.polling import wait_until

from .conftest import Project

pytestmark = pytest.mark.xdist_group("local platform")
TINY = Path(novacron_serving.__file__).parent / "models" / "tiny"


def test_keys_models_and_cache_of_a_local_stack(project: Project, tmp_path: Path) -> None:
    settings = {"api_keys": True, "minimum_quality": 0.97, "response_cache": {"disk_mib": 10}}
    project.describe(coordinator=settings)
    output = project.succeed("up")
    key = project.succeed("key").strip()
    assert "1 of 1 workers active" in project.succeed("status")
    suggested = next(line.strip() for line in output.splitlines() if line.strip().startswith("curl "))
    assert "novacron key -s local" in suggested
    assert key not in output
    typed = suggested.replace("$(novacron key -s local)", key)
    answer = json.loads(subprocess.run(shlex.split(typed), capture_output=True, text=True, check=True).stdout)
    assert answer["choices"][0]["message"]["content"]

    with httpx.Client(base_url=project.url, timeout=30) as client:
        assert client.get("/v1/models").status_code == 401
        client.headers["authorization"] = f"Bearer {key}"
        publish(TINY, open_folder(f"file://{tmp_path}/store", {}), model_id="second", quantization=None)
        models = "/api/v1/llm/models"
        digest = client.post(models, json={"url": f"file://{tmp_path}/store"}).json()["digest"]
        assert "minimum_quality is 0.97" in client.post(f"{models}/second/load", json={}).json()["error"]["message"]
        client.put(f"{models}/second/quality", json={"model_digest": digest, "score": 0.98}).raise_for_status()
        client.post(f"{models}/second/load", json={"force": True}).raise_for_status()
        wait_until(lambda: served(client) == ["second"], "the worker serves the second model")
        made: dict[str, Any] = client.post("/api/v1/llm/keys", json={"name": "team", "cache": "own"}).json()
        client.headers["authorization"] = f"Bearer {made['key']}"
        chat = {"model": "second", "temperature": 0, "messages": [{"role": "user", "content": "Hello"}]}
        responses = [client.post("/v1/chat/completions", json=chat) for _ in range(2)]
        assert [answer.headers.get("x-novacron-cache") for answer in responses] == [None, "hit"]

    # Another routing policy: only the coordinator restarts, and it still knows its keys and models.
    worker = project.pid("worker-0")
    project.describe(coordinator=settings | {"routing": "round_robin"})
    project.succeed("up")
    assert project.pid("worker-0") == worker
    with httpx.Client(base_url=project.url, headers={"authorization": f"Bearer {made['key']}"}) as client:
        assert served(client) == ["second"]
        assert client.post("/v1/chat/completions", json=chat).headers.get("x-novacron-cache") == "hit"
    for secret in (key, made["key"]):
        assert secret not in "".join(file.read_text(errors="replace") for file in files(project.folder / ".novacron"))


def served(client: httpx.Client) -> list[str]:
    return [model["id"] for model in client.get("/v1/models").json()["data"]]


def files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]
