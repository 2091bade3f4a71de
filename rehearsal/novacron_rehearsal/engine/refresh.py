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
        inputs = state.inputs if response.inputs is None else response.inputs
        detailed = compare(state.outputs, response.outputs)
        # As in the CLI, a change of the inputs alone is recorded in the state, but is not an update.
        op = StepOp.UPDATE if detailed else StepOp.SAME
        deployment.emit(StepEnded(state.urn, op, "", took))
        deployment.record_step(op, state.urn, detailed)
        if not detailed and not compare(state.inputs, inputs) and response.init_errors == state.init_errors:
            return state
        fresh = replace(
            state,
            id=response.id,
            inputs=inputs,
            outputs=response.outputs,
            init_errors=response.init_errors,
            modified=now(),
        )
        deployment.refreshed(state, fresh)
        return fresh


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
