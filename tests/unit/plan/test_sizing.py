"""The memory of replicas, against published figures for Llama-3.1-405B."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from novacron_infra.catalog import EngineKind, Model, Quantization, find_gpu, find_model, resolve_quantization
from novacron_infra.plan import DoesNotFitError, ReplicaSize, Workload, fit_replica, size_replica
from novacron_infra.plan.serving import choose_engine_settings

LLAMA = find_model("llama-3.1-405b")


def sized(gpu_name: str, asked: str, tp: int = 8, pp: int = 1, *, model: Model = LLAMA, **workload: int) -> ReplicaSize:
    gpu = find_gpu(gpu_name)
    weights = resolve_quantization(Quantization(asked), EngineKind.TENSORRT_LLM, gpu.architecture)
    return size_replica(model, weights, gpu, tp, pp, Workload(**{"context_tokens": 32768, **workload}))


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


@pytest.mark.parametrize(
    ("name", "gpu_name", "asked", "weights_gib"),
    [
        # Sizes of the checkpoints in their model card: only the experts are in MXFP4.
        ("gpt-oss-120b", "B200", "mxfp4", 60.8),
        ("gpt-oss-20b", "RTX-PRO-6000", "mxfp4", 12.8),
        # 46.7 and 235 × 10^9 parameters of 2 bytes, 671 × 10^9 of 1 byte.
        ("mixtral-8x7b", "A100-80GB", "bf16", 87.0),
        ("qwen3-235b-a22b", "H200-141GB", "bf16", 437.9),
        ("deepseek-v3", "H200-141GB", "fp8_block", 626.8),
    ],
)
def test_all_experts_are_in_memory(name: str, gpu_name: str, asked: str, weights_gib: float) -> None:
    size = sized(gpu_name, asked, model=find_model(name))
    assert size.replica_weight_bytes / 2**30 == pytest.approx(weights_gib, rel=0.02)
    assert size.weights_gib == pytest.approx(size.replica_weight_bytes / 2**30 / 8)


def test_a_token_reads_only_the_experts_that_compute_it() -> None:
    size = sized("H200-141GB", "fp8_block", model=find_model("deepseek-v3"))
    # 37.6 × 10^9 active parameters, of which the tables have 2 bytes.
    assert size.active_weight_bytes / 1e9 == pytest.approx(37.6 + 1.9, rel=0.01)
    assert sized("H100-80GB", "int8").active_weight_bytes == sized("H100-80GB", "int8").replica_weight_bytes


def test_each_gpu_has_the_whole_latent_vector() -> None:
    sizes = [sized("H200-141GB", "fp8_block", tp, model=find_model("deepseek-v3")) for tp in (1, 8)]
    assert [size.kv_bytes_per_token for size in sizes] == [61 * 576, 61 * 576]


@pytest.mark.parametrize(
    ("gpu_name", "asked", "expected"),
    [
        ("H100-80GB", "fp8_block", (8, 2)),
        ("H200-141GB", "fp8_block", (8, 1)),
        ("B200", "nvfp4", (4, 1)),
    ],
)
def test_the_smallest_replica_that_fits_deepseek(gpu_name: str, asked: str, expected: tuple[int, int]) -> None:
    gpu = find_gpu(gpu_name)
    weights = resolve_quantization(Quantization(asked), EngineKind.TENSORRT_LLM, gpu.architecture)
    size = fit_replica(find_model("deepseek-v3"), weights, gpu, 8, 64, Workload(32768))
    assert (size.tensor_parallel, size.pipeline_parallel) == expected


def test_layers_with_a_window_hold_no_more_than_it() -> None:
    model = find_model("gpt-oss-120b")
    short, long = (sized("B200", "mxfp4", 1, model=model, context_tokens=tokens) for tokens in (128, 131_072))
    assert short.kv_bytes_per_token == 36 * 2 * 8 * 64
    assert long.kv_bytes_per_token == pytest.approx(18 * 2 * 8 * 64, rel=0.002)


@pytest.mark.parametrize(
    ("name", "context_tokens", "expected"),
    [
        ("gpt-oss-120b", 131_072, (128, 131_072)),
        ("gpt-oss-20b", 128, ()),
        ("llama-4-scout", 65_536, (8192, 8192, 8192, 65_536)),
        ("llama-4-scout", 8192, ()),
        ("deepseek-v3", 65_536, ()),
    ],
)
def test_the_engine_keeps_what_the_plan_counts(name: str, context_tokens: int, expected: tuple[int, ...]) -> None:
    size = sized("H200-141GB", "bf16", model=find_model(name), context_tokens=context_tokens)
    assert choose_engine_settings(size).window_tokens == expected


@pytest.mark.parametrize("name", ["llama-4-maverick", "deepseek-v3", "gpt-oss-20b"])
@given(pp=st.integers(1, 24))
def test_stages_of_a_mixture_have_the_layers_that_they_compute(name: str, pp: int) -> None:
    model = find_model(name)
    size = sized("H200-141GB", "bf16", pp=pp, model=model)
    whole = size.replica_weight_bytes / 2**30 / 8
    assert whole / pp * 0.9 <= size.weights_gib <= whole
