"""Registers custom resources: decides whether to keep, create, update, replace, import or read one, and does it.

Providers are resources too; `provider_resources.py` registers those.
"""

from __future__ import annotations

import uuid
from dataclasses import replace

from novacron_rehearsal.engine.default_providers import is_default
from novacron_rehearsal.engine.deletion import delete_before_replace
from novacron_rehearsal.engine.deployment import Deployment
from novacron_rehearsal.engine.diff import compare, matches, parse_path
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.events import Diagnostic, DiffKind, PropertyDiff, Severity, StepOp
from novacron_rehearsal.protocol.goal import Goal
from novacron_rehearsal.providers.client import DiffResult, Provider, ProviderResponse, describe_failures
from novacron_rehearsal.providers.registry import split_reference
from novacron_rehearsal.state.resource import OperationKind, ResourceState, now
from novacron_rehearsal.values import PropertyMap, Value, contains_unknown


async def register_custom_resource(
    deployment: Deployment, new: ResourceState, old: ResourceState | None, provider: Provider | None, goal: Goal
) -> ResourceState:
    """Create, update, replace, import or keep a custom resource, as the program declares it."""
    if old is not None and (old.external or not old.custom):
        # It was only read before, or was a component: it is created now.
        deployment.schedule_deletion(old)
        old = None
    gone = old is not None and (old.urn in deployment.deleted_early or old.pending_replacement)
    base = None if gone else old
    importing = bool(new.import_id) and (base is None or (base.import_id or base.id) != new.import_id)
    if importing:
        base = await _import(deployment, new, base, provider)
    goal_inputs = new.inputs
    new.inputs = await _check(new, base.inputs if base else {}, goal_inputs, provider)
    new.inputs = await deployment.check_policies(new, new.inputs)
    if base is None:
        if old is not None:
            return await _recreate(deployment, new, old, provider)
        async with deployment.run_step(StepOp.CREATE, new, None):
            await _create_and_record(deployment, new, provider, [])
        return new
    diff = await _diff(deployment, new, base, provider, goal)
    if diff.replaces or _forced_replacement(deployment, new, base):
        return await _replace(deployment, new, base, provider, goal, goal_inputs, diff)
    if diff.changes or base.init_errors or base.urn in deployment.interrupted:
        await deployment.hooks.run_before_update(goal.before_update, base, new)
        return await _update(deployment, new, base, provider, diff)
    new.id, new.outputs = base.id, base.outputs
    new.created, new.modified = base.created, base.modified
    new.init_errors = base.init_errors
    if importing:
        deployment.keep(base, new)
        return new
    async with deployment.run_step(StepOp.SAME, new, base):
        deployment.keep(base, new)
    return new


async def read_resource(
    deployment: Deployment, where: str, goal: Goal, id_: str, old: ResourceState | None
) -> ResourceState:
    """Read a resource that the program does not manage. It replaces a managed resource of the same name."""
    new = ResourceState(
        urn=where,
        type=goal.type,
        custom=True,
        id=id_,
        inputs=goal.inputs,
        parent=goal.parent,
        dependencies=goal.dependencies,
        external=True,
        additional_secret_outputs=goal.additional_secret_outputs,
        source_position=goal.source_position,
    )
    new.provider = await deployment.providers.reference_for(goal)
    provider = await deployment.registry.get(new.provider)
    known = id_ and not any(contains_unknown(value) for value in goal.inputs.values())
    displaced = old if old is not None and not old.external else None
    op = StepOp.READ_REPLACEMENT if displaced is not None else StepOp.READ
    async with deployment.run_step(op, new, old):
        if provider is None or not known:
            new.outputs = {}
        else:
            response = await provider.read(where, id_, goal.inputs, goal.inputs)
            if not response.id:
                raise RehearsalError(f"the resource with id {id_!r} does not exist")
            _apply_response(new, response)
        if displaced is not None:
            deployment.retire(displaced, new)
        else:
            deployment.record(None, [] if old is None else [deployment.find_current(old)], new)
    if displaced is not None:
        deployment.announce(StepOp.REPLACE, new, displaced)
    return new


async def _check(new: ResourceState, olds: PropertyMap, news: PropertyMap, provider: Provider | None) -> PropertyMap:
    if provider is None:
        return news
    inputs, failures = await provider.check(new.urn, olds, news, uuid.uuid4().bytes * 2)
    if failures:
        raise RehearsalError(describe_failures(new, failures))
    return inputs


