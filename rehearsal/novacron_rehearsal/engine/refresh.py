"""Refresh: reads every resource in the state from its provider."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from time import monotonic

from novacron_rehearsal import urn
from novacron_rehearsal.engine.deployment import Deployment
from novacron_rehearsal.engine.diff import compare
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.events import StepEnded, StepOp, StepStarted
from novacron_rehearsal.providers.client import Provider
from novacron_rehearsal.state.resource import ResourceState, now


async def refresh(deployment: Deployment) -> list[ResourceState]:
    """Read every managed resource. Returns those that still exist, as they are, in the state's order."""
    states = list(deployment.old_order)
    results = await asyncio.gather(*(_one(deployment, state) for state in states))
    found = [result for result in results if result is not None]
    known = {state.urn for state in found}
    return [_without_vanished(state, known.__contains__) for state in found]


async def _one(deployment: Deployment, state: ResourceState) -> ResourceState | None:
    targets = deployment.run.targets
    outside = state.urn not in targets if targets else deployment.selection.excludes(state.urn)
    if state.delete or outside:
        return state
    if not state.custom or urn.is_provider(state.type):
        deployment.record_step(StepOp.SAME, state.urn)
        return state
    async with deployment.slots:
        if deployment.failed or deployment.cancelled:
            return state
        began = monotonic()
        deployment.emit(StepStarted(state.urn, StepOp.REFRESH, state.parent, state.inputs, None))
        try:
            provider = await deployment.registry.get(state.provider)
            if provider is None:
                return state
            response = await provider.read(state.urn, state.id, state.inputs, state.outputs)
            fresh = replace(
                state,
                id=response.id,
                inputs=state.inputs if response.inputs is None else response.inputs,
                outputs=response.outputs,
                init_errors=response.init_errors,
            )
            drifted = bool(response.id) and await _has_drifted(provider, state, fresh)
        except RehearsalError as error:
            deployment.emit(StepEnded(state.urn, StepOp.REFRESH, str(error), monotonic() - began))
            deployment.fail(state.urn, str(error))
            return state
        took = monotonic() - began
        if not response.id:
            deployment.emit(StepEnded(state.urn, StepOp.DELETE, "", took))
            deployment.record_step(StepOp.DELETE, state.urn)
            deployment.sink.commit(None, [state], [])
            return None
        detailed = compare(state.outputs, fresh.outputs) if drifted else {}
        op = StepOp.UPDATE if drifted else StepOp.SAME
        deployment.emit(StepEnded(state.urn, op, "", took))
        deployment.record_step(op, state.urn, detailed)
        if fresh == state:
            return state
        fresh = replace(fresh, modified=now())
        deployment.refreshed(state, fresh)
        return fresh


async def _has_drifted(provider: Provider, state: ResourceState, fresh: ResourceState) -> bool:
    """Return whether the provider would change the resource back, which the CLI reports as an update."""
    if state.external:
        return bool(compare(state.outputs, fresh.outputs))
    diff = await provider.diff(fresh, state.inputs, state.ignore_changes)
    return bool(compare(fresh.inputs, state.inputs)) if diff.changes is None else diff.changes


def _without_vanished(state: ResourceState, known: Callable[[str], bool]) -> ResourceState:
    """Remove dependencies on resources that do not exist any more, as the CLI does."""
    property_dependencies = {
        key: [where for where in urns if known(where)] for key, urns in state.property_dependencies.items()
    }
    return replace(
        state,
        dependencies=[where for where in state.dependencies if known(where)],
        property_dependencies={key: urns for key, urns in property_dependencies.items() if urns},
    )
