"""Publishes a model to a store, and verifies a published one."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

from novacron_serving.digests import digest_file
from novacron_serving.models.completeness import list_model_files
from novacron_serving.models.folders import StoreError, StoreFolder, describe_store_error
from novacron_serving.models.manifest import MANIFEST, Manifest, ManifestFile, check_size, read_manifest
from novacron_serving.models.transfer import CHUNK_BYTES, for_each, retry

_RETRIES, _PARALLEL = 3, 8


def publish(source: Path, folder: StoreFolder, *, model_id: str, quantization: str | None = None) -> Manifest:
    """Upload a folder's files to a store, and their manifest last. A published model never changes.

    Args:
        source: the folder on this machine.
        folder: the empty folder in the store.
        model_id: the name that clients use.
        quantization: of the weights, such as FP8.

    Raises:
        StoreError: the model is incomplete, another model is published there, or a file cannot be read or written.
    """
    manifest = _describe(source, model_id, quantization)
    try:
        published = folder.size_bytes(MANIFEST) is not None
    except Exception as error:
        raise StoreError(f"store {folder.url!r} cannot be read: {describe_store_error(error)}") from error
    if published:
        existing = read_manifest(folder)
        if existing == manifest:
            return manifest
        raise StoreError(
            f"store {folder.url!r} has the model {existing.model_id!r} with the digest {existing.digest[:12]}; a "
            "published model never changes, so use another prefix"
        )

    def one(file: ManifestFile) -> None:
        def put() -> None:
            folder.files.put_file(str(source / file.path), folder.at(file.path))

        retry(f"store {folder.url!r}: {file.path}", put, retries=_RETRIES, until_s=math.inf)

    def finish() -> None:
        folder.files.pipe_file(folder.at(MANIFEST), manifest.model_dump_json(indent=1).encode())

    for_each(manifest.files, one, parallel=_PARALLEL)
    retry(f"store {folder.url!r}: {MANIFEST}", finish, retries=_RETRIES, until_s=math.inf)
    return manifest


def verify(folder: StoreFolder) -> Manifest:
    """Read a published model. Raises `StoreError` for the first file that does not match the manifest."""
    manifest = read_manifest(folder)

    def one(file: ManifestFile) -> None:
        def read() -> None:
            _check(folder, file)

        retry(f"store {folder.url!r}: {file.path}", read, retries=_RETRIES, until_s=math.inf)

    for_each(manifest.files, one, parallel=_PARALLEL)
    return manifest


def _check(folder: StoreFolder, file: ManifestFile) -> None:
    check_size(folder, file)
    sha256 = hashlib.sha256()
    for at in range(0, file.size_bytes, CHUNK_BYTES):
        sha256.update(folder.read(file.path, at, min(at + CHUNK_BYTES, file.size_bytes)))
    if sha256.hexdigest() != file.sha256:
        raise StoreError(
            f"store {folder.url!r}: {file.path} has the SHA-256 {sha256.hexdigest()}, but its manifest "
            f"says {file.sha256}; publish the model under another prefix"
        )


def _describe(source: Path, model_id: str, quantization: str | None) -> Manifest:
    try:
        paths = [path for path in list_model_files(source) if path != source / MANIFEST]
        files = tuple(
            ManifestFile(
                path=path.relative_to(source).as_posix(), size_bytes=path.stat().st_size, sha256=digest_file(path)
            )
            for path in paths
        )
    except OSError as error:
        raise StoreError(f"{error.filename or source} cannot be read: {error.strerror}") from error
    return Manifest(model_id=model_id, quantization=quantization, files=files)
