"""What a cloud environment takes: regions, nodes, replicas, pods, KV cache, dollars, and what happens when one dies.

A replica's tensor-parallel group is one pod on one node; pipeline stages are further pods.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import ParamSpec, TypeVar

from novacron_infra.catalog import Cloud, Gpu, Machine, Offered, Price, find_gpu, find_machine, find_model, find_offer
from novacron_infra.config import Region
from novacron_infra.config.environment import CloudEnvironment
from novacron_infra.config.problems import problem
from novacron_infra.config.sections.hardware import Role
from novacron_infra.errors import Problem
from novacron_infra.plan.errors import PlanError
from novacron_infra.plan.failover import Recovery, RegionLoss, plan_losses, plan_recovery
from novacron_infra.plan.machines import MachinePlan, Shortfall, shortfalls, unschedulable
from novacron_infra.plan.profiles import ProfilePlan, check_weights, size_profiles
from novacron_infra.plan.regions import RegionPlan, WorkerShare, apportion, place_replicas, share_workers
from novacron_infra.plan.sizing import ReplicaSize
from novacron_infra.plan.stores import store_warnings

HOURS_PER_MONTH = 730
_NOT_PRICED = ("Kubernetes control planes", "network and load balancers", "object, block and file storage")

_ParamsT = ParamSpec("_ParamsT")
_ResultT = TypeVar("_ResultT")


@dataclass(frozen=True)
class EnvironmentPlan:
    """What `config` takes."""

    config: CloudEnvironment
    gpu: Gpu
    profiles: tuple[ProfilePlan, ...]
    regions: tuple[RegionPlan, ...]
    """In the configuration's order: the first is the primary."""
    recovery: Recovery | None
    """None: one region, nothing takes over."""
    losses: tuple[RegionLoss, ...]
    """What the death of each region means for the others."""
    weights_in_use_gb: float
    """Weights of the minimum replicas that the configuration states, 10^9 bytes."""
    shortfalls: tuple[Shortfall, ...]
    store_warnings: tuple[str, ...]
    """What to know of file systems as model stores."""
    unpriced: tuple[str, ...]
    """What `usd_per_hour` leaves out."""

    @property
    def gpus(self) -> int:
        """GPUs that the workers have at the start: workers × GPUs per worker."""
        return sum(region.gpus for region in self.regions)

    @property
    def nodes(self) -> int:
        """GPU machines at the start."""
        return sum(region.nodes for region in self.regions)

    @property
    def replicas(self) -> int:
        """Replicas of all profiles at the start."""
        return sum(profile.replicas for profile in self.profiles)

    @property
    def pods(self) -> int:
        """Worker pods at the start."""
        return sum(profile.pods for profile in self.profiles)

    @property
    def kv_tokens(self) -> int:
        """Tokens that all KV caches hold at the start."""
        return sum(profile.kv_tokens for profile in self.profiles)

    @property
    def unused_gpus(self) -> int:
        """GPUs of the machines that no pod uses."""
        used = sum(profile.replicas * profile.size.gpus for profile in self.profiles)
        return self.nodes * find_machine(self.config.workers.machine).gpu_count - used

    @property
    def machines(self) -> tuple[MachinePlan, ...]:
        """The machines of all regions, by role and kind."""
        counts: Counter[tuple[str, str]] = Counter()
        for region in self.regions:
            counts.update({(item.role, item.machine.name): item.count for item in region.machines})
        order = {role: index for index, role in enumerate(self.roles)}
        # Stable: within a role, in the order of the regions.
        kinds = sorted(counts.items(), key=lambda item: order[item[0][0]])
        return tuple(MachinePlan(role, find_machine(name), count) for (role, name), count in kinds)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that each region has machines of."""
        return tuple(item.role for item in self.regions[0].machines)

    @property
    def unknown_offers(self) -> tuple[tuple[str, str], ...]:
        """Regions and machines of which no list of the catalogue knows whether the region has the machine."""
        wanted = dict.fromkeys((region.name, item.machine.name) for region in self.regions for item in region.machines)
        return tuple(pair for pair in wanted if find_offer(pair[1], pair[0]).offered is Offered.UNKNOWN)

    @property
    def usd_per_hour(self) -> float:
        """On-demand list price of all machines that have a public one; `unpriced` says what is missing."""
        return sum(region.usd_per_hour for region in self.regions)

    @property
    def load_gb_per_s(self) -> float:
        """What the model store must deliver (10^9 bytes) when all replicas load within the loader's timeout."""
        weights = sum(profile.replicas * profile.size.replica_weight_bytes for profile in self.profiles)
        return weights / 1e9 / self.config.model.loader.timeout_s


