"""Which weight formats run on which GPU. Other combinations are rejected, with the allowed ones in the message."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Any

SOURCE = "TensorRT-LLM 1.2 documentation, quantisation support matrix (PyTorch backend), read 2026-07-20"


class Architecture(str, Enum):
    """GPU generations that support different weight formats."""

    AMPERE = "ampere"
    ADA = "ada"
    HOPPER = "hopper"
    BLACKWELL = "blackwell"


class Quantization(str, Enum):
    """A width (`int8`, `int4`), whose format depends on the GPU, or an exact format."""

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
    Architecture.ADA: (_Q.FP16, _Q.BF16, _Q.FP8, _Q.W4A16_AWQ, _Q.W4A16_GPTQ, _Q.W4A8_AWQ),
    Architecture.HOPPER: (_Q.FP16, _Q.BF16, _Q.FP8, _Q.W4A16_AWQ, _Q.W4A16_GPTQ, _Q.W4A8_AWQ),
    Architecture.BLACKWELL: (_Q.FP16, _Q.BF16, _Q.NVFP4),
}
"""The formats that run on each architecture, from `SOURCE`."""
WIDTH_FORMATS: dict[Quantization, dict[Architecture, Quantization]] = {
    _Q.INT8: {Architecture.ADA: _Q.FP8, Architecture.HOPPER: _Q.FP8},
    _Q.INT4: {
        Architecture.AMPERE: _Q.W4A16_AWQ,
        Architecture.ADA: _Q.W4A16_AWQ,
        Architecture.HOPPER: _Q.W4A16_AWQ,
        Architecture.BLACKWELL: _Q.NVFP4,
    },
}
"""The format of each width, by architecture. INT8 SmoothQuant is not in the matrix."""
CAPABILITY_MAJOR = {
    8: Architecture.AMPERE,
    9: Architecture.HOPPER,
    10: Architecture.BLACKWELL,
    12: Architecture.BLACKWELL,
}
"""By the major number of CUDA's compute capability. 8.9 is Ada; 12 is Blackwell as an RTX card."""
MODELOPT = {"FP8": _Q.FP8, "W4A16_AWQ": _Q.W4A16_AWQ, "W4A8_AWQ": _Q.W4A8_AWQ, "NVFP4": _Q.NVFP4}
"""By `quant_algo` of ModelOpt's `hf_quant_config.json`."""
TORCH_DTYPES = {"bfloat16": _Q.BF16, "float16": _Q.FP16}


def resolve_format(requested: Quantization, architecture: Architecture) -> Quantization:
    """Return the exact weight format. Raises `ValueError` if it does not run on the architecture."""
    by_architecture = WIDTH_FORMATS.get(requested)
    found = requested if by_architecture is None else by_architecture.get(architecture)
    if found is None or found not in SUPPORT[architecture]:
        widths = [width.value for width, formats in WIDTH_FORMATS.items() if architecture in formats]
        raise ValueError(
            f"{requested.value} weights do not run on {architecture.value} GPUs; "
            f"use {', '.join(widths)} or one of {', '.join(format_.value for format_ in SUPPORT[architecture])}"
        )
    return found


def find_architecture(capability: tuple[int, int]) -> Architecture:
    """Return the architecture of a CUDA compute capability. Raises `ValueError` if it is not in the support matrix."""
    found = Architecture.ADA if capability == (8, 9) else CAPABILITY_MAJOR.get(capability[0])
    if found is None:
        known = ", ".join(architecture.value for architecture in Architecture)
        raise ValueError(
            f"GPUs of compute capability {capability[0]}.{capability[1]} are not supported; supported are: {known}"
        )
    return found


def read_format(folder: Path) -> Quantization:
    """Return the weight format that a checkpoint declares. Raises `ValueError` if it is missing or unknown."""
    modelopt = folder / "hf_quant_config.json"
    if modelopt.is_file():
        algorithm: str | None = json.loads(modelopt.read_text()).get("quantization", {}).get("quant_algo")
        if algorithm is not None:  # otherwise, only the cache is quantised
            return _parse_modelopt(algorithm)
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    if quantized := config.get("quantization_config"):
        method, bits = quantized.get("quant_method"), quantized.get("bits", quantized.get("w_bit"))
        if method == "fp8":
            return Quantization.FP8
        if method in ("awq", "gptq") and bits == 4:
            return Quantization.W4A16_AWQ if method == "awq" else Quantization.W4A16_GPTQ
        if method == "modelopt" and (name := quantized.get("quant_algo")) in MODELOPT:
            return MODELOPT[name]
        raise ValueError(f"config.json: quantization_config has the unsupported method {method!r} with {bits} bits")
    dtype = config.get("dtype", config.get("torch_dtype"))
    if dtype not in TORCH_DTYPES:
        raise ValueError(f"config.json: dtype {dtype!r} is not one of {', '.join(TORCH_DTYPES)}")
    return TORCH_DTYPES[dtype]


def _parse_modelopt(algorithm: str) -> Quantization:
    if algorithm.startswith("FP8"):  # also FP8_BLOCK_SCALES and FP8_PER_CHANNEL_PER_TOKEN
        return Quantization.FP8
    if algorithm in MODELOPT:
        return MODELOPT[algorithm]
    raise ValueError(f"hf_quant_config.json: quant_algo {algorithm!r} is not one of {', '.join(MODELOPT)}")


def check_checkpoint(folder: Path, requested: Quantization | None, architecture: Architecture) -> Quantization:
    """Return the checkpoint's format. Raises `ValueError` if it does not run, or is not the requested one."""
    found = resolve_format(read_format(folder), architecture)
    if requested is not None and (wanted := resolve_format(requested, architecture)) is not found:
        raise ValueError(
            f"the checkpoint's weights are {found.value}, but engine.quantization {requested.value} means "
            f"{wanted.value} on {architecture.value}; use a {wanted.value} checkpoint, or leave engine.quantization out"
        )
    return found
