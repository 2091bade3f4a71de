# ruff: noqa: N802 - the protocol gives the methods' names
"""One simulated cloud as a Pulumi resource provider: the protocol around check, outputs, diffs, faults and state."""

from __future__ import annotations

import functools
import itertools
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import engine_pb2, plugin_pb2, provider_pb2
from pulumi.runtime.proto.engine_pb2_grpc import EngineStub
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer

from novacron_rehearsal.clouds import faults, knowledge, sdk
from novacron_rehearsal.clouds.check import Problem, check, check_names
from novacron_rehearsal.clouds.diffs import diff
from novacron_rehearsal.clouds.invokes import invoke
from novacron_rehearsal.clouds.outputs import LABEL, Subject, existing, identity, is_made_up, named, outputs
from novacron_rehearsal.clouds.places import Place, digest, place
from novacron_rehearsal.clouds.state import Key, World
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.protocol import codec
from novacron_rehearsal.urn import parse
from novacron_rehearsal.values import PropertyMap

_Method = TypeVar("_Method", bound=Callable[..., Any])


def _answering(method: _Method) -> _Method:
    """What the simulation refuses is the call's error; anything else is a mistake of its own, and says so."""

    @functools.wraps(method)
    def answer(self: CloudProvider, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except RehearsalError as error:
            message = str(error)
        except Exception:  # noqa: BLE001 - told to the user, with where it happened
            message = f"a mistake in the simulation of {self.package}:\n{traceback.format_exc()}"
        return context.abort(grpc.StatusCode.UNKNOWN, message)

    return answer  # type: ignore[return-value]


@dataclass(slots=True)
class _Connection:
    """What is known of one connection: who is at its other end, and what it was configured with."""

    engine_address: str
    place: Place | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)


