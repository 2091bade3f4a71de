"""Writing rendered files: all of them or none, and no other file.

An index in the folder lists the files of the last rendering. New files are written next to their places first. Then
each takes its place by a rename, and what it replaces is kept until the end, so that an error puts everything back.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp

from novacron_ops.errors import Exit, OpsError

INDEX = ".novacron-render"


@dataclass(frozen=True, slots=True)
class Written:
    """Number of files that a rendering wrote, left as they were, and removed."""

    written: int
    unchanged: int
    removed: int


def write_files(folder: Path, files: Mapping[str, str], stack: str) -> Written:
    """Write files, and remove those that an earlier rendering of the stack wrote and this one does not.

    Args:
        folder: where to write; it is made if it does not exist.
        files: content by path below the folder.
        stack: name of the stack.

    Raises:
        OpsError: if the folder belongs to another stack, has another file in the place of one of these, or cannot be
            written. Nothing has changed then.
    """
    former = _read_index(folder, stack)
    wanted = {**files, INDEX: json.dumps({"stack": stack, "files": sorted(files)}, indent=1) + "\n"}
    changed = {path: text for path, text in wanted.items() if not _has(folder / path, text)}
    _check_places(folder, changed, former)
    removed = [path for path in former if path not in wanted and (folder / path).is_file()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder, changed, removed)
    except OSError as error:
        raise OpsError(f"--output {folder} cannot be written: {error.strerror}; it is as it was") from error
    count = len(changed.keys() & files.keys())
    return Written(count, len(files) - count, len(removed))


def _read_index(folder: Path, stack: str) -> list[str]:
    """Return the paths that the last rendering wrote."""
    if folder.exists() and not folder.is_dir():
        raise OpsError(f"--output {folder} is not a folder", Exit.BAD_INPUT)
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        owner, paths = str(index["stack"]), [str(path) for path in index["files"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise OpsError(f"{folder / INDEX} is damaged; restore it, or empty the folder", Exit.BAD_INPUT) from error
    if owner != stack:
        raise OpsError(f"--output {folder} has the manifests of stack {owner}; name another folder", Exit.BAD_INPUT)
    if any(PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts for path in paths):
        raise OpsError(f"{folder / INDEX} names files outside the folder; empty the folder", Exit.BAD_INPUT)
    return paths


def _has(file: Path, text: str) -> bool:
    try:
        return not file.is_symlink() and file.read_bytes() == text.encode()
    except OSError:
        return False


def _check_places(folder: Path, changed: Mapping[str, str], former: list[str]) -> None:
    """Refuse to replace files of others, and to write through links."""
    taken = [path for path in changed if path not in (*former, INDEX) and os.path.lexists(folder / path)]
    if taken:
        raise OpsError(
            f"--output {folder} has other files in the places of manifests: {', '.join(sorted(taken))}; "
            "move them, or name another folder",
            Exit.BAD_INPUT,
        )
    for parent in sorted({parent for path in changed for parent in PurePosixPath(path).parents}):
        place = folder / parent
        if os.path.lexists(place) and (not place.is_dir() or (place.is_symlink() and place != folder)):
            raise OpsError(f"--output: {place} is not a folder; move it", Exit.BAD_INPUT)


def _replace(folder: Path, changed: Mapping[str, str], removed: list[str]) -> None:
    staged = Path(mkdtemp(prefix=".novacron-render-", dir=folder))
    moved: list[tuple[Path, Path]] = []

    def move(source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        moved.append((source, target))

    try:
        for path, text in changed.items():
            new = staged / "new" / path
            new.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(text, encoding="utf-8")
        # The index is last: until then it lists every file that the folder may have.
        for path in sorted(changed, key=lambda path: path == INDEX):
            if os.path.lexists(folder / path):
                move(folder / path, staged / "old" / path)
            move(staged / "new" / path, folder / path)
        for path in removed:
            move(folder / path, staged / "old" / path)
    except BaseException:
        for source, target in reversed(moved):
            target.rename(source)
        raise
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    _remove_empty_folders(folder, removed)


def _remove_empty_folders(folder: Path, removed: list[str]) -> None:
    for path in removed:
        for parent in (folder / path).parents:
            if parent == folder or any(parent.iterdir()):
                break
            parent.rmdir()
