"""One run over a stack: takes what the program registers, decides on steps, carries them out, keeps the state.

The program's side of the protocol is in `monitor.py`, deletions in `deletion.py`, refreshing in `refresh.py`.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Protocol

from semver import Version

from novacron_rehearsal import codec, urn
from novacron_rehearsal.aliases import old_urns
from novacron_rehearsal.diff import apply_ignore_changes, compare, matches, parse_path
from novacron_rehearsal.errors import CancelledError, RehearsalError
from novacron_rehearsal.events import (
    Diagnostic,
    DiffKind,
    EventSink,
    Operation,
    PropertyDiff,
    Severity,
    StackOutputs,
    StepEnded,
    StepOp,
    StepStarted,
)
from novacron_rehearsal.goal import Goal
from novacron_rehearsal.ordering import ordered
from novacron_rehearsal.policy_hooks import AnalyzedResource, PolicyHooks
from novacron_rehearsal.project import StackConfig
from novacron_rehearsal.providers.client import CheckFailure, DiffResult, Outcome, Provider
from novacron_rehearsal.providers.launch import DYNAMIC_PACKAGE, Started
from novacron_rehearsal.providers.registry import ProviderRegistry, reference, split_reference
from novacron_rehearsal.resource import OperationKind, PendingOperation, ResourceState
from novacron_rehearsal.values import UNKNOWN, PropertyMap, Secret, Value


class StateSink(Protocol):
    """Where steps are recorded as they happen. A resource's identity is its URN, id and `delete` flag."""

    def begin(self, operation: PendingOperation) -> int:
        """Record that an operation is under way; returns a token for its end."""
        ...

    def commit(self, token: int | None, removed: Sequence[ResourceState], added: Sequence[ResourceState]) -> None:
        """Record its end and what it changed."""
        ...

    def abandon(self, token: int) -> None:
        """Record that it ended without a change."""
        ...


class Unrecorded:
    """The sink of previews."""

    def begin(self, operation: PendingOperation) -> int:
        """Nothing is under way in a preview."""
        del operation
        return 0

    def commit(self, token: int | None, removed: Sequence[ResourceState], added: Sequence[ResourceState]) -> None:
        """Nothing changes in a preview."""

    def abandon(self, token: int) -> None:
        """Nothing is under way in a preview."""


@dataclass(slots=True)
class Run:
    """What one run is to do."""

    operation: Operation
    project: str
    stack: str
    dry_run: bool
    parallel: int = 16
    targets: frozenset[str] = frozenset()
    target_dependents: bool = False
    replace: frozenset[str] = frozenset()


@dataclass(slots=True)
class StepRecord:
    """A step that was taken, for results and tests."""

    op: StepOp
    urn: str
    detailed_diff: dict[str, PropertyDiff] = field(default_factory=dict[str, PropertyDiff])


class StepFailedError(RehearsalError):
    """A step failed and was reported; the program need not be told more."""


