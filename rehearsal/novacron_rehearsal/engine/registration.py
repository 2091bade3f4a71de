"""What the program asks for: a resource registered or read, a function called, outputs; and what follows for each.

A custom resource's registration is decided in `custom_resources.py`, a provider's in `provider_resources.py`.
The program's side of the protocol is in `monitor.py`.
"""

from __future__ import annotations

from dataclasses import replace

from novacron_rehearsal import urn
from novacron_rehearsal.engine.aliases import old_urns, with_new_names
from novacron_rehearsal.engine.custom_resources import custom_resource, read_resource
from novacron_rehearsal.engine.deployment import Deployment
from novacron_rehearsal.engine.diff import apply_ignore_changes, parse_path
from novacron_rehearsal.engine.provider_resources import provider_resource
from novacron_rehearsal.engine.run import StepFailedError
from novacron_rehearsal.errors import CancelledError, RehearsalError
from novacron_rehearsal.events import StackOutputs, StepOp
from novacron_rehearsal.protocol.goal import Goal
from novacron_rehearsal.providers.client import CheckFailure
from novacron_rehearsal.state.resource import ResourceState, now
from novacron_rehearsal.state.secret_marks import mark_secrets
from novacron_rehearsal.values import UNKNOWN, PropertyMap, contains_unknown, without_outputs


async def register(deployment: Deployment, goal: Goal) -> ResourceState:
    """Bring one resource to what the program wants; its state (in previews: as far as it is known).

    Raises:
        StepFailedError: when it failed; the diagnostic is already out.
        CancelledError: when the run ends and starts nothing new.
    """
    async with deployment.working():
        try:
            return await _register(deployment, goal)
        except (StepFailedError, CancelledError):
            raise
        except (RehearsalError, ValueError) as error:
            where = urn.make(deployment.run.stack, deployment.run.project, goal.parent, goal.type, goal.name)
            raise deployment.fail(where, str(error)) from error


async def read(deployment: Deployment, goal: Goal, id_: str) -> ResourceState:
    """Read a resource that something else manages (`.get`). Raises as `register` does."""
    async with deployment.working():
        where = urn.make(deployment.run.stack, deployment.run.project, goal.parent, goal.type, goal.name)
        try:
            deployment.registered.add(where)
            old = _find_old(deployment, where, goal)
            _inherit(deployment, where, goal)
            return await read_resource(deployment, where, goal, id_, old)
        except (StepFailedError, CancelledError):
            raise
        except (RehearsalError, ValueError) as error:
            raise deployment.fail(where, str(error)) from error


async def invoke(
    deployment: Deployment, token: str, arguments: PropertyMap, provider_ref: str, version: str
) -> tuple[PropertyMap | None, list[CheckFailure]]:
    """Call a provider's function; `None` when its result cannot be known yet."""
    async with deployment.working():
        ref = provider_ref or await deployment.providers.of(urn.package_of(token), version)
        provider = await deployment.registry.get(ref)
        if provider is None or any(contains_unknown(value) for value in arguments.values()):
            return None, []
        return await provider.invoke(token, arguments)


async def register_outputs(deployment: Deployment, where: str, outputs: PropertyMap) -> None:
    """The outputs of a component or of the stack."""
    state = deployment.news.get(where)
    if state is None:
        if where in deployment.selection.not_done or where in deployment.selection.not_made:
            return
        raise deployment.fail(where, "outputs were registered for a resource that was not")
    plain = {key: without_outputs(value) for key, value in outputs.items()}
    if state.type == urn.STACK_TYPE:
        deployment.stack_urn, deployment.outputs = where, plain
    else:
        _set_outputs(deployment, state, plain)


def settle_stack_outputs(deployment: Deployment) -> None:
    """At the end of the program: a run that failed may not have come to all outputs, so it takes none away."""
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


async def _register(deployment: Deployment, goal: Goal) -> ResourceState:
    where = urn.make(deployment.run.stack, deployment.run.project, goal.parent, goal.type, goal.name)
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
        return await _untargeted(deployment, new, old)
    if missing := deployment.selection.missing(new):
        deployment.refuse(where, f"it depends on {missing}, which does not exist and is excluded; exclude it too")
    if not goal.custom:
        return await _component(deployment, new, old)
    if goal.is_provider:
        return await provider_resource(deployment, new, old, goal)
    new.provider = await deployment.providers.reference_for(goal)
    provider = await deployment.registry.get(new.provider)
    return await custom_resource(deployment, new, old, provider, goal)


def _find_old(deployment: Deployment, where: str, goal: Goal) -> ResourceState | None:
    """What a resource was before this run, under its own name or a former one, as it reads after all renames."""
    former_parent = deployment.former.get(goal.parent, "")
    for candidate in (where, *old_urns(deployment.run.stack, deployment.run.project, where, goal, former_parent)):
        old = deployment.olds.get(candidate)
        if old is None or candidate in deployment.claimed:
            continue
        deployment.claimed.add(candidate)
        if candidate != where:
            deployment.renamed[candidate] = where
            deployment.former[where] = candidate
        return with_new_names(old, deployment.renamed)
    return None


def _inherit(deployment: Deployment, where: str, goal: Goal) -> None:
    """Options that children take from their parents."""
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


async def _untargeted(deployment: Deployment, new: ResourceState, old: ResourceState | None) -> ResourceState:
    """Outside the targets: what exists stays as it is, what does not is not made."""
    if old is None:
        if deployment.run.exclude:
            deployment.selection.not_made.add(new.urn)
            deployment.announce(StepOp.SAME, new, None)
        elif not new.custom:
            return await _component(deployment, new, None)
        return replace(new, outputs=dict.fromkeys(new.inputs, UNKNOWN))
    async with deployment.step(StepOp.SAME, old, old):
        deployment.keep(old, old)
    return old if old.custom else replace(old, outputs={})


async def _component(deployment: Deployment, new: ResourceState, old: ResourceState | None) -> ResourceState:
    if new.type == urn.STACK_TYPE:
        new.inputs, new.property_dependencies = {}, {}
    await deployment.ask_policies(new, {})
    if old is None or old.custom:
        async with deployment.step(StepOp.CREATE, new, None):
            new.created = new.modified = now()
            deployment.record(None, [], new)
    else:
        new.created, new.modified = old.created, old.modified
        new.outputs = old.outputs
        differs = old.inputs != new.inputs
        async with deployment.step(StepOp.UPDATE if differs else StepOp.SAME, new, old):
            deployment.keep(old, new)
    return replace(new, outputs={})
