"""The manifest of a published model. It is uploaded last, so a folder with a manifest is complete."""

from __future__ import annotations

import hashlib
import math
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from novacron_serving.models.folders import StoreError, StoreFolder
from novacron_serving.models.transfer import retry

MANIFEST = "manifest.json"
_RETRIES = 3
_SHA256 = r"^[0-9a-f]{64}$"


class ManifestFile(BaseModel):
    """One file of a model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(min_length=1)
    """Relative to the model's folder, with `/`."""
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=_SHA256)

    @field_validator("path")
    @classmethod
    def _inside(cls, path: str) -> str:
        if str(PurePosixPath(path)) != path or path.startswith("/") or ".." in path.split("/") or "\\" in path:
            raise ValueError("must be a path inside the model's folder")
        if path == MANIFEST:
            raise ValueError("must not be the manifest itself")
        return path


class Manifest(BaseModel):
    """A model: the files it consists of, and the name it was published under."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = Field(default=1, ge=1, le=1)
    model_id: str = Field(min_length=1)
    quantization: str | None = None
    files: tuple[ManifestFile, ...] = Field(min_length=1)
    digest: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    """SHA-256 over the paths, sizes and digests of the files and the quantization, but not the name."""

    @model_validator(mode="after")
    def _has_its_digest(self) -> Manifest:
        if len({file.path for file in self.files}) != len(self.files):
            raise ValueError("has a file twice")
        listing = "\n".join(f"{file.sha256} {file.size_bytes} {file.path}" for file in sorted(self.files, key=_path))
        digest = hashlib.sha256(f"{self.quantization or ''}\n{listing}".encode()).hexdigest()
        if self.digest not in ("", digest):
            raise ValueError("digest does not match the files: the manifest was changed")
        object.__setattr__(self, "digest", digest)
        return self

    @property
    def size_bytes(self) -> int:
        """Size of all files."""
        return sum(file.size_bytes for file in self.files)


def read_manifest(folder: StoreFolder) -> Manifest:
    """Read the manifest of a published model. Raises `StoreError` if it is missing or invalid."""
    text = b""

    def read() -> None:
        nonlocal text
        try:
            text = folder.read(MANIFEST)
        except FileNotFoundError as error:
            raise StoreError(
                f"store {folder.url!r} has no {MANIFEST}; publish the model there, and wait until that has finished"
            ) from error

    retry(f"store {folder.url!r} cannot be read", read, retries=_RETRIES, until_s=math.inf)
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise StoreError(
            f"store {folder.url!r}: {MANIFEST} is not a valid manifest: {where}: {first['msg']}"
        ) from error


def check_size(folder: StoreFolder, file: ManifestFile) -> None:
    """Raise `StoreError` if a file of a published model is missing in its store, or has another size there."""
    stored = folder.size_bytes(file.path)
    if stored is None:
        raise StoreError(f"store {folder.url!r}: {file.path} is missing; publish the model under another prefix")
    if stored != file.size_bytes:
        raise StoreError(
            f"store {folder.url!r}: {file.path} has {stored} bytes, but its manifest says {file.size_bytes}; "
            "publish the model under another prefix"
        )


def _path(file: ManifestFile) -> str:
    return file.path
