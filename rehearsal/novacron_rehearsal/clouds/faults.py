"""Fault injection: quota exceeded, no capacity, slow, region down. The errors are worded as the clouds word theirs.

Faults are a list in YAML, in a file or in the variable `NOVACRON_FAULTS` (the path of a file, or the YAML itself):

    - {fault: capacity, type: "aws:eks/nodeGroup:*", region: us-east-1, times: 1}
    - {fault: quota, type: "gcp:container/nodePool:NodePool", code: NVIDIA_H100_GPUS}
    - {fault: slow, urn: "*::gpu-*", seconds: 20}
    - {fault: region_down, region: eu-north-1}

`type`, `urn` and `region` are patterns with `*`; a pattern that is left out matches everything. `times` limits how many
calls fail; without it, all do. The count is kept with the state of the clouds. The file is read again for every call,
so a drill can begin and end a fault while the clouds run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from novacron_infra.user_files import UserFileError, read_text

from novacron_rehearsal.clouds import cloud_data
from novacron_rehearsal.clouds.state import CloudState
from novacron_rehearsal.errors import RehearsalError, quote
from novacron_rehearsal.values import PropertyMap, Value
from novacron_rehearsal.yaml_files import parse_yaml

KINDS = ("quota", "capacity", "slow", "region_down")
_ANY_CLOUD = {
    "quota": "quota exceeded: {code} ({instance})",
    "capacity": "no capacity for {instance} in {region}",
    "region_down": "{region} is unreachable: dial tcp: i/o timeout",
}
"""Messages for a package whose data has none."""
_CREATING = ("create", "update")
_INSTANCES = ("instanceTypes", "instanceType", "vmSize", "machineType")


class SimulatedFaultError(RehearsalError):
    """The cloud's error for a call that a fault makes fail."""


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """A call that a fault can delay or make fail."""

    operation: str
    """`create`, `read`, `update`, `delete` or `invoke`."""
    token: str
    urn: str
    region: str
    inputs: PropertyMap


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, and the calls that it matches."""

    fault: Literal["quota", "capacity", "slow", "region_down"]
    type: str = "*"
    urn: str = "*"
    region: str = "*"
    times: int | None = None
    seconds: float = 0.0
    code: str = "QuotaExceeded"

    def matches(self, call: ProviderCall) -> bool:
        """Return whether the fault matches a call: `region_down` every call, the others creations and updates."""
        return (
            (self.fault == "region_down" or call.operation in _CREATING)
            and fnmatchcase(call.token, self.type)
            and fnmatchcase(call.urn, self.urn)
            and fnmatchcase(call.region, self.region)
        )


def parse_faults(source: str) -> list[Fault]:
    """Read faults from a YAML file or from YAML text.

    Args:
        source: the path of the file, or the text.

    Raises:
        RehearsalError: when the source cannot be read, or a fault in it is not valid.
    """
    name = f"the file {quote(source)}" if _is_path(source) else f"the text {quote(source)}"
    try:
        text = read_text(Path(source)) if _is_path(source) else source
    except UserFileError as error:
        raise RehearsalError(str(error)) from error
    content = parse_yaml(text, name)
    if content is None:
        return []
    if not isinstance(content, list):
        raise RehearsalError(f"{name} is not a list; write `- {{fault: capacity, times: 1}}`")
    return [_parse_fault(entry) for entry in content]


def _is_path(source: str) -> bool:
    return "\n" not in source and "{" not in source and "[" not in source


def _parse_fault(entry: object) -> Fault:
    known = {field.name for field in fields(Fault)}
    if not isinstance(entry, dict) or entry.get("fault") not in KINDS:
        raise RehearsalError(f"fault {quote(entry)}: `fault` must be one of {', '.join(KINDS)}")
    if unknown := entry.keys() - known:
        raise RehearsalError(
            f"fault {quote(entry)}: unknown key {quote(min(unknown, key=str))}; use {', '.join(sorted(known))}"
        )
    for name in ("times", "seconds"):
        number = entry.get(name, 0)
        if not isinstance(number, (int, float)) or number < 0:
            raise RehearsalError(f"fault {quote(entry)}: {name!r} must be a number, at least 0")
    for name in ("type", "urn", "region", "code"):
        if not isinstance(entry.get(name, ""), str):
            raise RehearsalError(f"fault {quote(entry)}: {name!r} must be text")
    return Fault(**entry)


def inject_faults(faults: Sequence[Fault], cloud: CloudState, call: ProviderCall) -> float:
    """Return how many seconds a call must wait because of `slow` faults.

    Raises:
        SimulatedFaultError: when another fault matches the call.
    """
    seconds = 0.0
    for fault in faults:
        if not fault.matches(call):
            continue
        if fault.times is not None and cloud.count(repr(fault)) >= fault.times:
            continue
        if fault.fault == "slow":
            seconds += fault.seconds
            continue
        package = call.token.partition(":")[0]
        text = cloud_data.load_cloud(package).faults.get(fault.fault, _ANY_CLOUD[fault.fault])
        instance = find_instance_type(call.inputs) or call.token
        message = text.format_map({"type": call.token, "region": call.region, "code": fault.code, "instance": instance})
        raise SimulatedFaultError(f"{message} (simulated by NovaCron: fault {fault.fault!r})")
    return seconds


def find_instance_type(properties: Mapping[str, Value]) -> str:
    """Return the machine type in a resource's inputs, at any depth; empty when there is none."""
    for name in _INSTANCES:
        value = properties.get(name)
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, str):
            return value
    nested = (find_instance_type(item) for item in properties.values() if isinstance(item, dict))
    return next(filter(None, nested), "")
