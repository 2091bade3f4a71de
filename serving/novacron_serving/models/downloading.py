"""A model from its store into a folder of this machine: verified, resumed after a failure, once for all processes."""

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
from novacron_serving.models.manifest import MANIFEST, Manifest, ManifestFile, read_manifest
from novacron_serving.models.transfer import CHUNK_BYTES, SpoiledError, for_each, persist

log = logging.getLogger(__name__)


class LoaderConfig(BaseModel):
    """Limits of a download."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timeout_s: float = Field(default=600.0, gt=0)
    """For the whole model."""
    retries: int = Field(default=3, ge=0)
    """Of one file, after the first attempt."""
    parallel: int = Field(default=8, ge=1)
    """Files at once."""


def download(
    folder: StoreFolder, cache: Path, config: LoaderConfig | None = None, *, digest: str | None = None
) -> tuple[Path, Manifest]:
    """The folder with the model's files, and its manifest. What is in the cache already is taken as it is.

    A download that was broken off goes on where it stopped. Nothing is in the returned folder's place before all files
    are there and have the manifest's digests.

    Args:
        folder: of the store.
        cache: where models are kept on this machine, each in a folder named by its digest.
        config: limits.
        digest: the model's, when it is known; another one is refused.

    Raises:
        StoreError: with the file, and what is wrong.
    """
    config = config or LoaderConfig()
    until_s = time.monotonic() + config.timeout_s
    manifest = read_manifest(folder)
    if digest and manifest.digest != digest:
        raise StoreError(f"store {folder.url!r} has another model than is asked for: {manifest.digest}, not {digest}")
    target = cache / manifest.digest
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _only_one(cache / f"{manifest.digest}.lock", until_s):
            if not target.is_dir():
                partial = cache / f"{manifest.digest}.partial"
                _fetch(folder, manifest, partial, config, until_s)
                partial.rename(target)
    except OSError as error:
        raise StoreError(f"cache folder {str(cache)!r} cannot be used: {error.strerror or error}") from error
    return target, manifest


def _fetch(folder: StoreFolder, manifest: Manifest, partial: Path, config: LoaderConfig, until_s: float) -> None:
    partial.mkdir(exist_ok=True)
    here = sum(file.stat().st_size for file in partial.rglob("*") if file.is_file())
    free = shutil.disk_usage(partial).free
    missing = manifest.size_bytes - here
    if missing > free:
        raise StoreError(
            f"store {folder.url!r}: {missing} bytes are to come, and {str(partial.parent)!r} has {free} free: "
            "the disk is full; make room"
        )
    log.info("fetches %s: %s bytes, of which %s are here", folder.url, manifest.size_bytes, here)

    def one(file: ManifestFile) -> None:
        what = f"store {folder.url!r}: {file.path}"
        persist(what, lambda: _fetch_file(folder, file, partial, until_s), retries=config.retries, until_s=until_s)

    for_each(manifest.files, one, parallel=config.parallel)
    (partial / MANIFEST).write_text(manifest.model_dump_json(indent=1))


def _fetch_file(folder: StoreFolder, file: ManifestFile, partial: Path, until_s: float) -> None:
    path = partial / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    seen = hashlib.sha256()
    with path.open("ab+") as output:
        output.seek(0)
        while chunk := output.read(CHUNK_BYTES):
            seen.update(chunk)
        at = output.tell()
        if at < file.size_bytes:
            stored = folder.size_bytes(file.path)
            if stored is None:
                raise StoreError(f"store {folder.url!r}: {file.path} is missing; publish the model again")
            if stored != file.size_bytes:
                raise StoreError(
                    f"store {folder.url!r}: {file.path} has {stored} bytes, and its manifest says {file.size_bytes}; "
                    "publish the model again"
                )
        while at < file.size_bytes:
            if time.monotonic() > until_s:
                raise StoreError(
                    f"store {folder.url!r}: {file.path} was not there in time; the next run goes on with it"
                )
            chunk = folder.read(file.path, at, min(at + CHUNK_BYTES, file.size_bytes))
            if not chunk:
                raise SpoiledError("the store gave nothing")
            output.write(chunk)
            seen.update(chunk)
            at += len(chunk)
    if at != file.size_bytes or seen.hexdigest() != file.sha256:
        path.unlink()  # it cannot be told where it is wrong
        raise SpoiledError(f"has the SHA-256 {seen.hexdigest()}, and its manifest says {file.sha256}")


@contextlib.contextmanager
def _only_one(path: Path, until_s: float) -> Generator[None]:
    """Processes of one machine, one after the other. The lock goes with the process that has it."""
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until_s:
                    raise StoreError(
                        f"{str(path)!r}: another process fetches this model, and did not end in time"
                    ) from None
                time.sleep(0.1)
        yield