async def _diff(
    deployment: Deployment, new: ResourceState, old: ResourceState, provider: Provider | None, goal: Goal
) -> DiffResult:
    if provider is None:
        deployment.emit(Diagnostic(Severity.WARNING, _PROVIDER_UNKNOWN, new.urn))
        return DiffResult(changes=True)
    diff = await provider.diff(old, new.inputs, goal.ignore_changes)
    if diff.changes is None:
        detailed = compare(old.inputs, new.inputs)
        diff = replace(diff, changes=bool(detailed), detailed=detailed)
    patterns = [parse_path(text) for text in goal.replace_on_changes]
    # Only a property that the provider reports as changed can force a replacement.
    forced = [
        path
        for path in {*diff.detailed, *diff.diffs}
        if any(matches(pattern, parse_path(path)) for pattern in patterns)
    ]
    if diff.changes and forced:
        detailed = {path: _replacing(entry) if path in forced else entry for path, entry in diff.detailed.items()}
        diff = replace(diff, replaces=[*diff.replaces, *forced], detailed=detailed)
    if diff.changes and not diff.detailed:
        diff = replace(diff, detailed=_detail(old, new, diff))
    return diff


def _forced_replacement(deployment: Deployment, new: ResourceState, old: ResourceState) -> bool:
    if new.urn in deployment.run.replace or old.taint or any(item in deployment.replaced for item in new.replace_with):
        return True
    if new.replacement_trigger != old.replacement_trigger and not contains_unknown(new.replacement_trigger):
        return old.replacement_trigger is not None
    if new.provider == old.provider:
        return False
    new_urn, new_id = split_reference(new.provider)
    old_urn, old_id = split_reference(old.provider)
    if deployment.renamed.get(old_urn, old_urn) == new_urn and (new_id == old_id or new_urn not in deployment.replaced):
        return False
    return not (is_default(new_urn) and is_default(old_urn))


async def _recreate(
    deployment: Deployment, new: ResourceState, old: ResourceState, provider: Provider | None
) -> ResourceState:
    """Create a resource that was deleted to be replaced."""
    deployment.replaced.add(new.urn)
    deployment.announce(StepOp.REPLACE, new, old)
    async with deployment.run_step(StepOp.CREATE_REPLACEMENT, new, old):
        await _create_and_record(deployment, new, provider, [deployment.find_current(old)])
    return new


async def _create_and_record(
    deployment: Deployment, new: ResourceState, provider: Provider | None, removed: list[ResourceState]
) -> None:
    if deployment.run.dry_run:
        response = await _preview_create(new, provider)
    elif provider is None:
        raise RehearsalError(_PROVIDER_STILL_UNKNOWN)
    else:
        token, response = await _create(deployment, new, provider)
        _apply_response(new, response)
        new.created = new.modified = now()
        deployment.record(token, removed, new)
        _raise_init_errors(new)
        return
    _apply_response(new, response)
    deployment.record(None, removed, new)


async def _create(deployment: Deployment, new: ResourceState, provider: Provider) -> tuple[int, ProviderResponse]:
    """Have the provider create a resource. The caller records the end of the operation under the token."""
    with deployment.record_operation(OperationKind.CREATING, new) as token:
        response = await provider.create(new.urn, new.inputs, _timeout(new, "create_s"), preview=False)
        if not response.id:
            raise RehearsalError("the provider created the resource without an id; this is a bug of the provider")
    return token, response


async def _preview_create(new: ResourceState, provider: Provider | None) -> ProviderResponse:
    if provider is not None and provider.supports_preview:
        return await provider.create(new.urn, new.inputs, _timeout(new, "create_s"), preview=True)
    return ProviderResponse(id="", outputs=dict(new.inputs) if provider is not None else {})


async def _update(
    deployment: Deployment, new: ResourceState, old: ResourceState, provider: Provider | None, diff: DiffResult
) -> ResourceState:
    new.id, new.created, new.modified = old.id, old.created, old.modified
    async with deployment.run_step(StepOp.UPDATE, new, old, diff.detailed):
        timeout = _timeout(new, "update_s")
        if deployment.run.dry_run:
            if provider is not None and provider.supports_preview:
                response = await provider.update(old, new.inputs, timeout, new.ignore_changes, preview=True)
            else:
                response = ProviderResponse(id=old.id, outputs=dict(new.inputs))
            _apply_response(new, replace(response, id=old.id))
            deployment.keep(old, new)
            return new
        if provider is None:
            raise RehearsalError(_PROVIDER_STILL_UNKNOWN)
        with deployment.record_operation(OperationKind.UPDATING, replace(new, outputs=old.outputs)) as token:
            response = await provider.update(old, new.inputs, timeout, new.ignore_changes, preview=False)
        _apply_response(new, replace(response, id=old.id))
        new.modified = now()
        if new.init_errors:
            # So that the next run makes this change again.
            new.inputs = old.inputs
        deployment.record(token, [deployment.find_current(old)], new)
        _raise_init_errors(new)
    return new


