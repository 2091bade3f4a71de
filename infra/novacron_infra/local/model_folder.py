"""Model folders: what is missing in one, and a digest of its files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import cast

HASHED_WHOLE_BYTES = 16 * 2**20


def find_model_problem(folder: Path) -> str | None:
    """Return what is wrong with a model folder, as a predicate; None if nothing is, as far as shows before loading."""
    if not folder.exists():
        return "does not exist"
    if not folder.is_dir():
        return "is a file, not a folder"
    try:
        config: object = json.loads((folder / "config.json").read_bytes())
    except FileNotFoundError:
        return "has no config.json"
    except OSError as error:
        return f"has a config.json that cannot be read ({error.strerror})"
    except (ValueError, RecursionError) as error:
        return f"has a config.json that is not valid JSON ({error})"
    if not isinstance(config, dict) or "model_type" not in cast("dict[str, object]", config):
        return "has a config.json without model_type"
    if not any(any(folder.glob(pattern)) for pattern in ("*.safetensors", "*.bin")):
        return "has no weights (*.safetensors or *.bin)"
    return None


def digest_folder(folder: Path, pattern: str) -> str:
    """Return a digest of the files that match: small ones by content, large ones by size and time of change."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob(pattern)):
        if not file.is_file() or "__pycache__" in file.parts:
            continue
        status = file.stat()
        digest.update(f"{file.relative_to(folder)}\0{status.st_size}\0".encode())
        if status.st_size <= HASHED_WHOLE_BYTES:
            digest.update(file.read_bytes())
        else:
            digest.update(str(status.st_mtime_ns).encode())
    return digest.hexdigest()
