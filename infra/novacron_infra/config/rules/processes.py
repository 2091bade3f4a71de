"""Rules for coordinators and workers: their number, ports and resources."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor

from novacron_infra.config.problems import MISSING, item_path, problem
from novacron_infra.config.rules.parts import Parts
from novacron_infra.config.sections.add_ons import AddOn
from novacron_infra.config.sections.autoscaling import Autoscaling
from novacron_infra.config.sections.capacity import SpotCapacity
from novacron_infra.config.sections.coordinators import HTTPS_PORT, METRICS_PORT, CoordinatorMode
from novacron_infra.config.sections.hardware import Resources
from novacron_infra.config.sections.workers import WorkerCounts, Workers
from novacron_infra.errors import Problem

_MINIMUM_COORDINATORS = {
    CoordinatorMode.SINGLE: 1,
    CoordinatorMode.HIGHLY_AVAILABLE: 2,
    CoordinatorMode.ACTIVE_ACTIVE_STANDBY: 3,
}
_FIXED_PORTS = {HTTPS_PORT: "the API with TLS", METRICS_PORT: "their metrics"}


def check_worker_bounds(path: str, workers: WorkerCounts) -> Iterator[Problem]:
    """Report a number of workers outside of its bounds, and bounds in the wrong order."""
    if workers.minimum > workers.maximum:
        rule = f"it is more than {path}.maximum, {workers.maximum}"
        yield problem(f"{path}.minimum", workers.minimum, rule, f"Use {workers.maximum} or less, or raise the maximum")
    elif workers.count < workers.minimum:
        rule = f"it is less than {path}.minimum, {workers.minimum}"
        yield problem(f"{path}.count", workers.count, rule, f"Use {workers.minimum} or more, or lower the minimum")
    elif workers.count > workers.maximum:
        rule = f"it is more than {path}.maximum, {workers.maximum}"
        yield problem(f"{path}.count", workers.count, rule, f"Use {workers.maximum} or less, or raise the maximum")


def check_coordinators(parts: Parts) -> Iterator[Problem]:
    """Check the coordinators' mode, memory cache and ports."""
    coordinators = parts.get("coordinators")
    if coordinators is None:
        return
    mode, count = coordinators.mode, coordinators.count
    fewest = _MINIMUM_COORDINATORS[mode]
    if count < fewest or (mode is CoordinatorMode.SINGLE and count > 1):
        number = "1" if mode is CoordinatorMode.SINGLE else f"{fewest} or more"
        other = [
            item.value
            for item, minimum in _MINIMUM_COORDINATORS.items()
            if (count == minimum if item is CoordinatorMode.SINGLE else count >= minimum)
        ]
        rule = f"this mode needs coordinators.count {number}, and it is {count}"
        fix = f"Set the mode to {' or '.join(other)}, or coordinators.count to {number}"
        yield problem("coordinators.mode", mode.value, rule, fix)
    caches = parts.get("caches")
    limit = coordinators.resources.memory_limit_gib
    if caches is not None and caches.memory_gib >= limit:
        rule = f"it must be less than coordinators.resources.memory_limit_gib, {limit:g}"
        yield problem("caches.memory_gib", caches.memory_gib, rule, f"Use less than {limit:g}, or raise the limit")
    if coordinators.http_port == coordinators.grpc_port:
        rule = "coordinators.http_port is the same port"
        yield problem("coordinators.grpc_port", coordinators.grpc_port, rule, "Use two different ports")
    for name, port in (("http_port", coordinators.http_port), ("grpc_port", coordinators.grpc_port)):
        if purpose := _FIXED_PORTS.get(port):
            rule = f"coordinators have {purpose} at this port"
            yield problem(f"coordinators.{name}", port, rule, "Use another port")


def check_workers(parts: Parts) -> Iterator[Problem]:
    """Check the number of workers, their ports and their autoscaling."""
    workers, scaling = parts.get("workers"), parts.get("autoscaling")
    if workers is not None:
        yield from check_worker_bounds("workers", workers)
        if workers.coordination_port == workers.tensor_port:
            rule = "workers.coordination_port is the same port"
            yield problem("workers.tensor_port", workers.tensor_port, rule, "Use two different ports")
    if scaling is None:
        return
    if workers is not None and workers.maximum > scaling.ceiling_workers:
        rule = f"it is above autoscaling.ceiling_workers, {scaling.ceiling_workers}"
        fix = f"Use {scaling.ceiling_workers} or less, or raise the ceiling"
        yield problem("workers.maximum", workers.maximum, rule, fix)
    up, down = scaling.scale_up.utilization_fraction, scaling.scale_down.utilization_fraction
    if down >= up:
        rule = f"it must be below autoscaling.scale_up.utilization_fraction, {up:g}, or the pool flaps"
        fix = "Leave a gap between the two, such as 0.4 and 0.8"
        yield problem("autoscaling.scale_down.utilization_fraction", down, rule, fix)
    elif not down < scaling.target_utilization_fraction < up:
        rule = f"it must be between {down:g} and {up:g}, or a change causes the opposite one"
        fix = f"Use {(down + up) / 2:g}, in the middle of scale_down and scale_up"
        yield problem("autoscaling.target_utilization_fraction", scaling.target_utilization_fraction, rule, fix)
    yield from _check_schedules(scaling, workers)
    yield from _check_metrics(parts, scaling)
    if workers is not None:
        yield from _check_on_demand_floor(workers)


