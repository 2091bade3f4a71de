"""Changes of a stack that lose data: what they replace or delete, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from novacron_infra.config import CloudEnvironment, EnvironmentConfig, load
from novacron_infra.errors import ConfigurationError
from novacron_infra.held_data import HELD_DATA, HeldData
from novacron_rehearsal import urn as urns
from novacron_rehearsal.events import StepOp

_REPLACING = (StepOp.REPLACE, StepOp.CREATE_REPLACEMENT, StepOp.DELETE_REPLACED)


@dataclass(frozen=True, slots=True)
class DataLoss:
    """A resource that holds data, and that a change replaces or deletes."""

    urn: str
    change: str
    """`replaces` or `deletes`."""

    @property
    def held(self) -> HeldData:
        """The data in the resource."""
        return HELD_DATA[urns.parse(self.urn).type]


@dataclass
class LossRecorder:
    """Collects the steps that lose data."""

    _verbs: dict[str, str] = field(default_factory=dict[str, str])
    """The change of each resource, by URN."""

    def __call__(self, op: StepOp, urn: str) -> None:
        """Record one step."""
        if urns.parse(urn).type in HELD_DATA:
            if op in _REPLACING:
                self._verbs[urn] = "replaces"
            elif op is StepOp.DELETE:
                self._verbs.setdefault(urn, "deletes")

    @property
    def losses(self) -> list[DataLoss]:
        """The resources whose data is lost, in the order of their URNs."""
        return [DataLoss(urn, verb) for urn, verb in sorted(self._verbs.items())]

    def describe(self, environment: EnvironmentConfig | None) -> list[str]:
        """Return a line for each resource whose data is lost; empty if none is.

        Args:
            environment: names the regions of the resources.
        """
        regions = [item.name for item in environment.regions] if isinstance(environment, CloudEnvironment) else []
        return [_describe(loss, regions) for loss in self.losses]


def _describe(loss: DataLoss, regions: Iterable[str]) -> str:
    resource, held = urns.parse(loss.urn), loss.held
    region = max((name for name in regions if name in resource.name), key=len, default="")
    where = f" of {region}" if region else ""
    return f"{loss.change} the {held.what}{where} ({resource.name}): {held.loss}. {held.way_round}."


def read_environment(described: object) -> EnvironmentConfig | None:
    """Return the environment in a stack's configuration; None if there is none, or an invalid one."""
    try:
        return None if described is None else load(described)
    except ConfigurationError:
        return None


def holds_data(deployed: Sequence[str]) -> bool:
    """Return whether one of the deployed resources, given by their URNs, holds data."""
    return any(urns.parse(urn).type in HELD_DATA for urn in deployed)


def describe_losses(recorder: LossRecorder, environment: EnvironmentConfig | None, stack: str) -> list[str]:
    """Return what a change loses, and how to make or avoid it; empty if it loses nothing."""
    losses = recorder.describe(environment)
    if not losses:
        return []
    advice = "Undo the change of the configuration to keep everything."
    if isinstance(environment, CloudEnvironment) and environment.protected:
        advice = (
            "The environment is protected (protected is true): keys, models, databases and images are not deleted, so "
            f"the change fails. Undo it; or set protected: false, run `novacron up -s {stack}`, then make the change."
        )
    return ["This change loses data:", *(f"  - {line}" for line in losses), advice]
