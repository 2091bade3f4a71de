"""The quality report `quality.json` in a model's folder. Does not need PyTorch."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from novacron_serving.digests import digest_file
from novacron_serving.errors import StartError

FILE = "quality.json"
TEXT = Path(__file__).with_name("text.jsonl")
MODEL_FILES = ("*.safetensors", "config.json", "tokenizer*", "chat_template.jinja")
"""The files of a model's folder that determine its output."""


class Measurement(BaseModel):
    """The comparison of one quantisation of a model with its reference."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quantization: Literal["none", "int8", "int4"]
    dtype: Literal["float32", "bfloat16", "float16"]
    """Dtype of the computation. The reference used float32."""
    model_digest: str
    reference_digest: str
    text_digest: str
    tokens: int = Field(gt=0)
    """Number of compared tokens."""
    score: float = Field(ge=0, le=1)
    """Share of tokens at which both models predict the same token."""
    score_low: float = Field(ge=0, le=1)
    """Lower end of the 95% interval."""
    score_high: float = Field(ge=0, le=1)
    perplexity: float
    reference_perplexity: float
    perplexity_ratio: float
    mean_divergence_nats: float
    weight_bytes: int = Field(gt=0)
    reference_weight_bytes: int = Field(gt=0)
    compression_ratio: float = Field(gt=0)
    """Bytes of the reference's weights per byte of the model's weights."""
    device: str
    measured_at: AwareDatetime
    torch_version: str


class Report(BaseModel):
    """The content of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    measurements: tuple[Measurement, ...] = ()
    """At most one per quantisation and dtype."""

    def with_measurement(self, new: Measurement) -> Report:
        """Return a report with `new` in place of the measurement of the same quantisation and dtype."""
        kept = [item for item in self.measurements if (item.quantization, item.dtype) != (new.quantization, new.dtype)]
        return Report(measurements=(*kept, new))


def digest_model(folder: Path) -> str:
    """Return the SHA-256 of the files that determine a model's output, with their names."""
    files = sorted({file for pattern in MODEL_FILES for file in folder.glob(pattern) if file.is_file()})
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.name} {digest_file(file)}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def read_report(file: Path) -> Report:
    """Read the report, which is empty if there is no file. Raises `StartError` for an invalid file."""
    try:
        return Report.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return Report()
    except OSError as error:
        raise StartError(f"{file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise StartError(f"{file} is not a quality report of this version; remove it and measure again") from error


def find_measurement(folder: Path, quantization: str, dtype: str) -> Measurement | None:
    """Return the measurement of exactly this model, quantisation and dtype on the built-in text, or None.

    If there is one, all weights are read to compare digests. Raises `StartError` for an invalid report.
    """
    for item in read_report(folder / FILE).measurements:
        if (item.quantization, item.dtype) == (quantization, dtype) and item.text_digest == digest_text():
            return item if item.model_digest == digest_model(folder) else None
    return None


def digest_text(file: Path = TEXT) -> str:
    """Return the SHA-256 of a text for measurements."""
    return f"sha256:{digest_file(file)}"
