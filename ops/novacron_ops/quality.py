"""`novacron quality`: a quantised model beside its FP32 reference, measured by a process of the serving package."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from rich.table import Table

from novacron_ops.errors import Exit, OpsError


class Quantization(str, Enum):
    """What the PyTorch engine makes of weights."""

    NONE = "none"
    INT8 = "int8"
    INT4 = "int4"


class Dtype(str, Enum):
    """What the model computes in."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class Device(str, Enum):
    """Where it computes."""

    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be measured; None: the serving package's own choice."""

    model: Path | None
    reference: Path | None
    quantizations: tuple[Quantization, ...]
    dtype: Dtype
    device: Device
    text: Path | None
    report: Path | None


def measure(question: Question) -> dict[str, Any]:
    """The report of this run; the file has it beside what was measured earlier. Raises `OpsError` with the reason."""
    paths = {name: getattr(question, name) for name in ("model", "reference", "text", "report")}
    arguments = [f"--{name}={path}" for name, path in paths.items() if path is not None]
    arguments += [f"--quantization={item.value}" for item in question.quantizations]
    arguments += [f"--dtype={question.dtype.value}", f"--device={question.device.value}"]
    done = subprocess.run(
        [sys.executable, "-m", "novacron_serving.quality", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1].removeprefix("quality: ")
        raise OpsError(reason, Exit.BAD_INPUT if done.returncode == Exit.BAD_INPUT else Exit.FAILED)
    return json.loads(done.stdout)


def table(report: dict[str, Any]) -> Table:
    """The measurements, a column each."""
    made: list[dict[str, Any]] = report["measurements"]
    shown = Table("against FP32", *(f"{item['quantization']}, {item['dtype']}" for item in made))
    rows: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("score, 0 to 1", lambda item: f"{item['score']:.4f}"),
        ("95% interval of it", lambda item: f"{item['score_low']:.4f}–{item['score_high']:.4f}"),
        ("mean divergence, nats", lambda item: f"{item['mean_divergence_nats']:.5f}"),
        ("perplexity", lambda item: f"{item['perplexity']:,.2f}"),
        ("perplexity of FP32", lambda item: f"{item['reference_perplexity']:,.2f}"),
        ("perplexity ratio", lambda item: f"{item['perplexity_ratio']:.4f}"),
        ("weights", lambda item: f"{item['weight_bytes'] / 1e6:,.1f} MB"),
        ("compression ratio", lambda item: f"{item['compression_ratio']:.2f}"),
    ]
    for name, value in rows:
        shown.add_row(name, *map(value, made))
    return shown


def below(report: dict[str, Any], minimum: float) -> list[str]:
    """A sentence for each measurement whose score is below the minimum."""
    return [
        f"{item['quantization']}, {item['dtype']}: the score {item['score']:.4f} is below --minimum {minimum:g}"
        for item in report["measurements"]
        if item["score"] < minimum
    ]