class Deployment:
    """The state of one run."""

    def __init__(
        self,
        run: Run,
        resources: Sequence[ResourceState],
        sink: StateSink,
        registry: ProviderRegistry,
        policies: PolicyHooks,
        config: StackConfig,
        emit: EventSink,
    ) -> None:
        self.run = run
        self.sink = sink
        self.registry = registry
        self.policies = policies
        self.config = config
        self.emit = emit
        self.olds = {state.urn: state for state in resources if not state.delete}
        self.old_order = list(resources)
        self.news: dict[str, ResourceState] = {}
        self.steps: list[StepRecord] = []
        self.failed = False
        self.cancelled = False
        self.blocked = False
        """A preview met what the run itself would refuse; it goes on, to show the whole."""
        self.outputs: PropertyMap = {}
        self._stack_urn = ""
        self.pending_deletes: list[ResourceState] = [state for state in resources if state.delete]
        self.deleted_early: set[str] = set()
        """URNs already deleted for a delete-before-replace of this run."""
        self.claimed: set[str] = set()
        """Old URNs that the program still wants, under this name or a new one."""
        self.renamed: dict[str, str] = {}
        """Former to present URN of what the program renamed."""
        self._former: dict[str, str] = {}
        self.replaced: set[str] = set()
        self.analyzed: dict[str, AnalyzedResource] = {}
        self.component_providers: dict[str, dict[str, str]] = {}
        self._registered: set[str] = set()
        self._defaults: dict[tuple[str, str], asyncio.Future[str]] = {}
        self._versions = _newest_versions(resources)
        self.slots = asyncio.Semaphore(max(1, run.parallel))
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._old_by_reference = {
            reference(state.urn, state.id): state for state in resources if urn.is_provider(state.type)
        }
        registry.use_states(self._old_by_reference.get)

    # -- what the program asks ------------------------------------------------------------------------------------

    async def register(self, goal: Goal) -> ResourceState:
        """Bring one resource to what the program wants; its state (in previews: as far as it is known).

        Raises:
            StepFailedError: when it failed; the diagnostic is already out.
            CancelledError: when the run ends and starts nothing new.
        """
        async with self._working():
            try:
                return await self._register(goal)
            except (StepFailedError, CancelledError):
                raise
            except (RehearsalError, ValueError) as error:
                where = urn.make(self.run.stack, self.run.project, goal.parent, goal.type, goal.name)
                raise self.fail(where, str(error)) from error

    async def read(self, goal: Goal, id_: str) -> ResourceState:
        """Read a resource that something else manages (`.get`). Raises as `register` does."""
        async with self._working():
            where = urn.make(self.run.stack, self.run.project, goal.parent, goal.type, goal.name)
            try:
                return await self._read(where, goal, id_)
            except (StepFailedError, CancelledError):
                raise
            except (RehearsalError, ValueError) as error:
                raise self.fail(where, str(error)) from error

    async def invoke(
        self, token: str, arguments: PropertyMap, provider_ref: str, version: str
    ) -> tuple[PropertyMap | None, list[CheckFailure]]:
        """Call a provider's function; `None` when its result cannot be known yet."""
        async with self._working():
            ref = provider_ref or await self.default_provider(urn.package_of(token), version)
            provider = await self.registry.get(ref)
            if provider is None or any(codec.contains_unknown(value) for value in arguments.values()):
                return None, []
            return await provider.invoke(token, arguments)

    async def register_outputs(self, where: str, outputs: PropertyMap) -> None:
        """The outputs of a component or of the stack."""
        state = self.news.get(where)
        if state is None:
            raise self.fail(where, "outputs were registered for a resource that was not")
        plain = {key: codec.without_outputs(value) for key, value in outputs.items()}
        if state.type == urn.STACK_TYPE:
            self._stack_urn, self.outputs = where, plain
        else:
            self._set_outputs(state, plain)

    def settle_stack_outputs(self) -> None:
        """At the end of the program: a run that failed may not have come to all outputs, so it takes none away."""
        state = self.news.get(self._stack_urn)
        if state is None:
            return
        if self.failed or self.cancelled:
            self.outputs = {**state.outputs, **self.outputs}
        self.emit(StackOutputs(self.outputs))
        self._set_outputs(state, self.outputs)

    def _set_outputs(self, state: ResourceState, outputs: PropertyMap) -> None:
        changed = replace(state, outputs=outputs)
        self.news[state.urn] = changed
        if state.outputs != outputs:
            self.sink.commit(None, [state], [changed])

    def fail(self, where: str, message: str) -> StepFailedError:
        """Report an error and end the run; the exception is for the caller to raise."""
        self.failed = True
        self.emit(Diagnostic(Severity.ERROR, message, where))
        return StepFailedError(message)

    def refuse(self, where: str, message: str) -> None:
        """Report what a run must not do: it ends there, a preview goes on.

        Raises:
            StepFailedError: unless this is a preview.
        """
        if not self.run.dry_run:
            raise self.fail(where, message)
        self.blocked = True
        self.emit(Diagnostic(Severity.ERROR, message, where))

    def cancel(self) -> None:
        """Start nothing new."""
        self.cancelled = True

    async def quiet(self) -> None:
        """Wait until nothing that the program asked for is under way."""
        await self._idle.wait()

    @asynccontextmanager
    async def _working(self) -> AsyncGenerator[None, None]:
        if self.failed or self.cancelled:
            raise CancelledError("the run is ending")
        self._busy += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    # -- registering ----------------------------------------------------------------------------------------------

    async def _register(self, goal: Goal) -> ResourceState:
        where = urn.make(self.run.stack, self.run.project, goal.parent, goal.type, goal.name)
        if where in self._registered:
            raise RehearsalError(f"Duplicate resource URN {where!r}; try giving it a unique name")
        self._registered.add(where)
        old = self._find_old(where, goal)
        self._inherit(where, goal)
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
        if self.run.targets and not self._targeted(where, new):
            return await self._untargeted(new, old)
        if not goal.custom:
            return await self._component(new, old)
        if goal.is_provider:
            return await self._provider_resource(new, old, goal)
        new.provider = await self._provider_reference(goal)
        provider = await self.registry.get(new.provider)
        return await self._custom(new, old, provider, goal)

    def _find_old(self, where: str, goal: Goal) -> ResourceState | None:
        for candidate in (where, *old_urns(self.run.stack, self.run.project, where, goal, self.renamed)):
            old = self.olds.get(candidate)
            if old is None or candidate in self.claimed:
                continue
            self.claimed.add(candidate)
            if candidate != where:
                self.renamed[candidate] = where
                self._former[where] = candidate
            return self._with_new_names(old)
        return None

    def _with_new_names(self, old: ResourceState) -> ResourceState:
        """An old state as it reads after the renames known so far."""
        if not self.renamed:
            return old
        names = self.renamed

        def name(text: str) -> str:
            return names.get(text, text)

        provider = old.provider
        if provider:
            provider_urn, id_ = split_reference(provider)
            provider = reference(name(provider_urn), id_)
        return replace(
            old,
            urn=name(old.urn),
            parent=name(old.parent),
            provider=provider,
            dependencies=[name(item) for item in old.dependencies],
            property_dependencies={key: [name(i) for i in items] for key, items in old.property_dependencies.items()},
            deleted_with=name(old.deleted_with),
        )

    def _inherit(self, where: str, goal: Goal) -> None:
        """Options that children take from their parents."""
        parent = self.news.get(goal.parent)
        inherited = self.component_providers.get(goal.parent, {})
        if not goal.custom:
            self.component_providers[where] = {**inherited, **goal.providers}
        elif not goal.provider and not goal.is_provider:
            goal.provider = inherited.get(urn.package_of(goal.type), "")
        if parent is not None and parent.type != urn.STACK_TYPE:
            if goal.protect is None:
                goal.protect = parent.protect
            if goal.retain_on_delete is None:
                goal.retain_on_delete = parent.retain_on_delete
            if not goal.deleted_with:
                goal.deleted_with = parent.deleted_with

    def _targeted(self, where: str, new: ResourceState) -> bool:
        if where in self.run.targets or new.type == urn.STACK_TYPE or urn.is_provider(new.type):
            return True
        return self.run.target_dependents and any(
            self._is_target_or_dependent(item) for item in (*new.dependencies, new.parent)
        )

    def _is_target_or_dependent(self, where: str) -> bool:
        if where in self.run.targets:
            return True
        state = self.news.get(where)
        return (
            state is not None
            and state.type != urn.STACK_TYPE
            and any(self._is_target_or_dependent(item) for item in (*state.dependencies, state.parent))
        )

    async def _untargeted(self, new: ResourceState, old: ResourceState | None) -> ResourceState:
        """Outside the targets: what exists stays as it is, what does not is not made."""
        if old is None:
            if not new.custom:
                return await self._component(new, None)
            return replace(new, outputs=dict.fromkeys(new.inputs, UNKNOWN))
        async with self._step(StepOp.SAME, old, old):
            self._keep(old, old)
        return old

    async def _component(self, new: ResourceState, old: ResourceState | None) -> ResourceState:
        if new.type == urn.STACK_TYPE:
            new.inputs, new.property_dependencies = {}, {}
        await self._ask_policies(new, {})
        if old is None or old.custom:
            async with self._step(StepOp.CREATE, new, None):
                new.created = new.modified = _now()
                self._record(None, [], new)
        else:
            new.created, new.modified = old.created, old.modified
            new.outputs = old.outputs
            differs = old.inputs != new.inputs
            async with self._step(StepOp.UPDATE if differs else StepOp.SAME, new, old):
                self._keep(old, new)
        return replace(new, outputs={})

    # -- providers ------------------------------------------------------------------------------------------------

    async def default_provider(self, package: str, version: str) -> str:
        """The reference of a package's default provider, registered when first asked for."""
        version = version or self._versions.get(package, "")
        key = (package, version)
        if key in self._defaults:
            return await asyncio.shield(self._defaults[key])
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._defaults[key] = future
        inputs = self._package_config(package)
        if version:
            inputs["version"] = version
        name = f"default_{version.replace('.', '_').replace('-', '_').replace('+', '_')}" if version else "default"
        goal = Goal(
            type=f"{urn.PROVIDER_TYPE_PREFIX}{package}",
            name=name,
            custom=True,
            parent="",
            inputs=inputs,
            dependencies=[],
            property_dependencies={},
            version=version,
        )
        try:
            state = await self.register(goal)
            future.set_result(reference(state.urn, state.id))
        except BaseException as error:
            future.set_exception(error)
            future.exception()
            raise
        return future.result()

    def _package_config(self, package: str) -> PropertyMap:
        """A package's part of the stack's configuration; dynamic providers get the whole of it, with full names."""
        found: PropertyMap = {}
        for key, text in self.config.values.items():
            namespace, _, name = key.partition(":")
            value = Secret(text) if key in self.config.secret_keys else text
            if package == DYNAMIC_PACKAGE:
                found[key] = value
            elif namespace == package:
                found[name] = value
        return found

    async def _provider_reference(self, goal: Goal) -> str:
        return goal.provider or await self.default_provider(urn.package_of(goal.type), goal.version)

    async def _provider_resource(self, new: ResourceState, old: ResourceState | None, goal: Goal) -> ResourceState:
        package = urn.package_of(new.type)
        version = goal.version or self._versions.get(package, "")
        if version and "version" not in new.inputs:
            new.inputs = {**new.inputs, "version": version}
        started = await self.registry.launch(package, version, new.urn)
        visible_old = {} if old is None else {k: v for k, v in old.inputs.items() if k != "__internal"}
        inputs, failures = await started.provider.check_config(new.urn, visible_old, new.inputs)
        if failures:
            raise RehearsalError(_failures(new, failures))
        new.inputs = inputs
        new.outputs = dict(inputs)
        await self._ask_policies(new, {})
        if old is None:
            async with self._step(StepOp.CREATE, new, None):
                new.id = "" if self.run.dry_run else str(uuid.uuid4())
                new.created = new.modified = _now()
                await self.registry.bind(reference(new.urn, new.id), started, inputs)
                self._record(None, [], new)
            return new
        detailed = compare(visible_old, {k: v for k, v in inputs.items() if k != "__internal"})
        diff = DiffResult(changes=False)
        if detailed:
            diff = await started.provider.diff_config(replace(old, inputs=visible_old), inputs)
        if diff.replaces:
            return await self._replace_provider(new, old, started, detailed)
        new.id, new.created, new.modified = old.id, old.created, old.modified
        op = StepOp.UPDATE if detailed else StepOp.SAME
        async with self._step(op, new, old, detailed):
            if op is StepOp.UPDATE:
                new.modified = _now()
            await self.registry.bind(reference(new.urn, new.id), started, inputs)
            self._keep(old, new)
        return new

    async def _replace_provider(
        self, new: ResourceState, old: ResourceState, started: Started, detailed: dict[str, PropertyDiff]
    ) -> ResourceState:
        async with self._step(StepOp.CREATE_REPLACEMENT, new, old, detailed):
            new.id = "" if self.run.dry_run else str(uuid.uuid4())
            new.created = new.modified = _now()
            await self.registry.bind(reference(new.urn, new.id), started, new.inputs)
            self._retire(old, new)
        self._announce(StepOp.REPLACE, new, old, detailed)
        return new

    # -- custom resources -----------------------------------------------------------------------------------------

    async def _custom(
        self, new: ResourceState, old: ResourceState | None, provider: Provider | None, goal: Goal
    ) -> ResourceState:
        if old is not None and (old.external or not old.custom):
            # It was only read before (or a component); managing it begins with a creation.
            self.pending_deletes.append(old)
            old_for_check, recreate = None, old
        else:
            old_for_check, recreate = old, None
        gone = old_for_check is not None and (
            old_for_check.urn in self.deleted_early or old_for_check.pending_replacement
        )
        base = None if gone else old_for_check
        importing = bool(new.import_id) and (base is None or (base.import_id or base.id) != new.import_id)
        if importing:
            base = await self._import(new, base, provider)
        goal_inputs = new.inputs
        new.inputs = await self._check(new, base.inputs if base else {}, goal_inputs, provider)
        new.inputs = await self._ask_policies(new, new.inputs)
        if base is None:
            if gone and old_for_check is not None:
                return await self._recreate(new, old_for_check, provider)
            return await self._create(new, provider, recreate)
        diff = await self._diff(new, base, provider, goal)
        if diff.replaces or self._forced_replacement(new, base):
            return await self._replace(new, base, provider, goal, goal_inputs, diff)
        if diff.changes or base.init_errors:
            return await self._update(new, base, provider, diff)
        new.id, new.outputs = base.id, base.outputs
        new.created, new.modified = base.created, base.modified
        new.init_errors = base.init_errors
        if importing:
            self._keep(base, new)
            return new
        async with self._step(StepOp.SAME, new, base):
            self._keep(base, new)
        return new

    async def _check(
        self, new: ResourceState, olds: PropertyMap, news: PropertyMap, provider: Provider | None
    ) -> PropertyMap:
        if provider is None:
            return news
        inputs, failures = await provider.check(new.urn, olds, news, uuid.uuid4().bytes * 2)
        if failures:
            raise RehearsalError(_failures(new, failures))
        return inputs

    async def _ask_policies(self, new: ResourceState, inputs: PropertyMap) -> PropertyMap:
        provider_state = self.news.get(split_reference(new.provider)[0]) if new.provider else None
        resource = describe(new, provider_state, new.inputs or inputs)
        remedied = await self.policies.remediate(resource)
        if remedied is not resource.properties:
            resource = replace(resource, properties=remedied)
        self.analyzed[new.urn] = resource
        violations = await self.policies.analyze(resource)
        for violation in violations:
            self.emit(violation)
        if any(violation.mandatory for violation in violations):
            self.blocked = True
            if not self.run.dry_run:
                self.failed = True
                raise StepFailedError(f"{new.urn} violates a mandatory policy")
        return remedied if new.custom else new.inputs

    async def _diff(self, new: ResourceState, old: ResourceState, provider: Provider | None, goal: Goal) -> DiffResult:
        if provider is None:
            self.emit(Diagnostic(Severity.WARNING, _PROVIDER_UNKNOWN, new.urn))
            return DiffResult(changes=True)
        diff = await provider.diff(old, new.inputs, goal.ignore_changes)
        if diff.changes is None:
            detailed = compare(old.inputs, new.inputs)
            diff = replace(diff, changes=bool(detailed), detailed=detailed)
        patterns = [parse_path(text) for text in goal.replace_on_changes]
        # Only what the provider itself calls changed can force a replacement.
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

    def _forced_replacement(self, new: ResourceState, old: ResourceState) -> bool:
        if new.urn in self.run.replace or old.taint or any(item in self.replaced for item in new.replace_with):
            return True
        if new.replacement_trigger != old.replacement_trigger and not codec.contains_unknown(new.replacement_trigger):
            return old.replacement_trigger is not None
        if new.provider == old.provider:
            return False
        new_urn, new_id = split_reference(new.provider)
        old_urn, old_id = split_reference(old.provider)
        if self.renamed.get(old_urn, old_urn) == new_urn and (new_id == old_id or new_urn not in self.replaced):
            return False
        return not (_is_default(new_urn) and _is_default(old_urn))

    async def _create(
        self, new: ResourceState, provider: Provider | None, displaced: ResourceState | None = None
    ) -> ResourceState:
        del displaced
        async with self._step(StepOp.CREATE, new, None):
            await self._make(new, provider, [])
        return new

    async def _recreate(self, new: ResourceState, old: ResourceState, provider: Provider | None) -> ResourceState:
        """The second half of a delete-before-replace."""
        self.replaced.add(new.urn)
        self._announce(StepOp.REPLACE, new, old)
        async with self._step(StepOp.CREATE_REPLACEMENT, new, old):
            await self._make(new, provider, [self.current(old)])
        return new

    def current(self, old: ResourceState) -> ResourceState:
        """What the state now holds for an old resource."""
        return self.olds.get(self._former.get(old.urn, old.urn), old)

    async def _make(self, new: ResourceState, provider: Provider | None, removed: list[ResourceState]) -> None:
        if self.run.dry_run:
            outcome = await self._preview_create(new, provider)
        elif provider is None:
            raise RehearsalError("its provider's configuration is still unknown")
        else:
            token = self.sink.begin(PendingOperation(OperationKind.CREATING, new))
            try:
                outcome = await provider.create(new.urn, new.inputs, _timeout(new, "create_s"), preview=False)
            except RehearsalError:
                self.sink.abandon(token)
                raise
            if not outcome.id:
                self.sink.abandon(token)
                raise RehearsalError("the provider created it without an id; that is a bug of the provider")
            self._settle(new, outcome)
            new.created = new.modified = _now()
            self._record(token, removed, new)
            self._raise_init_errors(new)
            return
        self._settle(new, outcome)
        self._record(None, removed, new)

    async def _preview_create(self, new: ResourceState, provider: Provider | None) -> Outcome:
        if provider is not None and provider.supports_preview:
            return await provider.create(new.urn, new.inputs, _timeout(new, "create_s"), preview=True)
        return Outcome(id="", outputs=dict(new.inputs) if provider is not None else {})

    async def _update(
        self, new: ResourceState, old: ResourceState, provider: Provider | None, diff: DiffResult
    ) -> ResourceState:
        new.id, new.created, new.modified = old.id, old.created, old.modified
        async with self._step(StepOp.UPDATE, new, old, diff.detailed):
            timeout = _timeout(new, "update_s")
            if self.run.dry_run:
                if provider is not None and provider.supports_preview:
                    outcome = await provider.update(old, new.inputs, timeout, new.ignore_changes, preview=True)
                else:
                    outcome = Outcome(id=old.id, outputs=dict(new.inputs))
                self._settle(new, replace(outcome, id=old.id))
                self._keep(old, new)
                return new
            if provider is None:
                raise RehearsalError("its provider's configuration is still unknown")
            token = self.sink.begin(PendingOperation(OperationKind.UPDATING, replace(new, outputs=old.outputs)))
            try:
                outcome = await provider.update(old, new.inputs, timeout, new.ignore_changes, preview=False)
            except RehearsalError:
                self.sink.abandon(token)
                raise
            self._settle(new, replace(outcome, id=old.id))
            new.modified = _now()
            if new.init_errors:
                # The next run must find that this change is still to be made.
                new.inputs = old.inputs
            self._record(token, [self.current(old)], new)
            self._raise_init_errors(new)
        return new

    async def _replace(
        self,
        new: ResourceState,
        old: ResourceState,
        provider: Provider | None,
        goal: Goal,
        goal_inputs: PropertyMap,
        diff: DiffResult,
    ) -> ResourceState:
        if new.import_id:
            problem = (
                "it was imported and would have to be replaced; an imported resource is never replaced while its "
                "`import_` option stands: make the program's inputs match the resource, or remove the option"
            )
            if not self.run.dry_run:
                raise RehearsalError(problem)
            self.emit(Diagnostic(Severity.WARNING, problem, new.urn))
        if old.protect and new.protect:
            self.refuse(new.urn, _PROTECTED)
        # The replacement is a new resource: names that a provider makes up must not come from the old one.
        new.inputs = await self._check(new, {}, goal_inputs, provider)
        self.replaced.add(new.urn)
        before = goal.delete_before_replace
        if diff.delete_before_replace if before is None else before:
            from novacron_rehearsal.deletion import delete_before_replace

            await delete_before_replace(self, old)
            self._announce(StepOp.REPLACE, new, old, diff.detailed)
            async with self._step(StepOp.CREATE_REPLACEMENT, new, old, diff.detailed):
                await self._make(new, provider, [self.current(old)])
            return new
        async with self._step(StepOp.CREATE_REPLACEMENT, new, old, diff.detailed):
            if self.run.dry_run:
                self._settle(new, await self._preview_create(new, provider))
                self._retire(old, new)
            else:
                await self._make_beside(new, old, provider)
        self._announce(StepOp.REPLACE, new, old, diff.detailed)
        return new

    async def _make_beside(self, new: ResourceState, old: ResourceState, provider: Provider | None) -> None:
        if provider is None:
            raise RehearsalError("its provider's configuration is still unknown")
        token = self.sink.begin(PendingOperation(OperationKind.CREATING, new))
        try:
            outcome = await provider.create(new.urn, new.inputs, _timeout(new, "create_s"), preview=False)
        except RehearsalError:
            self.sink.abandon(token)
            raise
        self._settle(new, outcome)
        new.created = new.modified = _now()
        self._retire(old, new, token)
        self._raise_init_errors(new)

    async def _import(self, new: ResourceState, old: ResourceState | None, provider: Provider | None) -> ResourceState:
        """Take over what exists, as it is; where the program wants it otherwise, an update follows."""
        if provider is None:
            raise RehearsalError("it cannot be imported while its provider's configuration is unknown")
        async with self._step(StepOp.IMPORT if old is None else StepOp.IMPORT_REPLACEMENT, new, old):
            outcome = await provider.read(new.urn, new.import_id, {}, {})
            if not outcome.id:
                raise RehearsalError(
                    f"resource {new.import_id!r} does not exist; `import_` needs the id of one that does"
                )
            if outcome.inputs is None:
                raise RehearsalError("the provider does not support importing")
            imported = replace(new, inputs=outcome.inputs)
            self._settle(imported, outcome)
            imported.created = imported.modified = _now()
            if old is None:
                self._record(None, [], imported)
            else:
                self._retire(old, imported)
        if old is not None:
            self._announce(StepOp.REPLACE, new, old)
        # From here on it is like any resource that was there before the run.
        key = self._former.get(new.urn, new.urn)
        self.olds[key] = imported
        self.claimed.add(key)
        return imported

    async def _read(self, where: str, goal: Goal, id_: str) -> ResourceState:
        self._registered.add(where)
        old = self._find_old(where, goal)
        self._inherit(where, goal)
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
        new.provider = await self._provider_reference(goal)
        provider = await self.registry.get(new.provider)
        known = id_ and not any(codec.contains_unknown(value) for value in goal.inputs.values())
        displaced = old if old is not None and not old.external else None
        op = StepOp.READ_REPLACEMENT if displaced is not None else StepOp.READ
        async with self._step(op, new, old):
            if provider is None or not known:
                new.outputs = {}
            else:
                outcome = await provider.read(where, id_, goal.inputs, goal.inputs)
                if not outcome.id:
                    raise RehearsalError(f"resource {id_!r} does not exist")
                self._settle(new, outcome)
            if displaced is not None:
                self._retire(displaced, new)
            else:
                self._record(None, [] if old is None else [self.current(old)], new)
        if displaced is not None:
            self._announce(StepOp.REPLACE, new, displaced)
        return new

    # -- recording ------------------------------------------------------------------------------------------------

    def _settle(self, new: ResourceState, outcome: Outcome) -> None:
        new.id = outcome.id
        new.outputs = _with_secrets(outcome.outputs, new.additional_secret_outputs)
        new.init_errors = outcome.init_errors
        new.refresh_before_update = outcome.refresh_before_update

    def _raise_init_errors(self, new: ResourceState) -> None:
        if new.init_errors:
            reasons = "\n".join(f"- {reason}" for reason in new.init_errors)
            raise RehearsalError(f"it exists but did not become ready; its state is kept:\n{reasons}")

    def _record(self, token: int | None, removed: list[ResourceState], new: ResourceState) -> None:
        """A new or changed resource is in the state from here on."""
        self.news[new.urn] = new
        self.sink.commit(token, removed, [new])

    def _keep(self, old: ResourceState, new: ResourceState) -> None:
        """A resource that exists stays, with what the program now says of it."""
        self.news[new.urn] = new
        current = self.current(old)
        if current != new:
            self.sink.commit(None, [current], [new])

    def _retire(self, old: ResourceState, new: ResourceState, token: int | None = None) -> None:
        """`new` takes the place of `old`, whose deletion is due after the program ends."""
        self.replaced.add(new.urn)
        self.news[new.urn] = new
        retired = replace(old, delete=True)
        self.pending_deletes.append(retired)
        self.sink.commit(token, [self.current(old)], [retired, new])

    def note(self, op: StepOp, where: str, detailed: dict[str, PropertyDiff] | None = None) -> None:
        """A step went well."""
        self.steps.append(StepRecord(op, where, detailed or {}))

    def forget(self, state: ResourceState, token: int | None) -> None:
        """A resource is gone."""
        if state.delete:
            self.pending_deletes = [other for other in self.pending_deletes if other is not state]
        else:
            self.olds.pop(state.urn, None)
        self.sink.commit(token, [state], [])

    def mark_pending_replacement(self, state: ResourceState, token: int | None) -> None:
        """A resource was deleted to make room for its successor, which is still to come."""
        marked = replace(state, pending_replacement=True)
        self.olds[self._former.get(state.urn, state.urn)] = marked
        self.sink.commit(token, [state], [marked])

    def _announce(
        self, op: StepOp, new: ResourceState, old: ResourceState | None, detailed: dict[str, PropertyDiff] | None = None
    ) -> None:
        """A step that is only told, not done."""
        self.note(op, new.urn, detailed)
        self.emit(StepStarted(new.urn, op, new.parent, old.inputs if old else None, new.inputs, detailed or {}))
        self.emit(StepEnded(new.urn, op))

    @asynccontextmanager
    async def _step(
        self,
        op: StepOp,
        new: ResourceState,
        old: ResourceState | None,
        detailed: dict[str, PropertyDiff] | None = None,
    ) -> AsyncGenerator[None, None]:
        """Report a step's beginning and end, and hold one of the run's parallel slots meanwhile."""
        async with self.slots:
            if self.failed or self.cancelled:
                raise CancelledError("the run is ending")
            began = time.monotonic()
            self.emit(StepStarted(new.urn, op, new.parent, old.inputs if old else None, new.inputs, detailed or {}))
            try:
                yield
            except CancelledError:
                self.emit(StepEnded(new.urn, op, "cancelled", time.monotonic() - began))
                raise
            except RehearsalError as error:
                self.emit(StepEnded(new.urn, op, str(error), time.monotonic() - began))
                raise self.fail(new.urn, str(error)) from error
            self.note(op, new.urn, detailed)
            self.emit(StepEnded(new.urn, op, "", time.monotonic() - began))

    def snapshot(self) -> list[ResourceState]:
        """The resources as they are now: those registered, in order of completion, then those still to be deleted."""
        kept = [
            state
            for state in self.old_order
            if not state.delete
            and state.urn not in self.claimed
            and state.urn not in self.news
            and state.urn in self.olds
        ]
        unfinished = [
            state
            for state in self.old_order
            if not state.delete
            and state.urn in self.claimed
            and self.renamed.get(state.urn, state.urn) not in self.news
            and state.urn in self.olds
        ]
        return ordered([*self.news.values(), *(self.olds[s.urn] for s in (*kept, *unfinished)), *self.pending_deletes])


