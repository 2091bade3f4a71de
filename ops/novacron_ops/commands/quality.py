"""`novacron quality`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from novacron_ops import quality
from novacron_ops.console import say, write_lines
from novacron_ops.errors import OpsError
from novacron_ops.options import JsonOption


def measure_quality(
    model: Annotated[
        Path | None, typer.Argument(metavar="MODEL", help="Folder of a Hugging Face model; the tiny model by default.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Folder of the FP32 reference; the model itself by default.")
    ] = None,
    quantization: Annotated[
        list[quality.Quantization] | None,
        typer.Option(help="Quantization to measure. Repeat for several; int8 and int4 by default."),
    ] = None,
    dtype: Annotated[quality.Dtype, typer.Option(help="Data type of the computation.")] = quality.Dtype.FLOAT32,
    device: Annotated[quality.Device, typer.Option(help="Device of the computation.")] = quality.Device.CPU,
    text: Annotated[
        Path | None, typer.Option(help="File of dialogues to compare on; NovaCron's own by default.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="File of the report; quality.json next to the model by default.")
    ] = None,
    minimum: Annotated[
        float | None, typer.Option(min=0, max=1, help="Exit with status 1 if a score is lower than this.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how close a quantized model is to its FP32 reference.

    The score from 0 to 1 is what `targets.quality_fraction` of an environment refers to.

    \b
    Examples:
      novacron quality
      novacron quality /models/my-model --quantization int8 --minimum 0.95
    """
    found = quality.measure(
        quality.MeasurementRequest(
            model=model,
            reference=reference,
            quantizations=tuple(quantization or (quality.Quantization.INT8, quality.Quantization.INT4)),
            dtype=dtype,
            device=device,
            text=text,
            report=report,
        )
    )
    if as_json:
        write_lines([found.json])
    else:
        write_lines(quality.measurement_table(found).lines())
        tokens = found.measurements[0].tokens
        say(f"score: fraction of {tokens:,} next tokens on which the model and the FP32 reference agree")
    if minimum is not None and (problems := quality.find_low_scores(found, minimum)):
        raise OpsError("; ".join(problems))
