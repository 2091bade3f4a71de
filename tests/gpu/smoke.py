"""Serve a model with TensorRT-LLM on one NVIDIA GPU, and check a coordinator's responses and metrics.

`make test-gpu` runs this file. It needs only novacron_serving and its dependencies, because it also runs inside the GPU
worker's image. Without a GPU it prints the reason and ends with status 0, or with status 1 if `--required` is given.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import novacron_serving
from novacron_serving.protocol import contract
from prometheus_client.parser import text_string_to_metric_families

MODEL = "smoke"
TINY = Path(novacron_serving.__file__).parent / "models" / "tiny"
"""The model that ships with NovaCron. It says what a GPU is."""
LOAD_LIMIT_S = 300.0
STOP_LIMIT_S = 60.0
PARALLEL = 8
HTTP = httpx.Client(timeout=60, trust_env=False)


def find_reason_to_skip() -> str | None:
    """Return why the model cannot be served here, or None."""
    if shutil.which("nvidia-smi") is None:
        return "nvidia-smi is not on PATH: this machine has no NVIDIA GPU"
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False)
    if listed.returncode or "GPU 0" not in listed.stdout:
        return f"nvidia-smi finds no GPU: {(listed.stdout + listed.stderr).strip()}"
    if importlib.util.find_spec("tensorrt_llm") is None:
        return (
            f"{sys.executable} has no tensorrt_llm: name an image with IMAGE=, or a Python that has it with GPU_PYTHON="
        )
    return None


class Stack:
    """A coordinator and a worker as processes on free ports."""

    def __init__(self, folder: Path, model: Path, engine: dict[str, Any]) -> None:
        self._folder = folder
        http, grpc, worker = (_free_port() for _ in range(3))
        self.url, self.worker_url = f"http://127.0.0.1:{http}", f"http://127.0.0.1:{worker}"
        self._environment = os.environ | {"NOVACRON_CLUSTER_TOKEN": secrets.token_hex(16)}
        self.coordinator = self._start("coordinator", {"http_port": http, "grpc_port": grpc, "host": "127.0.0.1"})
        self.worker = self._start(
            "worker",
            {
                "worker_id": "gpu-0",
                "host": "127.0.0.1",
                "port": worker,
                "coordinator": f"127.0.0.1:{grpc}",
                "model": {"id": MODEL, "path": str(model)},
                "engine": {"kind": "tensorrt-llm", "max_concurrent_requests": PARALLEL, **engine},
            },
        )

    def _start(self, module: str, config: dict[str, Any]) -> subprocess.Popen[bytes]:
        path = self._folder / f"{module}.json"
        path.write_text(json.dumps(config))
        with path.with_suffix(".log").open("wb") as log:
            command = [sys.executable, "-m", f"novacron_serving.{module}", "--config", str(path)]
            return subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    def wait_until_ready(self) -> float:
        """Wait until the coordinator has the worker. Returns the seconds that it took."""
        start = time.monotonic()

        def active() -> bool:
            for name, process in (("coordinator", self.coordinator), ("worker", self.worker)):
                assert process.poll() is None, f"the {name} ended with status {process.returncode}:\n{self.log(name)}"
            with suppress(httpx.TransportError):
                answer = HTTP.get(self.url + contract()["paths"]["cluster_status"])
                return answer.status_code == 200 and answer.json()["cluster"]["active_workers"] == 1
            return False

        _wait_until(active, "the worker has loaded the model", LOAD_LIMIT_S)
        return time.monotonic() - start

    def log(self, module: str) -> str:
        """Return the end of a process's log."""
        return (self._folder / f"{module}.log").read_text(errors="replace")[-4000:]

    def ask(self, prompt: str = "What is a GPU?", **options: Any) -> httpx.Response:
        """Post a chat request."""
        body = {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "temperature": 0, **options}
        return HTTP.post(f"{self.url}/v1/chat/completions", json=body)

    @contextmanager
    def stream(self, **options: Any) -> Iterator[Iterator[str]]:
        """Post a streamed chat request, and give the data of its events."""
        body = {"model": MODEL, "messages": [{"role": "user", "content": "What is a GPU?"}], "temperature": 0}
        with HTTP.stream("POST", f"{self.url}/v1/chat/completions", json={**body, "stream": True, **options}) as answer:
            assert answer.status_code == 200, answer.read()
            yield (line.removeprefix("data: ") for line in answer.iter_lines() if line)

    def read_metrics(self, url: str) -> dict[str, float]:
        """Return the sum of each metric's series."""
        sums: dict[str, float] = {}
        for family in text_string_to_metric_families(HTTP.get(f"{url}/metrics").text):
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0) + sample.value
        return sums

    def stop(self) -> None:
        """End both processes."""
        for process in (self.worker, self.coordinator):
            process.kill()
            process.wait()


