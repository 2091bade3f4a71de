"""Incomplete models: publishing refuses them, and so does the PyTorch engine.

PyTorch is imported by the functions that need it: each process of pytest imports this module.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from novacron_serving.engines.pytorch import PyTorchConfig, PyTorchEngine
from novacron_serving.errors import StartError

from .stack import TINY

if TYPE_CHECKING:
    import torch


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY, tmp_path / "model"))


def read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def write_tensors(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    from safetensors.torch import save_file

    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def load(folder: Path, **settings: Any) -> None:
    engine = PyTorchEngine(folder, PyTorchConfig(device="cpu", **settings))

    async def run() -> None:
        await engine.load()
        await engine.unload()

    asyncio.run(run())


def remove_every_tensor(tensors: dict[str, torch.Tensor]) -> None:
    tensors.clear()


def remove_one_layer(tensors: dict[str, torch.Tensor]) -> None:
    for name in [name for name in tensors if ".layers.5." in name]:
        del tensors[name]


def rename_the_tensors(tensors: dict[str, torch.Tensor]) -> None:
    for name in list(tensors):
        tensors[f"other.{name}"] = tensors.pop(name)


@pytest.mark.parametrize(
    ("change", "tensor"),
    [
        (remove_every_tensor, "lm_head.weight"),
        (remove_one_layer, "model.layers.5."),
        (rename_the_tensors, "lm_head.weight"),
    ],
)
def test_weight_files_that_lack_tensors_are_rejected(
    tiny: Path, change: Callable[[dict[str, torch.Tensor]], None], tensor: str
) -> None:
    load(tiny)
    tensors = read_tensors(tiny)
    change(tensors)
    write_tensors(tiny, tensors)
    with pytest.raises(StartError, match=f"lack .* of the model's tensors, such as '{tensor}"):
        load(tiny)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("quantization", ["none", "int8"])
def test_weights_that_are_not_finite_are_rejected_with_the_tensor_and_its_file(
    tiny: Path, value: float, quantization: Any
) -> None:
    tensors = read_tensors(tiny)
    tensors["model.layers.3.mlp.up_proj.weight"][1, 2] = value
    write_tensors(tiny, tensors)
    message = f"tensor 'model.layers.3.mlp.up_proj.weight' in '{tiny}/model.safetensors' has NaN or infinite values"
    with pytest.raises(StartError, match=message):
        load(tiny, quantization=quantization)


def test_weights_that_are_too_large_for_the_dtype_are_rejected_with_the_dtype(tiny: Path) -> None:
    tensors = {name: tensor.float() for name, tensor in read_tensors(tiny).items()}
    tensors["model.norm.weight"][0] = 1e6
    write_tensors(tiny, tensors)
    load(tiny, dtype="bfloat16")
    with pytest.raises(StartError, match=r"'model.norm.weight' .* not finite in float16; set engine.dtype to bfloat16"):
        load(tiny, dtype="float16")
