"""Measure a model: `python -m novacron_serving.quality [--model FOLDER] [--quantization int8] …`.

Prints the measurements as JSON, and writes them to the report in the model's folder.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from novacron_serving.errors import StartError
from novacron_serving.quality.report import FILE, TEXT, Measurement, Report, digest_model, digest_text, read_report
from novacron_serving.server import main

TINY = Path(__file__).parents[1] / "models" / "tiny"


def measure(given: argparse.Namespace) -> list[Measurement]:
    for folder in (given.model, given.reference):  # importing PyTorch takes seconds
        if not (folder / "config.json").is_file():
            raise StartError(f"{str(folder)!r} has no config.json; give a Hugging Face model folder")
    import torch

    from novacron_serving.quality.measure import REFERENCE_DTYPE, compare, predict, read_dialogues

    if given.device == "cuda" and not torch.cuda.is_available():
        raise StartError("--device cuda: PyTorch sees no CUDA device; use cpu")
    torch.set_num_threads(given.threads)
    text = read_dialogues(given.text)
    reference = predict(given.reference, text, dtype=REFERENCE_DTYPE, device=given.device, quantization="none")
    digests = (digest_model(given.model), digest_model(given.reference), digest_text(given.text))
    made: list[Measurement] = []
    for quantization in dict.fromkeys(given.quantization):
        found = predict(given.model, text, dtype=given.dtype, device=given.device, quantization=quantization)
        result = compare(found, reference)
        made.append(
            Measurement(
                quantization=quantization,
                dtype=given.dtype,
                model_digest=digests[0],
                reference_digest=digests[1],
                text_digest=digests[2],
                **asdict(result),
                perplexity_ratio=result.perplexity_ratio,
                weight_bytes=found.weight_bytes,
                reference_weight_bytes=reference.weight_bytes,
                compression_ratio=reference.weight_bytes / found.weight_bytes,
                device=given.device,
                measured_at=datetime.now(timezone.utc).replace(microsecond=0),
                torch_version=torch.__version__,
            )
        )
    return made


def write_report(file: Path, made: list[Measurement]) -> None:
    report = read_report(file)
    for item in made:
        report = report.with_measurement(item)
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        fresh.write_text(report.model_dump_json(indent=1) + "\n")
        fresh.replace(file)
    except OSError as error:
        raise StartError(
            f"the report {file} cannot be written: {error.strerror}; choose another path with --report"
        ) from error


def run(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="novacron_serving.quality", description=__doc__)
    parser.add_argument("--model", type=Path, default=TINY)
    parser.add_argument(
        "--reference", type=Path, help="reference model, computed in float32; default: the model itself"
    )
    parser.add_argument("--quantization", action="append", choices=("none", "int8", "int4"), required=True)
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--text", type=Path, default=TEXT)
    parser.add_argument("--report", type=Path, help=f"path of the report; default: {FILE} in the model's folder")
    given = parser.parse_args(arguments)
    given.reference = given.reference or given.model
    file: Path = given.report or given.model / FILE
    read_report(file)  # report an unreadable file before the measurement
    made = measure(given)
    write_report(file, made)
    sys.stdout.write(Report(measurements=tuple(made)).model_dump_json() + "\n")


if __name__ == "__main__":
    main("quality", run)
