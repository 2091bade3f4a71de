"""The latency that a replica cannot undercut without load, and targets below it.

A prompt is computed once: 2 operations for each parameter and token that the prefix cache does not have, on all GPUs of
the replica, and two sums over the GPUs in each layer. Each token after it reads all weights once. Of the experts of a
layer, only those count that compute the token. Both add a short time for each layer. Queueing, attention over long
contexts and the network come on top, so a measured latency is higher; a target below this one cannot be met.

The constants are chosen so that this latency is close to the estimates of aiconfigurator 0.12.0 for llama-3.1-405b on
8 GPUs without load (run on 2026-11-29: 159 ms for 1,000 prompt tokens and 290 ms for 2,000 on H100 with FP8), and not
above the measurements of llama-3.1-70b in InferenceX (to 2026-04-27).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor

from novacron_infra.catalog import FormatName
from novacron_infra.config import FirstTokenTarget, Percentiles
from novacron_infra.config.problems import problem
from novacron_infra.errors import Problem
from novacron_infra.plan.sizing import ReplicaSize

_FP8 = (FormatName.FP8, FormatName.FP8_BLOCK, FormatName.FP8_ROWWISE, FormatName.W4A8_AWQ, FormatName.W4A8_GPTQ)
_FP4 = (FormatName.NVFP4, FormatName.MXFP4)
"""Formats whose matrix products are in FP8 and FP4; those of all others are in 16 bits."""
_COMPUTE_EFFICIENCY = {16: 0.74, 8: 0.52, 4: 0.36}
"""Part of the peak that prefill reaches, by the bits of a matrix product."""
_BANDWIDTH_EFFICIENCY = 0.88
"""Part of the memory's bandwidth that reading weights reaches."""
_LAYER_S, _SHARED_LAYER_S = 0.00001, 0.000045
"""Seconds for each layer that do not depend on the prompt: the start of kernels, and with several GPUs, of sums."""
_SUMS = 2
"""Sums over the GPUs in each layer: after attention and after the MLP."""
_ACTIVATION_BYTES = 2


@dataclass(frozen=True)
class LatencyFloor:
    """The latency of a replica without load, in seconds."""

    size: ReplicaSize
    prompt_tokens: int
    prefix_hit_fraction: float
    step_s: float
    """Reading the weights once, and the time of the layers: the lowest latency between two tokens."""
    compute_s: float
    """Computing one token of the prompt."""
    link_s: float
    """Sums over the GPUs for one token of the prompt."""

    @property
    def token_s(self) -> float:
        """Everything for one more token of the prompt."""
        return self.compute_s + self.link_s

    @property
    def uncached_tokens(self) -> float:
        """Tokens of the prompt that are computed."""
        return self.prompt_tokens * (1 - self.prefix_hit_fraction)

    @property
    def first_token_s(self) -> float:
        """The lowest time to the first token."""
        return self.step_s + self.uncached_tokens * self.token_s

    def describe_first_token(self) -> str:
        """Return the calculation of the time to the first token."""
        bits, tflops = _find_peak(self.size)
        size, hit, link_s = self.size, self.prefix_hit_fraction, self.link_s * self.uncached_tokens
        parameters = f"{size.model.active_parameters / 1e9:,.1f} × 10^9"
        cached = f", {hit:.0%} of them in the prefix cache" if hit else ""
        return (
            f"{self.prompt_tokens:,} prompt tokens{cached}: {self.step_s * 1e3:,.1f} ms + 2 × "
            f"{parameters} × {self.uncached_tokens:,.0f} ÷ ({size.gpus} × {tflops:,.6g} TFLOPS × "
            f"{_COMPUTE_EFFICIENCY[bits]:g}) + {link_s * 1e3:,.0f} ms between GPUs = "
            f"{self.first_token_s * 1e3:,.0f} ms"
        )

    def describe_step(self) -> str:
        """Return the calculation of the latency between two tokens."""
        size, speed = self.size, self.size.gpu.speed
        bandwidth = speed.bandwidth_gb_per_s if speed else 0
        return (
            f"{size.active_weight_bytes / 1e9:,.0f} GB of weights ÷ ({size.tensor_parallel} × {bandwidth:,.6g} GB/s × "
            f"{_BANDWIDTH_EFFICIENCY:g}) + {size.model.layers} layers × {_find_layer_s(size) * 1e3:g} ms = "
            f"{self.step_s * 1e3:,.1f} ms"
        )


