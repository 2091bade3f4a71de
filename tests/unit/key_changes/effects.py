"""The effect of a change: the steps of a deployment, by how they act on a stack."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from novacron_rehearsal.events import StepOp

from tests.unit.key_changes.environments import CLOUDS
from tests.unit.key_changes.examples import Example, find_example, list_keys, read_rows
from tests.unit.simulated_stack import Deployment, Step, deploy
from tools.site.key_changes import EVERY_CLOUD, TABLE, Act, Effect, read_table

_WORKLOADS = {
    "kubernetes:apps/v1:DaemonSet": "spec.template.",
    "kubernetes:apps/v1:Deployment": "spec.template.",
    "kubernetes:apps/v1:StatefulSet": "spec.template.",
    "kubernetes:leaderworkerset.x-k8s.io/v1:LeaderWorkerSet": "spec.leaderWorkerTemplate.",
}
"""Types whose pods start again, one after another, when what is below a path changes."""
_NODES = {
    "aws:ec2/launchTemplate:LaunchTemplate": ("",),
    "aws:eks/nodeGroup:NodeGroup": ("version", "amiType", "releaseVersion"),
    "azure-native:containerservice:AgentPool": ("orchestratorVersion",),
    "gcp:container/cluster:Cluster": ("minMasterVersion",),
    "gcp:container/nodePool:NodePool": ("nodeConfig.", "version"),
}
"""Types whose nodes the cloud replaces, one after another, when what is below a path changes.

A managed node group takes the newest version of its launch template. GKE upgrades nodes after the control plane.
"""
_IN_PLACE = ("nodeConfig.resourceLabels",)
_ACTS = {StepOp.CREATE: Act.CREATES, StepOp.DELETE: Act.DELETES, StepOp.REPLACE: Act.REPLACES}


def describe(deployment: Deployment) -> Effect:
    """Return the types of resources that the steps of a deployment act on."""
    found: dict[Act, set[str]] = {}
    for step in deployment.steps:
        found.setdefault(_find_act(step), set()).add(step.type)
    return Effect({act: tuple(sorted(found[act])) for act in Act if act in found})


def _find_act(step: Step) -> Act:
    if step.op is not StepOp.UPDATE:
        return _ACTS[step.op]
    if any(path.startswith(_WORKLOADS.get(step.type, "-")) for path in step.paths):
        return Act.RESTARTS
    paths = [path for path in step.paths if not path.startswith(_IN_PLACE)]
    return Act.ROLLS if any(path.startswith(_NODES.get(step.type, "-")) for path in paths) else Act.UPDATES


@functools.cache
def _deploy_before(environment: str) -> Deployment:
    return deploy(json.loads(environment))


def preview(example: Example) -> Effect:
    """Return what the change of one key does."""
    before = _deploy_before(json.dumps(example.before, sort_keys=True))
    return describe(deploy(example.after, before))


def measure(key: str) -> dict[str, Effect]:
    """Return what the change of a key does in each cloud where it applies."""
    examples = {cloud: find_example(key, cloud) for cloud in CLOUDS}
    return {cloud: preview(example) for cloud, example in examples.items() if example is not None}


def write_table(keys: Iterable[str]) -> None:
    """Write the table again. Rows of keys that are not in `keys` stay."""
    known = read_table() if TABLE.exists() else {}
    rows = {key: measure(key) if key in keys or key not in known else known[key].effects for key in list_keys()}
    text = yaml.safe_dump(
        {key: _show(key, effects) for key, effects in rows.items()}, sort_keys=False, width=120, default_flow_style=None
    )
    TABLE.write_text(_HEAD + text, encoding="utf-8")


def _show(key: str, effects: Mapping[str, Effect]) -> dict[str, Any]:
    """Return a row as the file has it."""
    example = read_rows().get(key, {})
    shown: dict[str, Any] = {
        cloud: {act.value: [*types] for act, types in e.steps.items()} for cloud, e in effects.items()
    }
    if len(shown) == len(CLOUDS) and all(steps == shown[CLOUDS[0]] for steps in shown.values()):
        shown = {EVERY_CLOUD: shown[CLOUDS[0]]}
    note = example.get("refused") or example.get("note")
    return shown | ({"note": note} if note else {})


_HEAD = """\
# What a change of each key of a cloud environment does, by types of resources. `python -m tests.unit.key_changes`
# writes it from deployments of `tests/unit/key_changes/examples.yaml`; `make golden` writes docs/reference/changes.md
# from it.
"""
