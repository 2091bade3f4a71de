"""GPU workers of a cluster of your own: the replica that fits its nodes, and what does not fit."""

from __future__ import annotations

from typing import Any

import pytest
from novacron_infra.catalog import FabricKind
from novacron_infra.config import KubernetesEnvironment, load
from novacron_infra.errors import ConfigurationError
from novacron_infra.plan import PlanError
from novacron_infra.plan.own_workers import plan_own_workers
from novacron_infra.plan.serving import CacheKind, WorkerGroup

IMAGES = {"coordinator": "localhost/novacron-coordinator:1", "worker": "localhost/novacron-worker-gpu:1"}
MODEL = {"id": "llama-3.1-405b", "url": "s3://models/llama-3.1-405b-fp8"}
WORKERS = {"machine": "p5.48xlarge", "quantization": "int8", "context_tokens": 16384}


def read(model: dict[str, str] | None = None, **workers: Any) -> KubernetesEnvironment:
    values = {"platform": "kubernetes", "images": IMAGES, "model": model or MODEL, "gpu_workers": WORKERS | workers}
    config = load(values)
    assert isinstance(config, KubernetesEnvironment)
    return config


def fit(model: dict[str, str] | None = None, **workers: Any) -> WorkerGroup:
    config = read(model, **workers)
    assert config.gpu_workers is not None
    return plan_own_workers(config.gpu_workers, config.model.id, "llama-3.1-405b-fp8")


def test_a_replica_that_fits_a_node_is_one_pod_on_the_nodes_with_the_labels() -> None:
    group = fit(replicas=3, node_labels={"gpu": "h100"})
    assert (group.replicas, group.pods_per_replica, group.gpus_per_pod) == (3, 1, 8)
    assert group.nodes.labels == {"gpu": "h100"}
    assert group.nodes.tolerated_taints == ("nvidia.com/gpu",)
    assert group.fabric is None
    # Two models of 410 GB.
    assert (group.cache.kind, group.cache.size_gib) == (CacheKind.LOCAL_NVME, 764)
    assert fit(cache_gib=500).cache.size_gib == 500


def test_a_replica_that_spans_nodes_uses_their_fabric() -> None:
    group = fit(quantization="fp16")
    assert (group.pods_per_replica, group.gpus_per_pod) == (2, 8)
    assert group.fabric is not None
    assert group.fabric.kind is FabricKind.EFA


@pytest.mark.parametrize(
    ("model", "workers", "path", "rule"),
    [
        (None, {"machine": "p9.48xlarge"}, "gpu_workers.machine", "not a machine in the catalogue"),
        (None, {"machine": "c6i.8xlarge"}, "gpu_workers.machine", "it has no GPUs"),
        (MODEL | {"id": "mine"}, {}, "model.id", "not a model in the catalogue"),
        (None, {"quantization": "nvfp4"}, "gpu_workers.quantization", "does not support it on hopper"),
        (None, {"tensor_parallel": 4, "pipeline_parallel": 1}, "gpu_workers.quantization", "does not fit"),
        (None, {"quantization": "fp16", "machine": "a3-highgpu-8g"}, "gpu_workers.machine", "tcpx, which only GKE"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_created(
    model: dict[str, str] | None, workers: dict[str, Any], path: str, rule: str
) -> None:
    with pytest.raises(PlanError) as caught:
        fit(model, **workers)
    (found,) = caught.value.problems
    assert found.path.endswith(path)
    assert rule in found.rule


def test_the_weights_come_from_a_store_and_shared_memory_fits_the_limit() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read({"id": "llama-3.1-405b"}, shared_memory_gib=600)
    paths = [found.path.rpartition("environment.")[2] for found in caught.value.problems]
    assert paths == ["gpu_workers.shared_memory_gib", "model.url"]
