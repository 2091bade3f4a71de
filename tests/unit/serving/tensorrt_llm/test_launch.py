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
from novacron_serving.engines.tensorrt_llm.launch import list_hosts, plan_launch
from novacron_serving.errors import StartError
from novacron_serving.protocol import contract
from novacron_serving.worker.__main__ import digest_adapter
from novacron_serving.worker.config import EngineConfig, WorkerConfig
from novacron_serving.worker.launch import is_leader, plan, run
from novacron_serving.worker.ssh import write_files
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


def test_the_engine_kind_selects_the_settings() -> None:
    config = WorkerConfig.model_validate(worker({"kind": "tensorrt-llm", "tensor_parallel": 8}))
    assert isinstance(config.engine, TensorRtLlmConfig)
    with pytest.raises(ValidationError, match=r"engine\.pytorch\.tensor_parallel"):
        WorkerConfig.model_validate(worker({"kind": "pytorch", "tensor_parallel": 8}))
    with pytest.raises(ValidationError, match=r"'vllm' found using 'kind' does not match .*'pytorch', 'tensorrt-llm'"):
        WorkerConfig.model_validate(worker({"kind": "vllm"}))


def test_on_one_machine_the_worker_is_started_directly() -> None:
    planned = plan_launch(8, 1, 8, CONFIG)
    assert (planned.nodes, planned.follower) == (1, ())
    assert shlex.join(planned.leader) == f"python -m novacron_serving.worker --config {CONFIG}"
    assert planned.environment["TRTLLM_NO_USAGE_STATS"] == "1"


def test_over_several_machines_mpirun_starts_a_rank_per_gpu_and_one_worker() -> None:
    planned = plan_launch(8, 2, 8, CONFIG, LEADER, "/home/me/ssh", "eth0")
    command = shlex.join(planned.leader)
    assert planned.nodes == 2
    assert f"-np 16 --host {LEADER}:8,novacron-0-1.novacron.serving:8 " in command
    assert command.endswith(f"trtllm-llmapi-launch python -m novacron_serving.worker --config {CONFIG}")
    assert "-x TRTLLM_NO_USAGE_STATS" in command
    assert "--mca plm_rsh_agent 'ssh -F /home/me/ssh/ssh_config'" in command
    assert "--mca btl_tcp_if_include eth0" in command
    assert shlex.join(planned.follower) == "/usr/sbin/sshd -D -e -f /home/me/ssh/sshd_config"
    assert planned.followers == ("novacron-0-1.novacron.serving",)


@pytest.mark.parametrize(
    ("numbers", "config", "leader", "message"),
    [
        ((12, 1, 8), CONFIG, LEADER, "is 12; it must be a multiple of gpus_per_node, which is 8"),
        ((16, 1, 8), "/etc/my worker.json", LEADER, "must not contain spaces"),
        ((16, 1, 8), CONFIG, "", "LWS_LEADER_ADDRESS is ''"),
    ],
)
def test_a_start_that_cannot_work_is_rejected(numbers: Any, config: str, leader: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_launch(*numbers, config, leader)


def test_host_names_of_the_pods_of_a_leader_worker_set() -> None:
    assert list_hosts("big-3.big.ns", 3) == ["big-3.big.ns", "big-3-1.big.ns", "big-3-2.big.ns"]


def pod(index: int, size: int = 2) -> dict[str, str]:
    return {"LWS_LEADER_ADDRESS": LEADER, "LWS_GROUP_SIZE": str(size), "LWS_WORKER_INDEX": str(index)}


def test_the_command_of_a_pod_depends_on_its_index() -> None:
    assert (is_leader(pod(0)), is_leader(pod(1)), is_leader({})) == (True, False, True)
    planned = plan(TensorRtLlmConfig(tensor_parallel=16, gpus_per_node=8), CONFIG, pod(0))
    assert (planned.leader[0], planned.follower[0]) == ("mpirun", "/usr/sbin/sshd")
    assert plan(TensorRtLlmConfig(tensor_parallel=8), CONFIG, {}).leader[0] == "python"


def test_a_group_of_the_wrong_size_is_rejected() -> None:
    engine = TensorRtLlmConfig(tensor_parallel=16, gpus_per_node=8)
    with pytest.raises(StartError, match=r"LWS_GROUP_SIZE is 3; it must be 2, .* is 16 and gpus_per_node 8"):
        plan(engine, CONFIG, pod(0, size=3))
    with pytest.raises(StartError, match=r"LWS_GROUP_SIZE is 2; it must be 1, .* is 8 and gpus_per_node 8"):
        plan(TensorRtLlmConfig(tensor_parallel=8), CONFIG, pod(0))


def test_a_worker_with_another_engine_cannot_be_launched(tmp_path: Path) -> None:
    path = tmp_path / "worker.json"
    path.write_text(json.dumps(worker({"kind": "pytorch"})))
    with pytest.raises(StartError, match="only 'tensorrt-llm' can span machines"):
        run(["--config", str(path)])


def test_the_digest_of_an_adapter_changes_with_its_weights(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "adapter_model.safetensors").write_bytes(b"1")
    first = digest_adapter(tmp_path)
    assert digest_adapter(tmp_path) == first
    assert re.fullmatch("[0-9a-f]{64}", first)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"2")
    assert digest_adapter(tmp_path) != first


def test_a_session_gets_its_variables_in_one_line_and_not_the_token(tmp_path: Path) -> None:
    environment = {
        "PATH": "/bin",
        "NCCL_DEBUG": "INFO",
        "HF_HOME": "/home/novacron",
        "XDG_BROKEN": 'a"b',
        "NOVACRON_CLUSTER_TOKEN": "of-the-tests",
    }
    files = write_files(tmp_path / "ssh", "of-the-tests", 9092, environment)
    lines = files.server_config.read_text().splitlines()
    # sshd ignores a second SetEnv.
    assert [line for line in lines if line.startswith("SetEnv")] == [
        'SetEnv "HF_HOME=/home/novacron" "NCCL_DEBUG=INFO" "PATH=/bin"'
    ]
    assert files.server_config.stat().st_mode & 0o777 == 0o600
