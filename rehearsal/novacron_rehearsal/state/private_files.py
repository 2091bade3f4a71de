"""Folders and files that only their owner can read. State holds secrets, and the salt of the key that encrypts them."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

FOLDER_MODE = 0o700
FILE_MODE = 0o600
STATE_FOLDER = ".novacron"


def make_private_folder(folder: Path, root: Path) -> None:
    """Create a folder with mode 0700, whatever the umask is.

    Folders below `root` that exist already get the same mode. `root` gets it when this call creates it or when its name
    is `.novacron`. Another root is a folder of the user's choice, which may hold other files.

    Args:
        folder: the folder to create: `root` or a folder in it.
        root: the folder that holds all of the state.

    Raises:
        OSError: when a folder cannot be created.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    inside = [root, *(path for path in reversed(folder.parents) if root in path.parents)]
    for path in [*inside, folder] if folder != root else inside:
        try:
            path.mkdir(FOLDER_MODE)
        except FileExistsError:
            if path == root and path.name != STATE_FOLDER:
                continue
        restrict(path, FOLDER_MODE)


def write_private_file(path: Path, content: bytes) -> None:
    """Write a file with mode 0600 and force it to the disk. Raises `OSError` when that fails."""
    with os.fdopen(open_private_file(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
        _write(file, content)


def replace_private_file(path: Path, content: bytes) -> None:
    """Write a file with mode 0600 in one step: readers see the old content or the new one, also after a crash.

    The mode of an existing file does not matter, because a new file replaces it. Raises `OSError` when that fails.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            _write(file, content)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def _write(file: BinaryIO, content: bytes) -> None:
    file.write(content)
    file.flush()
    os.fsync(file.fileno())


def open_private_file(path: Path, flags: int) -> int:
    """Open a file with mode 0600, also when it exists already. Returns its descriptor."""
    descriptor = os.open(path, flags, FILE_MODE)
    restrict(path, FILE_MODE)
    return descriptor


def restrict(path: Path, mode: int) -> None:
    """Remove every permission that `mode` lacks from a file or folder. A path of another owner stays as it is."""
    with suppress(PermissionError):
        if stat.S_IMODE(path.stat().st_mode) & ~mode:
            path.chmod(mode)
