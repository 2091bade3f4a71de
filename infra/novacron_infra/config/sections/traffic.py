"""`traffic`: global DNS and its health checks."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from novacron_infra.config.sections.base import Name, Section


class HealthCheck(Section):
    """How global DNS finds out that a region is dead."""

    interval_s: PositiveInt = 30
    """Seconds between two probes: 10 or 30 with Route 53 and Traffic Manager, 30 or more with Cloud DNS."""
    timeout_s: PositiveInt | None = None
    """Seconds that a probe waits for a response.
    Without it, 5. Route 53 has a fixed timeout of 6, so leave it out there."""
    failure_threshold: Annotated[int, Field(ge=2, le=10)] = 3
    """Number of failed probes in a row after which a region counts as dead."""


class Traffic(Section):
    """Global DNS, which the environment's cloud serves."""

    domain: Name
    """Domain name that clients use. The names of the regions are below it."""
    zone: Name | None = None
    """DNS zone that holds the domain. Without it, the domain without its first label."""
    existing_zone: Name | None = None
    """An existing DNS zone to use: its id on Route 53, its managed zone on Cloud DNS, its resource group on Azure.
    Without it, the zone is created, and you have to delegate to it from the parent zone."""
    dnssec: bool = True
    """Whether a created zone is signed. Resolvers check it once the parent zone has the DS record, an output.
    Remove that record from the parent zone before you delete the zone or set this to false."""
    query_logs: bool = True
    """Whether the queries for a created zone are logged. AWS and Google Cloud bill each GB; Azure has no such logs."""
    drain_switch: bool = False
    """Whether to create switches that take a region out of all DNS answers without an update.
    Route 53 only; AWS bills them by the hour."""
    ttl_s: Annotated[int, Field(ge=1, le=86400)] = 60
    """Seconds that resolvers cache an answer, at most 60 in production."""
    rto_target_s: PositiveInt | None = None
    """Longest time in seconds in which a dead region may still get traffic. A slower plan is rejected."""
    health_check: HealthCheck = HealthCheck()
    """How global DNS finds out that a region is dead."""