def calculate_latency_floor(size: ReplicaSize, target: FirstTokenTarget) -> LatencyFloor | None:
    """Return the latency floor of a replica for the prompts of a target; None if the catalogue has no speed of its GPU.

    Pipeline stages read their weights one after the other, and share the computation of a long prompt.
    """
    speed = size.gpu.speed
    if speed is None:
        return None
    bits, tflops = _find_peak(size)
    read_s = size.active_weight_bytes / (size.tensor_parallel * speed.bandwidth_gb_per_s * 1e9 * _BANDWIDTH_EFFICIENCY)
    return LatencyFloor(
        size=size,
        prompt_tokens=target.prompt_tokens,
        prefix_hit_fraction=target.prefix_hit_fraction,
        step_s=read_s + size.model.layers * _find_layer_s(size),
        compute_s=2 * size.model.active_parameters / (size.gpus * tflops * 1e12 * _COMPUTE_EFFICIENCY[bits]),
        link_s=_SUMS * size.model.layers * _find_sum_bytes(size) / (speed.link_gb_per_s * 1e9),
    )


def check_latencies(
    size: ReplicaSize, first_token: FirstTokenTarget | None, inter_token: Percentiles | None
) -> list[Problem]:
    """Return a problem for each target that is below the latency floor of a replica."""
    floor_of_step = calculate_latency_floor(size, first_token or FirstTokenTarget(p50=1, p95=1))
    if floor_of_step is None:
        return []
    found = [] if first_token is None else list(_check_first_token(floor_of_step, first_token))
    return [*found, *([] if inter_token is None else _check_inter_token(floor_of_step, inter_token))]


def _check_first_token(found: LatencyFloor, target: FirstTokenTarget) -> Iterator[Problem]:
    for name, target_s in (("p50", target.p50), ("p95", target.p95)):
        if target_s >= found.first_token_s:
            continue
        rule = (
            f"{found.size.gpus} × {found.size.gpu.name} need at least {found.first_token_s:.3f} s for a prompt of "
            f"{target.prompt_tokens:,} tokens"
        )
        path = f"targets.time_to_first_token_s.{name}"
        details = [found.describe_step(), found.describe_first_token()]
        yield problem(path, target_s, rule, _suggest_prompt(found, target_s), details)


def _suggest_prompt(found: LatencyFloor, target_s: float) -> str:
    """Return what would meet a target: fewer tokens to compute, another replica, or a higher target."""
    tokens = floor((target_s - found.step_s) / found.token_s)
    others = "more GPUs for a replica, faster GPUs, or a narrower quantization"
    higher = f"a target of {ceil(found.first_token_s * 1000) / 1000:g} or more"
    if tokens < 1:
        return f"Use {others}, or {higher}"
    hit = ceil((1 - tokens / found.prompt_tokens) * 100) / 100
    prompt_tokens = floor(tokens / (1 - found.prefix_hit_fraction))
    return (
        f"State prompt_tokens {prompt_tokens} or less, or prefix_hit_fraction {hit:g} or more if the prefix cache has "
        f"these tokens. Or use {others}, or {higher}"
    )


def _check_inter_token(found: LatencyFloor, target: Percentiles) -> Iterator[Problem]:
    for name, target_s in (("p50", target.p50), ("p95", target.p95)):
        if target_s < found.step_s:
            rule = (
                f"{found.size.gpus} × {found.size.gpu.name} need at least {found.step_s:.4f} s to read the weights for "
                "a token"
            )
            fix = (
                "Use more GPUs in tensor parallelism, GPUs with more bandwidth, a narrower quantization, or a target "
                f"of {ceil(found.step_s * 1e4) / 1e4:g} or more"
            )
            yield problem(f"targets.inter_token_latency_s.{name}", target_s, rule, fix, [found.describe_step()])


def _find_peak(size: ReplicaSize) -> tuple[int, float]:
    """Return the bits of a replica's matrix products, and the peak of its GPU for them in TFLOPS."""
    speed, weights = size.gpu.speed, size.weights.name
    if speed is None:
        raise ValueError(f"the catalogue has no speed of {size.gpu.name}")
    if weights in _FP4 and speed.fp4_tflops is not None:
        return 4, speed.fp4_tflops
    if weights in _FP8 and speed.fp8_tflops is not None:
        return 8, speed.fp8_tflops
    return 16, speed.bf16_tflops


def _find_layer_s(size: ReplicaSize) -> float:
    return _SHARED_LAYER_S if size.tensor_parallel > 1 else _LAYER_S


def _find_sum_bytes(size: ReplicaSize) -> float:
    """Return the bytes that each GPU sends for one token in a ring that sums a layer's activations."""
    return 2 * (size.tensor_parallel - 1) / size.tensor_parallel * size.model.hidden * _ACTIVATION_BYTES
