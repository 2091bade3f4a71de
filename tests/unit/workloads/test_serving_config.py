"""The configuration files that infrastructure builds are accepted by the processes that read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from novacron_infra.config.local import CoordinatorConfig, WorkersConfig
from novacron_infra.config.sections.serving import Device, PyTorchQuantization
from novacron_infra.plan.serving import plan_region_serving
from novacron_infra.workloads.serving_config import (
    build_coordinator_file,
    build_pytorch_worker_file,
    build_tensorrt_llm_worker_file,
)
from novacron_serving.coordinator import config as coordinator_config
from novacron_serving.worker import config as worker_config

from tests.unit.config.environments import plan, read_stack

SETTINGS = [
    {},
    {"response_cache": {}},
    {"response_cache": {"memory_mib": 5, "disk_mib": 10, "ttl_s": 60}},
    {"routing": "round_robin", "minimum_quality": 0.97, "max_requests": 10, "queue_timeout_s": 1.5},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_coordinator_accepts_its_file(settings: dict[str, Any]) -> None:
    wanted = CoordinatorConfig.model_validate_json(json.dumps(settings))
    file = build_coordinator_file(
        wanted,
        http_port=8080,
        grpc_port=9090,
        minimum_workers=2,
        database_url="sqlite:////data/coordinator.db",
        cache_folder=Path("/data/answers"),
    )
    accepted = coordinator_config.CoordinatorConfig.model_validate_json(json.dumps(file))
    assert (accepted.http_port, accepted.grpc_port, accepted.minimum_workers) == (8080, 9090, 2)
    assert accepted.routing.value == wanted.routing.value
    assert (accepted.minimum_quality, accepted.max_requests) == (wanted.minimum_quality, wanted.max_requests)
    assert accepted.queue_timeout_s == wanted.queue_timeout_s
    cache = wanted.response_cache
    assert (accepted.cache is None) == (cache is None)
    if accepted.cache is not None and cache is not None:
        assert (accepted.cache.memory_mib, accepted.cache.ttl_s) == (cache.memory_mib, cache.ttl_s)
        assert accepted.cache.disk == (Path("/data/answers") if cache.disk_mib else None)


def test_a_worker_accepts_its_file() -> None:
    file = build_pytorch_worker_file(
        WorkersConfig(device=Device.CPU, threads=3),
        {"id": "mine", "path": "/models/mine"},
        quantization=PyTorchQuantization.INT8,
        worker_id="worker-1",
        port=9092,
        coordinator="127.0.0.1:9090",
        model_cache=Path("/data/models"),
    )
    accepted = worker_config.WorkerConfig.model_validate_json(json.dumps(file))
    assert (accepted.worker_id, accepted.port, accepted.coordinators) == ("worker-1", 9092, ("127.0.0.1:9090",))
    assert (accepted.model.id, accepted.model.path) == ("mine", Path("/models/mine"))
    assert accepted.model_cache == Path("/data/models")
    engine = accepted.engine.model_dump(mode="json")
    expected = {"kind": "pytorch", "device": "cpu", "threads": 3, "quantization": "int8"}
    assert {name: engine[name] for name in expected} == expected


def test_every_worker_group_of_production_is_accepted() -> None:
    planned = plan(read_stack("prod"))
    serving = plan_region_serving(planned, planned.regions[0])
    for group in serving.workers:
        file = build_tensorrt_llm_worker_file(
            group,
            model_id=serving.model_id,
            store_url="efs://fs-1/models",
            mounted_url="efs://fs-1",
            mount_folder="/mnt/models",
            ports=serving.ports,
            coordinator="llm-coordinators.novacron-llm.svc:9090",
            model_cache=Path("/data/models"),
        )
        accepted = worker_config.WorkerConfig.model_validate_json(json.dumps({"worker_id": "pod-0", **file}))
        assert accepted.model.url == f"efs://fs-1/models/{group.model_folder}"
        assert accepted.store_mounts == {"efs://fs-1": Path("/mnt/models")}
        engine = accepted.engine.model_dump(mode="json")
        assert engine["quantization"] == group.engine.weights.value
        assert engine["tensor_parallel"] * engine["pipeline_parallel"] == group.gpus_per_pod * group.pods_per_replica
        assert (accepted.performance_profile.value, accepted.drain_s) == (group.profile.value, group.drain_s)
