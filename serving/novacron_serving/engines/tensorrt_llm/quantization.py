"""Which weights run on which GPU. Every other pair is refused, with what is allowed instead."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Any

SOURCE = "TensorRT-LLM 1.2 documentation, quantisation support matrix (PyTorch backend), read 2026-07-20"


class Architecture(str, Enum):
    """GPU generations, as far as weight formats differ by them."""

    AMPERE = "ampere"
    HOPPER = "hopper"
    BLACKWELL = "blackwell"


class Quantization(str, Enum):
    """What may be asked for: a width (`int8`, `int4`), which the GPU gives its meaning, or an exact format."""

    INT8 = "int8"
    INT4 = "int4"
    FP16 = "fp16"
    BF16 = "bf16"
    FP8 = "fp8"
    W4A16_AWQ = "w4a16_awq"
    W4A16_GPTQ = "w4a16_gptq"
    W4A8_AWQ = "w4a8_awq"
    NVFP4 = "nvfp4"


_Q = Quantization
SUPPORT: dict[Architecture, tuple[Quantization, ...]] = {
    Architecture.AMPERE: (_Q.FP16, _Q.BF16, _Q.W4A16_AWQ, _Q.W4A16_GPTQ),
    Architecture.HOPPER: (_Q.FP16, _Q.BF16, _Q.FP8, _Q.W4A16_AWQ, _Q.W4A16_GPTQ, _Q.W4A8_AWQ),
    Architecture.BLACKWELL: (_Q.FP16, _Q.BF16, _Q.NVFP4),
}
"""The formats that run, of `SOURCE`."""
MEANING: dict[Quantization, dict[Architecture, Quantization]] = {
    _Q.INT8: {Architecture.HOPPER: _Q.FP8},
    _Q.INT4: {
        Architecture.AMPERE: _Q.W4A16_AWQ,
        Architecture.HOPPER: _Q.W4A16_AWQ,
        Architecture.BLACKWELL: _Q.NVFP4,
    },
}
"""The format of that width which the GPU really has. INT8 SmoothQuant is not in the matrix."""
CAPABILITY_MAJOR = {8: Architecture.AMPERE, 9: Architecture.HOPPER, 10: Architecture.BLACKWELL}
"""CUDA's compute capability. 8.9 (Ada) and 12 (desktop Blackwell) are not in the matrix: see `architecture_of`."""
MODELOPT = {"FP8": _Q.FP8, "W4A16_AWQ": _Q.W4A16_AWQ, "W4A8_AWQ": _Q.W4A8_AWQ, "NVFP4": _Q.NVFP4}
"""`quant_algo` of ModelOpt's `hf_quant_config.json`."""
TORCH_DTYPES = {"bfloat16": _Q.BF16, "float16": _Q.FP16}


def resolve(asked: Quantization, architecture: Architecture) -> Quantization:
    """The weight format that is meant. Raises `ValueError` saying what is allowed."""
    meant = MEANING[asked].get(architecture) if asked in MEANING else asked
    if meant is None or meant not in SUPPORT[architecture]:
        offered = [width.value for width, meanings in MEANING.items() if architecture in meanings]
        raise ValueError(
            f"{asked.value} weights do not run on {architecture.value} GPUs; "
            f"use {', '.join(offered)} or one of {', '.join(format_.value for format_ in SUPPORT[architecture])}"
        )
    return meant


def architecture_of(capability: tuple[int, int]) -> Architecture:
    """Of CUDA's compute capability. Raises `ValueError` for a GPU of which the matrix says nothing."""
    found = None if capability == (8, 9) else CAPABILITY_MAJOR.get(capability[0])
    if found is None:
        known = ", ".join(architecture.value for architecture in Architecture)
        raise ValueError(f"GPUs of compute capability {capability[0]}.{capability[1]} are not among: {known}")
    return found


def checkpoint_format(folder: Path) -> Quantization:
    """What a checkpoint's weights are, by what it says itself. Raises `ValueError` for what cannot be told."""
    modelopt = folder / "hf_quant_config.json"
    if modelopt.is_file():
        said: str | None = json.loads(modelopt.read_text()).get("quantization", {}).get("quant_algo")
        if said is not None:  # else only the cache is quantised
            return _of_modelopt(said)
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    if quantized := config.get("quantization_config"):
        method, bits = quantized.get("quant_method"), quantized.get("bits", quantized.get("w_bit"))
        if method == "fp8":
            return Quantization.FP8
        if method in ("awq", "gptq") and bits == 4:
            return Quantization.W4A16_AWQ if method == "awq" else Quantization.W4A16_GPTQ
        if method == "modelopt" and (algorithm := quantized.get("quant_algo")) in MODELOPT:
            return MODELOPT[algorithm]
        raise ValueError(f"config.json: quantization_config of {method!r} with {bits} bits is none that runs")
    dtype = config.get("dtype", config.get("torch_dtype"))
    if dtype not in TORCH_DTYPES:
        raise ValueError(f"config.json: dtype {dtype!r} is not one of {', '.join(TORCH_DTYPES)}")
    return TORCH_DTYPES[dtype]


def _of_modelopt(algorithm: str) -> Quantization:
    if algorithm.startswith("FP8"):  # also FP8_BLOCK_SCALES and FP8_PER_CHANNEL_PER_TOKEN
        return Quantization.FP8
    if algorithm in MODELOPT:
        return MODELOPT[algorithm]
    raise ValueError(f"hf_quant_config.json: quant_algo {algorithm!r} is not one of {', '.join(MODELOPT)}")


def check_checkpoint(folder: Path, asked: Quantization | None, architecture: Architecture) -> Quantization:
    """The checkpoint's format, when it runs and is what was asked for. Raises `ValueError` otherwise."""
    found = resolve(checkpoint_format(folder), architecture)
    if asked is not None and (meant := resolve(asked, architecture)) is not found:
        raise ValueError(
            f"the checkpoint's weights are {found.value}, but engine.quantization {asked.value} means {meant.value} "
            f"on {architecture.value}; name a {meant.value} checkpoint, or leave engine.quantization out"
        )
    return found
