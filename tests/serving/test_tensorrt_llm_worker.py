"""A worker with TensorRT-LLM as a process: its configuration, its start without the library, and over machines."""

from __future__ import annotations

import json
import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from novacron_infra.catalog import EngineKind
from novacron_serving.engines.tensorrt_llm.config import TensorRtLlmConfig
from novacron_serving.engines.tensorrt_llm.launch import hosts, launch
from novacron_serving.errors import StartError
from novacron_serving.protocol import contract
from novacron_serving.worker.__main__ import digest_of_adapter
from novacron_serving.worker.config import EngineConfig, WorkerConfig
from novacron_serving.worker.launch import command, run
from pydantic import ValidationError

from .conftest import TINY, TOKEN, free_port, start, wait_until
from .test_serving_processes import start_badly

pytestmark = pytest.mark.xdist_group("gateway")
WORKER: dict[str, Any] = {"worker_id": "w", "port": 0, "coordinator": "127.0.0.1:1"}
LEADER = "novacron-0.novacron.serving"
CONFIG = "/etc/novacron/worker.json"


def worker(engine: dict[str, Any]) -> dict[str, Any]:
    return WORKER | {"model": {"id": "m", "path": str(TINY)}, "engine": engine}


def test_contract_planner_and_worker_name_the_same_engines() -> None:
    kinds = [config.model_fields["kind"].default for config in get_args(get_args(EngineConfig)[0])]
    assert contract()["engines"] == kinds
    assert sorted(kinds) == sorted(kind.value for kind in EngineKind)


def test_the_kind_says_which_settings_are_meant() -> None:
    config = WorkerConfig.model_validate(worker({"kind": "tensorrt-llm", "tensor_parallel": 8}))
    assert isinstance(config.engine, TensorRtLlmConfig)
    with pytest.raises(ValidationError, match=r"engine\.pytorch\.tensor_parallel"):
        WorkerConfig.model_validate(worker({"kind": "pytorch", "tensor_parallel": 8}))
    with pytest.raises(ValidationError, match=r"'vllm' found using 'kind' does not match .*'pytorch', 'tensorrt-llm'"):
        WorkerConfig.model_validate(worker({"kind": "vllm"}))


def test_without_the_library_a_worker_says_what_to_use(tmp_path: Path) -> None:
    told = start_badly("worker", worker({"kind": "tensorrt-llm"}), tmp_path)
    assert "TensorRT-LLM is not installed; use the image nvcr.io/nvidia/tensorrt-llm/release" in told
    assert "novacron-serving[tensorrt-llm]" in told


STAND_IN = """
import sys
from tests.serving import stand_in_tensorrt_llm as stand_in

sys.modules.update(stand_in.modules())


class LLM(stand_in.LLM):
    def generate_async(self, inputs, **options):
        dead = RuntimeError("rank 1 crashed")
        self.scripts.append(stand_in.Script([5, 6, 7], raises=dead if self.calls else None))
        return super().generate_async(inputs, **options)


sys.modules["tensorrt_llm"].LLM = LLM
"""


def test_a_worker_answers_over_http_until_its_engine_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_pair_of_weights_and_gpu_that_does_not_run_is_told_at_the_start(tmp_path: Path) -> None:
    engine = {"kind": "tensorrt-llm", "quantization": "int8", "gpu_architecture": "ampere"}
    told = start_badly("worker", worker(engine), tmp_path)
    assert "int8 weights do not run on ampere GPUs; use int4 or one of fp16, bf16, w4a16_awq, w4a16_gptq" in told


def test_on_one_machine_the_worker_starts_itself() -> None:
    planned = launch(8, 1, 8, CONFIG)
    assert (planned.nodes, planned.follower) == (1, ())
    assert shlex.join(planned.leader) == f"python -m novacron_serving.worker --config {CONFIG}"
    assert planned.environment["TRTLLM_NO_USAGE_STATS"] == "1"


def test_over_machines_there_is_one_rank_for_each_gpu_and_one_worker() -> None:
    planned = launch(8, 2, 8, CONFIG, LEADER)
    told = shlex.join(planned.leader)
    assert planned.nodes == 2
    assert f"-np 16 --host {LEADER}:8,novacron-0-1.novacron.serving:8 " in told
    assert told.endswith(f"trtllm-llmapi-launch python -m novacron_serving.worker --config {CONFIG}")
    assert "-x TRTLLM_NO_USAGE_STATS" in told
    (port,) = re.findall(r"'-p (\d+)'", told)
    assert shlex.join(planned.follower) == f"/usr/sbin/sshd -D -e -p {port}"


@pytest.mark.parametrize(
    ("numbers", "config", "leader", "told"),
    [
        ((12, 1, 8), CONFIG, LEADER, "12, no multiple of gpus_per_node 8"),
        ((16, 1, 8), "/etc/my worker.json", LEADER, "splits it at spaces"),
        ((16, 1, 8), CONFIG, "", "LWS_LEADER_ADDRESS is ''"),
    ],
)
def test_what_the_launcher_cannot_start_is_told(numbers: Any, config: str, leader: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        launch(*numbers, config, leader)


def test_pods_of_a_group_have_the_names_that_a_leader_worker_set_gives() -> None:
    assert hosts("big-3.big.ns", 3) == ["big-3.big.ns", "big-3-1.big.ns", "big-3-2.big.ns"]


def pod(index: int, size: int = 2) -> dict[str, str]:
    return {"LWS_LEADER_ADDRESS": LEADER, "LWS_GROUP_SIZE": str(size), "LWS_WORKER_INDEX": str(index)}


def test_a_pod_becomes_what_its_place_in_the_group_says() -> None:
    engine = TensorRtLlmConfig(tensor_parallel=16, gpus_per_node=8)
    assert command(engine, CONFIG, pod(0))[0] == "mpirun"
    assert command(engine, CONFIG, pod(1))[0] == "/usr/sbin/sshd"
    assert command(TensorRtLlmConfig(tensor_parallel=8), CONFIG, {})[0] == "python"


def test_a_group_of_the_wrong_size_is_told() -> None:
    engine = TensorRtLlmConfig(tensor_parallel=16, gpus_per_node=8)
    with pytest.raises(StartError, match="LWS_GROUP_SIZE is 3, but the model needs 2 machines of 8 GPUs"):
        command(engine, CONFIG, pod(0, size=3))


def test_a_worker_of_another_engine_has_no_launcher(tmp_path: Path) -> None:
    path = tmp_path / "worker.json"
    path.write_text(json.dumps(worker({"kind": "pytorch"})))
    with pytest.raises(StartError, match="only 'tensorrt-llm' spans machines"):
        run(["--config", str(path)])


def test_an_adapter_with_other_weights_has_another_digest(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "adapter_model.safetensors").write_bytes(b"1")
    first = digest_of_adapter(tmp_path)
    assert digest_of_adapter(tmp_path) == first
    assert re.fullmatch("[0-9a-f]{64}", first)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"2")
    assert digest_of_adapter(tmp_path) != first
