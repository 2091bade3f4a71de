"""Rules for machines: the catalogue has them, they fit their role, and the regions offer them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log
from typing import get_args

from novacron_infra.catalog import Machine, Offered, find_offer, load_machines, suggest_names
from novacron_infra.config.problems import item_path, problem
from novacron_infra.config.rules.parts import Parts, find_cloud
from novacron_infra.config.sections.hardware import Role
from novacron_infra.config.sections.platform import Platform
from novacron_infra.config.sections.workers import Workers
from novacron_infra.errors import Problem

_ROLES: tuple[Role, ...] = get_args(Role)
_SHOWN_REGIONS = 5
_SHOWN_MACHINES = 4


def check_machine(path: str, name: str, platform: Platform | None, for_workers: bool) -> Iterator[Problem]:
    """Report a machine that is not in the catalogue, is in another cloud, or has no GPUs for workers.

    Args:
        path: the path of the machine's key.
        name: the machine, as the user typed it.
        platform: the region's cloud, or None when it is not known.
        for_workers: whether the machine runs workers, which need GPUs.
    """
    suitable = [
        item
        for item in load_machines().values()
        if (platform is None or item.cloud.value == platform.value)
        and (item.gpu is not None) is for_workers
        and item.unsupported_because is None
    ]
    machine_type = load_machines().get(name)
    if machine_type is None:
        where = "" if platform is None else f" of {platform.value}"
        rule = f"it is not a machine{where} in the catalogue"
        yield problem(path, name, rule, suggest_names(name, [item.name for item in suitable]))
    elif platform is not None and machine_type.cloud.value != platform.value:
        rule = f"it is a machine of {machine_type.cloud.value}, and the region is on {platform.value}"
        yield problem(path, name, rule, _suggest_like(machine_type, suitable))
    elif machine_type.unsupported_because is not None:
        yield problem(path, name, machine_type.unsupported_because, _suggest_like(machine_type, suitable))
    elif for_workers and machine_type.gpu is None:
        rule = "it has no GPUs, and workers need them"
        yield problem(path, name, rule, _suggest_like(machine_type, suitable))


def _suggest_like(machine_type: Machine, suitable: Sequence[Machine]) -> str:
    """Return a sentence with the machines that are most like one: of the same GPUs, then of the nearest size."""

    def differ(item: Machine) -> tuple[bool, bool, float]:
        size = abs(log(item.memory_gib / machine_type.memory_gib))
        return item.gpu != machine_type.gpu, item.gpu_count != machine_type.gpu_count, size

    near = sorted(suitable, key=differ)[:_SHOWN_MACHINES]
    rest = "; `novacron catalog list` shows all" if len(suitable) > len(near) else ""
    return f"Use {' or '.join(item.name for item in near)}{rest}"


def check_machines(parts: Parts) -> Iterator[Problem]:
    """Check the machine of each role."""
    platform = parts.get("platform")
    for role in _ROLES:
        part = parts.get(role)
        if part is not None:
            yield from check_machine(f"{role}.machine", part.machine, platform, for_workers=role == "workers")


def check_same_gpus(path: str, name: str, workers: Workers | None) -> Iterator[Problem]:
    """Report a region's machine whose GPUs differ from the environment's: replicas are sized once for all regions."""
    own = load_machines().get(workers.machine) if workers else None
    other = load_machines().get(name)
    if own is None or own.gpu is None or other is None or other.gpu is None:
        return
    if (own.gpu, own.gpu_count) == (other.gpu, other.gpu_count):
        return
    same = [
        item.name
        for item in load_machines().values()
        if item.cloud is other.cloud and (item.gpu, item.gpu_count) == (own.gpu, own.gpu_count)
    ]
    rule = (
        f"it has {_describe_gpus(other)}, and {own.name} of the other regions has {_describe_gpus(own)}; "
        "workers are the same in every region"
    )
    yield problem(path, name, rule, f"Use {' or '.join(same)}" if same else "Use another machine in every region")


def check_offers(parts: Parts) -> Iterator[Problem]:
    """Report machines that a region is known not to have. The plan names those that no list knows."""
    regions = parts.get("regions", ())
    for index, region in enumerate(regions):
        path = item_path("regions", regions, index)
        for role in _ROLES:
            part = parts.get(role)
            name = None if part is None else region.choose_machine(role, part.machine)
            machine_type = None if name is None else load_machines().get(name)
            if machine_type is None or machine_type.cloud is not find_cloud(parts, region):
                continue  # `check_machine` reports it
            offer = find_offer(machine_type.name, region.name)
            if offer.offered is not Offered.NO:
                continue
            key = f"{path}.overrides.{role}" if region.overrides else f"{role}.machine"
            rule = f"this region does not offer {machine_type.name}, which {key} asks for ({offer.source})"
            fix = " ".join(_list_alternatives(machine_type, region.name, offer.other_regions))
            yield problem(f"{path}.name", region.name, rule, fix)


def _list_alternatives(machine_type: Machine, region: str, other_regions: tuple[str, ...]) -> Iterator[str]:
    here = [
        item
        for item in load_machines().values()
        if (item.gpu is None) == (machine_type.gpu is None)
        and item.unsupported_because is None
        and find_offer(item.name, region).offered is Offered.YES
    ]
    if here:
        yield f"{_suggest_like(machine_type, here)}."
    if other_regions:
        regions = ", ".join(other_regions[:_SHOWN_REGIONS])
        yield f"{'Or use' if here else 'Use'} a region that offers {machine_type.name}, such as {regions}."
    yield "If the region offers it by now, add it to catalog/regions.yaml"


def _describe_gpus(machine_type: Machine) -> str:
    return f"{machine_type.gpu_count} × {machine_type.gpu}"
