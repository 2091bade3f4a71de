"""What the parts of the serving stack say to each other and to clients; other packages may read `contract.json`."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def contract() -> dict[str, Any]:
    """Paths, ports, metric names and process modules: the versioned contract with whoever deploys the stack."""
    return json.loads((files("novacron_serving.protocol") / "contract.json").read_text())
