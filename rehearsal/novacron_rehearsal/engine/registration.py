"""Carries out the program's requests: to register or read a resource, to call a function, to register outputs.

`custom_resources.py` decides on custom resources, `provider_resources.py` on providers. `monitor.py` receives the
requests.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

from novacron_rehearsal import urn
from novacron_rehearsal.engine.aliases import apply_renames, find_former_urns
from novacron_rehearsal.engine.custom_resources import read_resource, register_custom_resource
from novacron_rehearsal.engine.deployment import Deployment
from novacron_rehearsal.engine.diff import apply_ignore_changes, parse_path
from novacron_rehearsal.engine.provider_resources import register_provider
from novacron_rehearsal.engine.run import StepFailedError
from novacron_rehearsal.errors import CancelledError, RehearsalError
from novacron_rehearsal.events import StackOutputs, StepOp
from novacron_rehearsal.protocol.goal import Goal
from novacron_rehearsal.providers.client import CheckFailure
from novacron_rehearsal.state.resource import ResourceState, now
from novacron_rehearsal.state.secret_marks import mark_secrets
from novacron_rehearsal.values import UNKNOWN, PropertyMap, contains_unknown, without_outputs


async def register(deployment: Deployment, goal: Goal) -> ResourceState:
    """Create, update or keep one resource. Returns its state; in a preview, as far as it is known.

    Raises:
        StepFailedError: when that failed. The error has been reported.
        CancelledError: when the run is ending.
    """
    async with _handle_request(deployment, goal) as where:
        return await _register(deployment, where, goal)


async def read(deployment: Deployment, goal: Goal, id_: str) -> ResourceState:
    """Read a resource that the program does not manage (`.get`). Raises the same errors as `register`."""
    async with _handle_request(deployment, goal) as where:
        deployment.registered.add(where)
        old = _find_old(deployment, where, goal)
        _inherit(deployment, where, goal)
        return await read_resource(deployment, where, goal, id_, old)


async def invoke(
    deployment: Deployment, token: str, arguments: PropertyMap, provider_ref: str, version: str
) -> tuple[PropertyMap | None, list[CheckFailure]]:
    """Call a provider's function. The result is `None` while it cannot be known."""
    async with deployment.track_request():
        ref = provider_ref or await deployment.providers.of(urn.package_of(token), version)
        provider = await deployment.registry.get(ref)
        if provider is None or any(contains_unknown(value) for value in arguments.values()):
            return None, []
        return await provider.invoke(token, arguments)


async def register_outputs(deployment: Deployment, where: str, outputs: PropertyMap) -> None:
    """Record the outputs of a component or of the stack."""
    state = deployment.news.get(where)
    if state is None:
        if where in deployment.selection.not_done or where in deployment.selection.not_made:
            return
        raise deployment.fail(where, "outputs were registered for a resource that was not registered")
    plain = {key: without_outputs(value) for key, value in outputs.items()}
    if state.type == urn.STACK_TYPE:
        deployment.stack_urn, deployment.outputs = where, plain
    else:
        _set_outputs(deployment, state, plain)


def finish_stack_outputs(deployment: Deployment) -> None:
    """Record the stack's outputs at the end of the program.

    A failed run may not have registered every output, so existing outputs are kept.
    """
    state = deployment.news.get(deployment.stack_urn)
    if state is None:
        return
    if deployment.failed or deployment.cancelled or deployment.run.exclude:
        known = deployment.outputs
        if not deployment.run.dry_run:
            known = {key: value for key, value in known.items() if not contains_unknown(value)}
        deployment.outputs = {**state.outputs, **known}
    deployment.emit(StackOutputs(deployment.outputs))
    _set_outputs(deployment, state, deployment.outputs)


def _set_outputs(deployment: Deployment, state: ResourceState, outputs: PropertyMap) -> None:
    changed = replace(state, outputs=outputs)
    mark_secrets(changed)
    deployment.news[state.urn] = changed
    if state.outputs != changed.outputs:
        deployment.sink.commit(None, [state], [changed])


@asynccontextmanager
async def _handle_request(deployment: Deployment, goal: Goal) -> AsyncGenerator[str, None]:
    """Track a request for a resource, and report its error unless that has been reported. Yields the resource's URN."""
    async with deployment.track_request():
        where = deployment.run.make_urn(goal.parent, goal.type, goal.name)
        try:
            yield where
        except (StepFailedError, CancelledError):
            raise
        except (RehearsalError, ValueError) as error:
            raise deployment.fail(where, str(error)) from error


