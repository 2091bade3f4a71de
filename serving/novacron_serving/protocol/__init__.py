"""What the parts of the serving stack say to each other and to clients. `contract.json` is what other packages may read."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def contract() -> dict[str, Any]:
    """Paths, ports, metric names and process modules: the versioned contract with whoever deploys the stack."""
    return json.loads((files(__package__) / "contract.json").read_text())