_PROVIDER_UNKNOWN = (
    "its provider's configuration is not known during preview: an update is assumed, it may turn out to be none"
)
_PROTECTED = (
    "it is protected and would have to be replaced; unset `protect` in its options and run again, "
    "or undo the change that replaces it"
)


def describe(
    state: ResourceState, provider: ResourceState | None, properties: PropertyMap | None = None
) -> AnalyzedResource:
    """A resource as policies see it."""
    return AnalyzedResource(
        urn=state.urn,
        type=state.type,
        name=urn.parse(state.urn).name,
        properties=state.inputs if properties is None else properties,
        parent=state.parent,
        provider=describe(provider, None) if provider is not None else None,
        protect=state.protect,
        ignore_changes=state.ignore_changes,
        additional_secret_outputs=state.additional_secret_outputs,
        aliases=state.aliases,
        custom_timeouts=state.custom_timeouts,
        dependencies=state.dependencies,
        property_dependencies=state.property_dependencies,
    )


def _failures(new: ResourceState, failures: Sequence[CheckFailure]) -> str:
    lines = [
        f"{new.type} resource {urn.parse(new.urn).name!r} has a problem: "
        + (f"{failure.property}: " if failure.property else "")
        + failure.reason
        for failure in failures
    ]
    return "\n".join(lines)


