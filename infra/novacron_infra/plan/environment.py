"""The plan of a cloud environment: regions, nodes, replicas, pods, KV cache, cost, and what a failed region means.

A replica's tensor-parallel group is one pod on one node; its pipeline stages are further pods.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import ParamSpec, TypeVar

from novacron_infra.catalog import Cloud, Gpu, Machine, Offered, find_gpu, find_machine, find_model, find_offer
from novacron_infra.clock import read_today
from novacron_infra.config import CloudEnvironment, Hardware, ProfileName, Region, Role
from novacron_infra.config.defaults import mark_defaults
from novacron_infra.config.problems import problem
from novacron_infra.config.sections.capacity import CapacityBlock, ReservationCapacity
from novacron_infra.errors import Problem
from novacron_infra.image_digests import describe_missing_digests
from novacron_infra.limits.versions import describe_end_of_support
from novacron_infra.plan.addresses import check_addresses
from novacron_infra.plan.cost import EnvironmentCost, calculate_cost, check_budget, list_budget_warnings
from novacron_infra.plan.errors import PlanError
from novacron_infra.plan.failover import Recovery, RegionFailure, plan_recovery, plan_region_failures
from novacron_infra.plan.fallbacks import check_fallbacks
from novacron_infra.plan.latency import LatencyFloor, calculate_latency_floor, check_latencies
from novacron_infra.plan.machines import MachinePlan, Shortfall, check_requests, find_shortfalls
from novacron_infra.plan.profiles import ProfilePlan, check_warm_replicas, check_weights, size_profiles
from novacron_infra.plan.regions import RegionPlan, WorkerShare, apportion, place_replicas, share_workers
from novacron_infra.plan.sizing import ReplicaSize
from novacron_infra.plan.stores import list_store_warnings

_ParamsT = ParamSpec("_ParamsT")
_ResultT = TypeVar("_ResultT")


@dataclass(frozen=True)
class EnvironmentPlan:
    """The plan of an environment. Numbers are those at the start, before any scaling."""

    config: CloudEnvironment
    gpu: Gpu
    profiles: tuple[ProfilePlan, ...]
    regions: tuple[RegionPlan, ...]
    """In the order of the configuration; the first is the primary."""
    recovery: Recovery | None
    """None with one region: none takes over."""
    region_failures: tuple[RegionFailure, ...]
    """The consequences of the failure of each region for the others."""
    weights_in_use_gb: float
    """Weights of the minimum replicas of the configuration in GB (10^9 bytes)."""
    shortfalls: tuple[Shortfall, ...]
    warnings: tuple[str, ...]
    """Points to reconsider before paying.

    Limits of file systems that are model stores, machines that are paid for and not used, a budget that is nearly used
    up, and versions whose support ends soon.
    """
    machines: tuple[MachinePlan, ...]
    """The machines of all regions, by role and machine type."""
    cost: EnvironmentCost

    @property
    def gpus(self) -> int:
        """GPUs of the workers: workers × GPUs per worker."""
        return sum(region.gpus for region in self.regions)

    @property
    def nodes(self) -> int:
        """GPU machines."""
        return sum(region.nodes for region in self.regions)

    @property
    def replicas(self) -> int:
        """Replicas of all profiles."""
        return sum(profile.replicas for profile in self.profiles)

    @property
    def pods(self) -> int:
        """Worker pods."""
        return sum(profile.pods for profile in self.profiles)

    @property
    def kv_tokens(self) -> int:
        """Tokens that all KV caches hold."""
        return sum(profile.kv_tokens for profile in self.profiles)

    @property
    def latency_floors(self) -> dict[ProfileName, LatencyFloor]:
        """The latency of a replica of each profile without load, where the catalogue has the speed of the GPU."""
        target = self.config.targets.time_to_first_token_s
        return {
            item.name: floor
            for item in self.profiles
            if (floor := calculate_latency_floor(item.size, target)) is not None
        }

    @property
    def unused_gpus(self) -> int:
        """GPUs of the machines that no pod uses."""
        used = sum(profile.replicas * profile.size.gpus for profile in self.profiles)
        return self.nodes * find_machine(self.config.workers.machine).gpu_count - used

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that have machines in each region."""
        return tuple(item.role for item in self.regions[0].machines)

    @property
    def unknown_offers(self) -> tuple[tuple[str, str], ...]:
        """Regions and machines of which no list of the catalogue knows whether the region offers the machine."""
        wanted = dict.fromkeys((region.name, item.machine.name) for region in self.regions for item in region.machines)
        return tuple(pair for pair in wanted if find_offer(pair[1], pair[0]).offered is Offered.UNKNOWN)

    @property
    def load_gb_per_s(self) -> float:
        """GB/s (10^9 bytes) that the model store must deliver to load all replicas within the loader's timeout."""
        weights = sum(profile.replicas * profile.size.replica_weight_bytes for profile in self.profiles)
        return weights / 1e9 / self.config.model.loader.timeout_s


