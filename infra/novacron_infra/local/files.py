"""Files and folders that only their owner can read, whatever the umask is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600
PRIVATE_UMASK = 0o077
"""The umask of every local process: what it writes is private too."""


def make_private_folder(folder: Path) -> None:
    """Create a folder and its missing parents with mode 0700. Take the others' permissions from one that exists."""
    for parent in (*reversed(folder.parents), folder):
        if not parent.exists():
            parent.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    folder.chmod(PRIVATE_FOLDER)


def close_to_others(folder: Path) -> None:
    """Take the others' permissions from a folder and everything in it. Links are not followed."""
    folder.chmod(PRIVATE_FOLDER)
    for path in folder.rglob("*"):
        if path.is_symlink():
            continue
        if path.is_dir():
            path.chmod(PRIVATE_FOLDER)
        elif path.is_file():
            path.chmod(PRIVATE_FILE)


def write_private(path: Path, text: str) -> None:
    """Write a file with mode 0600. Readers see the former content or the new one, never a part."""
    temporary = path.with_name(path.name + ".tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, PRIVATE_FILE)
    with os.fdopen(handle, "w") as file:
        os.fchmod(handle, PRIVATE_FILE)
        file.write(text)
    temporary.replace(path)


def open_private_log(path: Path) -> BinaryIO:
    """Open a log for appending, with mode 0600."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, PRIVATE_FILE)
    os.fchmod(handle, PRIVATE_FILE)
    return os.fdopen(handle, "ab")
