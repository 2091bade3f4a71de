"""What a published model consists of. Its manifest is written last: a folder that has one is whole."""

from __future__ import annotations

import hashlib
import math
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from novacron_serving.models.folders import StoreError, StoreFolder
from novacron_serving.models.transfer import persist

MANIFEST = "manifest.json"
_RETRIES = 3
_SHA256 = r"^[0-9a-f]{64}$"


class ManifestFile(BaseModel):
    """One file of a model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(min_length=1)
    """Below the model's folder, with `/`."""
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=_SHA256)

    @field_validator("path")
    @classmethod
    def _inside(cls, path: str) -> str:
        if str(PurePosixPath(path)) != path or path.startswith("/") or ".." in path.split("/") or "\\" in path:
            raise ValueError("has to lie below the model's folder")
        if path == MANIFEST:
            raise ValueError("is the manifest itself")
        return path


class Manifest(BaseModel):
    """A model: its files, under which name it was published."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(default=1, ge=1, le=1)
    model_id: str = Field(min_length=1)
    quantization: str | None = None
    files: tuple[ManifestFile, ...] = Field(min_length=1)
    digest: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    """SHA-256 over the files' paths and digests, and the quantization: the same model under two names has one."""

    @model_validator(mode="after")
    def _has_its_digest(self) -> Manifest:
        if len({file.path for file in self.files}) != len(self.files):
            raise ValueError("names a file twice")
        said = "\n".join(f"{file.sha256} {file.size_bytes} {file.path}" for file in sorted(self.files, key=_path))
        digest = hashlib.sha256(f"{self.quantization or ''}\n{said}".encode()).hexdigest()
        if self.digest not in ("", digest):
            raise ValueError("digest is not that of its files: the manifest was changed")
        object.__setattr__(self, "digest", digest)
        return self

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.files)


def read_manifest(folder: StoreFolder) -> Manifest:
    """The manifest of a published model. Raises `StoreError` when there is none, or none that can be used."""
    text = b""

    def read() -> None:
        nonlocal text
        try:
            text = folder.read(MANIFEST)
        except FileNotFoundError as error:
            raise StoreError(
                f"store {folder.url!r} has no {MANIFEST}: publish the model there, and wait until that has ended"
            ) from error

    persist(f"store {folder.url!r} cannot be read", read, retries=_RETRIES, until_s=math.inf)
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise StoreError(f"store {folder.url!r}: {MANIFEST} is no manifest: {where}: {first['msg']}") from error


def _path(file: ManifestFile) -> str:
    return file.path
