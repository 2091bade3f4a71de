"""Checks that a model's folder is complete before it is published.

A manifest proves that a copy equals its original. Only this module looks at the original: an interrupted download or a
Git LFS pointer would otherwise be found by each worker, after it has downloaded the rest of the model.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import cast

from novacron_serving.chat_templates import find_syntax_error, read_chat_templates
from novacron_serving.errors import one_line
from novacron_serving.models.folders import StoreError

INDEX_SUFFIX = ".safetensors.index.json"
WEIGHTS_SUFFIXES = (".safetensors", ".bin")
LEFTOVERS = (".incomplete", ".partial", ".part", ".tmp", ".aria2", ".crdownload", ".lock")
"""Endings of files that interrupted downloads leave."""
_LFS_POINTER = b"version https://git-lfs.github.com/"
_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 100_000_000
"""The limit of the safetensors library."""
_DTYPE_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
    "C64": 64,
}  # fmt: skip
"""Bits of an element, by the name of its type in a header of safetensors 0.6."""
_SHOWN_PROBLEMS = 10


class IncompleteModelError(StoreError):
    """A model's folder cannot be published. The message has a line for each file that is wrong, with the fix."""

    def __init__(self, source: Path, problems: Sequence[str]) -> None:
        shown = "\n".join(f"  {line}" for line in problems[:_SHOWN_PROBLEMS])
        more = len(problems) - _SHOWN_PROBLEMS
        rest = f"\n  and {more} more" if more > 0 else ""
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"folder {str(source)!r} is not a complete model: {count}\n{shown}{rest}")


def list_model_files(source: Path) -> list[Path]:
    """Return every file of a model's folder, sorted by path, after a check that the model is complete.

    Raises:
        StoreError: the folder is missing.
        IncompleteModelError: names every file that is missing, truncated, or does not belong to the model.
        OSError: a file cannot be read.
    """
    if not source.is_dir():
        raise StoreError(f"folder {str(source)!r} does not exist or is not a folder; give the model's folder")
    files: list[Path] = []
    problems: list[str] = []
    refused: set[Path] = set()
    for path in sorted(source.rglob("*")):
        if refused.intersection(path.parents):
            continue  # the folder is reported, not each of its files
        problem = _check_entry(path)
        if problem is not None:
            problems.append(f"{path.relative_to(source)} {problem}")
            refused.add(path)
        elif path.is_file():
            files.append(path)
    tensors: dict[Path, set[str] | None] = {}
    for path in files:
        try:
            tensors[path] = _read_file(path)
        except ValueError as error:
            tensors[path] = None
            problems.append(f"{path.relative_to(source)} {error}")
    for path in files:
        if path.name.endswith(INDEX_SUFFIX) and tensors[path] is not None:
            problems += [f"{path.relative_to(source)} {problem}" for problem in _check_index(path, tensors)]
    problems += _check_chat_templates(source, files)
    if not problems and not any(path.suffix in WEIGHTS_SUFFIXES for path in files):
        problems.append("it has no weights, such as model.safetensors; download them")
    if problems:
        raise IncompleteModelError(source, problems)
    return files


def _check_entry(path: Path) -> str | None:
    """Return what is wrong with an entry of a folder that is neither a file nor a folder of the model."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "is a link to a file that does not exist; download the model again, or copy the file"
    except OSError as error:  # a link to itself
        return f"cannot be followed ({error.strerror}); replace it with a copy of the file"
    if stat.S_ISREG(mode):
        if path.name.endswith(LEFTOVERS):
            return "is a leftover of an interrupted download; finish the download, then remove the file"
        return None
    if not stat.S_ISDIR(mode) or path.is_symlink():
        return "is neither a file nor a folder; replace it with a copy of the files, or remove it"
    if path.name.startswith("."):
        return (
            "is a hidden folder and does not belong to the model; make sure that the download has finished, then "
            "remove the folder"
        )
    return None


def _read_file(path: Path) -> set[str]:
    """Return the names of a file's tensors, none unless it has weights. Raises `ValueError` if it is not complete."""
    with path.open("rb") as opened:
        if opened.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise ValueError("is a Git LFS pointer, not the file itself; run git lfs pull")
    if path.suffix == ".safetensors":
        return _read_tensors(path)
    if path.suffix == ".json" and not path.name.endswith(INDEX_SUFFIX):
        try:
            json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"is not valid JSON ({one_line(error)}); download it again") from error
    return set()


