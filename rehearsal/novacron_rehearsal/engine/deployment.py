"""The state of one run: the resources before it, those registered so far, and the steps recorded.

`registration.py` carries out what the program requests, `deletion.py` deletions, `refresh.py` a refresh.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from novacron_rehearsal import urn
from novacron_rehearsal.engine.default_providers import DefaultProviders
from novacron_rehearsal.engine.hooks import Hooks
from novacron_rehearsal.engine.run import Run, StateSink, StepFailedError, StepRecord, StepSkippedError
from novacron_rehearsal.engine.selection import Selection
from novacron_rehearsal.errors import CancelledError, ProviderGoneError, RehearsalError
from novacron_rehearsal.events import Diagnostic, EventSink, PropertyDiff, Severity, StepEnded, StepOp, StepStarted
from novacron_rehearsal.policies.hooks import PolicyHooks, describe
from novacron_rehearsal.providers.registry import ProviderRegistry, make_reference, split_reference
from novacron_rehearsal.state.ordering import sort_by_dependencies
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
        self.hooks = Hooks(emit, run.dry_run)
        self.olds = {state.urn: state for state in resources if not state.delete}
        self.old_order = list(resources)
        self.news: dict[str, ResourceState] = {}
        self.steps: list[StepRecord] = []
        self.selection = Selection(run, self.news)
        self.failed = False
        self.stopped = False
        """A failure prevents every further step."""
        self.cancelled = False
        self.interrupted: frozenset[str] = frozenset()
        """URNs of resources whose update was interrupted: what they are like is unknown, so they are updated again."""
        self.blocked = False
        """This preview found something that an `up` would refuse. The preview continues, to show everything."""
        self.outputs: PropertyMap = {}
        self.stack_urn = ""
        self.pending_deletes = {id(state): state for state in resources if state.delete}
        """Replaced resources that are still to be deleted. Several may have the same URN."""
        self.deleted_early: set[str] = set()
        """URNs that this run deleted for a delete-before-replace."""
        self.claimed: set[str] = set()
        """Former URNs of resources that the program still registers, under the same name or another."""
        self.renamed: dict[str, str] = {}
        """Present URN of each renamed resource, by its former URN."""
        self.former: dict[str, str] = {}
        """Former URN of each renamed resource, by its present URN."""
        self.replaced: set[str] = set()
        self.unfinished: list[PendingOperation] = []
        """Operations whose outcome is unknown, because their provider stopped."""
        self.component_providers: dict[str, dict[str, str]] = {}
        self.registered: set[str] = set()
        """URNs that the program has registered."""
        self.providers = default_providers
        self.slots = asyncio.Semaphore(max(1, run.parallel))
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._old_by_reference = {
            make_reference(state.urn, state.id): state for state in resources if urn.is_provider(state.type)
        }
        registry.use_states(self._old_by_reference.get)

    # -- the run's status -----------------------------------------------------------------------------------------

    @property
    def ending(self) -> bool:
        """Return whether the run starts no further steps."""
        return self.stopped or self.cancelled

    @property
    def succeeded(self) -> bool:
        """Return whether nothing has failed so far, was cancelled, or would be refused by an `up`."""
        return not (self.failed or self.cancelled or self.blocked)

    def fail(self, where: str, message: str, *, stops: bool = True) -> StepFailedError:
        """Report an error, and end the run unless `stops` is false. Returns the exception for the caller to raise."""
        self.failed = True
        self.stopped |= stops
        self.selection.not_done.add(where)
        self.emit(Diagnostic(Severity.ERROR, message, where))
        return StepFailedError(message)

    def refuse(self, where: str, message: str) -> None:
        """Report something that a run must not do. That ends the run; a preview continues.

        Raises:
            StepFailedError: unless this is a preview.
        """
        if not self.run.dry_run:
            raise self.fail(where, message)
        self.blocked = True
        self.emit(Diagnostic(Severity.ERROR, message, where))

    def skip_if_blocked(self, new: ResourceState) -> None:
        """Raise `StepSkippedError` when a resource needs another that failed or was skipped."""
        if self.selection.blocks(new):
            self.selection.not_done.add(new.urn)
            raise StepSkippedError(f"{new.urn} is skipped: a resource that it needs failed")

    def find_id(self, where: str) -> str:
        """Return the id of a resource whose registration failed or was skipped; empty when it does not exist."""
        state = self.news.get(where) or self.olds.get(self.former.get(where, where))
        return state.id if state else ""

    def cancel(self) -> None:
        """Start no further steps."""
        self.cancelled = True

    async def wait_until_idle(self) -> None:
        """Wait until no request of the program is in progress."""
        await self._idle.wait()

    @asynccontextmanager
    async def track_request(self) -> AsyncGenerator[None, None]:
        """Count a request of the program as in progress. Raises `CancelledError` when the run is ending."""
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

    async def check_policies(self, new: ResourceState, inputs: PropertyMap) -> PropertyMap:
        """Check a resource with the policy packs. Returns the inputs after remediation.

        Raises:
            StepFailedError: for a violation of a mandatory policy, except in previews.
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

    def find_current(self, old: ResourceState) -> ResourceState:
        """Return what the state now has for a former resource."""
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
        """Keep a resource that exists, with what the program now says about it."""
        if new is not old:
            mark_secrets(new)
        self.news[new.urn] = new
        current = self.find_current(old)
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
        self.schedule_deletion(retired)
        self.sink.commit(token, [self.find_current(old)], [retired, new])

    @contextmanager
    def record_operation(self, kind: OperationKind, state: ResourceState) -> Generator[int, None, None]:
        """Record an operation as in progress until its end is recorded or it is known to have changed nothing."""
        pending = PendingOperation(kind, state)
        token = self.sink.begin(pending)
        try:
            yield token
        except (ProviderGoneError, asyncio.CancelledError):
            self.unfinished.append(pending)
            raise
        except RehearsalError:
            self.sink.abandon(token)
            raise

    def record_step(self, op: StepOp, where: str, detailed: dict[str, PropertyDiff] | None = None) -> None:
        """Record that a step succeeded."""
        self.steps.append(StepRecord(op, where, detailed or {}))

    def remove(self, state: ResourceState, token: int | None) -> None:
        """Remove a resource from the state."""
        if state.delete:
            del self.pending_deletes[id(state)]
        else:
            self.olds.pop(state.urn, None)
        self.sink.commit(token, [state], [])

    def schedule_deletion(self, state: ResourceState) -> None:
        """Delete a replaced resource after the program is done."""
        self.pending_deletes[id(state)] = state

    def adopt(self, imported: ResourceState) -> None:
        """Treat an imported resource from now on as one that existed before the run."""
        key = self.former.get(imported.urn, imported.urn)
        self.olds[key] = imported
        self.claimed.add(key)

    def mark_pending_replacement(self, state: ResourceState, token: int | None) -> None:
        """Record that a resource was deleted before its replacement is created."""
        marked = replace(state, pending_replacement=True)
        self.olds[self.former.get(state.urn, state.urn)] = marked
        self.sink.commit(token, [state], [marked])

    def announce(
        self, op: StepOp, new: ResourceState, old: ResourceState | None, detailed: dict[str, PropertyDiff] | None = None
    ) -> None:
        """Report a step that needs no action."""
        self.record_step(op, new.urn, detailed)
        self.emit(StepStarted(new.urn, op, new.parent, old.inputs if old else None, new.inputs, detailed or {}))
        self.emit(StepEnded(new.urn, op))

    @asynccontextmanager
    async def run_step(
        self,
        op: StepOp,
        new: ResourceState,
        old: ResourceState | None,
        detailed: dict[str, PropertyDiff] | None = None,
    ) -> AsyncGenerator[None, None]:
        """Report a step's start and end, and occupy one of the run's parallel slots in between."""
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
            self.record_step(op, new.urn, detailed)
            self.emit(StepEnded(new.urn, op, "", time.monotonic() - began))

    def list_resources(self) -> list[ResourceState]:
        """Return the resources as they are now: registered ones in order of completion, then those to be deleted."""
        left = [
            self.olds[state.urn]
            for state in self.old_order
            if not state.delete and state.urn in self.olds and self.renamed.get(state.urn, state.urn) not in self.news
        ]
        return sort_by_dependencies([*self.news.values(), *left, *self.pending_deletes.values()])
