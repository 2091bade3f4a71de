"""Registers provider resources: those of the program, and the default ones that the engine adds."""

from __future__ import annotations

import uuid
from dataclasses import replace

from novacron_rehearsal import urn
from novacron_rehearsal.engine.deployment import Deployment
from novacron_rehearsal.engine.diff import compare
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.events import PropertyDiff, StepOp
from novacron_rehearsal.protocol.goal import Goal
from novacron_rehearsal.providers.client import DiffResult, describe_failures
from novacron_rehearsal.providers.launch import Started
from novacron_rehearsal.providers.registry import make_reference
from novacron_rehearsal.state.resource import ResourceState, now


async def register_provider(
    deployment: Deployment, new: ResourceState, old: ResourceState | None, goal: Goal
) -> ResourceState:
    """Start, check, configure and record a provider, as the program declares it."""
    package = urn.package_of(new.type)
    version = goal.version or deployment.providers.newest_version(package)
    if version and "version" not in new.inputs:
        new.inputs = {**new.inputs, "version": version}
    started = await deployment.registry.launch(package, version, new.urn)
    visible_old = {} if old is None else {k: v for k, v in old.inputs.items() if k != "__internal"}
    inputs, failures = await started.provider.check_config(new.urn, visible_old, new.inputs)
    if failures:
        raise RehearsalError(describe_failures(new, failures))
    new.inputs = inputs
    new.outputs = dict(inputs)
    await deployment.check_policies(new, {})
    if old is None:
        async with deployment.run_step(StepOp.CREATE, new, None):
            new.id = "" if deployment.run.dry_run else str(uuid.uuid4())
            new.created = new.modified = now()
            await deployment.registry.bind(make_reference(new.urn, new.id), started, inputs)
            deployment.record(None, [], new)
        return new
    detailed = compare(visible_old, {k: v for k, v in inputs.items() if k != "__internal"})
    diff = DiffResult(changes=False)
    if detailed:
        diff = await started.provider.diff_config(replace(old, inputs=visible_old), inputs)
    if diff.replaces:
        return await _replace_provider(deployment, new, old, started, detailed)
    new.id, new.created, new.modified = old.id, old.created, old.modified
    op = StepOp.UPDATE if detailed else StepOp.SAME
    async with deployment.run_step(op, new, old, detailed):
        if op is StepOp.UPDATE:
            new.modified = now()
        await deployment.registry.bind(make_reference(new.urn, new.id), started, inputs)
        deployment.keep(old, new)
    return new


async def _replace_provider(
    deployment: Deployment, new: ResourceState, old: ResourceState, started: Started, detailed: dict[str, PropertyDiff]
) -> ResourceState:
    async with deployment.run_step(StepOp.CREATE_REPLACEMENT, new, old, detailed):
        new.id = "" if deployment.run.dry_run else str(uuid.uuid4())
        new.created = new.modified = now()
        await deployment.registry.bind(make_reference(new.urn, new.id), started, new.inputs)
        deployment.retire(old, new)
    deployment.announce(StepOp.REPLACE, new, old, detailed)
    return new
