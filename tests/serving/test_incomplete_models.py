"""Incomplete models: publishing refuses them, and so does the PyTorch engine."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from novacron_serving.engines.pytorch import PyTorchConfig, PyTorchEngine
from novacron_serving.errors import StartError
from safetensors.torch import load_file, save_file

from .stack import TINY


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY, tmp_path / "model"))


def load(folder: Path) -> None:
    engine = PyTorchEngine(folder, PyTorchConfig(device="cpu"))

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
    tensors = load_file(tiny / "model.safetensors")
    change(tensors)
    save_file(tensors, tiny / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(StartError, match=f"lack .* of the model's tensors, such as '{tensor}"):
        load(tiny)