def plan_environment(config: CloudEnvironment, today: dt.date | None = None) -> EnvironmentPlan:
    """Return the plan of an environment, computed from the dated catalogue without any cloud.

    Args:
        config: the environment.
        today: the date, for versions that are near the end of their support. None: today's.

    Raises:
        PlanError: with every reason why the environment cannot be built: a number format that the GPUs do not support,
            replicas that do not fit, a region that cannot hold one, weights above their bound, requests that leave a
            machine no room, a failover that is slower than its target.
    """
    workers, machine_type, model = config.workers, find_machine(config.workers.machine), find_model(config.model.id)
    if machine_type.gpu is None:
        rule = "it has no GPUs, and workers need them"
        raise PlanError([problem("workers.machine", machine_type.name, rule, "Use a machine with GPUs")])
    gpu = find_gpu(machine_type.gpu)
    found: list[Problem] = []
    shares = _try_step(found, share_workers, config, machine_type.gpu_count)
    # A replica stays within a region, so the largest region decides whether it fits.
    fewest = max(share.minimum for share in shares) if shares else workers.minimum
    most = max(share.maximum for share in shares) if shares else workers.maximum
    sizes = _try_step(found, size_profiles, config, model, gpu, machine_type, fewest, most)
    weights_gb = _try_step(found, check_weights, config, sizes) if sizes else None
    if sizes:  # the first profile serves by default; the plan shows the latency of the others
        targets = config.targets
        found += check_latencies(sizes[0], targets.time_to_first_token_s, targets.inter_token_latency_s)
    placed = _try_step(found, place_replicas, config, sizes, shares, machine_type) if sizes and shares else None
    for coordinator in _list_machine_types(config, "coordinators"):
        found += check_requests("coordinators", config.coordinators.resources, coordinator, 1)
    if sizes:
        pods_per_node = max(machine_type.gpu_count // size.tensor_parallel for size in sizes)
        for worker in _list_machine_types(config, "workers"):
            found += check_requests("workers", workers.resources, worker, pods_per_node)
    if sizes:
        _try_step(found, check_fallbacks, config, sizes)
    if sizes and shares:
        found += check_warm_replicas(config, sizes, [share.maximum for share in shares])
    storage = _try_step(found, _share_storage, config, shares) if shares else None
    regions = _plan_regions(config, shares, placed, storage) if shares and placed and storage else ()
    if regions and sizes:
        found += check_addresses(config, regions, any(size.pipeline_parallel > 1 for size in sizes))
    recovery = _try_step(found, plan_recovery, config)
    cost = calculate_cost(config, regions) if regions else None
    found += check_budget(config, cost) if cost else []
    if found or not sizes or weights_gb is None or cost is None:
        parts = {name: getattr(config, name) for name in type(config).model_fields}
        raise PlanError(mark_defaults(found, parts, config.model_fields_set))
    machines = _add_machines(regions)
    return EnvironmentPlan(
        config=config,
        gpu=gpu,
        profiles=_plan_profiles(config, sizes, regions),
        regions=regions,
        recovery=recovery,
        region_failures=plan_region_failures(config, regions),
        weights_in_use_gb=weights_gb,
        shortfalls=tuple(_list_shortfalls(config)),
        warnings=(
            *list_store_warnings(config, sizes),
            *cost.list_warnings(),
            *list_budget_warnings(config, cost, regions),
            *_list_version_warnings(config, today or read_today()),
            *describe_missing_digests(config),
        ),
        machines=machines,
        cost=cost,
    )


def _list_version_warnings(config: CloudEnvironment, today: dt.date) -> Iterator[str]:
    for platform in config.platforms:
        version = config.clusters.version
        if warning := describe_end_of_support("clusters.version", version, Cloud(platform.value), today):
            yield warning


def _try_step(
    found: list[Problem],
    step: Callable[_ParamsT, _ResultT],
    *args: _ParamsT.args,
    **kwargs: _ParamsT.kwargs,
) -> _ResultT | None:
    """Return the result of a step, or None after adding its problems to `found`, so that the next step runs as well."""
    try:
        return step(*args, **kwargs)
    except PlanError as error:
        found += error.problems
        return None


def _share_storage(config: CloudEnvironment, shares: Sequence[WorkerShare]) -> list[int]:
    """Return the storage nodes of each region, in proportion to its workers. Raises PlanError for a region without."""
    if config.storage is None:
        return [0] * len(shares)
    counts = apportion(config.storage.count, [share.count for share in shares])
    if 0 in counts:
        shown = ", ".join(map(str, counts))
        rule = f"{len(shares)} regions share them in proportion to their workers ({shown}), and one would have none"
        raise PlanError([problem("storage.count", config.storage.count, rule, f"Use at least {len(shares)}")])
    return counts


def _plan_regions(
    config: CloudEnvironment,
    shares: Sequence[WorkerShare],
    placed: tuple[list[list[int]], list[list[int]]],
    storage: Sequence[int],
) -> tuple[RegionPlan, ...]:
    weights = sum(region.weight for region in config.regions)
    plans: list[RegionPlan] = []
    for region, share, fewest, start, storage_nodes in zip(config.regions, shares, *placed, storage, strict=True):
        machine_types = _find_machine_types(config, region)
        worker = machine_types["workers"]
        gpus = share.count * config.workers.gpus_per_worker
        nodes = ceil(gpus / worker.gpu_count)
        maximum_nodes = ceil(share.maximum * config.workers.gpus_per_worker / worker.gpu_count)
        counts = {"coordinators": config.coordinators.count, "workers": nodes, "storage": storage_nodes}
        plans.append(
            RegionPlan(
                name=region.name,
                platform=region.find_platform(config.platform),
                weight=region.weight,
                traffic_fraction=region.weight / weights,
                workers=share,
                gpus=gpus,
                nodes=nodes,
                maximum_nodes=maximum_nodes,
                quota=maximum_nodes * (worker.gpu_count if worker.cloud is Cloud.GCP else worker.vcpus),
                minimum_replicas=tuple(fewest),
                replicas=tuple(start),
                machines=tuple(
                    MachinePlan(role, kind, counts[role], _find_stated_price(config, region, role))
                    for role, kind in machine_types.items()
                ),
            )
        )
    return tuple(plans)


def _find_stated_price(config: CloudEnvironment, region: Region, role: Role) -> float | None:
    capacity = config.find_capacity(region)
    if role == "workers" and isinstance(capacity, ReservationCapacity | CapacityBlock):
        return capacity.usd_per_hour
    return None


def _find_machine_types(config: CloudEnvironment, region: Region) -> dict[Role, Machine]:
    """Return the region's machine type for each role that the environment has."""
    own: dict[Role, str] = {"coordinators": config.coordinators.machine, "workers": config.workers.machine}
    if config.storage is not None:
        own["storage"] = config.storage.machine
    return {role: find_machine(region.choose_machine(role, name) or name) for role, name in own.items()}


def _list_machine_types(config: CloudEnvironment, role: Role) -> list[Machine]:
    """Return the machine types of a role in all regions, each once."""
    found = [_find_machine_types(config, region)[role] for region in config.regions]
    return list({machine_type.name: machine_type for machine_type in found}.values())


def _add_machines(regions: Sequence[RegionPlan]) -> tuple[MachinePlan, ...]:
    """Return the machines of all regions, by role and machine type."""
    counts: Counter[tuple[Role, str]] = Counter()
    for region in regions:
        counts.update({(item.role, item.machine.name): item.count for item in region.machines})
    order = {item.role: index for index, item in enumerate(regions[0].machines)}
    # The sort is stable: within a role, machine types keep the order of the regions.
    ordered = sorted(counts.items(), key=lambda item: order[item[0][0]])
    return tuple(MachinePlan(role, find_machine(name), count) for (role, name), count in ordered)


def _plan_profiles(
    config: CloudEnvironment, sizes: Sequence[ReplicaSize], regions: Sequence[RegionPlan]
) -> tuple[ProfilePlan, ...]:
    totals = [sum(counts) for counts in zip(*(region.replicas for region in regions), strict=True)]
    return tuple(
        ProfilePlan(profile.name, profile.quantization, size, profile.minimum_replicas, replicas)
        for profile, size, replicas in zip(config.model.profiles, sizes, totals, strict=True)
    )


_ROLE_OWNERS: dict[Role, str] = {
    "coordinators": "each coordinator",
    "workers": "each worker",
    "storage": "each storage node",
}


def _list_shortfalls(config: CloudEnvironment) -> Iterator[Shortfall]:
    requested: dict[Role, Hardware | None] = {
        "coordinators": config.coordinators.hardware,
        "workers": config.workers.hardware,
    }
    if config.storage is not None:
        requested["storage"] = config.storage.hardware
    for role, hardware in requested.items():
        if hardware is None:
            continue
        machine_types = _list_machine_types(config, role)
        for machine_type in machine_types:
            share = config.workers.gpus_per_worker / machine_type.gpu_count if role == "workers" else 1
            owner = _ROLE_OWNERS[role]
            shown = f"{owner} on {machine_type.name}" if len(machine_types) > 1 else owner
            yield from find_shortfalls(shown, hardware, machine_type, share)
