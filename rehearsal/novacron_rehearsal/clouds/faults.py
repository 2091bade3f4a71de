"""Faults on request: quota exceeded, no capacity, slow, region down. The errors are worded as the clouds word theirs.

A list in YAML, in a file or in the variable `NOVACRON_FAULTS` itself (a file's path or the text):

    - {fault: capacity, type: "aws:eks/nodeGroup:*", region: us-east-1, times: 1}
    - {fault: quota, type: "gcp:container/nodePool:NodePool", code: NVIDIA_H100_GPUS}
    - {fault: slow, urn: "*::gpu-*", seconds: 20}
    - {fault: region_down, region: eu-west-1}

`type`, `urn` and `region` are patterns with `*`; those left out fit everything. `times` is how many operations are
struck, all when it is left out; the count is kept with the state of the clouds. The file is read again for every
operation, so that a drill can begin and end a fault while the clouds run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from novacron_rehearsal.clouds import knowledge
from novacron_rehearsal.clouds.state import World
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.values import PropertyMap
from novacron_rehearsal.yaml_files import parse_yaml

KINDS = ("quota", "capacity", "slow", "region_down")
_ANY_CLOUD = {
    "quota": "quota exceeded: {code} ({instance})",
    "capacity": "no capacity for {instance} in {region}",
    "region_down": "{region} is unreachable: dial tcp: i/o timeout",
}
"""Wording for a package whose cloud's own is not known."""
_CREATING = ("create", "update")
_INSTANCES = ("instanceTypes", "instanceType", "vmSize", "machineType")


class SimulatedFaultError(RehearsalError):
    """The cloud's answer to an operation that a fault has struck."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, and what it strikes."""

    fault: Literal["quota", "capacity", "slow", "region_down"]
    type: str = "*"
    urn: str = "*"
    region: str = "*"
    times: int | None = None
    seconds: float = 0.0
    code: str = "QuotaExceeded"

    def strikes(self, operation: str, token: str, urn: str, region: str) -> bool:
        """Whether it fits: a dead region strikes everything, others what makes or changes a resource."""
        return (
            (self.fault == "region_down" or operation in _CREATING)
            and fnmatchcase(token, self.type)
            and fnmatchcase(urn, self.urn)
            and fnmatchcase(region, self.region)
        )


def read(source: str) -> list[Fault]:
    """Faults from a YAML file's path, or from YAML itself.

    Raises:
        RehearsalError: for what is neither, or a fault that is not understood.
    """
    try:
        text = Path(source).read_text(encoding="utf-8") if _is_path(source) else source
    except (OSError, UnicodeDecodeError) as error:
        raise RehearsalError(f"the faults {source!r} cannot be read: {error}") from error
    content = parse_yaml(text, f"the faults {source!r}")
    if content is None:
        return []
    if not isinstance(content, list):
        raise RehearsalError(f"the faults {source!r} are not a list; write `- {{fault: capacity, times: 1}}`")
    return [_fault(entry) for entry in content]


def _is_path(source: str) -> bool:
    return "\n" not in source and "{" not in source and "[" not in source


def _fault(entry: Any) -> Fault:
    known = {field.name for field in fields(Fault)}
    if not isinstance(entry, dict) or entry.get("fault") not in KINDS:
        raise RehearsalError(f"fault {entry!r}: `fault` must be one of {', '.join(KINDS)}")
    if unknown := entry.keys() - known:
        raise RehearsalError(f"fault {entry!r}: {min(unknown)!r} is not known; use {', '.join(sorted(known))}")
    for name in ("times", "seconds"):
        number = entry.get(name, 0)
        if not isinstance(number, (int, float)) or number < 0:
            raise RehearsalError(f"fault {entry!r}: {name!r} must be a number that is not negative")
    for name in ("type", "urn", "region", "code"):
        if not isinstance(entry.get(name, ""), str):
            raise RehearsalError(f"fault {entry!r}: {name!r} must be a text")
    return Fault(**entry)


def strike(
    faults: Sequence[Fault], world: World, operation: str, token: str, urn: str, region: str, inputs: PropertyMap
) -> float:
    """What the faults do to an operation: seconds to wait for the slow ones.

    Raises:
        SimulatedFaultError: the cloud's refusal, for the others.
    """
    seconds = 0.0
    for fault in faults:
        if not fault.strikes(operation, token, urn, region):
            continue
        if fault.times is not None and world.count(repr(fault)) >= fault.times:
            continue
        if fault.fault == "slow":
            seconds += fault.seconds
            continue
        package = token.partition(":")[0]
        text = knowledge.cloud(package).faults.get(fault.fault, _ANY_CLOUD[fault.fault])
        where = {"type": token, "region": region, "code": fault.code, "instance": instance_type(inputs) or token}
        raise SimulatedFaultError(f"{text.format_map(where)} (simulated by NovaCron: fault {fault.fault!r})")
    return seconds


def instance_type(properties: Mapping[str, Any]) -> str:
    """The machine type in a resource's inputs, wherever it stands; empty when there is none."""
    for name in _INSTANCES:
        value = properties.get(name)
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, str):
            return value
    return next(
        (found for item in properties.values() if isinstance(item, dict) and (found := instance_type(item))), ""
    )
