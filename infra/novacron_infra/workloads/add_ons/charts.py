"""Pinned Helm charts, and releases of them: what Pulumi, Argo CD and Flux need to install an add-on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from novacron_infra.workloads.custom_resources import KEY, to_properties

OCI = "oci://"


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """A version of a chart."""

    repository: str
    """URL of a Helm repository, or of a registry's folder if it starts with `oci://`."""
    name: str
    version: str
    as_of: str
    """Date of the source, YYYY-MM-DD."""
    source: str
    """Where the version was read."""
    digest: str | None = None
    """`sha256:…` of the packaged chart, as the repository's index has it. None: the source does not state it.

    Helm and Pulumi do not compare it; Flux checks the index's own.
    """

    @property
    def reference(self) -> str:
        """The chart as Helm takes it: its whole URL in a registry, otherwise its name."""
        return f"{self.repository}/{self.name}" if self.repository.startswith(OCI) else self.name


class PodSecurity(str, Enum):
    """The Pod Security Standard that a namespace enforces."""

    RESTRICTED = "restricted"
    PRIVILEGED = "privileged"


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A chart installed in a cluster."""

    name: str
    """Name of the Helm release."""
    namespace: str
    chart: Chart
    values: Values
    pod_security: PodSecurity = PodSecurity.RESTRICTED
    """Pod Security Standard of the namespace. `kube-system` keeps its own."""
    privileged_because: str | None = None
    """Why the pods cannot keep `restricted`. Needed for `privileged`."""
    after: tuple[str, ...] = ()
    """Releases that must be installed before this one, if they are installed at all: it uses their definitions."""

    def __post_init__(self) -> None:
        if (self.pod_security is PodSecurity.PRIVILEGED) != (self.privileged_because is not None):
            raise ValueError(f"{self.name}: exactly a privileged namespace needs a reason")

    def render_values(self) -> dict[str, Any]:
        """Return the values as Helm takes them. Inputs of Pulumi stay as they are."""
        return to_properties(self.values)


@dataclass(frozen=True, kw_only=True)
class Values:
    """Base class of the values of a chart, and of the objects in them.

    A field's name in snake case is the chart's key in camel case; `key()` gives another one. None: the chart's default.
    """


def key(name: str, default: Any) -> Any:
    """Return a field of `Values` with a key other than its name in camel case."""
    return field(default=default, metadata={KEY: name})
