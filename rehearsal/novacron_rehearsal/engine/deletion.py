"""Deletes resources that the program no longer registers, replaced ones, and those of a delete-before-replace."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from time import monotonic

from novacron_rehearsal import urn
from novacron_rehearsal.engine.deployment import Deployment
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.events import Diagnostic, Operation, Severity, StepEnded, StepOp, StepStarted
from novacron_rehearsal.providers.registry import split_reference
from novacron_rehearsal.state.resource import OperationKind, PendingOperation, ResourceState
from novacron_rehearsal.values import UNKNOWN


async def delete_unwanted(deployment: Deployment) -> None:
    """Delete the resources that the program did not register, and the replaced ones: dependents first, in parallel.

    A protected resource stays, with everything that it needs, and fails the run. A destroy then deletes nothing.

    Raises:
        RehearsalError: when a resource outside the targets depends on one of them.
    """
    unwanted = [
        state
        for state in deployment.olds.values()
        if state.urn not in deployment.claimed and state.urn not in deployment.deleted_early
    ]
    if deployment.run.targets:
        chosen = _within_targets(deployment, unwanted)
        if deployment.run.operation is Operation.DESTROY:
            for state in unwanted:
                if state not in chosen:
                    deployment.record_step(StepOp.SAME, state.urn)
        unwanted = chosen
    if deployment.run.exclude and not deployment.run.targets:
        excluded = [state.urn for state in deployment.old_order if deployment.selection.excludes(state.urn)]
        kept = _with_needs(deployment, excluded)
        if deployment.run.operation is Operation.DESTROY:
            for state in unwanted:
                if state.urn in kept:
                    deployment.record_step(StepOp.SAME, state.urn)
        unwanted = [state for state in unwanted if state.urn not in kept]
    # A resource that failed or was skipped is unchanged, so what it needs stays too.
    needed = _with_needs(deployment, deployment.selection.not_done)
    unwanted = [state for state in unwanted if state.urn not in needed]
    protected = [state for state in unwanted if state.protect]
    if protected and deployment.run.operation is Operation.DESTROY:
        _refuse(deployment, protected)
        return
    unwanted = _without_needs_of(protected, unwanted)
    steps = [(state, StepOp.DISCARD if state.external else StepOp.DELETE) for state in unwanted]
    steps += [
        (state, StepOp.DISCARD_REPLACED if state.external else StepOp.DELETE_REPLACED)
        for state in deployment.pending_deletes.values()
        if state.urn not in needed and not deployment.selection.excludes(state.urn)
    ]
    await _delete_all(deployment, steps)
    _refuse(deployment, protected)


def _refuse(deployment: Deployment, protected: list[ResourceState]) -> None:
    for state in protected:
        deployment.fail(
            state.urn,
            "it is protected and cannot be deleted; end its protection (`protected: false` in an environment of "
            "NovaCron, else its option `protect`), run `up`, and try again",
        )


def _without_needs_of(kept: list[ResourceState], unwanted: list[ResourceState]) -> list[ResourceState]:
    """Return the unwanted resources that can be deleted while `kept`, which are unwanted too, stay.

    Resources that the program registered do not count, unlike in `_with_needs`: they are up to date now, and what only
    their former state needed can be deleted.
    """
    staying = {state.urn for state in kept}
    # In the state, a resource comes after those that it needs, so one pass from the end finds everything.
    for state in reversed(unwanted):
        if state.urn in staying:
            staying.update(state.needs())
    return [state for state in unwanted if state.urn not in staying]


def _with_needs(deployment: Deployment, roots: Iterable[str]) -> set[str]:
    """Return the URNs and all that they needed before this run, directly or indirectly.

    Former needs of all resources count, unlike in `_without_needs_of`: resources between the roots and the unwanted
    ones may not be up to date.
    """
    found = set(roots)
    for state in reversed(deployment.old_order) if found else ():
        if state.urn in found:
            found.update(state.needs())
    return found


def _within_targets(deployment: Deployment, unwanted: list[ResourceState]) -> list[ResourceState]:
    chosen = {state.urn for state in unwanted if state.urn in deployment.run.targets}
    grown = True
    while grown:
        dependents = [s for s in unwanted if s.urn not in chosen and not chosen.isdisjoint(s.needs())]
        grown = bool(dependents)
        if dependents and not deployment.run.target_dependents:
            names = ", ".join(state.urn for state in dependents)
            raise RehearsalError(
                f"the targets cannot be deleted while these resources depend on them: {names}; add these to the "
                "targets or use --target-dependents"
            )
        chosen.update(state.urn for state in dependents)
    return [state for state in unwanted if state.urn in chosen]


async def _delete_all(deployment: Deployment, steps: Sequence[tuple[ResourceState, StepOp]]) -> None:
    """Delete each resource as soon as all that need it are deleted."""
    going = {state.urn for state, op in steps if op in (StepOp.DELETE, StepOp.DISCARD)}
    finished: dict[int, asyncio.Task[bool]] = {}
    dependents: dict[str, list[int]] = {}
    for index, (state, _) in enumerate(steps):
        for where in state.needs():
            dependents.setdefault(where, []).append(index)

    async def one(index: int) -> bool:
        state, op = steps[index]
        waiting = [finished[i] for i in dependents.get(state.urn, ()) if i != index and steps[i][0].urn != state.urn]
        if not all([await task for task in waiting]):
            return False
        if deployment.ending:
            return False
        return await delete(deployment, state, op, going)

    # In the state, dependents come after a resource: in reverse order, the tasks of all dependents exist already.
    for index in reversed(range(len(steps))):
        finished[index] = asyncio.create_task(one(index))
    await asyncio.gather(*finished.values())


async def delete(deployment: Deployment, state: ResourceState, op: StepOp, going: Iterable[str] = ()) -> bool:
    """Delete one resource. Returns whether that succeeded."""
    async with deployment.slots:
        began = monotonic()
        deployment.emit(StepStarted(state.urn, op, state.parent, state.inputs, None))
        error = ""
        try:
            await _carry_out(deployment, state, set(going))
        except RehearsalError as problem:
            error = str(problem)
        deployment.emit(StepEnded(state.urn, op, error, monotonic() - began))
        if error:
            deployment.fail(state.urn, error, stops=not deployment.run.continue_on_error)
            return False
        deployment.record_step(op, state.urn)
        return True


async def _carry_out(deployment: Deployment, state: ResourceState, going: set[str]) -> None:
    if deployment.run.dry_run:
        return
    goes_with_its_host = state.deleted_with in going
    token = None if goes_with_its_host else await _ask_provider(deployment, state)
    deployment.remove(state, token)


async def _ask_provider(deployment: Deployment, state: ResourceState) -> int | None:
    """Have the provider delete a resource that it manages. The caller records the end under the token."""
    if state.retain_on_delete or not state.custom or state.external or urn.is_provider(state.type):
        return None
    provider = await deployment.registry.get(state.provider)
    if provider is None:
        raise RehearsalError("it cannot be deleted, because its provider's configuration is unknown")
    timeout = state.custom_timeouts.delete_s if state.custom_timeouts else 0
    with deployment.record_operation(OperationKind.DELETING, state) as token:
        await provider.delete(state, timeout)
    return token


async def delete_before_replace(deployment: Deployment, root: ResourceState) -> None:
    """Delete a resource to be replaced, and before it its dependents that must be replaced too."""
    to_replace = await _find_dependents_to_replace(deployment, root)
    for state in to_replace:
        deployment.skip_if_blocked(state)
    for state in reversed(to_replace):
        current = deployment.find_current(state)
        deployment.deleted_early.add(state.urn)
        if state.urn != root.urn and current.protect:
            raise RehearsalError(f"{current.urn} depends on it and would be deleted with it, but is protected")
        began = monotonic()
        deployment.emit(StepStarted(current.urn, StepOp.DELETE_REPLACED, current.parent, current.inputs, None))
        try:
            if not deployment.run.dry_run:
                token = await _ask_provider(deployment, current)
                deployment.mark_pending_replacement(current, token)
        except RehearsalError as error:
            deployment.emit(StepEnded(current.urn, StepOp.DELETE_REPLACED, str(error), monotonic() - began))
            raise
        deployment.emit(StepEnded(current.urn, StepOp.DELETE_REPLACED, "", monotonic() - began))
        deployment.record_step(StepOp.DELETE_REPLACED, current.urn)


async def _find_dependents_to_replace(deployment: Deployment, root: ResourceState) -> list[ResourceState]:
    """Return the resource and the dependents that must be replaced with it, in the order of the state."""
    to_replace = [root]
    names = {root.urn}
    for state in deployment.olds.values():
        if state.urn == root.urn or not state.custom or state.external or state.urn in deployment.deleted_early:
            continue
        if state.urn in deployment.news:
            continue
        if state.provider and split_reference(state.provider)[0] in names:
            to_replace.append(state)
            names.add(state.urn)
            continue
        touched = [key for key, urns in state.property_dependencies.items() if names & set(urns)]
        if not touched or urn.is_provider(state.type):
            continue
        provider = await deployment.registry.get(state.provider)
        if provider is None:
            continue
        inputs = {**state.inputs, **{key: UNKNOWN for key in touched if key in state.inputs}}
        diff = await provider.diff(state, inputs, state.ignore_changes)
        if diff.replaces:
            to_replace.append(state)
            names.add(state.urn)
    return to_replace


def warn_pending(deployment: Deployment, operations: Sequence[PendingOperation]) -> None:
    """Warn about operations that an interrupted run did not complete."""
    for operation in operations:
        advice = {
            OperationKind.CREATING: "it may exist although it is not in the state; this run creates it again",
            OperationKind.IMPORTING: "this run imports it again",
        }.get(operation.kind, "this run applies what the program wants")
        deployment.emit(
            Diagnostic(
                Severity.WARNING,
                f"an earlier run was interrupted while {operation.kind.value} this resource: {advice}",
                operation.resource.urn,
            )
        )
