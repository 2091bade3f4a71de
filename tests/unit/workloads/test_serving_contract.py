"""The contract that pods rely on is novacron-serving's."""

from __future__ import annotations

from novacron_infra.workloads import serving_contract as ours
from novacron_serving.protocol import contract


def test_ports_paths_and_variables_are_those_of_the_serving_package() -> None:
    processes, paths, variables = (contract()[name] for name in ("processes", "paths", "environment"))
    assert (
        processes["coordinator"]["http_port"],
        processes["coordinator"]["grpc_port"],
    ) == (ours.HTTP_PORT, ours.GRPC_PORT)
    assert processes["worker"]["http_port"] == ours.WORKER_PORT
    assert (paths["health"], paths["ready"]) == (ours.HEALTH_PATH, ours.READY_PATH)
    assert variables == {
        "cluster_token": ours.CLUSTER_TOKEN,
        "worker_id": ours.WORKER_ID,
        "host": ours.HOST,
        "admin_key": ours.ADMIN_KEY,
        "database_url": ours.DATABASE_URL,
        "redis_url": ours.REDIS_URL,
    }


def test_metrics_are_those_of_the_serving_package() -> None:
    metrics = contract()["metrics"]
    assert metrics["requests_running"] == ours.REQUESTS_RUNNING
    assert metrics["requests_waiting"] == ours.REQUESTS_WAITING
    assert metrics["kv_cache_utilization"] == ours.KV_CACHE_UTILIZATION
    assert metrics["quality_score"] == ours.QUALITY_SCORE
