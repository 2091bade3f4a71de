"""`workers`: the processes that hold the model, and their number."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from novacron_infra.config.sections.base import ContainerPort, Count, Gib, Instances, Name, Section
from novacron_infra.config.sections.capacity import OnDemandCapacity, WorkerCapacity
from novacron_infra.config.sections.hardware import Hardware, Resources


class WorkerCounts(Section):
    """The number of workers and its bounds."""

    count: Instances
    """Number of workers at the start."""
    minimum: Instances
    """Lowest number of workers that autoscaling keeps."""
    maximum: Instances
    """Highest number of workers that autoscaling adds up to."""


class Workers(WorkerCounts):
    """The workers of the whole environment, which its regions share.

    A worker is a unit of capacity with `gpus_per_worker` GPUs. The plan derives the number of machines from the
    catalogue.
    """

    gpus_per_worker: Annotated[int, Field(ge=1, le=64)]
    """Number of GPUs of one worker."""
    machine: Name
    """Machine type of the workers, a GPU machine from the catalogue such as p5.48xlarge."""
    hardware: Hardware | None = None
    """Hardware that one worker needs, not one machine. The plan reports where the machine has less.
    Without it, the machine is taken as it is."""
    resources: Resources = Resources(cpu_request=32, cpu_limit=64, memory_request_gib=256, memory_limit_gib=512)
    """Requests and limits of a worker's container."""
    shared_memory_gib: Gib = 32
    """Size of the memory-backed /dev/shm of each pod in GiB. It counts against the memory limit."""
    capacity: WorkerCapacity = OnDemandCapacity()
    """How the machines are bought in every region, and where they are.
    `regions[].worker_capacity` is for one region."""
    warm_replicas: Count = 0
    """Number of replicas of the first profile in each region for which autoscaling keeps nodes running.
    A replica that is added starts there without waiting for a machine or its image. They cost as much as replicas that
    serve."""
    coordination_port: ContainerPort = 9091
    """Port where workers get requests from coordinators."""
    tensor_port: ContainerPort = 9092
    """Port where the pods of a replica that spans nodes start each other's processes, by SSH.
    Tensors then take ports that NCCL chooses, which are open within a group of workers."""