def _check_chat_templates(source: Path, files: Sequence[Path]) -> Iterator[str]:
    """Yield each broken chat template, which would refuse every chat. Templates in broken files are passed over."""
    try:
        templates = read_chat_templates(source)
    except ValueError:
        return
    for path, texts in templates.items():
        wrong = next((found for text in texts if (found := find_syntax_error(text))), None)
        if path in files and wrong is not None:
            yield f"{path.relative_to(source)} has a broken chat template ({wrong}); correct it"


def _check_index(path: Path, tensors: Mapping[Path, set[str] | None]) -> Iterator[str]:
    """Yield each shard that is missing, or that lacks tensors which the index says it has.

    Args:
        path: the index.
        tensors: the names of each file's tensors; None for a file whose problem is known already.
    """
    shards: dict[str, set[str]] = {}
    try:
        for name, shard in cast("dict[str, str]", json.loads(path.read_bytes())["weight_map"]).items():
            shards.setdefault(shard, set()).add(name)
        outside = sorted(shard for shard in shards if PurePosixPath(shard).name != shard)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        yield "is not an index of weight files; download it again"
        return
    if outside:
        yield f"names {outside[0]!r}, which is not a file of its folder; download the index again"
        return
    for shard in sorted(shards):
        found = tensors.get(path.parent / shard, set())
        if path.parent / shard not in tensors:
            yield f"names {shard}, which is missing; download the model again"
        elif found is not None and (lacking := sorted(shards[shard] - found)):
            yield (
                f"names {shard} for {len(lacking)} of its tensors, such as {lacking[0]!r}, which the file does not "
                "have; download both again, from the same revision"
            )


def _read_tensors(path: Path) -> set[str]:
    """Return the names of a weight file's tensors. Raises `ValueError` if the file is not complete."""
    size_bytes = path.stat().st_size
    with path.open("rb") as opened:
        header_bytes = int.from_bytes(opened.read(_LENGTH_BYTES), "little")
        header = opened.read(header_bytes) if header_bytes <= min(size_bytes, _MAX_HEADER_BYTES) else b""
    try:
        tensors = cast("dict[str, dict[str, object]]", json.loads(header))
        tensors.pop("__metadata__", None)
        spans = sorted(_read_span(name, tensor) for name, tensor in tensors.items())
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        detail = f" ({error})" if isinstance(error, _TensorError) else ""
        raise ValueError(f"has no readable safetensors header{detail}; download it again") from error
    if not spans:
        raise ValueError("has no tensors; download it again")
    end = 0
    for start, stop, name in spans:
        if start != end:
            raise ValueError(f"has a gap or an overlap before tensor {name!r}; download it again")
        end = stop
    expected_bytes = _LENGTH_BYTES + header_bytes + end
    if size_bytes != expected_bytes:
        raise ValueError(f"has {size_bytes} bytes, but its header describes {expected_bytes}; download it again")
    return set(tensors)


class _TensorError(ValueError):
    """A tensor whose description contradicts itself."""


def _read_span(name: str, tensor: dict[str, object]) -> tuple[int, int, str]:
    """Return where a tensor starts and ends, after a comparison with its shape."""
    start, end = cast("list[int]", tensor["data_offsets"])
    bits = _DTYPE_BITS.get(cast("str", tensor["dtype"]))
    for size in cast("list[int]", tensor["shape"]):
        if size < 0:
            raise _TensorError(f"tensor {name!r} has a negative size")
        bits = None if bits is None else bits * size
    if bits is not None and bits != 8 * (end - start):
        raise _TensorError(f"tensor {name!r} has {end - start} bytes, but its shape needs {bits // 8}")
    if start < 0 or end < start:
        raise _TensorError(f"tensor {name!r} ends before it starts")
    return start, end, name
