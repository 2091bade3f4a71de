"""Stacks of the version before: each one's program or description, and its state as that version made it.

Where a configuration key or an argument is renamed, rename it here too: the states stay as they are.
"""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import yaml

from tests.rehearsal.clouds.conftest import Site

_FOLDER = Path(__file__).parent
_ENVIRONMENT = (_FOLDER.parents[3] / "__main__.py").read_text(encoding="utf-8")
STACKS = ("prod", "prod-gcp", "prod-azure", "prod-mixed", "prod-files", "components")


def describe(site: Site, stack: str) -> None:
    """Write a recorded stack's program and configuration into a project."""
    if stack == "components":
        site.write((_FOLDER / "components.py").read_text(encoding="utf-8"))
    else:
        description = yaml.safe_load((_FOLDER / f"{stack}.yaml").read_text(encoding="utf-8"))
        site.write(_ENVIRONMENT, **{"novacron:environment": description})


def state_file(stack: str) -> Path:
    """Return where the state of a recorded stack is."""
    return _FOLDER / f"{stack}.json.xz"


def read_state(stack: str) -> dict[str, Any]:
    """Return the state of a recorded stack, as `pulumi stack export` writes it."""
    return json.loads(lzma.decompress(state_file(stack).read_bytes()))
