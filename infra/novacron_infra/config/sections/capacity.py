"""`workers.capacity` and `regions[].worker_capacity`: how the machines of workers are bought, and where they are."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, PositiveFloat

from novacron_infra.catalog import Capacity
from novacron_infra.config.sections.base import Name, ObjectName, Section


class WorkerPlacement(str, Enum):
    """How close to each other the machines of workers are."""

    NONE = "none"
    """Anywhere in their zones."""
    CLUSTER = "cluster"
    """Close together: a cluster placement group, compact placement or a proximity placement group."""


class Fallback(str, Enum):
    """Where machines come from that a reservation does not have."""

    NONE = "none"
    ON_DEMAND = "on-demand"


class _Bought(Section):
    zones: tuple[Name, ...] = ()
    """Zones of the workers, some of the region's.
    Without it, all of them, or the first one if machines must be close together."""


class _Placed(_Bought):
    placement: WorkerPlacement | None = None
    """How close together the machines are. Without it, `cluster` if replicas span machines."""


class _Reserved(_Bought):
    reservation_id: Name
    """Reservation to launch into.
    AWS: cr-… Google Cloud: its name, or projects/…/reservations/… Azure: id of a capacity reservation group."""
    usd_per_hour: PositiveFloat | None = None
    """Price of one machine in USD per hour, as you bought it. Without it, the plan uses the on-demand list price."""
    fallback: Fallback = Fallback.NONE
    """Where further machines come from.
    With `on-demand`, the machines at the start are reserved and keep running, and a second node pool adds on-demand
    machines, from none up to the maximum of workers."""


class OnDemandCapacity(_Placed):
    """Machines on demand."""

    kind: Literal[Capacity.ON_DEMAND] = Capacity.ON_DEMAND
    """How the machines are bought."""


class SpotCapacity(_Placed):
    """Spot machines above a floor of on-demand machines."""

    kind: Literal[Capacity.SPOT]
    """How the machines are bought."""
    fraction: Annotated[float, Field(gt=0, le=0.7)]
    """Part of the machines, at the maximum of workers, that may be spot machines, as a fraction up to 0.7.
    The others are the floor: they are on demand and stay when spot capacity is gone."""


class ReservationCapacity(_Reserved):
    """Machines of a reservation of yours."""

    kind: Literal[Capacity.RESERVATION]
    """How the machines are bought."""
    placement_group: Name | None = None
    """Placement group of the reservation; on Google Cloud, a block of the reservation."""


class CapacityBlock(_Reserved):
    """Machines of an AWS Capacity Block for ML, from its start to its end."""

    kind: Literal[Capacity.CAPACITY_BLOCK]
    """How the machines are bought."""
    start: AwareDatetime
    """Start of the block, such as 2026-12-01T11:30:00Z. Before it, AWS launches none of its machines."""
    end: AwareDatetime
    """End of the block. AWS terminates the machines from 30 minutes before it."""


class FlexStartCapacity(_Placed):
    """Google Cloud flex-start: machines that start when there are some, when pods ask for them."""

    kind: Literal[Capacity.FLEX_START]
    """How the machines are bought."""
    max_run_hours: Annotated[int, Field(ge=1, le=168)] = 168
    """Hours after which Google Cloud takes a machine away, up to 7 days."""


class QueuedCapacity(_Bought):
    """Google Cloud queued provisioning: flex-start machines that start all together, for a request of Kueue."""

    kind: Literal[Capacity.QUEUED]
    """How the machines are bought."""
    queue: ObjectName
    """Kueue LocalQueue in the namespace of the workers. Kueue makes the ProvisioningRequests; install it yourself."""
    max_run_hours: Annotated[int, Field(ge=1, le=168)] = 168
    """Hours after which Google Cloud takes a machine away, up to 7 days."""


WorkerCapacity = Annotated[
    OnDemandCapacity | SpotCapacity | ReservationCapacity | CapacityBlock | FlexStartCapacity | QueuedCapacity,
    Field(discriminator="kind"),
]