async def _register(deployment: Deployment, where: str, goal: Goal) -> ResourceState:
    if where in deployment.registered:
        raise RehearsalError(f"Duplicate resource URN {where!r}; try giving it a unique name")
    deployment.registered.add(where)
    old = _find_old(deployment, where, goal)
    _inherit(deployment, where, goal)
    inputs = goal.inputs
    if old is not None and goal.ignore_changes:
        inputs = apply_ignore_changes(old.inputs, inputs, goal.ignore_changes)
    elif goal.ignore_changes:
        for pattern in goal.ignore_changes:
            parse_path(pattern)
    new = ResourceState(
        urn=where,
        type=goal.type,
        custom=goal.custom,
        inputs=inputs,
        parent=goal.parent,
        dependencies=goal.dependencies,
        property_dependencies=goal.property_dependencies,
        protect=bool(goal.protect),
        additional_secret_outputs=goal.additional_secret_outputs,
        custom_timeouts=goal.custom_timeouts,
        import_id=goal.import_id,
        retain_on_delete=bool(goal.retain_on_delete),
        deleted_with=goal.deleted_with,
        replace_with=goal.replace_with,
        source_position=goal.source_position,
        ignore_changes=goal.ignore_changes,
        hide_diff=goal.hide_diff,
        replace_on_changes=goal.replace_on_changes,
        replacement_trigger=goal.replacement_trigger,
    )
    if not deployment.selection.includes(new):
        return await _keep_untargeted(deployment, new, old)
    if missing := deployment.selection.missing(new):
        deployment.refuse(where, f"it depends on {missing}, which does not exist and is excluded; exclude it too")
    if not goal.custom:
        return await _register_component(deployment, new, old)
    if goal.is_provider:
        return await register_provider(deployment, new, old, goal)
    new.provider = await deployment.providers.reference_for(goal)
    provider = await deployment.registry.get(new.provider)
    return await register_custom_resource(deployment, new, old, provider, goal)


def _find_old(deployment: Deployment, where: str, goal: Goal) -> ResourceState | None:
    """Return a resource's state before this run, under its own name or a former one, with all renames applied."""
    former_parent = deployment.former.get(goal.parent, "")
    for candidate in (
        where,
        *find_former_urns(deployment.run.stack, deployment.run.project, where, goal, former_parent),
    ):
        old = deployment.olds.get(candidate)
        if old is None or candidate in deployment.claimed:
            continue
        deployment.claimed.add(candidate)
        if candidate != where:
            deployment.renamed[candidate] = where
            deployment.former[where] = candidate
        return apply_renames(old, deployment.renamed)
    return None


def _inherit(deployment: Deployment, where: str, goal: Goal) -> None:
    """Set the options that a resource inherits from its parent."""
    parent = deployment.news.get(goal.parent)
    inherited = deployment.component_providers.get(goal.parent, {})
    if not goal.custom:
        deployment.component_providers[where] = {**inherited, **goal.providers}
    elif not goal.provider and not goal.is_provider:
        goal.provider = inherited.get(urn.package_of(goal.type), "")
    if parent is not None and parent.type != urn.STACK_TYPE:
        if goal.protect is None:
            goal.protect = parent.protect
        if goal.retain_on_delete is None:
            goal.retain_on_delete = parent.retain_on_delete
        if not goal.deleted_with:
            goal.deleted_with = parent.deleted_with


async def _keep_untargeted(deployment: Deployment, new: ResourceState, old: ResourceState | None) -> ResourceState:
    """Handle a resource outside the targets: keep it as it is, or do not create it."""
    if old is None:
        if deployment.run.exclude:
            deployment.selection.not_made.add(new.urn)
            deployment.announce(StepOp.SAME, new, None)
        elif not new.custom:
            return await _register_component(deployment, new, None)
        return replace(new, outputs=dict.fromkeys(new.inputs, UNKNOWN))
    async with deployment.run_step(StepOp.SAME, old, old):
        deployment.keep(old, old)
    return old if old.custom else replace(old, outputs={})


async def _register_component(deployment: Deployment, new: ResourceState, old: ResourceState | None) -> ResourceState:
    if new.type == urn.STACK_TYPE:
        new.inputs, new.property_dependencies = {}, {}
    await deployment.check_policies(new, {})
    if old is None or old.custom:
        async with deployment.run_step(StepOp.CREATE, new, None):
            new.created = new.modified = now()
            deployment.record(None, [], new)
    else:
        new.created, new.modified = old.created, old.modified
        new.outputs = old.outputs
        differs = old.inputs != new.inputs
        async with deployment.run_step(StepOp.UPDATE if differs else StepOp.SAME, new, old):
            deployment.keep(old, new)
    return replace(new, outputs={})
