"""Short digests of what a process reads besides its configuration: the model's files and the package's code."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from novacron_infra.local.errors import LocalPlatformError

READ_WHOLE_BELOW_BYTES = 16 * 1024 * 1024
"""Larger files are told apart by size and time of change."""
_CODE_SUFFIXES = {".py", ".json"}


def of_folder(folder: Path) -> str:
    """Digest of the files of a model folder. A folder that is missing has the empty digest."""
    return _digest(folder, [path for path in folder.rglob("*") if path.is_file()]) if folder.is_dir() else ""


def of_package(package: str) -> str:
    """Digest of an installed package's code, found without importing it.

    Raises:
        LocalPlatformError: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise LocalPlatformError(
            f"package {package} is not installed in this environment; run make up, or pip install it"
        )
    folder = Path(spec.submodule_search_locations[0])
    models = folder / "models"
    files = [p for p in folder.rglob("*") if p.suffix in _CODE_SUFFIXES and p.is_file() and models not in p.parents]
    return _digest(folder, files)


def _digest(folder: Path, files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        status = path.stat()
        digest.update(f"{path.relative_to(folder)}\0{status.st_size}\0".encode())
        if status.st_size < READ_WHOLE_BELOW_BYTES:
            digest.update(path.read_bytes())
        else:
            digest.update(str(status.st_mtime_ns).encode())
    return digest.hexdigest()[:16]
