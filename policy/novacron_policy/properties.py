"""A resource's properties as plain data, unknowns marked.

In a preview, touching an unknown value ends a policy, and even a mandatory one becomes a remark. So every policy here
reads a copy in which unknowns are values like any other, and decides about them itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final

from pulumi_policy.proxy import UnknownValueError


class _Unknown(Enum):
    UNKNOWN = "unknown"


UNKNOWN: Final = _Unknown.UNKNOWN
"""A value that only the update can tell."""


def plain(value: Any) -> Any:
    """The value without its proxies; unknown parts are `UNKNOWN`."""
    if isinstance(value, Mapping):
        return {key: _item(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_item(value, index) for index in range(len(value))]
    return value


def _item(holder: Any, key: Any) -> Any:
    try:
        return plain(holder[key])
    except UnknownValueError:
        return UNKNOWN


def get(value: Any, path: str) -> Any:
    """The value at `a.b.c`; `None` where there is none, `UNKNOWN` as soon as a part of the way is unknown."""
    for key in path.split("."):
        if value is UNKNOWN:
            return UNKNOWN
        value = value.get(key) if isinstance(value, dict) else None
    return value


def items(value: Any) -> list[Any]:
    """A list's items; an unknown list is one unknown item."""
    if value is UNKNOWN:
        return [UNKNOWN]
    return value if isinstance(value, list) else []


_TEMPLATES = {
    "Pod": ["spec"],
    "Deployment": ["spec.template.spec"],
    "StatefulSet": ["spec.template.spec"],
    "DaemonSet": ["spec.template.spec"],
    "ReplicaSet": ["spec.template.spec"],
    "Job": ["spec.template.spec"],
    "CronJob": ["spec.jobTemplate.spec.template.spec"],
    "LeaderWorkerSet": [
        "spec.leaderWorkerTemplate.leaderTemplate.spec",
        "spec.leaderWorkerTemplate.workerTemplate.spec",
    ],
}


def pod_specs(resource_type: str, properties: Any) -> list[Any]:
    """The pod specifications in a Kubernetes resource; `UNKNOWN` for one that cannot be seen yet."""
    if not resource_type.startswith("kubernetes:"):
        return []
    paths = _TEMPLATES.get(resource_type.rsplit(":", 1)[-1], [])
    return [spec for spec in (get(properties, path) for path in paths) if spec is not None]


def containers(spec: Any) -> Iterator[Any]:
    """All containers of a pod specification, init and ephemeral ones too."""
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        yield from items(get(spec, kind))
