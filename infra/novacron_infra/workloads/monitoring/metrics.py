"""The metrics that rules and dashboards read, with the labels that Prometheus adds to them.

Names of the serving stack are those of `protocol/contract.json` of novacron-serving; a test compares them.
"""

from __future__ import annotations

from novacron_infra.workloads.names import COORDINATORS, WORKERS

METRICS_PATH = "/metrics"

REQUESTS = "novacron_requests_total"
RETRIES = "novacron_retries_total"
CACHE_LOOKUPS = "novacron_cache_lookups_total"
QUEUE_TIME = "novacron_queue_time_seconds"
WORKERS_ACTIVE = "novacron_workers_active"
WORKERS_MINIMUM = "novacron_workers_minimum"
DEPENDENCY_UP = "novacron_dependency_up"
MODEL_LOADED = "novacron_model_loaded"
QUALITY_SCORE = "novacron_quality_score"
COMPRESSION_RATIO = "novacron_compression_ratio"
REQUESTS_RUNNING = "trtllm_num_requests_running"
REQUESTS_WAITING = "trtllm_num_requests_waiting"
KV_CACHE_UTILIZATION = "trtllm_kv_cache_utilization"
REQUEST_DURATION = "gen_ai_server_request_duration_seconds"
TIME_TO_FIRST_TOKEN = "gen_ai_server_time_to_first_token_seconds"  # noqa: S105 - a token of text
TIME_PER_OUTPUT_TOKEN = "gen_ai_server_time_per_output_token_seconds"  # noqa: S105 - a token of text
TOKENS = "gen_ai_client_token_usage"

AT_COORDINATORS = f'job="{COORDINATORS}"'
"""Selects the series of coordinators. The monitors set the label `job` to the name label of the pods."""
AT_WORKERS = f'job="{WORKERS}"'
"""Selects the series of workers."""


def rate(metric: str, labels: str, window: str) -> str:
    """Return the sum of a counter's rates.

    Args:
        metric: name of the counter.
        labels: the label matchers.
        window: the range, such as `5m`.
    """
    return f"sum(rate({metric}{{{labels}}}[{window}]))"
