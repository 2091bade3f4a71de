"""`traffic`: global DNS and its health checks."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from novacron_infra.config.sections.base import Name, Section


class HealthCheck(Section):
    """How a region is found dead. The probe's timeout is the provider's."""

    interval_s: PositiveInt = 30
    """Between two probes: 10 or 30 with Route 53 and Traffic Manager, 30 or more with Cloud DNS."""
    timeout_s: PositiveInt | None = None
    """None: the provider's. Route 53 has its own, 6 s; the others use 5 s unless told."""
    failure_threshold: Annotated[int, Field(ge=2, le=10)] = 3
    """Failures in a row until a region counts as dead."""


class Traffic(Section):
    """Global DNS."""

    domain: Name = "api.novacron.ai"
    """The name that clients use; regional names lie below it."""
    zone: Name | None = None
    """The DNS zone that holds the domain; none: the domain without its first label."""
    existing_zone: Name | None = None
    """Of a zone that exists: its id on Route 53, its managed zone on Cloud DNS, its resource group on Azure. None: the
    zone is made, and the parent zone has to delegate to it."""
    drain_switch: bool = False
    """Route 53 only, billed by the hour: switches that take a region out of all answers without an update."""
    ttl_s: Annotated[int, Field(ge=1, le=86400)] = 60
    """How long resolvers keep an answer; prod allows 60 at most."""
    rto_target_s: PositiveInt | None = None
    """The longest that a dead region may keep its traffic; a plan that takes longer is rejected."""
    health_check: HealthCheck = HealthCheck()
