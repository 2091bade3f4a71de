"""How the regions share the environment: workers and storage in whole machines, replicas on their GPUs.

A replica stays within a region, a tensor-parallel group within a machine. Every region keeps one replica of the first
profile at least, also when autoscaling has gone down to `workers.minimum`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, gcd

from novacron_infra.catalog import Machine
from novacron_infra.config import Platform, Profile
from novacron_infra.config.environment import CloudEnvironment
from novacron_infra.config.problems import problem
from novacron_infra.errors import Problem
from novacron_infra.plan.errors import PlanError
from novacron_infra.plan.machines import MachinePlan
from novacron_infra.plan.sizing import ReplicaSize


@dataclass(frozen=True)
class WorkerShare:
    """Workers of one region: at the start, and the bounds of its autoscaling."""

    count: int
    minimum: int
    maximum: int


@dataclass(frozen=True)
class RegionPlan:
    """What one region gets. Replicas are those of each profile, in the configuration's order."""

    name: str
    platform: Platform
    """Its cloud."""
    weight: int
    traffic_fraction: float
    workers: WorkerShare
    gpus: int
    """GPUs of its workers at the start."""
    nodes: int
    """GPU machines at the start."""
    maximum_nodes: int
    """GPU machines at `workers.maximum`."""
    quota: int
    """What the GPU machines at the maximum take of the cloud's quota: vCPUs (AWS, Azure) or GPUs (GCP)."""
    minimum_replicas: tuple[int, ...]
    replicas: tuple[int, ...]
    """At the start: the minimum, and of the first profile what the GPUs leave."""
    machines: tuple[MachinePlan, ...]

    @property
    def quota_unit(self) -> str:
        """What the cloud counts."""
        return "GPUs" if self.platform is Platform.GCP else "vCPUs"

    @property
    def usd_per_hour(self) -> float:
        """On-demand list price of the machines that have one."""
        return sum(item.usd_per_hour or 0.0 for item in self.machines)


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """`total` things in proportion to `weights` (Sainte-Laguë: with a higher total no share gets smaller)."""
    shares = [0] * len(weights)
    for _ in range(total):
        next_one = max(range(len(weights)), key=lambda index: weights[index] / (2 * shares[index] + 1))
        shares[next_one] += 1
    return shares


