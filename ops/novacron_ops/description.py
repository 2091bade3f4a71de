"""What a stack's Pulumi.<stack>.yaml says of it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from novacron_rehearsal.yaml_files import read_yaml_mapping


def configuration(file: Path) -> dict[str, object]:
    """The values below `config`; none where there is no mapping. A key without a value is there, with None.

    Raises:
        RehearsalError: when the file is missing or cannot be read.
    """
    found = read_yaml_mapping(file).get("config")
    return cast("dict[str, object]", found) if isinstance(found, dict) else {}
