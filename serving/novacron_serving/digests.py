"""SHA-256 digests of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

_READ_BYTES = 2**20


def digest_file(file: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    sha256 = hashlib.sha256()
    with file.open("rb") as opened:
        while piece := opened.read(_READ_BYTES):
            sha256.update(piece)
    return sha256.hexdigest()
