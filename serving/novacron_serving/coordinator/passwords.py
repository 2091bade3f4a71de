"""Passwords in files, which a secret manager may rotate at any time."""

from __future__ import annotations

import errno
from pathlib import Path


def read_password(file: Path) -> str:
    """Return the password in a file, without the newline at its end.

    Raises:
        OSError: the file cannot be read, or is not UTF-8.
    """
    try:
        return file.read_text("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise OSError(errno.EINVAL, "it is not UTF-8", str(file)) from error
