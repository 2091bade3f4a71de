"""Passwords in files, which a secret manager may rotate at any time."""

from __future__ import annotations

from pathlib import Path


def read_password(file: Path) -> str:
    """Return the password in a file, without the newline at its end.

    Raises:
        OSError: the file cannot be read.
    """
    return file.read_text().rstrip("\r\n")
