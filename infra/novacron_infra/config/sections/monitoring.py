"""`monitoring`: metrics and dashboards."""

from __future__ import annotations

from pydantic import PositiveInt

from novacron_infra.config.sections.base import Section


class Monitoring(Section):
    """Metrics and dashboards."""

    scrape_interval_s: PositiveInt = 15
    """Seconds between two scrapes of a target by Prometheus."""
    retention_days: PositiveInt = 30
    """Days that Prometheus keeps metrics."""
    grafana: bool = True
    """Whether to install Grafana with its dashboards. Its password is a secret of the stack."""
