"""Where the model that ships with the serving stack is."""

from __future__ import annotations

from pathlib import Path

TINY = Path(__file__).parents[1] / "serving" / "novacron_serving" / "models" / "tiny"
MODEL = "novacron-tiny"
"""The name that tests serve it under."""
