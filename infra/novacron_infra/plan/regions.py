"""How the regions share the environment: workers and storage in whole machines, replicas on their GPUs.

A replica stays within a region, and a tensor-parallel group within a machine. Every region always keeps one replica of
the first profile, also when autoscaling has scaled it down to its minimum of workers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, gcd

from novacron_infra.catalog import Machine
from novacron_infra.config import CloudEnvironment, Platform, Profile, Region
from novacron_infra.config.problems import item_path, problem
from novacron_infra.errors import Problem
from novacron_infra.plan.errors import PlanError
from novacron_infra.plan.machines import MachinePlan
from novacron_infra.plan.sizing import ReplicaSize
from novacron_infra.shown_values import show_count


@dataclass(frozen=True)
class WorkerShare:
    """The workers of one region: at the start, and the bounds of its autoscaling."""

    count: int
    minimum: int
    maximum: int


@dataclass(frozen=True)
class RegionPlan:
    """The plan of one region. Numbers of replicas are by profile, in the order of the configuration."""

    name: str
    platform: Platform
    """Cloud of the region."""
    weight: int
    traffic_fraction: float
    """Part of all traffic, as a fraction."""
    workers: WorkerShare
    gpus: int
    """GPUs of the workers at the start."""
    nodes: int
    """GPU machines at the start."""
    maximum_nodes: int
    """GPU machines at the maximum of workers."""
    quota: int
    """The cloud's quota that `maximum_nodes` need, in `quota_unit`."""
    minimum_replicas: tuple[int, ...]
    """At the minimum of workers."""
    replicas: tuple[int, ...]
    """At the start: the minimum, and replicas of the first profile on the other GPUs."""
    machines: tuple[MachinePlan, ...]

    @property
    def quota_unit(self) -> str:
        """The unit of the cloud's quota: GPUs on Google Cloud, vCPUs on AWS and Azure."""
        return "GPUs" if self.platform is Platform.GCP else "vCPUs"


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Return the shares of `total` in proportion to `weights`, by the Sainte-Laguë method.

    With that method a higher total makes no share smaller.
    """
    shares = [0] * len(weights)
    for _ in range(total):
        next_one = max(range(len(weights)), key=lambda index: weights[index] / (2 * shares[index] + 1))
        shares[next_one] += 1
    return shares


def share_workers(config: CloudEnvironment, gpus_per_node: int) -> list[WorkerShare]:
    """Return the workers of each region: those that it states, or its share by weight in whole machines.

    Raises:
        PlanError: several regions share a number of workers that does not fill whole machines.
    """
    workers, regions = config.workers, config.regions
    stated = [item.workers for item in regions if item.workers is not None]
    if stated:
        return [WorkerShare(item.count, item.minimum, item.maximum) for item in stated]
    if len(regions) == 1:
        return [WorkerShare(workers.count, workers.minimum, workers.maximum)]
    unit = gpus_per_node // gcd(gpus_per_node, workers.gpus_per_worker)
    totals = {"count": workers.count, "minimum": workers.minimum, "maximum": workers.maximum}
    problems: list[Problem] = []
    for name, total in totals.items():
        if total % unit:
            rule = (
                f"{len(regions)} regions share whole machines of {show_count(gpus_per_node, 'GPU')}, "
                f"which hold {show_count(unit, 'worker')} each"
            )
            near = [str(count) for count in (total // unit * unit, ceil(total / unit) * unit) if count]
            fix = f"Use {' or '.join(near)}, or state the workers of every region"
            problems.append(problem(f"workers.{name}", total, rule, fix))
    if problems:
        raise PlanError(problems)
    weights = [region.weight for region in regions]
    shares = [[share * unit for share in apportion(total // unit, weights)] for total in totals.values()]
    return [WorkerShare(*share) for share in zip(*shares, strict=True)]


def place_replicas(
    config: CloudEnvironment, sizes: Sequence[ReplicaSize], shares: Sequence[WorkerShare], machine_type: Machine
) -> tuple[list[list[int]], list[list[int]]]:
    """Return the replicas of each region and profile: at the minimum of workers, and at the start.

    Raises:
        PlanError: a region cannot hold one replica of the first profile, or the minimum replicas do not fit.
    """
    per_worker, per_node = config.workers.gpus_per_worker, machine_type.gpu_count
    _check_each_region(config, sizes[0], shares, machine_type)
    fewest = [_FreeGpus(share.minimum * per_worker, per_node) for share in shares]
    minimum = _place_minimum(config, sizes, fewest, machine_type)
    at_start = [_FreeGpus(share.count * per_worker, per_node) for share in shares]
    start = _place_minimum(config, sizes, at_start, machine_type)
    for free, replicas in zip(at_start, start, strict=True):
        while free.place(sizes[0]):
            replicas[0] += 1
    return minimum, start


class _FreeGpus:
    """The free GPUs of one region: the number of machines by their number of free GPUs."""

    def __init__(self, gpus: int, per_node: int) -> None:
        full, rest = divmod(gpus, per_node)
        self.machines = Counter({per_node: full}) + Counter({rest: 1 if rest else 0})

    @property
    def gpus(self) -> int:
        return sum(free * count for free, count in self.machines.items())

    def place(self, size: ReplicaSize) -> bool:
        """Place one replica on the machines with the fewest free GPUs that hold it. Return whether it fits."""
        width, pods = size.tensor_parallel, size.pipeline_parallel
        if sum(free // width * count for free, count in self.machines.items()) < pods:
            return False
        for _ in range(pods):
            free = min(item for item, count in self.machines.items() if count and item >= width)
            self.machines[free] -= 1
            self.machines[free - width] += 1
        return True


def _check_each_region(
    config: CloudEnvironment, size: ReplicaSize, shares: Sequence[WorkerShare], machine_type: Machine
) -> None:
    """Raise PlanError for the regions that cannot hold one replica of the first profile when they are scaled down."""
    problems: list[Problem] = []
    for index, (region, share) in enumerate(zip(config.regions, shares, strict=True)):
        gpus = share.minimum * config.workers.gpus_per_worker
        if not _FreeGpus(gpus, machine_type.gpu_count).place(size):
            problems.append(_describe_small_region(config, index, region, share, size))
    if problems:
        raise PlanError(problems)


def _describe_small_region(
    config: CloudEnvironment, index: int, region: Region, share: WorkerShare, size: ReplicaSize
) -> Problem:
    profile, workers = config.model.profiles[0], config.workers
    gpus = share.minimum * workers.gpus_per_worker
    rule = f"at its minimum of workers, {region.name} cannot hold one replica of profile {profile.name.value}"
    own = f"{show_count(share.minimum, 'worker')} × {workers.gpus_per_worker} = {gpus} × {size.gpu.name}"
    replica = f"one replica: {_describe_size(size)}"
    path = item_path("regions", config.regions, index)
    if region.workers:
        fix = f"Use {ceil(size.gpus / workers.gpus_per_worker)} or more, or remove the region"
        return problem(f"{path}.workers.minimum", share.minimum, rule, fix, [own, replica])
    weights = sum(item.weight for item in config.regions)
    fix = "Raise the weight or workers.minimum, state the workers of every region, or remove the region"
    by_weight = f"weight {region.weight} of {weights}, of workers.minimum {workers.minimum}, in whole machines: {own}"
    return problem(f"{path}.weight", region.weight, rule, fix, [by_weight, replica])


def _place_minimum(
    config: CloudEnvironment, sizes: Sequence[ReplicaSize], regions: Sequence[_FreeGpus], machine_type: Machine
) -> list[list[int]]:
    """Place the minimum replicas and return their numbers by region and profile.

    Each region gets one replica of the first profile. The others follow, those of the widest tensor parallelism first,
    each in the region with the most free GPUs.
    """
    profiles = config.model.profiles
    replicas = [[int(free.place(sizes[0])), *(0 for _ in sizes[1:])] for free in regions]
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index].tensor_parallel):
        missing = profiles[index].minimum_replicas - sum(item[index] for item in replicas)
        for _ in range(missing):
            for region in sorted(range(len(regions)), key=lambda region: -regions[region].gpus):
                if regions[region].place(sizes[index]):
                    replicas[region][index] += 1
                    break
            else:
                raise PlanError([_describe_missing_gpus(config, profiles, sizes, machine_type)])
    return replicas


def _describe_missing_gpus(
    config: CloudEnvironment, profiles: Sequence[Profile], sizes: Sequence[ReplicaSize], machine_type: Machine
) -> Problem:
    minimum, per_worker, regions = config.workers.minimum, config.workers.gpus_per_worker, len(config.regions)
    counts = [max(profile.minimum_replicas, 0 if index else regions) for index, profile in enumerate(profiles)]
    lines = [
        f"{profile.name.value}: {count} × {_describe_size(size)}"
        for profile, size, count in zip(profiles, sizes, counts, strict=True)
    ]
    total = sum(count * size.gpus for count, size in zip(counts, sizes, strict=True))
    return problem(
        "workers.minimum",
        minimum,
        f"{minimum} × {per_worker} = {minimum * per_worker} × {sizes[0].gpu.name} do not hold the minimum replicas",
        f"Raise it to {max(ceil(total / per_worker), minimum + 1)} or more, or lower a profile's minimum_replicas",
        [
            *lines,
            f"together {show_count(total, 'GPU')}; a replica stays in one region, a tensor-parallel group on one "
            f"machine of {machine_type.gpu_count}",
        ],
    )


def _describe_size(size: ReplicaSize) -> str:
    return f"{show_count(size.gpus, 'GPU')} ({size.parallelism})"