def share_workers(config: CloudEnvironment, gpus_per_node: int) -> list[WorkerShare]:
    """Each region's workers: what it states, or its share by weight in whole machines.

    Raises:
        PlanError: several regions share a number of workers that is not one of whole machines.
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
                f"{len(regions)} regions share whole machines of {gpus_per_node} GPUs, which hold {unit} workers each"
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
    config: CloudEnvironment, sizes: Sequence[ReplicaSize], shares: Sequence[WorkerShare], row: Machine
) -> tuple[list[list[int]], list[list[int]]]:
    """Each region's replicas of each profile: with the fewest workers, and at the start.

    Raises:
        PlanError: a region cannot hold one replica of the first profile, or the minimum replicas do not fit.
    """
    per_worker, per_node = config.workers.gpus_per_worker, row.gpu_count
    _check_each_region(config, sizes[0], shares, row)
    fewest = [_Room(share.minimum * per_worker, per_node) for share in shares]
    minimum = _place_minimum(config, sizes, fewest, row)
    rooms = [_Room(share.count * per_worker, per_node) for share in shares]
    start = _place_minimum(config, sizes, rooms, row)
    for room, replicas in zip(rooms, start, strict=True):
        while room.take(sizes[0]):
            replicas[0] += 1
    return minimum, start


class _Room:
    """The free GPUs of one region: how many machines have how many."""

    def __init__(self, gpus: int, per_node: int) -> None:
        full, rest = divmod(gpus, per_node)
        self.machines = Counter({per_node: full}) + Counter({rest: 1 if rest else 0})

    @property
    def gpus(self) -> int:
        return sum(free * count for free, count in self.machines.items())

    def take(self, size: ReplicaSize) -> bool:
        """Takes one replica's GPUs, from the fullest machines that have them; or nothing."""
        width, pods = size.tensor_parallel, size.pipeline_parallel
        if sum(free // width * count for free, count in self.machines.items()) < pods:
            return False
        for _ in range(pods):
            free = min(item for item, count in self.machines.items() if count and item >= width)
            self.machines[free] -= 1
            self.machines[free - width] += 1
        return True


def _check_each_region(
    config: CloudEnvironment, size: ReplicaSize, shares: Sequence[WorkerShare], row: Machine
) -> None:
    profile, workers = config.model.profiles[0], config.workers
    whole = sum(region.weight for region in config.regions)
    problems: list[Problem] = []
    for index, (region, share) in enumerate(zip(config.regions, shares, strict=True)):
        gpus = share.minimum * workers.gpus_per_worker
        if _Room(gpus, row.gpu_count).take(size):
            continue
        rule = f"with its minimum of workers {region.name} cannot hold one replica of profile {profile.name.value}"
        own = f"{share.minimum} workers × {workers.gpus_per_worker} = {gpus} × {size.gpu.name}"
        replica = f"one replica: {_shape(size)}"
        if region.workers:
            needed = ceil(size.gpus / workers.gpus_per_worker)
            fix = f"Use {needed} or more, or remove the region"
            problems.append(problem(f"regions.{index}.workers.minimum", share.minimum, rule, fix, [own, replica]))
        else:
            fix = "Raise the weight or workers.minimum, state the workers of every region, or remove the region"
            by_weight = (
                f"weight {region.weight} of {whole} of workers.minimum {workers.minimum}, in whole {row.name}: {own}"
            )
            problems.append(problem(f"regions.{index}.weight", region.weight, rule, fix, [by_weight, replica]))
    if problems:
        raise PlanError(problems)


def _place_minimum(
    config: CloudEnvironment, sizes: Sequence[ReplicaSize], rooms: Sequence[_Room], row: Machine
) -> list[list[int]]:
    """One replica of the first profile for each region, then the rest, widest first, where most room is."""
    profiles = config.model.profiles
    replicas = [[int(room.take(sizes[0])), *(0 for _ in sizes[1:])] for room in rooms]
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index].tensor_parallel):
        missing = profiles[index].minimum_replicas - sum(item[index] for item in replicas)
        for _ in range(missing):
            for place in sorted(range(len(rooms)), key=lambda place: -rooms[place].gpus):
                if rooms[place].take(sizes[index]):
                    replicas[place][index] += 1
                    break
            else:
                raise PlanError([_minimum_does_not_fit(config, profiles, sizes, row)])
    return replicas


def _minimum_does_not_fit(
    config: CloudEnvironment, profiles: Sequence[Profile], sizes: Sequence[ReplicaSize], row: Machine
) -> Problem:
    minimum, per_worker, regions = config.workers.minimum, config.workers.gpus_per_worker, len(config.regions)
    counts = [max(profile.minimum_replicas, 0 if index else regions) for index, profile in enumerate(profiles)]
    lines = [
        f"{profile.name.value}: {count} × {_shape(size)}"
        for profile, size, count in zip(profiles, sizes, counts, strict=True)
    ]
    total = sum(count * size.gpus for count, size in zip(counts, sizes, strict=True))
    return problem(
        "workers.minimum",
        minimum,
        f"{minimum} × {per_worker} = {minimum * per_worker} × {sizes[0].gpu.name} do not hold the minimum replicas",
        f"Raise it to {ceil(total / per_worker)} or more, or lower a profile's minimum_replicas",
        [
            *lines,
            f"together {total} GPUs; a replica stays in one region, a tensor-parallel group on one machine of "
            f"{row.gpu_count}",
        ],
    )


def _shape(size: ReplicaSize) -> str:
    return f"{size.gpus} GPUs (TP{size.tensor_parallel} × PP{size.pipeline_parallel})"
