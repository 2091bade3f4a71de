"""Which weight formats run on which GPU. Other combinations are rejected, with the allowed ones in the message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, cast

SOURCE = (
    "NVIDIA/TensorRT-LLM docs/source/features/quantization.md, Hardware Support Matrix, "
    "commit 09d4c79b, read 2026-11-30"
)


class Architecture(str, Enum):
    """GPU generations that support different weight formats: the rows of the matrix."""

    AMPERE = "ampere"
    ADA = "ada"
    HOPPER = "hopper"
    BLACKWELL = "blackwell"
    """In data centres: B200, B300, GB200 (sm100 and sm103)."""
    BLACKWELL_SM120 = "blackwell-sm120"
    """In workstations: RTX PRO 6000."""


class Quantization(str, Enum):
    """A width (`int8`, `int4`), whose format depends on the GPU, or an exact format."""

    INT8 = "int8"
    INT4 = "int4"
    FP16 = "fp16"
    BF16 = "bf16"
    FP8 = "fp8"
    FP8_BLOCK = "fp8_block"
    FP8_ROWWISE = "fp8_rowwise"
    NVFP4 = "nvfp4"
    MXFP4 = "mxfp4"
    W4A16_AWQ = "w4a16_awq"
    W4A16_GPTQ = "w4a16_gptq"
    W4A8_AWQ = "w4a8_awq"
    W4A8_GPTQ = "w4a8_gptq"


_Q = Quantization
_INT4_WITH_FP16 = (_Q.W4A16_AWQ, _Q.W4A16_GPTQ)
_INT4 = (*_INT4_WITH_FP16, _Q.W4A8_AWQ, _Q.W4A8_GPTQ)
SUPPORT: dict[Architecture, tuple[Quantization, ...]] = {
    Architecture.AMPERE: (_Q.FP16, _Q.BF16, *_INT4_WITH_FP16),
    Architecture.ADA: (_Q.FP16, _Q.BF16, _Q.FP8, *_INT4),
    Architecture.HOPPER: (_Q.FP16, _Q.BF16, _Q.FP8, _Q.FP8_BLOCK, _Q.FP8_ROWWISE, *_INT4),
    Architecture.BLACKWELL: (_Q.FP16, _Q.BF16, _Q.FP8, _Q.FP8_BLOCK, _Q.NVFP4, _Q.MXFP4),
    Architecture.BLACKWELL_SM120: (_Q.FP16, _Q.BF16, _Q.FP8, _Q.NVFP4, _Q.MXFP4),
}
"""The formats that run on each architecture, from `SOURCE`. An FP8 KV cache runs on all of them."""
FP8_SCALINGS = (_Q.FP8, _Q.FP8_BLOCK, _Q.FP8_ROWWISE)
"""Formats that a configuration with `fp8` accepts: a scale for each tensor, for each block, and for each row."""
WIDTH_FORMATS: dict[Quantization, dict[Architecture, Quantization]] = {
    _Q.INT8: {
        Architecture.ADA: _Q.FP8,
        Architecture.HOPPER: _Q.FP8,
        Architecture.BLACKWELL: _Q.FP8,
        Architecture.BLACKWELL_SM120: _Q.FP8,
    },
    _Q.INT4: {
        Architecture.AMPERE: _Q.W4A16_AWQ,
        Architecture.ADA: _Q.W4A16_AWQ,
        Architecture.HOPPER: _Q.W4A16_AWQ,
        Architecture.BLACKWELL: _Q.NVFP4,
        Architecture.BLACKWELL_SM120: _Q.NVFP4,
    },
}
"""The format of each width, by architecture. INT8 SmoothQuant is not in the matrix."""
CAPABILITIES = {
    (8, 0): Architecture.AMPERE,
    (8, 6): Architecture.AMPERE,
    (8, 9): Architecture.ADA,
    (9, 0): Architecture.HOPPER,
    (10, 0): Architecture.BLACKWELL,
    (10, 3): Architecture.BLACKWELL,
    (12, 0): Architecture.BLACKWELL_SM120,
}
"""By CUDA's compute capability."""
MODELOPT = {
    "FP8": _Q.FP8,
    "FP8_BLOCK_SCALES": _Q.FP8_BLOCK,
    "FP8_PB_WO": _Q.FP8_BLOCK,
    "FP8_PER_CHANNEL_PER_TOKEN": _Q.FP8_ROWWISE,
    "NVFP4": _Q.NVFP4,
    "W4A16_MXFP4": _Q.MXFP4,
    "W4A8_MXFP4_FP8": _Q.MXFP4,
    "W4A8_MXFP4_MXFP8": _Q.MXFP4,
    "W4A16_AWQ": _Q.W4A16_AWQ,
    "W4A16_GPTQ": _Q.W4A16_GPTQ,
    "W4A8_AWQ": _Q.W4A8_AWQ,
    "W4A8_GPTQ": _Q.W4A8_GPTQ,
}
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
    found = CAPABILITIES.get(capability)
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
        algorithm = _get_object(_read_object(modelopt), "quantization", modelopt.name).get("quant_algo")
        if algorithm is not None:  # otherwise, only the cache is quantised
            return _parse_modelopt(algorithm, modelopt.name)
    config = _read_object(folder / "config.json")
    text = {**_get_object(config, "text_config", "config.json"), **config}  # of a model that also takes images
    if quantized := _get_object(text, "quantization_config", "config.json"):
        return _parse_quantization(quantized)
    dtype = text.get("dtype", text.get("torch_dtype"))
    if not isinstance(dtype, str) or dtype not in TORCH_DTYPES:
        raise ValueError(f"config.json: dtype {dtype!r} is not one of {', '.join(TORCH_DTYPES)}")
    return TORCH_DTYPES[dtype]


