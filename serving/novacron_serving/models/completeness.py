"""Checks that a model's folder is complete before it is published.

A manifest proves that a copy equals its original. Only this module looks at the original: an interrupted download or a
Git LFS pointer would otherwise be found by each worker, after it has downloaded the rest of the model.
"""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import cast

from novacron_serving.models.folders import StoreError

INDEX_SUFFIX = ".safetensors.index.json"
WEIGHTS_SUFFIX = ".safetensors"
_LFS_POINTER = b"version https://git-lfs.github.com/"
_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 100_000_000
"""The limit of the safetensors library."""


def list_files(source: Path) -> list[Path]:
    """Return every file of a model's folder, sorted by path.

    Raises:
        StoreError: the folder is missing, or has a hidden folder, a broken link or something that is not a file. None
            of them can be published, and leaving one out would publish half a model.
    """
    if not source.is_dir():
        raise StoreError(f"folder {str(source)!r} does not exist or is not a folder; give the model's folder")
    files: list[Path] = []
    for path in sorted(source.rglob("*")):
        try:
            mode = path.stat().st_mode
        except FileNotFoundError as error:
            raise StoreError(
                f"{path} is a link to a file that does not exist; download the model again, or copy the file"
            ) from error
        if stat.S_ISREG(mode):
            files.append(path)
        elif not stat.S_ISDIR(mode) or path.is_symlink():
            raise StoreError(
                f"{path} is neither a file nor a folder; replace it with a copy of the files, or remove it"
            )
        elif path.name.startswith("."):
            raise StoreError(
                f"{path} is a hidden folder and does not belong to the model; make sure that the download has "
                "finished, then remove the folder"
            )
    return files


def check_files(files: list[Path]) -> None:
    """Check that each weight file is complete, and that each shard of an index is there.

    Raises:
        StoreError: names the file and what is wrong with it.
    """
    for path in files:
        with path.open("rb") as opened:
            if opened.read(len(_LFS_POINTER)) == _LFS_POINTER:
                raise StoreError(f"{path} is a Git LFS pointer, not the file itself; run git lfs pull")
        if path.name.endswith(INDEX_SUFFIX):
            _check_index(path)
        elif path.suffix == WEIGHTS_SUFFIX:
            _check_weights(path)


def _check_index(path: Path) -> None:
    try:
        shards: set[str] = set(json.loads(path.read_bytes())["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"{path} is not an index of weight files; download it again") from error
    missing = sorted(shard for shard in shards if not (path.parent / shard).is_file())
    if missing:
        raise StoreError(
            f"{path} names {missing[0]}, which is missing ({len(missing)} of {len(shards)} weight files are); "
            "download the model again"
        )


def _check_weights(path: Path) -> None:
    size_bytes = path.stat().st_size
    with path.open("rb") as opened:
        header_bytes = int.from_bytes(opened.read(_LENGTH_BYTES), "little")
        header = opened.read(header_bytes) if header_bytes <= min(size_bytes, _MAX_HEADER_BYTES) else b""
    try:
        tensors = cast("dict[str, dict[str, list[int]]]", json.loads(header))
        ends = [tensor["data_offsets"][1] for name, tensor in tensors.items() if name != "__metadata__"]
        expected_bytes = _LENGTH_BYTES + header_bytes + max(ends, default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise StoreError(f"{path} has no readable safetensors header; download it again") from error
    if not ends:
        raise StoreError(f"{path} has no tensors; download it again")
    if size_bytes != expected_bytes:
        raise StoreError(f"{path} has {size_bytes} bytes, but its header describes {expected_bytes}; download it again")