def plan_environment(config: CloudEnvironment) -> EnvironmentPlan:
    """What `config` takes, from the dated catalogue.

    Raises:
        PlanError: with every reason why it cannot be built: a format that the GPUs do not have, a replica or the
            minimum replicas that do not fit, a region that cannot hold one, weights above their bound, requests that
            leave a machine no room, a failover that is slower than its target.
    """
    workers, row, shape = config.workers, find_machine(config.workers.machine), find_model(config.model.id)
    if row.gpu is None:
        raise PlanError(
            [problem("workers.machine", row.name, "it has no GPUs, and workers need them", "Use a machine with GPUs")]
        )
    card = find_gpu(row.gpu)
    found: list[Problem] = []
    shares = _unless_refused(found, share_workers, config, row.gpu_count)
    # A replica stays within a region: the largest one decides what can be held at all.
    fewest = max(share.minimum for share in shares) if shares else workers.minimum
    most = max(share.maximum for share in shares) if shares else workers.maximum
    sizes = _unless_refused(found, size_profiles, config, shape, card, row, fewest, most)
    weights_gb = _unless_refused(found, check_weights, config, sizes) if sizes else None
    placed = _unless_refused(found, place_replicas, config, sizes, shares, row) if sizes and shares else None
    for coordinator in _kinds(config, "coordinators"):
        found += unschedulable("coordinators", config.coordinators.resources, coordinator, 1)
    if sizes:
        pods_per_node = max(row.gpu_count // size.tensor_parallel for size in sizes)
        for worker in _kinds(config, "workers"):
            found += unschedulable("workers", workers.resources, worker, pods_per_node)
    storage = _unless_refused(found, _share_storage, config, shares) if shares else None
    regions = _regions(config, shares, placed, storage) if shares and placed and storage else ()
    recovery = _unless_refused(found, plan_recovery, config)
    if found or not sizes or weights_gb is None:
        raise PlanError(found)
    return EnvironmentPlan(
        config=config,
        gpu=card,
        profiles=_profiles(config, sizes, regions),
        regions=regions,
        recovery=recovery,
        losses=plan_losses(config, regions),
        weights_in_use_gb=weights_gb,
        shortfalls=tuple(_shortfalls(config)),
        store_warnings=tuple(store_warnings(config, sizes)),
        unpriced=tuple(_unpriced(config, regions)),
    )


def _unless_refused(
    found: list[Problem],
    step: Callable[_ParamsT, _ResultT],
    *args: _ParamsT.args,
    **kwargs: _ParamsT.kwargs,
) -> _ResultT | None:
    """The step's result, or None and its problems in `found`: so that all steps report at once."""
    try:
        return step(*args, **kwargs)
    except PlanError as error:
        found += error.problems
        return None


def _share_storage(config: CloudEnvironment, shares: Sequence[WorkerShare]) -> list[int]:
    """Storage nodes of each region, as its workers are. Raises PlanError where a region would have none."""
    if config.storage is None:
        return [0] * len(shares)
    counts = apportion(config.storage.count, [share.count for share in shares])
    if 0 in counts:
        rule = f"{len(shares)} regions share them as their workers ({', '.join(map(str, counts))}): one would have none"
        raise PlanError([problem("storage.count", config.storage.count, rule, f"Use {len(shares)} or more")])
    return counts


def _regions(
    config: CloudEnvironment,
    shares: Sequence[WorkerShare],
    placed: tuple[list[list[int]], list[list[int]]],
    storage: Sequence[int],
) -> tuple[RegionPlan, ...]:
    weights = sum(region.weight for region in config.regions)
    plans: list[RegionPlan] = []
    for region, share, fewest, start, storage_nodes in zip(config.regions, shares, *placed, storage, strict=True):
        rows = _rows(config, region)
        row = rows["workers"]
        gpus = share.count * config.workers.gpus_per_worker
        nodes = ceil(gpus / row.gpu_count)
        maximum_nodes = ceil(share.maximum * config.workers.gpus_per_worker / row.gpu_count)
        counts = {"coordinators": config.coordinators.count, "workers": nodes, "storage": storage_nodes}
        plans.append(
            RegionPlan(
                name=region.name,
                platform=region.platform(config.platform),
                weight=region.weight,
                traffic_fraction=region.weight / weights,
                workers=share,
                gpus=gpus,
                nodes=nodes,
                maximum_nodes=maximum_nodes,
                quota=maximum_nodes * (row.gpu_count if row.cloud is Cloud.GCP else row.vcpus),
                minimum_replicas=tuple(fewest),
                replicas=tuple(start),
                machines=tuple(MachinePlan(role, kind, counts[role]) for role, kind in rows.items()),
            )
        )
    return tuple(plans)


def _rows(config: CloudEnvironment, region: Region) -> dict[str, Machine]:
    """The region's machine of each role that the environment has."""
    own: dict[Role, str] = {"coordinators": config.coordinators.machine, "workers": config.workers.machine}
    if config.storage is not None:
        own["storage"] = config.storage.machine
    return {role: find_machine(region.machine(role, name) or name) for role, name in own.items()}


def _kinds(config: CloudEnvironment, role: str) -> list[Machine]:
    """The machines of a role, each kind once."""
    rows = [_rows(config, region)[role] for region in config.regions]
    return list({row.name: row for row in rows}.values())


def _profiles(
    config: CloudEnvironment, sizes: Sequence[ReplicaSize], regions: Sequence[RegionPlan]
) -> tuple[ProfilePlan, ...]:
    totals = [sum(counts) for counts in zip(*(region.replicas for region in regions), strict=True)]
    return tuple(
        ProfilePlan(profile.name, profile.quantization, size, profile.minimum_replicas, replicas)
        for profile, size, replicas in zip(config.model.profiles, sizes, totals, strict=True)
    )


def _shortfalls(config: CloudEnvironment) -> list[Shortfall]:
    wished = {"coordinators": config.coordinators.hardware, "workers": config.workers.hardware}
    if config.storage is not None:
        wished["storage"] = config.storage.hardware
    found: list[Shortfall] = []
    for role, hardware in wished.items():
        kinds = _kinds(config, role)
        for row in kinds:
            share = config.workers.gpus_per_worker / row.gpu_count if role == "workers" else 1
            label = "workers, each" if role == "workers" else role
            found += shortfalls(f"{label}, {row.name}" if len(kinds) > 1 else label, hardware, row, share)
    return found


def _unpriced(config: CloudEnvironment, regions: Sequence[RegionPlan]) -> list[str]:
    found = list(
        dict.fromkeys(
            f"{item.role}: {item.machine.name} has no public price"
            for region in regions
            for item in region.machines
            if not isinstance(item.machine.price, Price)
        )
    )
    elsewhere: dict[str, dict[str, None]] = {}
    for region in regions:
        prices = [item.machine.price for item in region.machines]
        for base in [price.region for price in prices if isinstance(price, Price) and price.region != region.name]:
            elsewhere.setdefault(base, {})[region.name] = None
    for base, others in elsewhere.items():
        found.append(f"the difference between the prices of {base} and those of {', '.join(others)}")
    if config.workers.spot_fraction:
        found.append(f"the discount of {config.workers.spot_fraction:.0%} spot workers")
    if len(regions) > 1:
        found.append("replication and traffic between regions")
    return [*found, *_NOT_PRICED]
