"""The state of one run over a stack: what is registered, what was there before, what was recorded.

What the program asks for is carried out in `registration.py`, deletions in `deletion.py`, refreshing in `refresh.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from novacron_rehearsal import urn
from novacron_rehearsal.engine.default_providers import DefaultProviders
from novacron_rehearsal.engine.run import Run, StateSink, StepFailedError, StepRecord, StepSkippedError
from novacron_rehearsal.engine.selection import Selection
from novacron_rehearsal.errors import CancelledError, ProviderGoneError, RehearsalError
from novacron_rehearsal.events import Diagnostic, EventSink, PropertyDiff, Severity, StepEnded, StepOp, StepStarted
from novacron_rehearsal.policies.hooks import PolicyHooks, describe
from novacron_rehearsal.providers.registry import ProviderRegistry, reference, split_reference
from novacron_rehearsal.state.ordering import ordered
from novacron_rehearsal.state.resource import OperationKind, PendingOperation, ResourceState
from novacron_rehearsal.state.secret_marks import mark_secrets
from novacron_rehearsal.values import PropertyMap


class Deployment:
    """The state of one run."""

    def __init__(
        self,
        run: Run,
        resources: Sequence[ResourceState],
        sink: StateSink,
        registry: ProviderRegistry,
        policies: PolicyHooks,
        default_providers: DefaultProviders,
        emit: EventSink,
    ) -> None:
        self.run = run
        self.sink = sink
        self.registry = registry
        self.policies = policies
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
        self.stack_urn = ""
        self.pending_deletes = {id(state): state for state in resources if state.delete}
        """What was replaced and is still to be deleted; several may share a URN."""
        self.deleted_early: set[str] = set()
        """URNs already deleted for a delete-before-replace of this run."""
        self.claimed: set[str] = set()
        """Old URNs that the program still wants, under this name or a new one."""
        self.renamed: dict[str, str] = {}
        """Former to present URN of what the program renamed."""
        self.former: dict[str, str] = {}
        """The same, present to former."""
        self.replaced: set[str] = set()
        self.unfinished: list[PendingOperation] = []
        """Operations whose end nobody knows."""
        self.component_providers: dict[str, dict[str, str]] = {}
        self.registered: set[str] = set()
        """URNs that the program has asked for."""
        self.providers = default_providers
        self.slots = asyncio.Semaphore(max(1, run.parallel))
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._old_by_reference = {
            reference(state.urn, state.id): state for state in resources if urn.is_provider(state.type)
        }
        registry.use_states(self._old_by_reference.get)

    # -- how the run stands ---------------------------------------------------------------------------------------

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

    def find_id(self, where: str) -> str:
        """The id of what a failed or skipped registration left as it was; empty when there is nothing."""
        state = self.news.get(where) or self.olds.get(self.former.get(where, where))
        return state.id if state else ""

    def cancel(self) -> None:
        """Start nothing new."""
        self.cancelled = True

    async def quiet(self) -> None:
        """Wait until nothing that the program asked for is under way."""
        await self._idle.wait()

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None, None]:
        """Something that the program asked for is under way. Raises `CancelledError` when the run ends."""
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
        return self.olds.get(self.former.get(old.urn, old.urn), old)

    # -- recording ------------------------------------------------------------------------------------------------

    def record(
        self,
        token: int | None,
        removed: list[ResourceState],
        new: ResourceState,
        before: ResourceState | None = None,
    ) -> None:
        """Put a new or changed resource into the state; what is secret in `before` stays secret."""
        mark_secrets(new, before)
        self.news[new.urn] = new
        self.sink.commit(token, removed, [new])

    def keep(self, old: ResourceState, new: ResourceState) -> None:
        """A resource that exists stays, with what the program now says of it."""
        if new is not old:
            mark_secrets(new)
        self.news[new.urn] = new
        current = self.current(old)
        if current != new:
            self.sink.commit(None, [current], [new])

    def refreshed(self, old: ResourceState, new: ResourceState) -> None:
        """Put a resource as its provider reads it into the state; what is secret in `old` stays secret."""
        mark_secrets(new, old)
        self.sink.commit(None, [old], [new])

    def retire(
        self,
        old: ResourceState,
        new: ResourceState,
        token: int | None = None,
        before: ResourceState | None = None,
    ) -> None:
        """Put `new` in the place of `old`, which is deleted after the program ends."""
        mark_secrets(new, before)
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
        key = self.former.get(imported.urn, imported.urn)
        self.olds[key] = imported
        self.claimed.add(key)

    def mark_pending_replacement(self, state: ResourceState, token: int | None) -> None:
        """A resource was deleted to make room for its successor, which is still to come."""
        marked = replace(state, pending_replacement=True)
        self.olds[self.former.get(state.urn, state.urn)] = marked
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
