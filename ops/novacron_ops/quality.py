"""Compare a quantized model with its FP32 reference, in a process of the serving package."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from novacron_ops.errors import Exit, OpsError
from novacron_ops.tables import Table


class Quantization(str, Enum):
    """Quantization of the weights by the PyTorch engine."""

    NONE = "none"
    INT8 = "int8"
    INT4 = "int4"


class Dtype(str, Enum):
    """Data type of the computation."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class Device(str, Enum):
    """Device of the computation."""

    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Arguments of a measurement. None leaves the choice to the serving package."""

    model: Path | None
    reference: Path | None
    quantizations: tuple[Quantization, ...]
    dtype: Dtype
    device: Device
    text: Path | None
    report: Path | None


def measure(question: Question) -> dict[str, Any]:
    """Measure a model and return the report of this run; the report file keeps earlier measurements as well.

    Raises:
        OpsError: if the measurement fails, with the reason.
    """
    paths = {name: getattr(question, name) for name in ("model", "reference", "text", "report")}
    arguments = [f"--{name}={path}" for name, path in paths.items() if path is not None]
    arguments += [f"--quantization={item.value}" for item in question.quantizations]
    arguments += [f"--dtype={question.dtype.value}", f"--device={question.device.value}"]
    done = subprocess.run(
        [sys.executable, "-m", "novacron_serving.quality", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["the measurement failed without a message"])[-1].removeprefix(
            "quality: "
        )
        raise OpsError(reason, Exit.BAD_INPUT if done.returncode == Exit.BAD_INPUT else Exit.FAILED)
    return json.loads(done.stdout)


def measurement_table(report: dict[str, Any]) -> Table:
    """Return the measurements as a table with a column for each."""
    measurements: list[dict[str, Any]] = report["measurements"]
    rows: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("score, 0 to 1", lambda item: f"{item['score']:.4f}"),
        ("score, 95% interval", lambda item: f"{item['score_low']:.4f}–{item['score_high']:.4f}"),
        ("mean divergence, nats", lambda item: f"{item['mean_divergence_nats']:.5f}"),
        ("perplexity", lambda item: f"{item['perplexity']:,.2f}"),
        ("perplexity of FP32", lambda item: f"{item['reference_perplexity']:,.2f}"),
        ("perplexity ratio", lambda item: f"{item['perplexity_ratio']:.4f}"),
        ("weights", lambda item: f"{item['weight_bytes'] / 1e6:,.1f} MB"),
        ("compression ratio", lambda item: f"{item['compression_ratio']:.2f}"),
    ]
    headings = ["compared with FP32", *(f"{item['quantization']}, {item['dtype']}" for item in measurements)]
    return Table(headings, [[name, *map(value, measurements)] for name, value in rows])


def find_low_scores(report: dict[str, Any], minimum: float) -> list[str]:
    """Return a sentence for each measurement whose score is below the minimum."""
    return [
        f"{item['quantization']}, {item['dtype']}: the score {item['score']:.4f} is below --minimum {minimum:g}"
        for item in report["measurements"]
        if item["score"] < minimum
    ]
