"""`quality.json`: what was measured of a model, beside it. Nothing here needs PyTorch."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from novacron_serving.errors import StartError

FILE = "quality.json"
TEXT = Path(__file__).with_name("text.jsonl")
DECIDING = ("*.safetensors", "config.json", "tokenizer*", "chat_template.jinja")
"""The files of a model's folder that decide what it says."""
READ_BYTES = 2**20


class Measurement(BaseModel):
    """One quantisation of the model, beside its reference."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quantization: Literal["none", "int8", "int4"]
    dtype: Literal["float32", "bfloat16", "float16"]
    """What it computed in; the reference computed in float32."""
    model_digest: str
    reference_digest: str
    text_digest: str
    tokens: int = Field(gt=0)
    """That were compared."""
    score: float = Field(ge=0, le=1)
    """Share of them at which both models would choose the same."""
    score_low: float = Field(ge=0, le=1)
    """Of the 95% interval."""
    score_high: float = Field(ge=0, le=1)
    perplexity: float
    reference_perplexity: float
    perplexity_ratio: float
    mean_divergence_nats: float
    weight_bytes: int = Field(gt=0)
    reference_weight_bytes: int = Field(gt=0)
    compression_ratio: float = Field(gt=0)
    """Bytes of the reference's weights for each byte of the quantised model's."""
    device: str
    measured_at: AwareDatetime
    torch_version: str


class Report(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    measurements: tuple[Measurement, ...] = ()
    """At most one for each quantisation and dtype."""

    def with_measurement(self, new: Measurement) -> Report:
        """A report in which `new` takes the place of an earlier one of its kind."""
        kept = [item for item in self.measurements if (item.quantization, item.dtype) != (new.quantization, new.dtype)]
        return Report(measurements=(*kept, new))


def digest(folder: Path) -> str:
    """SHA-256 of the files that decide what a model says, with their names."""
    files = sorted({file for pattern in DECIDING for file in folder.glob(pattern) if file.is_file()})
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.name} {file_digest(file)}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def file_digest(file: Path) -> str:
    """SHA-256 of one file."""
    found = hashlib.sha256()
    with file.open("rb") as opened:
        while piece := opened.read(READ_BYTES):
            found.update(piece)
    return found.hexdigest()


def read(file: Path) -> Report:
    """The report; an empty one where there is no file. Raises `StartError` for one that is not understood."""
    try:
        return Report.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return Report()
    except OSError as error:
        raise StartError(f"{file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise StartError(f"{file} is no quality report of this version; remove it and measure again") from error


def measured(folder: Path, quantization: str, dtype: str) -> Measurement | None:
    """What was measured of just what is served from a folder, by the text that ships here; else `None`.

    It reads all weights when there is such a measurement. Raises `StartError` as `read` does.
    """
    for item in read(folder / FILE).measurements:
        if (item.quantization, item.dtype) == (quantization, dtype) and item.text_digest == text_digest():
            return item if item.model_digest == digest(folder) else None
    return None


def text_digest(file: Path = TEXT) -> str:
    """Of the text that is compared on."""
    return f"sha256:{file_digest(file)}"
