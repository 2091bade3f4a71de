"""The memory of replicas, against published figures for Llama-3.1-405B."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from novacron_infra.catalog import EngineKind, Quantization, find_gpu, find_model, resolve_quantization
from novacron_infra.plan import DoesNotFitError, ReplicaSize, Workload, fit_replica, size_replica

LLAMA = find_model("llama-3.1-405b")


def sized(gpu_name: str, asked: str, tp: int = 8, pp: int = 1, **workload: int) -> ReplicaSize:
    gpu = find_gpu(gpu_name)
    weights = resolve_quantization(Quantization(asked), EngineKind.TENSORRT_LLM, gpu.architecture)
    return size_replica(LLAMA, weights, gpu, tp, pp, Workload(**{"context_tokens": 32768, **workload}))


@pytest.mark.parametrize(
    ("gpu_name", "asked", "weights_gib", "kv_bytes", "kv_gib", "kv_tokens"),
    [
        ("H100-80GB", "int8", 47.74, 32256, 24.42, 812_821),
        ("H200-141GB", "int8", 47.74, 32256, 79.32, 2_640_340),
        ("A100-80GB", "int4", 24.36, 64512, 45.46, 756_618),
    ],
)
def test_405b_at_tp8_is_within_2_percent_of_aiconfigurator(
    gpu_name: str, asked: str, weights_gib: float, kv_bytes: int, kv_gib: float, kv_tokens: int
) -> None:
    size = sized(gpu_name, asked)
    assert size.weights_gib == pytest.approx(weights_gib, rel=0.02)
    assert size.kv_bytes_per_token == kv_bytes
    assert size.kv_gib == pytest.approx(kv_gib, rel=0.02)
    assert size.kv_tokens == pytest.approx(kv_tokens, rel=0.02)


@pytest.mark.parametrize(
    ("gpu_name", "asked", "expected"),
    [
        ("H100-80GB", "int8", (8, 1)),
        ("H100-80GB", "fp16", (8, 2)),
        ("A100-40GB", "int4", (8, 1)),
        ("H200-141GB", "bf16", (8, 1)),
    ],
)
def test_the_smallest_replica_that_fits_405b(gpu_name: str, asked: str, expected: tuple[int, int]) -> None:
    gpu = find_gpu(gpu_name)
    weights = resolve_quantization(Quantization(asked), EngineKind.TENSORRT_LLM, gpu.architecture)
    size = fit_replica(LLAMA, weights, gpu, 8, 64, Workload(32768))
    assert (size.tensor_parallel, size.pipeline_parallel) == expected


def test_a_model_that_does_not_fit_shows_its_arithmetic() -> None:
    weights = resolve_quantization(Quantization.INT8, EngineKind.TENSORRT_LLM, find_gpu("H100-80GB").architecture)
    with pytest.raises(DoesNotFitError, match=r"410 GB against 344 GB") as caught:
        fit_replica(LLAMA, weights, find_gpu("A100-40GB"), 8, 8, Workload(32768))
    assert "GiB free" in str(caught.value)


def test_one_byte_a_parameter_needs_two_machines_of_40_gb_gpus() -> None:
    weights = resolve_quantization(Quantization.INT8, EngineKind.TENSORRT_LLM, find_gpu("H100-80GB").architecture)
    size = fit_replica(LLAMA, weights, find_gpu("A100-40GB"), 8, 64, Workload(32768))
    assert (size.tensor_parallel, size.pipeline_parallel) == (8, 2)


@given(tokens=st.integers(1024, 131072), sequences=st.integers(1, 16), fewer=st.integers(1, 1000))
def test_a_smaller_workload_also_fits(tokens: int, sequences: int, fewer: int) -> None:
    size = sized("H100-80GB", "int8", context_tokens=tokens, sequences=sequences)
    smaller = sized("H100-80GB", "int8", context_tokens=tokens - fewer, sequences=sequences)
    assert not size.fits or smaller.fits
    assert smaller.concurrent_sequences >= size.concurrent_sequences


@given(pp=st.integers(1, 60), asked=st.sampled_from(["int8", "fp16", "int4"]))
def test_another_pipeline_stage_needs_no_more_memory(pp: int, asked: str) -> None:
    less, more = sized("H100-80GB", asked, pp=pp), sized("H100-80GB", asked, pp=pp + 1)
    assert more.weights_gib <= less.weights_gib
    assert more.kv_tokens >= less.kv_tokens
