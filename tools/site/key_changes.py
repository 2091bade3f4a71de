"""The page on what a change of each configuration key does, made from `key_changes.yaml`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from pathlib import Path

import yaml
from novacron_infra.held_data import HELD_DATA

TABLE = Path(__file__).with_name("key_changes.yaml")
EVERY_CLOUD = "every cloud"
_CLOUDS = {"aws": "AWS", "gcp": "Google Cloud", "azure": "Azure"}
_LONGEST_LIST = 6
_POOLS = frozenset(
    ("aws:eks/nodeGroup:NodeGroup", "azure-native:containerservice:AgentPool", "gcp:container/nodePool:NodePool")
)
_PODS = {
    "kubernetes:apps/v1:StatefulSet": "workers",
    "kubernetes:leaderworkerset.x-k8s.io/v1:LeaderWorkerSet": "workers",
    "kubernetes:apps/v1:Deployment": "coordinators",
    "kubernetes:apps/v1:DaemonSet": "agents on the nodes",
}


class Act(str, Enum):
    """How a step acts on resources of a type. From the least to the most."""

    UPDATES = "updates"
    """They change in place, and what runs keeps running."""
    CREATES = "creates"
    DELETES = "deletes"
    RESTARTS = "restarts"
    """Their pods start again, one after another."""
    ROLLS = "rolls"
    """Their nodes are replaced, one after another, with the pods on them."""
    REPLACES = "replaces"
    """New ones take their places."""


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of a change in one cloud. Without steps, it has none."""

    steps: Mapping[Act, tuple[str, ...]] = field(default_factory=dict[Act, tuple[str, ...]])
    """Types of resources."""

    @property
    def lost(self) -> tuple[str, ...]:
        """Types that hold data and are replaced or deleted."""
        return tuple(sorted({token for token in self.of(Act.REPLACES, Act.DELETES) if token in HELD_DATA}))

    def of(self, *acts: Act) -> tuple[str, ...]:
        """Return the types that are acted on in one of these ways."""
        return tuple(token for act in acts for token in self.steps.get(act, ()))


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A row of the table."""

    effects: Mapping[str, Effect]
    """By cloud, where the key applies."""
    note: str = ""
    """A sentence on what the steps do not say, or the reason for a missing example."""


@cache
def read_table() -> dict[str, KeyChange]:
    """Return the rows by key."""
    rows = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {key: _read_row(row) for key, row in rows.items()}


def _read_row(row: dict[str, dict[str, list[str]] | str]) -> KeyChange:
    effects: dict[str, Effect] = {}
    note = ""
    for name, steps in row.items():
        if isinstance(steps, str):
            note = steps  # the only text of a row
            continue
        effect = Effect({Act(act): tuple(types) for act, types in steps.items()})
        effects |= dict.fromkeys(_CLOUDS if name == EVERY_CLOUD else (name,), effect)
    return KeyChange(effects, note)


def write_page() -> str:
    """Return the page."""
    rows = read_table()
    nothing = [key for key, row in rows.items() if not row.note and not any(e.steps for e in row.effects.values())]
    return "\n".join(
        [
            "# Effects of configuration changes",
            "",
            "The cost of changing one key of a running environment in a cloud. Generated from deployments to simulated"
            " clouds, in which that key changes. `novacron preview` shows the steps of your change;"
            " [Changing a running environment](../changing-environments.md) says how to make the large ones."
            " The page covers `platform: aws`, `gcp` and `azure`; not `kubernetes` and `local`.",
            "",
            "| cost | meaning |",
            "|---|---|",
            "| **loses data** | a resource that holds data is replaced or deleted: a database, a cluster, a key."
            " `novacron up` asks first |",
            "| node pools are replaced | the pods on them move to nodes of the new pools, or wait for them |",
            "| nodes are replaced in turn | the cloud drains and replaces a few nodes at a time |",
            "| node pools go | their nodes go, with the pods on them |",
            "| workers (or coordinators) restart in turn | a rolling update: one pod at a time is not ready |",
            "| workers (or coordinators) stop and start | all pods of a profile go, and new ones start |",
            "| nothing stops | resources come, go or change in place, and pods keep running |",
            "",
            "Steps name the types of resources as Pulumi does. Restarts assume `clusters.serving: true`."
            " A cloud without a row does not have the key.",
            "",
            "| key | cloud | cost | steps |",
            "|---|---|---|---|",
            *(line for key, row in rows.items() if key not in nothing for line in _write_row(key, row)),
            "",
            "## Keys without steps",
            "",
            "These are rules and figures of the plan, or apply only to what is created later: "
            + ", ".join(f"`{key}`" for key in nothing)
            + ".",
            "",
        ]
    )


def _write_row(key: str, row: KeyChange) -> Iterator[str]:
    if not row.effects:
        yield f"| `{key}` | | {row.note} | |"
        return
    groups: dict[tuple[str, str], list[str]] = {}
    noted = next((cloud for cloud, effect in row.effects.items() if effect.lost), next(iter(row.effects)))
    for cloud, effect in row.effects.items():
        groups.setdefault((_describe_cost(effect), _describe_steps(effect)), []).append(cloud)
    for number, ((cost, steps), clouds) in enumerate(groups.items()):
        name = f"`{key}`" if number == 0 else ""
        where = "all" if len(clouds) == len(_CLOUDS) else ", ".join(_CLOUDS[cloud] for cloud in clouds)
        note = f". {row.note}" if row.note and noted in clouds else ""
        yield f"| {name} | {where} | {cost}{note} | {steps} |"


def _describe_cost(effect: Effect) -> str:
    """Return what runs no longer, the worst first."""
    if not effect.steps:
        return "no step"
    parts: list[str] = []
    if effect.lost:
        parts.append(f"**loses data**: {_join(HELD_DATA[token].what for token in effect.lost)}")
    if _POOLS.intersection(effect.of(Act.REPLACES)):
        parts.append("node pools are replaced")
    if _POOLS.intersection(effect.of(Act.DELETES)):
        parts.append("node pools go")
    if effect.of(Act.ROLLS):
        parts.append("nodes are replaced in turn")
    stopped = _find_pods(effect, Act.REPLACES, Act.DELETES)
    parts += [f"{pods} stop and start" for pods in stopped if pods in _find_pods(effect, Act.REPLACES, Act.CREATES)]
    parts += [f"{pods} stop" for pods in stopped if pods not in _find_pods(effect, Act.REPLACES, Act.CREATES)]
    parts += [f"{pods} restart in turn" for pods in _find_pods(effect, Act.RESTARTS)]
    return "; ".join(parts) or "nothing stops"


def _find_pods(effect: Effect, *acts: Act) -> list[str]:
    return list(dict.fromkeys(_PODS[token] for token in effect.of(*acts) if token in _PODS))


def _describe_steps(effect: Effect) -> str:
    parts: list[str] = []
    for act in reversed(Act):
        if types := effect.of(act):
            long = len(types) > _LONGEST_LIST and act is not Act.REPLACES
            parts.append(f"{act.value} {f'{len(types)} types' if long else _join(map(_shorten, types))}")
    return "; ".join(parts)


def _join(items: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(items))


def _shorten(token: str) -> str:
    """Return a type without its package: `eks.Cluster` of `aws:eks/cluster:Cluster`."""
    package, module, name = token.split(":")
    return name if package == "kubernetes" else f"{module.partition('/')[0]}.{name}"


if __name__ == "__main__":
    sys.stdout.write(write_page())
