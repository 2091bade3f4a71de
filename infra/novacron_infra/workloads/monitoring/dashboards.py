"""Grafana dashboards. `tools/dashboards` builds their JSON, which is data of this package: `make golden` renews it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

SIDECAR_LABEL = "grafana_dashboard"
"""The label of the ConfigMaps that Grafana's sidecar loads, as the charts of Grafana and kube-prometheus set it up."""
FOLDER = Path(__file__).parent / "dashboards"


def read_dashboards() -> Mapping[str, str]:
    """Return the JSON of each dashboard by its name."""
    return {file.stem: file.read_text(encoding="utf-8") for file in sorted(FOLDER.glob("*.json"))}
