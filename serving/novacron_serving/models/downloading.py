"""Downloads a model from its store: verified, resumable, and once for all processes of a machine."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import shutil
import time
from collections.abc import Generator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from novacron_serving.models.folders import StoreError, StoreFolder
from novacron_serving.models.manifest import MANIFEST, Manifest, ManifestFile, check_size, read_manifest
from novacron_serving.models.transfer import CHUNK_BYTES, CorruptDataError, for_each, retry

log = logging.getLogger(__name__)


class LoaderConfig(BaseModel):
    """Limits of a download."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    timeout_s: float = Field(default=600.0, gt=0)
    """Time limit for the whole model."""
    retries: int = Field(default=3, ge=0)
    """Further attempts per file."""
    parallel: int = Field(default=8, ge=1)
    """Files downloaded at the same time."""


def download(
    folder: StoreFolder, cache: Path, config: LoaderConfig | None = None, *, digest: str | None = None
) -> tuple[Path, Manifest]:
    """Download a model into the cache, unless it is there, and return its folder and manifest.

    An interrupted download is resumed. The returned folder appears only after all files are complete and have the
    digests of the manifest.

    Args:
        folder: the model's folder in the store.
        cache: folder for models on this machine. Each is in a folder named by its digest.
        config: limits.
        digest: expected digest of the model, if known.

    Raises:
        StoreError: names the file and what is wrong.
    """
    config = config or LoaderConfig()
    until_s = time.monotonic() + config.timeout_s
    manifest = read_manifest(folder)
    if digest and manifest.digest != digest:
        raise StoreError(
            f"store {folder.url!r} has the model with digest {manifest.digest}, but {digest} was requested"
        )
    target = cache / manifest.digest
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _lock(cache / f"{manifest.digest}.lock", until_s):
            if not target.is_dir():
                partial = cache / f"{manifest.digest}.partial"
                _download_files(folder, manifest, partial, config, until_s)
                partial.rename(target)
    except OSError as error:
        raise StoreError(
            f"cache folder {str(cache)!r} cannot be used: {error.strerror or error}; set model_cache to another folder"
        ) from error
    return target, manifest


def _download_files(
    folder: StoreFolder, manifest: Manifest, partial: Path, config: LoaderConfig, until_s: float
) -> None:
    partial.mkdir(exist_ok=True)
    present = sum(file.stat().st_size for file in partial.rglob("*") if file.is_file())
    free = shutil.disk_usage(partial).free
    missing = manifest.size_bytes - present
    if missing > free:
        raise StoreError(
            f"store {folder.url!r}: the disk is full: {missing} bytes are missing, but {str(partial.parent)!r} has "
            f"only {free} bytes free; free some space"
        )
    log.info("downloading %s: %s bytes, of which %s are already here", folder.url, manifest.size_bytes, present)

    def one(file: ManifestFile) -> None:
        what = f"store {folder.url!r}: {file.path}"
        retry(what, lambda: _download_file(folder, file, partial, until_s), retries=config.retries, until_s=until_s)

    for_each(manifest.files, one, parallel=config.parallel)
    (partial / MANIFEST).write_text(manifest.model_dump_json(indent=1))


def _download_file(folder: StoreFolder, file: ManifestFile, partial: Path, until_s: float) -> None:
    path = partial / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    sha256 = hashlib.sha256()
    with path.open("ab+") as output:
        output.seek(0)
        while chunk := output.read(CHUNK_BYTES):
            sha256.update(chunk)
        at = output.tell()
        if at < file.size_bytes:
            check_size(folder, file)
        while at < file.size_bytes:
            if time.monotonic() > until_s:
                raise StoreError(
                    f"store {folder.url!r}: {file.path} was not downloaded within the time limit; the next attempt "
                    "continues where this one stopped"
                )
            chunk = folder.read(file.path, at, min(at + CHUNK_BYTES, file.size_bytes))
            if not chunk:
                raise CorruptDataError("the store returned no data")
            output.write(chunk)
            sha256.update(chunk)
            at += len(chunk)
    if at != file.size_bytes or sha256.hexdigest() != file.sha256:
        path.unlink()  # the position of the error is unknown
        raise CorruptDataError(f"has the SHA-256 {sha256.hexdigest()}, but its manifest says {file.sha256}")


@contextlib.contextmanager
def _lock(path: Path, until_s: float) -> Generator[None]:
    """Exclude other processes of this machine. The lock is released when the process exits."""
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until_s:
                    raise StoreError(
                        f"{str(path)!r} is locked: another process is downloading this model, and did not finish "
                        "within the time limit"
                    ) from None
                time.sleep(0.1)
        yield
