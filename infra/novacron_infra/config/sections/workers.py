"""`workers`: the processes that hold the model, and their number."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat

from novacron_infra.config.sections.base import Instances, Name, Port, Section
from novacron_infra.config.sections.hardware import Hardware, Resources


class WorkerCounts(Section):
    """How many workers there are, and between which bounds."""

    count: Instances
    """Workers at the start."""
    minimum: Instances
    """Never fewer workers than this."""
    maximum: Instances
    """Autoscaling stops here."""


class Workers(WorkerCounts):
    """Capacity units of `gpus_per_worker` GPUs each; how many machines that takes is derived from the catalogue.

    The counts are the environment's: its regions share them, see `Region.workers`.
    """

    gpus_per_worker: Annotated[int, Field(gt=0, le=64)]
    """GPUs of one worker."""
    machine: Name
    """A GPU machine of the catalogue."""
    hardware: Hardware
    """Per worker, not per machine."""
    resources: Resources = Resources(cpu_request=32, cpu_limit=64, memory_request_gib=256, memory_limit_gib=512)
    shared_memory_gib: PositiveFloat = 32
    """Memory-backed /dev/shm of each pod."""
    spot_fraction: Annotated[float, Field(ge=0, le=0.7)] = 0.0
    """Part of the workers that may run on spot capacity, 0.7 at most."""
    coordination_port: Port = 9091
    """Coordination between workers."""
    tensor_port: Port = 9092
    """Tensor traffic between workers."""
