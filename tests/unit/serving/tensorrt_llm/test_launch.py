"""A worker with TensorRT-LLM: its configuration, and how it is started on one machine and over several."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any, get_args

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

LEADER = "novacron-0.novacron.serving"
CONFIG = "/etc/novacron/worker.json"


def worker(engine: dict[str, Any]) -> dict[str, Any]:
    return {
        "worker_id": "w",
        "port": 0,
        "coordinator": "127.0.0.1:1",
        "model": {"id": "m", "path": "/models/m"},
        "engine": engine,
    }


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
