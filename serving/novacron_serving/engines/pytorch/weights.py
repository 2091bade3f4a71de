"""Loads a model's weights, and quantises them to 8 or 4 bits if configured.

Only the weights of linear layers between the embeddings and the head are quantised, as in most recipes. torchao is not
used: on a CPU it does not pack 4-bit weights (version 0.18 needs mslk, or keeps them in 8 bits), and its import takes
1.4 s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast

import torch
from safetensors import safe_open
from torch.nn import functional
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from novacron_serving.errors import StartError

Quantization = Literal["none", "int8", "int4"]

_FLOATS = (torch.float32, torch.bfloat16, torch.float16)
"""Data types of weights that may be NaN or infinite."""
INT4_GROUP = 32
"""Number of weights that share a scale and a minimum."""


class Int8Linear(torch.nn.Module):
    """A linear layer with one byte per weight, and a scale per output."""

    weight: torch.Tensor
    scale: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scale = weight.abs().amax(1, keepdim=True).clamp_min(1e-12) / 127
        self.register_buffer("weight", (weight / scale).round().to(torch.int8))
        self.register_buffer("scale", scale[:, 0].to(linear.weight.dtype))
        self.bias = _bias(linear)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return approximately what the original layer returns."""
        outputs = functional.linear(inputs, self.weight.to(inputs.dtype)) * self.scale
        return outputs if self.bias is None else outputs + self.bias


class Int4Linear(torch.nn.Module):
    """A linear layer with half a byte per weight, and a scale and a minimum per group of an output's weights."""

    packed: torch.Tensor
    scale: torch.Tensor
    minimum: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        groups = linear.weight.detach().float().unflatten(1, (-1, INT4_GROUP))
        minimum = groups.amin(2, keepdim=True)
        scale = (groups.amax(2, keepdim=True) - minimum).clamp_min(1e-6) / 15
        steps = ((groups - minimum) / scale).round().clamp(0, 15).to(torch.uint8).flatten(1)
        self.register_buffer("packed", steps[:, 0::2] | (steps[:, 1::2] << 4))
        self.register_buffer("scale", scale.to(torch.float16))
        self.register_buffer("minimum", minimum.to(torch.float16))
        self.bias = _bias(linear)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return approximately what the original layer returns."""
        dtype = inputs.dtype
        steps = torch.stack((self.packed & 15, self.packed >> 4), -1).flatten(1).unflatten(1, (-1, INT4_GROUP))
        weight = torch.addcmul(self.minimum.to(dtype), steps.to(dtype), self.scale.to(dtype)).flatten(1)
        return functional.linear(inputs, weight, self.bias)


def _bias(linear: Any) -> torch.Tensor | None:
    return None if linear.bias is None else torch.nn.Parameter(linear.bias.detach(), requires_grad=False)


def load_model(folder: Path, dtype: str, device: str, quantization: Quantization) -> PreTrainedModel:
    """Load a causal language model in evaluation mode.

    Raises:
        StartError: the files lack some of the model's weights, a weight is NaN or infinite, or the model cannot be
            quantised this way.
    """
    disable_progress_bar()  # of transformers: in a log, it is a line for each percent
    loaded, loading = cast(
        "tuple[PreTrainedModel, dict[str, set[str]]]",
        AutoModelForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, dtype), local_files_only=True, output_loading_info=True
        ),
    )
    # transformers only logs this, and serves random numbers in place of the missing weights.
    if missing := sorted(loading["missing_keys"]):
        raise StartError(
            f"the weight files in {str(folder)!r} lack {len(missing)} of the model's tensors, such as {missing[0]!r}; "
            "copy or publish the whole model again"
        )
    model = loaded.eval()
    _check_finite(model, folder, dtype)
    if quantization != "none":
        _quantize(model, quantization)
    return cast("Any", model).to(device)


def resolve_dtype(dtype: str, device: str) -> str:
    """Return the dtype that `auto` stands for on a device; any other dtype unchanged."""
    if dtype != "auto":
        return dtype
    return "bfloat16" if device == "cuda" else "float32"


def count_logits(model: PreTrainedModel) -> int:
    """Return the size of the vocabulary that the model's head predicts."""
    head = cast("torch.nn.Linear", model.get_output_embeddings())
    return head.weight.shape[0]


def count_weight_bytes(model: torch.nn.Module) -> int:
    """Return the size of all parameters and buffers in bytes. Shared ones count once."""
    tensors = {id(item): item for item in (*model.parameters(), *model.buffers())}
    return sum(item.numel() * item.element_size() for item in tensors.values())


def _check_finite(model: PreTrainedModel, folder: Path, dtype: str) -> None:
    name = next((name for name, parameter in model.named_parameters() if not _is_finite(parameter.detach())), None)
    if name is None:
        return
    for file in sorted(folder.glob("*.safetensors")):
        with cast("Any", safe_open(file, "pt")) as tensors:
            for stored in sorted(tensors.keys()):
                if not _is_finite(tensors.get_tensor(stored)):
                    raise StartError(
                        f"tensor {stored!r} in {str(file)!r} has NaN or infinite values; copy or publish the model "
                        "again, from a checkpoint without them"
                    )
    raise StartError(
        f"tensor {name!r} of the model in {str(folder)!r} has values that are not finite in {dtype}; set "
        "engine.dtype to bfloat16 or float32"
    )


def _is_finite(tensor: torch.Tensor) -> bool:
    if tensor.dtype not in _FLOATS or not tensor.numel():
        return True
    lowest, highest = torch.aminmax(tensor)  # NaN if one value is NaN. Unlike torch.isfinite, it allocates no copy.
    return bool(lowest.isfinite() and highest.isfinite())


def _quantize(model: PreTrainedModel, quantization: Literal["int8", "int4"]) -> None:
    head = model.get_output_embeddings()
    linears = {
        name: layer for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear) and layer is not head
    }
    if not linears:
        raise StartError(f"engine.quantization is {quantization!r}, but the model has no linear layers; use 'none'")
    for name, layer in linears.items():
        if quantization == "int4" and layer.in_features % INT4_GROUP:
            raise StartError(
                f"engine.quantization is 'int4', but {name} has {layer.in_features} inputs, which is not a multiple of "
                f"{INT4_GROUP}; use 'int8'"
            )
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, Int8Linear(layer) if quantization == "int8" else Int4Linear(layer))