class CloudProvider(ResourceProviderServicer):
    """Serves one package, to any number of engines and configurations at the same time.

    The protocol tells configured providers apart by their connection alone: each has a connection of its own, and what
    it was configured with is kept for that.
    """

    def __init__(self, package: str, world: World, fault_source: str = "", engine_address: str = "") -> None:
        self.package = package
        self._version = sdk.version(package)
        self._world = world
        self._fault_source = fault_source
        self._engine_address = engine_address
        self._connections: dict[str, _Connection] = {}
        self._names: set[tuple[str, str]] = set()
        """(type, made-up name) of what is known to exist."""

    # -- the provider itself ------------------------------------------------------------------------------------------

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        """The SDK's version: the simulation is of that."""
        del request, context
        return plugin_pb2.PluginInfo(version=self._version)

    def Attach(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Where the engine is that uses this connection."""
        self._connection(context).engine_address = request.address
        return Empty()

    @_answering
    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        """The names in the provider's own configuration; the SDK has made a text of every value."""
        del context
        failures = check_names(f"pulumi:providers:{self.package}", codec.decode(request.news))
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(failures))

    @_answering
    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Configuration is changed in place: what a provider made stays where it is."""
        del context
        changed = codec.decode(request.old_inputs) != codec.decode(request.news)
        response = provider_pb2.DiffResponse
        return response(changes=response.DIFF_SOME if changed else response.DIFF_NONE)

    @_answering
    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Where this connection's provider works; tells the user that it is simulated."""
        self._connection(context).place = place(self.package, codec.decode(request.args))
        text = f"{self.package} is simulated by NovaCron: no account is used and nothing is made in a cloud"
        self._tell(context, "INFO", text, request.urn)
        return provider_pb2.ConfigureResponse(acceptSecrets=True, acceptResources=True, supportsPreview=True)

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        """End what is slow."""
        del request
        self._connection(context).cancelled.set()
        return Empty()

    # -- resources ----------------------------------------------------------------------------------------------------

    @_answering
    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Every problem of the inputs at once; a name where there is none."""
        inputs, olds = codec.decode(request.news), codec.decode(request.olds)
        token, where = parse(request.urn).type, self._place(context)
        problems = check(token, inputs)
        failures = [problem for problem in problems if problem.certain]
        for doubt in (problem for problem in problems if not problem.certain):
            text = f"{doubt.property} {doubt.reason} ({sdk.distribution(self.package)} {self._version} knows no others)"
            self._tell(context, "WARNING", text, request.urn)
        if not failures:
            if olds and is_made_up(token, olds):
                self._names.add((token, _name_of(token, olds, where)))
            for attempt in itertools.count():
                seed = digest(request.urn, attempt)
                candidate = named(Subject(token, request.urn, where, inputs, seed), olds)
                made_up = is_made_up(token, candidate)
                if olds or not made_up or (token, _name_of(token, candidate, where)) not in self._names:
                    inputs = candidate
                    break
        return provider_pb2.CheckResponse(inputs=codec.encode(inputs), failures=_failures(failures))

    @_answering
    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:
        """What changes, and whether that needs a new resource."""
        del context
        olds = codec.decode(request.old_inputs if request.old_inputs.fields else request.olds)
        found = diff(parse(request.urn).type, olds, codec.decode(request.news), list(request.ignoreChanges))
        response = provider_pb2.DiffResponse
        return response(
            changes=response.DIFF_SOME if found.changes else response.DIFF_NONE,
            replaces=found.replaces,
            diffs=found.diffs,
            deleteBeforeReplace=found.delete_before_replace,
            hasDetailedDiff=True,
            detailedDiff={
                path: provider_pb2.PropertyDiff(
                    kind=provider_pb2.PropertyDiff.Kind.Value(entry.kind.value.upper().replace("-", "_")),
                    inputDiff=entry.input_diff,
                )
                for path, entry in found.detailed.items()
            },
        )

    @_answering
    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Make a resource; one whose id is taken is refused when the id is the program's choice."""
        inputs, token, where = codec.decode(request.properties), parse(request.urn).type, self._place(context)
        if request.preview:
            return provider_pb2.CreateResponse(
                properties=codec.encode(outputs(Subject(token, request.urn, where, inputs)))
            )
        self._strike("create", request.urn, context, inputs)
        refused = ""
        for attempt in itertools.count():
            subject = Subject(token, request.urn, where, inputs, digest(request.urn, inputs, attempt))
            identifier = identity(subject)
            if identifier == refused:
                raise RehearsalError(
                    f"{token} {identifier!r} already exists in {where.region(inputs) or self.package} (simulated by "
                    "NovaCron); give it another name, or import it"
                )
            made = outputs(subject)
            key = _key(request.urn, where, inputs, identifier)
            if self._world.add(key, inputs, made) or knowledge.resource(token).again:
                if is_made_up(token, inputs):
                    self._names.add((token, _name_of(token, inputs, where)))
                return provider_pb2.CreateResponse(id=identifier, properties=codec.encode(made))
            refused = identifier
        raise AssertionError

    @_answering
    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Change a resource in place."""
        inputs, token, where = codec.decode(request.news), parse(request.urn).type, self._place(context)
        seed = self._seed(request.urn, codec.decode(request.olds))
        made = outputs(Subject(token, request.urn, where, inputs, seed))
        if not request.preview:
            self._strike("update", request.urn, context, inputs)
            self._world.put(_key(request.urn, where, inputs, request.id), inputs, made)
        return provider_pb2.UpdateResponse(properties=codec.encode(made))

    @_answering
    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:
        """A resource as it is; without an id when it is gone."""
        inputs, state = codec.decode(request.inputs), codec.decode(request.properties)
        token, where = parse(request.urn).type, self._place(context)
        self._strike("read", request.urn, context, inputs)
        if inputs or "id" in state:  # what real providers record; reading it here would make it look simulated
            self._seed(request.urn, state)
        key = _key(request.urn, where, inputs or state, request.id)
        if found := self._world.get(key):
            inputs, state = found
        elif self._world.knows_all or self._world.removed(key):
            return provider_pb2.ReadResponse(id="")
        elif LABEL not in state:
            # A program that reads what it does not manage: that exists, as far as this process can tell.
            state = existing(token, request.urn, where, request.id, state)
        return provider_pb2.ReadResponse(
            id=request.id, properties=codec.encode(state), inputs=codec.encode(inputs or state)
        )

    @_answering
    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Remove a resource."""
        inputs, token, where = codec.decode(request.old_inputs), parse(request.urn).type, self._place(context)
        self._seed(request.urn, codec.decode(request.properties))
        self._strike("delete", request.urn, context, inputs)
        self._world.remove(_key(request.urn, where, inputs, request.id))
        if is_made_up(token, inputs):
            self._names.discard((token, _name_of(token, inputs, where)))
        return Empty()

    @_answering
    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Call a function."""
        where = self._place(context)
        arguments = codec.decode(request.args)
        self._strike("invoke", request.tok, context, arguments, token=request.tok)
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(codec.encode(invoke(request.tok, arguments, where)))
        return response

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _connection(self, context: grpc.ServicerContext) -> _Connection:
        return self._connections.setdefault(context.peer(), _Connection(self._engine_address))

    def _place(self, context: grpc.ServicerContext) -> Place:
        """Where the connection's provider works; one that was connected anew takes the last configuration."""
        known = self._connection(context)
        if known.place is None:
            others = (other.place for other in reversed(list(self._connections.values())) if other.place)
            known.place = next(others, None) or place(self.package, {})
        return known.place

    def _tell(self, context: grpc.ServicerContext, severity: str, text: str, urn: str) -> None:
        """Show the user a message, where there is an engine to show it."""
        address = self._connection(context).engine_address
        if address:
            number = engine_pb2.LogSeverity.Value(severity)
            with suppress(grpc.RpcError), grpc.insecure_channel(address) as channel:
                EngineStub(channel).Log(engine_pb2.LogRequest(severity=number, message=text, urn=urn), timeout=5)

    def _strike(
        self, operation: str, urn: str, context: grpc.ServicerContext, inputs: PropertyMap, token: str = ""
    ) -> None:
        where = self._place(context)
        listed = faults.read(self._fault_source) if self._fault_source else []
        token = token or parse(urn).type
        seconds = faults.strike(listed, self._world, operation, token, urn, where.region(inputs), inputs)
        if seconds and self._connection(context).cancelled.wait(seconds):
            raise RehearsalError(f"cancelled while the slow creation of {urn} was simulated; nothing was made")

    def _seed(self, urn: str, state: PropertyMap) -> str:
        """What a resource's made-up values are derived from.

        Raises:
            RehearsalError: for a resource of a real cloud: to change it here would part the state from what exists.
        """
        seed = state.get(LABEL)
        if not isinstance(seed, str):
            raise RehearsalError(
                f"{urn} was not made by a simulated cloud, and a simulated cloud cannot change or delete it; run this "
                f"stack with the real {self.package} provider, or rehearse it with a state of its own"
            )
        return seed


def _failures(found: list[Problem]) -> list[Any]:
    return [provider_pb2.CheckFailure(property=item.property, reason=item.reason) for item in found]


def _key(urn: str, where: Place, inputs: PropertyMap, identifier: str) -> Key:
    """Return what tells a resource from all others of its cloud."""
    token = parse(urn).type
    scope = where.scope(token, inputs) if knowledge.resource(token).unique_ids else urn
    return token, scope, identifier


def _name_of(token: str, inputs: PropertyMap, where: Place) -> str:
    return str(Subject(token, "", where, inputs).lookup("name"))