def _parse_quantization(quantized: Mapping[str, Any]) -> Quantization:
    """Return the format of a `quantization_config` of Hugging Face."""
    method, bits = quantized.get("quant_method"), quantized.get("bits", quantized.get("w_bit"))
    if method == "fp8":
        return Quantization.FP8_BLOCK if quantized.get("weight_block_size") else Quantization.FP8
    if method == "mxfp4":
        return Quantization.MXFP4
    if method in ("awq", "gptq") and bits == 4:
        return Quantization.W4A16_AWQ if method == "awq" else Quantization.W4A16_GPTQ
    if method == "modelopt":
        return _parse_modelopt(quantized.get("quant_algo"), "config.json")
    raise ValueError(f"config.json: quantization_config has the unsupported method {method!r} with {bits} bits")


def _parse_modelopt(algorithm: object, file: str) -> Quantization:
    if not isinstance(algorithm, str) or algorithm not in MODELOPT:
        raise ValueError(f"{file}: quant_algo {algorithm!r} is not one of {', '.join(MODELOPT)}")
    return MODELOPT[algorithm]


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value: object = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} is not a JSON object")
    return cast("dict[str, Any]", value)


def _get_object(values: Mapping[str, Any], key: str, file: str) -> dict[str, Any]:
    """Return the object under a key, an empty one if there is none."""
    value = values.get(key) or {}
    if not isinstance(value, dict):
        raise ValueError(f"{file}: {key} {value!r} is not a JSON object")
    return cast("dict[str, Any]", value)


def check_checkpoint(folder: Path, requested: Quantization | None, architecture: Architecture) -> Quantization:
    """Return the checkpoint's format. Raises `ValueError` if it does not run, or is not the requested one."""
    found = resolve_format(read_format(folder), architecture)
    if requested is None:
        return found
    wanted = resolve_format(requested, architecture)
    if found not in (FP8_SCALINGS if wanted is Quantization.FP8 else (wanted,)):
        raise ValueError(
            f"the checkpoint's weights are {found.value}, but engine.quantization {requested.value} means "
            f"{wanted.value} on {architecture.value}; use a {wanted.value} checkpoint, or leave engine.quantization out"
        )
    return found
