"""Processes that are killed, stopped or restarted, and errors at the start."""

from __future__ import annotations

import re
import shutil
import signal
import socket
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.polling import wait_until

from .stack import MODEL, TINY, TOKEN, Stack, answers, start

pytestmark = pytest.mark.xdist_group("serving")


@pytest.fixture(scope="module")
def extra_workers(stack: Stack) -> Stack:
    """Add two workers for tests that stop them."""
    stack.start_workers("to-kill", "to-stop")
    return stack


def ask(client: openai.OpenAI, text: str, **options: Any) -> Any:
    return client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}], **options)


def long_stream(client: openai.OpenAI) -> Any:
    """Return a stream that is long, because at this temperature the model rarely samples the end token."""
    return ask(client, "Tell me a story.", temperature=2, seed=1, stream=True)


def running(url: str) -> float:
    metrics = httpx.get(f"{url}/metrics").text
    found = re.search(r"^\S*requests_running (\S+)$", metrics, re.MULTILINE)
    assert found, metrics
    return float(found[1])


def status_of(stack: Stack, worker_id: str) -> str:
    workers = httpx.get(f"{stack.url}/api/v1/llm/cluster/status").json()["workers"]
    return {worker["worker_id"]: worker["status"] for worker in workers}[worker_id]


def test_when_a_worker_is_killed_the_others_serve_and_no_request_is_lost(
    extra_workers: Stack, client: openai.OpenAI
) -> None:
    extra_workers.workers["to-kill"].kill()
    for _ in range(6):
        assert ask(client, "Hello", temperature=0).choices[0].message.content
    wait_until(lambda: status_of(extra_workers, "to-kill") != "active", "the dead worker is detected", 15)


def test_a_worker_finishes_its_stream_after_sigterm(extra_workers: Stack) -> None:
    with openai.OpenAI(base_url=extra_workers.worker_url("to-stop") + "/v1", api_key=TOKEN, max_retries=0) as client:
        stream = long_stream(client)
        next(stream)
        extra_workers.workers["to-stop"].send_signal(signal.SIGTERM)
        wait_until(lambda: status_of(extra_workers, "to-stop") == "draining", "the worker is draining", 10)
        chunks = list(stream)
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")
    assert extra_workers.workers["to-stop"].wait(20) == 0


def test_a_disconnected_client_frees_the_worker(stack: Stack, client: openai.OpenAI) -> None:
    stream = long_stream(client)
    next(stream)
    stream.close()
    wait_until(lambda: running(stack.url) == 0, "the coordinator is free", 5)
    wait_until(lambda: running(stack.worker_url("worker-0")) == 0, "the worker is free", 5)


def test_a_stopped_coordinator_finishes_streams_and_a_new_one_finds_the_workers(
    stack: Stack, client: openai.OpenAI
) -> None:
    stream = long_stream(client)
    next(stream)
    stack.coordinator.send_signal(signal.SIGTERM)
    chunks = list(stream)
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")
    assert stack.coordinator.wait(20) == 0
    stack.start_coordinator()
    wait_until(lambda: answers(f"{stack.url}/ready"), "the worker has registered again", 15)
    with stack.client() as again:
        assert ask(again, "Hello").choices[0].message.content


def test_without_workers_requests_get_503_and_the_coordinator_is_alive_but_not_ready(fresh_stack: Stack) -> None:
    fresh_stack.start_coordinator()
    with (
        fresh_stack.client() as client,
        pytest.raises(openai.InternalServerError, match="no worker is ready") as caught,
    ):
        ask(client, "Hello")
    assert caught.value.status_code == 503
    assert caught.value.response.headers["retry-after"] == "1"
    assert answers(f"{fresh_stack.url}/ready", 503)


def start_badly(module: str, config: dict[str, Any] | str, folder: Path) -> str:
    """Return the line that a process prints when it cannot start."""
    process = start(module, config, folder)
    try:
        assert process.wait(40) == 2
    finally:
        process.kill()
    lines = next(folder.glob("*.log")).read_text().splitlines()
    errors = [line for line in lines if line.startswith(f"{module}: ")]
    assert len(errors) == 1
    assert lines[-1] == errors[0]
    assert not any("Traceback" in line for line in lines)
    return errors[0]


@pytest.mark.parametrize("field", ["http_port", "grpc_port"])
def test_a_port_in_use_is_named(tmp_path: Path, field: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = start_badly("coordinator", {"http_port": 0, "grpc_port": 0} | {field: port}, tmp_path)
    assert f"{field} {port}" in error


@pytest.mark.parametrize(
    ("module", "config", "expected"),
    [
        ("coordinator", {"http_port": "many"}, "http_port: "),
        ("coordinator", {"htp_port": 1}, "htp_port: "),
        ("coordinator", '{"http_port": ', "Invalid JSON"),
        ("coordinator", {"host": "0.0.0.0"}, "no API key is configured; set api_keys or NOVACRON_ADMIN_KEY"),  # noqa: S104
        ("coordinator", {"cache": {"redis": True}}, "cache.redis is true, but redis_url is not set"),
        (
            "worker",
            {
                "worker_id": "w",
                "port": 0,
                "coordinator": "nowhere",
                "model": {"id": "m", "path": "/m", "url": "file:///m"},
            },
            "give at most one of path and url",
        ),
    ],
    ids=["wrong type", "unknown field", "not JSON", "open to all", "no Redis", "path and url"],
)
def test_a_bad_configuration_is_named(module: str, config: Any, expected: str, tmp_path: Path) -> None:
    assert expected in start_badly(module, config, tmp_path)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"cache": {"redis": True}}, "cache.redis is true, but redis_url is not set"),
        ({"cache": {"disk": "/proc/nowhere"}}, "cache.disk '/proc/nowhere' cannot be used"),
        ({"tls": {"certificate": "/nowhere.pem", "key": "/nowhere.key"}}, "tls.certificate '/nowhere.pem'"),
    ],
    ids=["no Redis", "no folder for the cache", "no certificate"],
)
def test_a_bad_configuration_is_reported_before_ports_in_use(
    config: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = dict.fromkeys(("http_port", "grpc_port"), taken.getsockname()[1])
        assert expected in start_badly("coordinator", config | ports, tmp_path)


def test_a_missing_model_is_named(fresh_stack: Stack, tmp_path: Path) -> None:
    config = fresh_stack.worker_config("worker-x", 0)
    config["model"]["path"] = str(tmp_path / "nothing")
    assert "has no config.json" in start_badly("worker", config, tmp_path / "logs")


def test_broken_weights_are_named(fresh_stack: Stack, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(TINY, broken)
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    config = fresh_stack.worker_config("worker-x", 0)
    config["model"]["path"] = str(broken)
    assert "cannot be loaded" in start_badly("worker", config, tmp_path / "logs")
