"""`monitoring`: metrics and dashboards."""

from __future__ import annotations

from pydantic import PositiveInt

from novacron_infra.config.sections.base import Section


class Monitoring(Section):
    """Metrics and dashboards."""

    scrape_interval_s: PositiveInt = 15
    """Of Prometheus."""
    retention_days: PositiveInt = 30
    """Of Prometheus."""
    grafana: bool = True
    """Grafana with its dashboards; its password is a secret."""
