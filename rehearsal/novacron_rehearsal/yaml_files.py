"""Reads YAML that users write, for a project: what `novacron_infra.user_files` refuses is an error of the input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from novacron_infra import user_files
from novacron_infra.user_files import UserFileError

from novacron_rehearsal.errors import InputError


def read_yaml_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; an empty file is an empty mapping. Raises InputError."""
    if not path.exists():
        raise InputError(f"{path} does not exist; run the command in the folder of a Pulumi project")
    try:
        return user_files.read_yaml_mapping(path)
    except UserFileError as error:
        raise InputError(str(error)) from error


def parse_yaml(text: str, source: str) -> Any:
    """Return the value of a YAML text; `source` names it in errors. Raises InputError."""
    try:
        return user_files.parse_yaml(text, source)
    except UserFileError as error:
        raise InputError(str(error)) from error


def read_json(path: Path) -> Any:
    """Return the value of a JSON file. Raises InputError."""
    try:
        return user_files.parse_json(user_files.read_text(path), str(path))
    except UserFileError as error:
        raise InputError(str(error)) from error
