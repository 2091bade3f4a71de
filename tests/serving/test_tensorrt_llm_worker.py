"""A worker with TensorRT-LLM as a process, over the stand-in for the library and without it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.polling import free_port, wait_until

from .stack import TINY, TOKEN, start
from .test_serving_processes import start_badly

pytestmark = pytest.mark.xdist_group("gateway")
WORKER: dict[str, Any] = {"worker_id": "w", "port": 0, "coordinator": "127.0.0.1:1"}


def worker(engine: dict[str, Any]) -> dict[str, Any]:
    return WORKER | {"model": {"id": "m", "path": str(TINY)}, "engine": engine}


def test_a_worker_without_the_library_names_the_image_and_the_extra(tmp_path: Path) -> None:
    error = start_badly("worker", worker({"kind": "tensorrt-llm"}), tmp_path)
    assert "TensorRT-LLM is not installed; use the image nvcr.io/nvidia/tensorrt-llm/release" in error
    assert "novacron-serving[tensorrt-llm]" in error


STAND_IN = """
import sys
from tests.unit.serving.tensorrt_llm import stand_in

sys.modules.update(stand_in.modules())


class LLM(stand_in.LLM):
    def generate_async(self, inputs, **options):
        dead = RuntimeError("rank 1 crashed")
        self.scripts.append(stand_in.Script([5, 6, 7], raises=dead if self.calls else None))
        return super().generate_async(inputs, **options)


sys.modules["tensorrt_llm"].LLM = LLM
"""


def test_a_worker_serves_requests_until_its_engine_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tensorrt_llm.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[2]}")
    port = free_port()
    config = worker({"kind": "tensorrt-llm", "gpu_architecture": "hopper"}) | {"port": port}
    process = start("worker", config, tmp_path / "logs")
    url = f"http://127.0.0.1:{port}"

    def ask() -> httpx.Response:
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3}
        return httpx.post(
            f"{url}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {TOKEN}"}, timeout=5
        )

    try:
        first: list[httpx.Response] = []

        def answered() -> bool:
            with suppress(httpx.TransportError):  # it listens before it has loaded
                first.append(ask())
            return bool(first) and first[-1].status_code != 503

        wait_until(answered, "the worker answers")
        assert first[-1].json()["usage"]["completion_tokens"] == 3
        assert httpx.get(f"{url}/health").status_code == 200
        dying = ask()
        assert (dying.status_code, dying.json()["error"]["code"]) == (503, "engine_dead")
        assert httpx.get(f"{url}/health").status_code == 503
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def test_weights_that_do_not_run_on_the_gpu_are_rejected_at_the_start(tmp_path: Path) -> None:
    engine = {"kind": "tensorrt-llm", "quantization": "int8", "gpu_architecture": "ampere"}
    error = start_badly("worker", worker(engine), tmp_path)
    assert "int8 weights do not run on ampere GPUs; use int4 or one of fp16, bf16, w4a16_awq, w4a16_gptq" in error
