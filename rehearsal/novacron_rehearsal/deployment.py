"""The state of one run over a stack: what is registered, what was there before, what was recorded.

What a registration means is decided in `custom_resources.py` and `provider_resources.py`, deletions in `deletion.py`,
refreshing in `refresh.py`. The program's side of the protocol is in `monitor.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from novacron_rehearsal import codec, urn
from novacron_rehearsal.aliases import old_urns
from novacron_rehearsal.custom_resources import custom_resource, read_resource
from novacron_rehearsal.diff import apply_ignore_changes, parse_path
from novacron_rehearsal.errors import CancelledError, ProviderGoneError, RehearsalError
from novacron_rehearsal.events import (
    Diagnostic,
    EventSink,
    PropertyDiff,
    Severity,
    StackOutputs,
    StepEnded,
    StepOp,
    StepStarted,
)
from novacron_rehearsal.goal import Goal
from novacron_rehearsal.ordering import ordered
from novacron_rehearsal.policy_hooks import AnalyzedResource, PolicyHooks, describe
from novacron_rehearsal.project import StackConfig
from novacron_rehearsal.provider_resources import DefaultProviders, provider_resource
from novacron_rehearsal.providers.client import CheckFailure
from novacron_rehearsal.providers.registry import ProviderRegistry, reference, split_reference
from novacron_rehearsal.resource import OperationKind, PendingOperation, ResourceState, now
from novacron_rehearsal.run import Run, StateSink, StepFailedError, StepRecord, StepSkippedError
from novacron_rehearsal.selection import Selection
from novacron_rehearsal.values import UNKNOWN, PropertyMap


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
        self.selection = Selection(run, self.news)
        self.failed = False
        self.stopped = False
        """It failed so that nothing new is started."""
        self.cancelled = False
        self.blocked = False
        """A preview met what the run itself would refuse; it goes on, to show the whole."""
        self.outputs: PropertyMap = {}
        self._stack_urn = ""
        self.pending_deletes = {id(state): state for state in resources if state.delete}
        """What was replaced and is still to be deleted; several may share a URN."""
        self.deleted_early: set[str] = set()
        """URNs already deleted for a delete-before-replace of this run."""
        self.claimed: set[str] = set()
        """Old URNs that the program still wants, under this name or a new one."""
        self.renamed: dict[str, str] = {}
        """Former to present URN of what the program renamed."""
        self._former: dict[str, str] = {}
        self.replaced: set[str] = set()
        self.unfinished: list[PendingOperation] = []
        """Operations whose end nobody knows."""
        self.analyzed: dict[str, AnalyzedResource] = {}
        self.component_providers: dict[str, dict[str, str]] = {}
        self._registered: set[str] = set()
        self.providers = DefaultProviders(self, resources)
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
                self._registered.add(where)
                return await read_resource(self, where, goal, id_)
            except (StepFailedError, CancelledError):
                raise
            except (RehearsalError, ValueError) as error:
                raise self.fail(where, str(error)) from error

    async def invoke(
        self, token: str, arguments: PropertyMap, provider_ref: str, version: str
    ) -> tuple[PropertyMap | None, list[CheckFailure]]:
        """Call a provider's function; `None` when its result cannot be known yet."""
        async with self._working():
            ref = provider_ref or await self.providers.of(urn.package_of(token), version)
            provider = await self.registry.get(ref)
            if provider is None or any(codec.contains_unknown(value) for value in arguments.values()):
                return None, []
            return await provider.invoke(token, arguments)

    async def register_outputs(self, where: str, outputs: PropertyMap) -> None:
        """The outputs of a component or of the stack."""
        state = self.news.get(where)
        if state is None:
            if where in self.selection.not_done or where in self.selection.not_made:
                return
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
        if self.failed or self.cancelled or self.run.exclude:
            known = self.outputs
            if not self.run.dry_run:
                known = {key: value for key, value in known.items() if not codec.contains_unknown(value)}
            self.outputs = {**state.outputs, **known}
        self.emit(StackOutputs(self.outputs))
        self._set_outputs(state, self.outputs)

    def _set_outputs(self, state: ResourceState, outputs: PropertyMap) -> None:
        changed = replace(state, outputs=outputs)
        self.news[state.urn] = changed
        if state.outputs != outputs:
            self.sink.commit(None, [state], [changed])

    @property
    def ending(self) -> bool:
        """Nothing new is started."""
        return self.stopped or self.cancelled

    def fail(self, where: str, message: str, *, stops: bool = True) -> StepFailedError:
        """Report an error and end the run, unless it goes on; the exception is for the caller to raise."""
        self.failed = True
        self.stopped |= stops
        self.selection.not_done.add(where)
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

    def skip_if_blocked(self, new: ResourceState) -> None:
        """Raise `StepSkippedError` when something that a resource needs was not done."""
        if self.selection.blocks(new):
            self.selection.not_done.add(new.urn)
            raise StepSkippedError(f"{new.urn} is skipped: something that it needs failed")

    def known_id(self, where: str) -> str:
        """The id of what a failed or skipped registration left as it was; empty when there is nothing."""
        state = self.news.get(where) or self.olds.get(self._former.get(where, where))
        return state.id if state else ""

    def cancel(self) -> None:
        """Start nothing new."""
        self.cancelled = True

    async def quiet(self) -> None:
        """Wait until nothing that the program asked for is under way."""
        await self._idle.wait()

    @asynccontextmanager
    async def _working(self) -> AsyncGenerator[None, None]:
        if self.ending:
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
        old = self.find_old(where, goal)
        self.inherit(where, goal)
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
        if not self.selection.includes(new):
            return await self._untargeted(new, old)
        if missing := self.selection.missing(new):
            self.refuse(where, f"it depends on {missing}, which does not exist and is excluded; exclude it too")
        if not goal.custom:
            return await self._component(new, old)
        if goal.is_provider:
            return await provider_resource(self, new, old, goal)
        new.provider = await self.providers.reference_for(goal)
        provider = await self.registry.get(new.provider)
        return await custom_resource(self, new, old, provider, goal)

    def find_old(self, where: str, goal: Goal) -> ResourceState | None:
        """What a resource was before this run, under its own name or a former one, as it reads after all renames."""
        former_parent = self._former.get(goal.parent, "")
        for candidate in (where, *old_urns(self.run.stack, self.run.project, where, goal, former_parent)):
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

    def inherit(self, where: str, goal: Goal) -> None:
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

    async def _untargeted(self, new: ResourceState, old: ResourceState | None) -> ResourceState:
        """Outside the targets: what exists stays as it is, what does not is not made."""
        if old is None:
            if self.run.exclude:
                self.selection.not_made.add(new.urn)
                self.announce(StepOp.SAME, new, None)
            elif not new.custom:
                return await self._component(new, None)
            return replace(new, outputs=dict.fromkeys(new.inputs, UNKNOWN))
        async with self.step(StepOp.SAME, old, old):
            self.keep(old, old)
        return old if old.custom else replace(old, outputs={})

    async def _component(self, new: ResourceState, old: ResourceState | None) -> ResourceState:
        if new.type == urn.STACK_TYPE:
            new.inputs, new.property_dependencies = {}, {}
        await self.ask_policies(new, {})
        if old is None or old.custom:
            async with self.step(StepOp.CREATE, new, None):
                new.created = new.modified = now()
                self.record(None, [], new)
        else:
            new.created, new.modified = old.created, old.modified
            new.outputs = old.outputs
            differs = old.inputs != new.inputs
            async with self.step(StepOp.UPDATE if differs else StepOp.SAME, new, old):
                self.keep(old, new)
        return replace(new, outputs={})

    async def ask_policies(self, new: ResourceState, inputs: PropertyMap) -> PropertyMap:
        """The inputs as remediating policies leave them.

        Raises:
            StepFailedError: when a mandatory policy is violated, except in previews.
        """
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
                self.failed = self.stopped = True
                raise StepFailedError(f"{new.urn} violates a mandatory policy")
        return remedied if new.custom else new.inputs

    def current(self, old: ResourceState) -> ResourceState:
        """What the state now holds for an old resource."""
        return self.olds.get(self._former.get(old.urn, old.urn), old)

    # -- recording ------------------------------------------------------------------------------------------------

    def record(self, token: int | None, removed: list[ResourceState], new: ResourceState) -> None:
        """A new or changed resource is in the state from here on."""
        self.news[new.urn] = new
        self.sink.commit(token, removed, [new])

    def keep(self, old: ResourceState, new: ResourceState) -> None:
        """A resource that exists stays, with what the program now says of it."""
        self.news[new.urn] = new
        current = self.current(old)
        if current != new:
            self.sink.commit(None, [current], [new])

    def retire(self, old: ResourceState, new: ResourceState, token: int | None = None) -> None:
        """`new` takes the place of `old`, whose deletion is due after the program ends."""
        self.replaced.add(new.urn)
        self.news[new.urn] = new
        retired = replace(old, delete=True)
        self.delete_later(retired)
        self.sink.commit(token, [self.current(old)], [retired, new])

    @contextmanager
    def operation(self, kind: OperationKind, state: ResourceState) -> Generator[int, None, None]:
        """Record an operation as under way until its end is recorded, or until it is known to have changed nothing."""
        pending = PendingOperation(kind, state)
        token = self.sink.begin(pending)
        try:
            yield token
        except ProviderGoneError:
            self.unfinished.append(pending)
            raise
        except RehearsalError:
            self.sink.abandon(token)
            raise

    def note(self, op: StepOp, where: str, detailed: dict[str, PropertyDiff] | None = None) -> None:
        """A step went well."""
        self.steps.append(StepRecord(op, where, detailed or {}))

    def forget(self, state: ResourceState, token: int | None) -> None:
        """A resource is gone."""
        if state.delete:
            del self.pending_deletes[id(state)]
        else:
            self.olds.pop(state.urn, None)
        self.sink.commit(token, [state], [])

    def delete_later(self, state: ResourceState) -> None:
        """Something else has its place; it is deleted once the program is through."""
        self.pending_deletes[id(state)] = state

    def adopt(self, imported: ResourceState) -> None:
        """From here on an imported resource is like any that was there before the run."""
        key = self._former.get(imported.urn, imported.urn)
        self.olds[key] = imported
        self.claimed.add(key)

    def mark_pending_replacement(self, state: ResourceState, token: int | None) -> None:
        """A resource was deleted to make room for its successor, which is still to come."""
        marked = replace(state, pending_replacement=True)
        self.olds[self._former.get(state.urn, state.urn)] = marked
        self.sink.commit(token, [state], [marked])

    def announce(
        self, op: StepOp, new: ResourceState, old: ResourceState | None, detailed: dict[str, PropertyDiff] | None = None
    ) -> None:
        """A step that is only told, not done."""
        self.note(op, new.urn, detailed)
        self.emit(StepStarted(new.urn, op, new.parent, old.inputs if old else None, new.inputs, detailed or {}))
        self.emit(StepEnded(new.urn, op))

    @asynccontextmanager
    async def step(
        self,
        op: StepOp,
        new: ResourceState,
        old: ResourceState | None,
        detailed: dict[str, PropertyDiff] | None = None,
    ) -> AsyncGenerator[None, None]:
        """Report a step's beginning and end, and hold one of the run's parallel slots meanwhile."""
        async with self.slots:
            if self.ending:
                raise CancelledError("the run is ending")
            self.skip_if_blocked(new)
            began = time.monotonic()
            self.emit(StepStarted(new.urn, op, new.parent, old.inputs if old else None, new.inputs, detailed or {}))
            try:
                yield
            except (CancelledError, StepSkippedError):
                self.emit(StepEnded(new.urn, op, "cancelled", time.monotonic() - began))
                raise
            except RehearsalError as error:
                self.emit(StepEnded(new.urn, op, str(error), time.monotonic() - began))
                raise self.fail(new.urn, str(error), stops=not self.run.continue_on_error) from error
            self.note(op, new.urn, detailed)
            self.emit(StepEnded(new.urn, op, "", time.monotonic() - began))

    def snapshot(self) -> list[ResourceState]:
        """The resources as they are now: those registered, in order of completion, then those still to be deleted."""
        left = [
            self.olds[state.urn]
            for state in self.old_order
            if not state.delete and state.urn in self.olds and self.renamed.get(state.urn, state.urn) not in self.news
        ]
        return ordered([*self.news.values(), *left, *self.pending_deletes.values()])