async def _replace(
    deployment: Deployment,
    new: ResourceState,
    old: ResourceState,
    provider: Provider | None,
    goal: Goal,
    goal_inputs: PropertyMap,
    diff: DiffResult,
) -> ResourceState:
    if new.import_id:
        problem = (
            "it was imported, and the program's inputs would replace it. An imported resource is never replaced "
            "while it has `import_`: make the inputs match the resource, or remove the option"
        )
        if not deployment.run.dry_run:
            raise RehearsalError(problem)
        deployment.emit(Diagnostic(Severity.WARNING, problem, new.urn))
    if old.protect and new.protect:
        deployment.refuse(new.urn, _PROTECTED)
    # The replacement is a new resource: it must not get the generated name of the old one.
    new.inputs = await _check(new, {}, goal_inputs, provider)
    deployment.replaced.add(new.urn)
    before = goal.delete_before_replace
    if diff.delete_before_replace if before is None else before:
        await delete_before_replace(deployment, old)
        deployment.announce(StepOp.REPLACE, new, old, diff.detailed)
        async with deployment.run_step(StepOp.CREATE_REPLACEMENT, new, old, diff.detailed):
            await _create_and_record(deployment, new, provider, [deployment.find_current(old)])
        return new
    async with deployment.run_step(StepOp.CREATE_REPLACEMENT, new, old, diff.detailed):
        if deployment.run.dry_run:
            _apply_response(new, await _preview_create(new, provider))
            deployment.retire(old, new)
        else:
            await _create_replacement(deployment, new, old, provider)
    deployment.announce(StepOp.REPLACE, new, old, diff.detailed)
    return new


async def _create_replacement(
    deployment: Deployment, new: ResourceState, old: ResourceState, provider: Provider | None
) -> None:
    if provider is None:
        raise RehearsalError(_PROVIDER_STILL_UNKNOWN)
    token, response = await _create(deployment, new, provider)
    _apply_response(new, response)
    new.created = new.modified = now()
    deployment.retire(old, new, token)
    _raise_init_errors(new)


async def _import(
    deployment: Deployment, new: ResourceState, old: ResourceState | None, provider: Provider | None
) -> ResourceState:
    """Import an existing resource as it is. An update follows if the program declares other inputs."""
    if provider is None:
        raise RehearsalError("it cannot be imported, because its provider's configuration is not known yet")
    async with deployment.run_step(StepOp.IMPORT if old is None else StepOp.IMPORT_REPLACEMENT, new, old):
        response = await provider.read(new.urn, new.import_id, {}, {})
        if not response.id:
            raise RehearsalError(
                f"import_ is {new.import_id!r}, and no resource has that id; give the id of an existing resource"
            )
        if response.inputs is None:
            raise RehearsalError("its provider does not support import")
        imported = replace(new, inputs=response.inputs)
        _apply_response(imported, response)
        imported.created = imported.modified = now()
        if old is None:
            deployment.record(None, [], imported, before=new)
        else:
            deployment.retire(old, imported, before=new)
    if old is not None:
        deployment.announce(StepOp.REPLACE, new, old)
    deployment.adopt(imported)
    return imported


def _apply_response(new: ResourceState, response: ProviderResponse) -> None:
    new.id = response.id
    new.outputs = response.outputs
    new.init_errors = response.init_errors
    new.refresh_before_update = response.refresh_before_update


def _raise_init_errors(new: ResourceState) -> None:
    if new.init_errors:
        reasons = "\n".join(f"- {reason}" for reason in new.init_errors)
        raise RehearsalError(f"it exists but did not become ready, and its state is kept:\n{reasons}")


def _detail(old: ResourceState, new: ResourceState, diff: DiffResult) -> dict[str, PropertyDiff]:
    """Return a detailed diff, for a provider that returned none."""
    entries = compare(old.inputs, new.inputs)
    if diff.diffs and not entries:
        entries = {path: PropertyDiff(DiffKind.UPDATE) for path in diff.diffs}
    patterns = [parse_path(text) for text in diff.replaces]
    return {
        path: _replacing(entry) if any(matches(pattern, parse_path(path)) for pattern in patterns) else entry
        for path, entry in entries.items()
        if not path.startswith("__")
    }


def _replacing(entry: PropertyDiff) -> PropertyDiff:
    kind = entry.kind.value
    return entry if kind.endswith("-replace") else replace(entry, kind=DiffKind(f"{kind}-replace"))


def _timeout(state: ResourceState, which: str) -> float:
    value: Value = getattr(state.custom_timeouts, which) if state.custom_timeouts else 0
    return float(value) if isinstance(value, (int, float)) else 0.0


_PROVIDER_UNKNOWN = (
    "its provider's configuration is not known during the preview: the preview assumes an update, which may not happen"
)
_PROVIDER_STILL_UNKNOWN = (
    "its provider's configuration is unknown: it depends on an output that this run cannot know. Give the provider the "
    "value as configuration"
)
_PROTECTED = (
    "it is protected, and the program's inputs would replace it. Undo the change, or end its protection "
    "(`protected: false` in an environment of NovaCron, else its option `protect`), run `up`, and make the change then"
)
