"""Compare a quantized model with its FP32 reference, in a process of the serving package."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path

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
class MeasurementRequest:
    """Arguments of a measurement. None leaves the choice to the serving package."""

    model: Path | None
    reference: Path | None
    quantizations: tuple[Quantization, ...]
    dtype: Dtype
    device: Device
    text: Path | None
    report: Path | None


@dataclass(frozen=True, slots=True)
class Measurement:
    """The comparison of one quantized model with its FP32 reference."""

    quantization: str
    dtype: str
    tokens: int
    """Next tokens that were compared."""
    score: float
    """Fraction of these tokens on which the model and the reference agree."""
    score_low: float
    score_high: float
    mean_divergence_nats: float
    perplexity: float
    reference_perplexity: float
    perplexity_ratio: float
    weight_bytes: int
    compression_ratio: float


@dataclass(frozen=True, slots=True)
class QualityReport:
    """The measurements of one run."""

    measurements: tuple[Measurement, ...]
    json: str
    """The report as the serving package printed it."""

    @classmethod
    def parse(cls, text: str) -> QualityReport:
        """Return the report in a JSON text of the serving package."""
        names = [field.name for field in fields(Measurement)]
        items = json.loads(text)["measurements"]
        return cls(tuple(Measurement(**{name: item[name] for name in names}) for item in items), text.strip())


def measure(request: MeasurementRequest) -> QualityReport:
    """Measure a model and return the report of this run; the report file keeps earlier measurements as well.

    Raises:
        OpsError: if the measurement fails, with the reason.
    """
    paths = {
        "model": request.model,
        "reference": request.reference,
        "text": request.text,
        "report": request.report,
    }
    arguments = [f"--{name}={path}" for name, path in paths.items() if path is not None]
    arguments += [f"--quantization={item.value}" for item in request.quantizations]
    arguments += [f"--dtype={request.dtype.value}", f"--device={request.device.value}"]
    done = subprocess.run(
        [sys.executable, "-m", "novacron_serving.quality", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["the measurement failed without a message"]
        status = Exit.BAD_INPUT if done.returncode == Exit.BAD_INPUT else Exit.FAILED
        raise OpsError(lines[-1].removeprefix("quality: "), status)
    return QualityReport.parse(done.stdout)


def measurement_table(report: QualityReport) -> Table:
    """Return the measurements as a table with a column for each."""
    rows: list[tuple[str, Callable[[Measurement], str]]] = [
        ("score, 0 to 1", lambda item: f"{item.score:.4f}"),
        ("score, 95% interval", lambda item: f"{item.score_low:.4f}–{item.score_high:.4f}"),
        ("mean divergence, nats", lambda item: f"{item.mean_divergence_nats:.5f}"),
        ("perplexity", lambda item: f"{item.perplexity:,.2f}"),
        ("perplexity of FP32", lambda item: f"{item.reference_perplexity:,.2f}"),
        ("perplexity ratio", lambda item: f"{item.perplexity_ratio:.4f}"),
        ("weights", lambda item: f"{item.weight_bytes / 1e6:,.1f} MB"),
        ("compression ratio", lambda item: f"{item.compression_ratio:.2f}"),
    ]
    headings = ["compared with FP32", *(f"{item.quantization}, {item.dtype}" for item in report.measurements)]
    return Table(headings, [[name, *map(value, report.measurements)] for name, value in rows])


def find_low_scores(report: QualityReport, minimum: float) -> list[str]:
    """Return a sentence for each measurement whose score is below the minimum."""
    return [
        f"{item.quantization}, {item.dtype}: the score {item.score:.4f} is below --minimum {minimum:g}"
        for item in report.measurements
        if item.score < minimum
    ]