def _detail(old: ResourceState, new: ResourceState, diff: DiffResult) -> dict[str, PropertyDiff]:
    """A detailed diff for a provider that gave none."""
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


def _with_secrets(outputs: PropertyMap, names: Sequence[str]) -> PropertyMap:
    if not names:
        return outputs
    return {key: codec.make_secret(value) if key in names else value for key, value in outputs.items()}


def _timeout(state: ResourceState, which: str) -> float:
    value: Value = getattr(state.custom_timeouts, which) if state.custom_timeouts else 0
    return float(value) if isinstance(value, (int, float)) else 0.0


def _newest_versions(resources: Sequence[ResourceState]) -> dict[str, str]:
    """The newest version of each package's providers: it serves where the program names none, as on the CLI."""
    newest: dict[str, str] = {}
    for state in resources:
        version = state.inputs.get("version") if urn.is_provider(state.type) else None
        if isinstance(version, str) and Version.is_valid(version):
            package = urn.package_of(state.type)
            if package not in newest or Version.parse(version) > Version.parse(newest[package]):
                newest[package] = version
    return newest


def _is_default(provider_urn: str) -> bool:
    name = urn.parse(provider_urn).name
    return name == "default" or name.startswith("default_")


def _now() -> datetime:
    return datetime.now(timezone.utc)