def check_responses(stack: Stack, tiny: bool) -> int:
    """Check whole and streamed responses. Returns the number of generations."""
    answer = stack.ask(max_tokens=48)
    assert answer.status_code == 200, answer.text
    text = answer.json()["choices"][0]["message"]["content"]
    assert text.strip(), "the response is empty"
    assert not tiny or "gpu" in text.lower(), f"the tiny model answers {text!r}"
    assert stack.ask(max_tokens=48).json()["choices"][0]["message"]["content"] == text, "a greedy answer changed"
    cut = stack.ask(max_tokens=4).json()
    assert (cut["choices"][0]["finish_reason"], cut["usage"]["completion_tokens"]) == ("length", 4), cut
    with stack.stream(max_tokens=48, stream_options={"include_usage": True}) as events:
        received = list(events)
    assert received[-1] == "[DONE]", received[-1]
    chunks = [json.loads(event) for event in received[:-1]]
    streamed = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    assert streamed == text, f"streamed {streamed!r}, whole {text!r}"
    assert chunks[-1]["usage"]["completion_tokens"] == answer.json()["usage"]["completion_tokens"]
    models = HTTP.get(f"{stack.url}/v1/models").json()["data"]
    assert [model["id"] for model in models] == [MODEL]
    return 4


def check_rejections_and_abort(stack: Stack) -> None:
    """Check a request that the sampler cannot serve, and one whose client leaves."""
    rejected = stack.ask(frequency_penalty=1.0)
    assert rejected.status_code == 400, rejected.text
    assert "frequency_penalty" in rejected.json()["error"]["message"]
    with stack.stream(max_tokens=200, temperature=1) as events:
        next(events)
    running = contract()["metrics"]["requests_running"]
    _wait_until(lambda: stack.read_metrics(stack.worker_url)[running] == 0, "the abandoned request ends", 10)


def measure_load(stack: Stack) -> dict[str, float]:
    """Send requests in parallel. Returns their number, the median time to the first event and the tokens per second."""

    def one(_: int) -> tuple[float, int]:
        start = time.monotonic()
        with stack.stream(max_tokens=32, stream_options={"include_usage": True}) as events:
            next(events)
            first_s = time.monotonic() - start
            *_, usage, done = events
        assert done == "[DONE]", done
        return first_s, json.loads(usage)["usage"]["completion_tokens"]

    requests = 4 * PARALLEL
    start = time.monotonic()
    with ThreadPoolExecutor(PARALLEL) as pool:
        results = list(pool.map(one, range(requests)))
    duration_s = time.monotonic() - start
    return {
        "requests": requests,
        "time_to_first_event_ms": round(1000 * statistics.median(first_s for first_s, _ in results), 1),
        "tokens_per_s": round(sum(tokens for _, tokens in results) / duration_s, 1),
    }


def check_metrics(stack: Stack, generations: int) -> None:
    """Check that both processes counted the requests."""
    names = contract()["metrics"]
    worker, coordinator = stack.read_metrics(stack.worker_url), stack.read_metrics(stack.url)
    # The abandoned request may be counted or not.
    assert generations <= worker[f"{names['request_duration']}_count"] <= generations + 1, worker
    assert worker[f"{names['tokens']}_sum"] > generations
    assert worker[names["model_loaded"]] == 1
    assert 0 <= worker[names["kv_cache_utilization"]] <= 1
    assert coordinator[names["requests"]] >= generations, coordinator
    assert coordinator[names["workers_active"]] == 1


def check_stop(stack: Stack) -> None:
    """Check that the worker ends by itself on SIGTERM, and that the coordinator then returns 503."""
    stack.worker.send_signal(signal.SIGTERM)
    assert stack.worker.wait(STOP_LIMIT_S) == 0, stack.log("worker")
    assert stack.ask(max_tokens=4).status_code == 503


def run(model: Path, engine: dict[str, Any]) -> dict[str, Any]:
    """Run all checks. Returns the measurements."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder), model, engine)
        try:
            measured: dict[str, Any] = {"load_s": round(stack.wait_until_ready(), 1)}
            generations = check_responses(stack, model == TINY)
            check_rejections_and_abort(stack)
            measured |= measure_load(stack)
            check_metrics(stack, generations + measured["requests"])
            check_stop(stack)
        except BaseException:
            print(f"worker:\n{stack.log('worker')}\ncoordinator:\n{stack.log('coordinator')}", file=sys.stderr)  # noqa: T201
            raise
        finally:
            stack.stop()
    return measured


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until(condition: Callable[[], bool], what: str, limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"not within {limit_s:g} s: {what}"
        time.sleep(0.1)


def main() -> int:
    """Run the script. Returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=TINY, help="folder of a Hugging Face model (default: NovaCron's)")
    parser.add_argument("--gpu-architecture", help="GPU generation, in place of the one that is detected")
    parser.add_argument("--required", action="store_true", help="fail without a GPU")
    options = parser.parse_args()
    if reason := find_reason_to_skip():
        print(f"{'failed' if options.required else 'skipped'}: {reason}")  # noqa: T201
        return int(options.required)
    engine = {"max_context_tokens": 512, "kv_cache": {"free_gpu_memory_fraction": 0.3}}
    if options.gpu_architecture:
        engine["gpu_architecture"] = options.gpu_architecture
    measured = run(options.model, engine)
    with suppress(importlib.metadata.PackageNotFoundError):
        measured["tensorrt_llm"] = importlib.metadata.version("tensorrt_llm")
    print(json.dumps({"model": str(options.model), **measured}))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
