"""Resource hooks: functions of the program that the engine calls before it updates a resource.

Hooks of other moments are refused when their resource is registered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from google.protobuf.message import Message
from pulumi.runtime.proto import callback_pb2, resource_pb2

from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.events import Diagnostic, EventSink, Severity
from novacron_rehearsal.protocol import codec
from novacron_rehearsal.state.resource import ResourceState

CallProgram: TypeAlias = Callable[[callback_pb2.Callback, Message], Awaitable[bytes]]
"""Calls a function of the program, and returns its response."""


class Hooks:
    """The resource hooks of one run, by name."""

    def __init__(self, emit: EventSink, dry_run: bool) -> None:
        self._emit = emit
        self._dry_run = dry_run
        self._hooks: dict[str, resource_pb2.RegisterResourceHookRequest] = {}
        self._call: CallProgram | None = None

    def use_program(self, call: CallProgram) -> None:
        """Call the program's functions with `call`."""
        self._call = call

    def add(self, hook: resource_pb2.RegisterResourceHookRequest) -> None:
        """Register a hook. Raises `RehearsalError` for a name that another hook has."""
        if hook.name in self._hooks:
            raise RehearsalError(f"the resource hook {hook.name!r} is registered twice; give each hook its own name")
        self._hooks[hook.name] = hook

    async def run_before_update(self, names: Sequence[str], old: ResourceState, new: ResourceState) -> None:
        """Call the hooks of an update. Raises `RehearsalError` with the error of a hook, which prevents the update."""
        for name in names:
            hook = self._hooks.get(name)
            if hook is None or self._call is None:
                raise RehearsalError(f"the resource hook {name!r} is not registered")
            if self._dry_run and not hook.on_dry_run:
                continue
            message = resource_pb2.ResourceHookRequest(
                urn=new.urn,
                id=old.id,
                name=new.urn.rpartition("::")[2],
                type=new.type,
                new_inputs=codec.encode(new.inputs),
                old_inputs=codec.encode(old.inputs),
                old_outputs=codec.encode(old.outputs),
            )
            error = resource_pb2.ResourceHookResponse.FromString(await self._call(hook.callback, message)).error
            if error and hook.ignore_errors:
                self._emit(Diagnostic(Severity.WARNING, error, new.urn))
            elif error:
                raise RehearsalError(error)