def _check_metrics(parts: Parts, scaling: Autoscaling) -> Iterator[Problem]:
    """Report a Prometheus without a known address, which KEDA would have to read."""
    platform, add_ons, clusters = parts.get("platform"), parts.get("add_ons"), parts.get("clusters")
    if platform is None or add_ons is None or clusters is None or not clusters.serving:
        return
    chosen = add_ons.fill(platform, serving=True)
    if chosen.keda is AddOn.NONE or scaling.prometheus_url is not None or chosen.monitoring is AddOn.INSTALL:
        return
    rule = f"add_ons.monitoring is {(chosen.monitoring or AddOn.NONE).value}, so the address of Prometheus is not known"
    fix = "Write the URL of Prometheus inside the clusters, or set add_ons.keda to none"
    yield problem("autoscaling.prometheus_url", MISSING, rule, fix)


def _check_schedules(scaling: Autoscaling, workers: Workers | None) -> Iterator[Problem]:
    names: set[str] = set()
    for index, schedule in enumerate(scaling.schedules):
        path = item_path("autoscaling.schedules", scaling.schedules, index)
        if schedule.name in names:
            yield problem(f"{path}.name", schedule.name, "an earlier schedule has this name", "Use another name")
        names.add(schedule.name)
        if schedule.end <= schedule.start:
            rule = f"it is not after start, {schedule.start}"
            yield problem(f"{path}.end", schedule.end, rule, "Use a later time, or two schedules across midnight")
        threshold, target = schedule.utilization_fraction, scaling.target_utilization_fraction
        if threshold is not None and threshold <= target:
            rule = f"it must be above autoscaling.target_utilization_fraction, {target:g}"
            yield problem(f"{path}.utilization_fraction", threshold, rule, f"Use more than {target:g}")
        most = workers.maximum if workers else scaling.ceiling_workers
        if schedule.minimum_workers is not None and schedule.minimum_workers > most:
            rule = f"it is above {'workers.maximum' if workers else 'autoscaling.ceiling_workers'}, {most}"
            yield problem(f"{path}.minimum_workers", schedule.minimum_workers, rule, f"Use {most} or less, or raise it")
        if threshold is None and schedule.minimum_workers is None:
            rule = "without it and without minimum_workers, the schedule changes nothing"
            yield problem(f"{path}.utilization_fraction", MISSING, rule, "Add one of the two, or remove the schedule")
        if len(set(schedule.days)) < len(schedule.days):
            days = ", ".join(dict.fromkeys(day.value for day in schedule.days))
            rule = "the list has a day twice"
            yield problem(f"{path}.days", ", ".join(day.value for day in schedule.days), rule, f"Use {days}")


def _check_on_demand_floor(workers: Workers) -> Iterator[Problem]:
    """Report a minimum of workers that on-demand machines do not hold: losing spot machines would go below it."""
    if not isinstance(workers.capacity, SpotCapacity):
        return
    on_demand = floor(workers.maximum * (1 - workers.capacity.fraction) + 1e-9)
    if workers.minimum > on_demand:
        rule = f"only {on_demand} of workers.maximum are on demand, and spot machines can be lost at any time"
        fix = f"Use {on_demand} or less, or lower workers.capacity.fraction"
        yield problem("workers.minimum", workers.minimum, rule, fix)


def check_resources(parts: Parts) -> Iterator[Problem]:
    """Report a container's request that is more than its limit."""
    coordinators, workers = parts.get("coordinators"), parts.get("workers")
    if coordinators is not None:
        yield from check_container("coordinators.resources", coordinators.resources)
    if workers is not None:
        yield from check_container("workers.resources", workers.resources)
        yield from check_shared_memory("workers", workers.shared_memory_gib, workers.resources)


def check_shared_memory(path: str, shared_memory_gib: float, resources: Resources) -> Iterator[Problem]:
    """Report shared memory of the workers at `path` that leaves their containers no other memory."""
    limit = resources.memory_limit_gib
    if shared_memory_gib >= limit:
        rule = f"shared memory counts against {path}.resources.memory_limit_gib, {limit:g}"
        yield problem(f"{path}.shared_memory_gib", shared_memory_gib, rule, f"Use less than {limit:g}")


def check_container(path: str, resources: Resources) -> Iterator[Problem]:
    """Report a request that is more than its limit."""
    pairs = (
        ("cpu_request", resources.cpu_request, "cpu_limit", resources.cpu_limit),
        ("memory_request_gib", resources.memory_request_gib, "memory_limit_gib", resources.memory_limit_gib),
    )
    for name, request, limit_name, limit in pairs:
        if request > limit:
            rule = f"it is more than {path}.{limit_name}, {limit:g}"
            yield problem(f"{path}.{name}", request, rule, f"Use {limit:g} or less, or raise the limit")
