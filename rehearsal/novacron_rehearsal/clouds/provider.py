# ruff: noqa: N802 - the protocol gives the methods' names
"""One simulated cloud as a Pulumi resource provider: checks, outputs, diffs, faults and state over gRPC."""

from __future__ import annotations

import itertools
import threading
from contextlib import suppress
from dataclasses import dataclass, field

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import engine_pb2, plugin_pb2, provider_pb2
from pulumi.runtime.proto.engine_pb2_grpc import EngineStub
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer

from novacron_rehearsal.clouds import cloud_data, faults, sdk
from novacron_rehearsal.clouds.functions import call_function
from novacron_rehearsal.clouds.input_checks import check_input_names, check_inputs, check_order
from novacron_rehearsal.clouds.input_diffs import compare_inputs
from novacron_rehearsal.clouds.outputs import (
    LABEL,
    SimulatedResource,
    add_name,
    compute_id,
    compute_outputs,
    describe_existing,
    find_inputs,
    has_generated_name,
)
from novacron_rehearsal.clouds.provider_config import ProviderConfig, digest, read_provider_config
from novacron_rehearsal.clouds.state import CloudState, Key
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.protocol import codec
from novacron_rehearsal.providers.serving import encode_diff, encode_failures, reports_errors
from novacron_rehearsal.urn import parse
from novacron_rehearsal.values import PropertyMap


@dataclass(slots=True)
class _Connection:
    """One connection: the engine at its other end, and the configuration that it sent."""

    engine_address: str
    config: ProviderConfig | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)


class CloudProvider(ResourceProviderServicer):
    """Serves one package to any number of engines and configurations at the same time.

    In the protocol, only the connection tells one configured provider from another. So the configuration is kept for
    each connection.
    """

    def __init__(self, package: str, existing: CloudState, fault_source: str = "", engine_address: str = "") -> None:
        self.package = package
        self.description = f"the simulation of {package}"
        self._sdk_version = sdk.find_version(package)
        self._existing = existing
        self._fault_source = fault_source
        self._engine_address = engine_address
        self._connections: dict[str, _Connection] = {}
        self._generated_names: set[tuple[str, str]] = set()
        """Type and name of the existing resources whose name was generated."""

    # -- the provider itself ------------------------------------------------------------------------------------------

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Return the version of the SDK that the simulation follows."""
        del request, context
        return plugin_pb2.PluginInfo(version=self._sdk_version)

    def Attach(self, request: plugin_pb2.PluginAttach, context: grpc.ServicerContext) -> Empty:
        """Remember the address of the engine that uses this connection."""
        self._connection(context).engine_address = request.address
        return Empty()

    @reports_errors
    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Check the names in the provider's configuration. The SDK has turned every value into text."""
        del context
        problems = check_input_names(f"pulumi:providers:{self.package}", codec.decode(request.news))
        return provider_pb2.CheckResponse(inputs=request.news, failures=encode_failures(problems))

    @reports_errors
    def DiffConfig(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """Return whether the configuration differs. A change never replaces the provider."""
        del context
        changed = codec.decode(request.old_inputs) != codec.decode(request.news)
        response = provider_pb2.DiffResponse
        return response(changes=response.DIFF_SOME if changed else response.DIFF_NONE)

    @reports_errors
    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """Keep the configuration for this connection, and tell the user that the provider is simulated."""
        self._connection(context).config = read_provider_config(self.package, codec.decode(request.args))
        text = f"NovaCron simulates {self.package}: it uses no account and creates nothing in a cloud"
        self._log(context, "INFO", text, request.urn)
        return provider_pb2.ConfigureResponse(acceptSecrets=True, acceptResources=True, supportsPreview=True)

    def Cancel(self, request: Empty, context: grpc.ServicerContext) -> Empty:
        """End operations that a `slow` fault holds up."""
        del request
        self._connection(context).cancelled.set()
        return Empty()

    # -- resources ----------------------------------------------------------------------------------------------------

    @reports_errors
    def Check(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        """Return every problem of the inputs, and the inputs with a generated name where the program gives none."""
        inputs, olds = codec.decode(request.news), codec.decode(request.olds)
        token, config = parse(request.urn).type, self._config(context)
        problems = check_inputs(token, inputs)
        failures = [problem for problem in problems if problem.certain]
        source = f"{sdk.find_distribution(self.package)} {self._sdk_version}"
        for doubt in (problem for problem in problems if not problem.certain):
            text = f"{doubt.property} {doubt.reason} ({source} lists no other values)"
            self._log(context, "WARNING", text, request.urn)
        if not failures:
            inputs = self._with_name(request.urn, config, inputs, olds)
        return provider_pb2.CheckResponse(inputs=codec.encode(inputs), failures=encode_failures(failures))

    def _with_name(self, urn: str, config: ProviderConfig, inputs: PropertyMap, olds: PropertyMap) -> PropertyMap:
        """Return the inputs with a name that no other resource of the type has."""
        token = parse(urn).type
        if olds and has_generated_name(token, olds):
            self._generated_names.add((token, _name(token, olds, config)))
        for attempt in itertools.count():
            seed = digest(urn, attempt)
            candidate = add_name(SimulatedResource(token, urn, config, inputs, seed), olds)
            if olds or not has_generated_name(token, candidate):
                return candidate
            if (token, _name(token, candidate, config)) not in self._generated_names:
                return candidate
        raise AssertionError

    @reports_errors
    def Diff(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """Return what changes, and whether that needs a new resource."""
        del context
        olds = codec.decode(request.old_inputs if request.old_inputs.fields else request.olds)
        return encode_diff(
            compare_inputs(parse(request.urn).type, olds, codec.decode(request.news), list(request.ignoreChanges))
        )

    @reports_errors
    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        """Create a resource. When the program chose the id and a resource has it already, that is an error."""
        inputs, token, config = codec.decode(request.properties), parse(request.urn).type, self._config(context)
        if request.preview:
            planned = SimulatedResource(token, request.urn, config, inputs)
            return provider_pb2.CreateResponse(properties=codec.encode(compute_outputs(planned)))
        self._inject_faults("create", request.urn, context, inputs)
        check_order(token, inputs)
        refused = ""
        for attempt in itertools.count():
            resource = SimulatedResource(token, request.urn, config, inputs, digest(request.urn, inputs, attempt))
            identifier = compute_id(resource)
            if identifier == refused:
                raise RehearsalError(
                    f"{token} {identifier!r} already exists in {config.region(inputs) or self.package} (simulated by "
                    "NovaCron); give it another name, or import it"
                )
            outputs = compute_outputs(resource)
            key = _key(request.urn, config, inputs, identifier)
            if self._existing.add(key, inputs, outputs) or cloud_data.find_resource(token).again:
                if has_generated_name(token, inputs):
                    self._generated_names.add((token, _name(token, inputs, config)))
                return provider_pb2.CreateResponse(id=identifier, properties=codec.encode(outputs))
            refused = identifier
        raise AssertionError

    @reports_errors
    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        """Change a resource in place."""
        inputs, token, config = codec.decode(request.news), parse(request.urn).type, self._config(context)
        seed = self._find_seed(request.urn, codec.decode(request.olds))
        outputs = compute_outputs(SimulatedResource(token, request.urn, config, inputs, seed))
        if not request.preview:
            self._inject_faults("update", request.urn, context, inputs)
            key = _key(request.urn, config, inputs, request.id)
            if self._existing.get(key):  # a cloud that forgot the resource could not tell its size to the program
                check_order(token, inputs)
            self._existing.put(key, inputs, outputs)
        return provider_pb2.UpdateResponse(properties=codec.encode(outputs))

    @reports_errors
    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        """Return a resource as it exists; an empty id when it does not exist any more."""
        inputs, state = codec.decode(request.inputs), codec.decode(request.properties)
        token, config = parse(request.urn).type, self._config(context)
        self._inject_faults("read", request.urn, context, inputs)
        if inputs or "id" in state:  # only real providers record an id; reading it would make it look simulated
            self._find_seed(request.urn, state)
        key = _key(request.urn, config, inputs or state, request.id)
        if found := self._existing.get(key):
            inputs, state = found
        elif self._existing.knows_all or self._existing.was_removed(key):
            return provider_pb2.ReadResponse(id="")
        elif LABEL not in state:
            # A program that reads a resource which it does not manage: as far as this process can tell, it exists.
            state = describe_existing(token, request.urn, config, request.id, state)
        inputs = inputs or find_inputs(token, state)
        return provider_pb2.ReadResponse(id=request.id, properties=codec.encode(state), inputs=codec.encode(inputs))

    @reports_errors
    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> Empty:
        """Delete a resource."""
        inputs, token, config = codec.decode(request.old_inputs), parse(request.urn).type, self._config(context)
        self._find_seed(request.urn, codec.decode(request.properties))
        self._inject_faults("delete", request.urn, context, inputs)
        self._existing.remove(_key(request.urn, config, inputs, request.id))
        if has_generated_name(token, inputs):
            self._generated_names.discard((token, _name(token, inputs, config)))
        return Empty()

    @reports_errors
    def Invoke(self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext) -> provider_pb2.InvokeResponse:
        """Call a function."""
        config = self._config(context)
        arguments = codec.decode(request.args)
        self._inject_faults("invoke", request.tok, context, arguments, token=request.tok)
        result = call_function(request.tok, arguments, config, self._existing)
        if sdk.normalize_token(request.tok) in cloud_data.load_cloud(self.package).lookups:
            text = f"{result['id']} is simulated: no cloud was asked whether it exists and has what it must have"
            self._log(context, "INFO", text, "")
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(codec.encode(result))
        return response

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _connection(self, context: grpc.ServicerContext) -> _Connection:
        return self._connections.setdefault(context.peer(), _Connection(self._engine_address))

    def _config(self, context: grpc.ServicerContext) -> ProviderConfig:
        """Return the configuration of the connection; a new connection has the last one that was sent."""
        known = self._connection(context)
        if known.config is None:
            others = (other.config for other in reversed(list(self._connections.values())) if other.config)
            known.config = next(others, None) or read_provider_config(self.package, {})
        return known.config

    def _log(self, context: grpc.ServicerContext, severity: str, text: str, urn: str) -> None:
        """Show the user a message, where there is an engine to show it."""
        address = self._connection(context).engine_address
        if address:
            number = engine_pb2.LogSeverity.Value(severity)
            with suppress(grpc.RpcError), grpc.insecure_channel(address) as channel:
                EngineStub(channel).Log(engine_pb2.LogRequest(severity=number, message=text, urn=urn), timeout=5)

    def _inject_faults(
        self, operation: str, urn: str, context: grpc.ServicerContext, inputs: PropertyMap, token: str = ""
    ) -> None:
        if not self._fault_source:
            return
        listed = faults.parse_faults(self._fault_source)
        region = self._config(context).region(inputs)
        call = faults.ProviderCall(operation, token or parse(urn).type, urn, region, inputs)
        seconds = faults.inject_faults(listed, self._existing, call)
        if seconds and self._connection(context).cancelled.wait(seconds):
            raise RehearsalError(f"cancelled while the slow creation of {urn} was simulated; nothing was created")

    def _find_seed(self, urn: str, state: PropertyMap) -> str:
        """Return the seed of a resource's generated values.

        Raises:
            RehearsalError: for a resource of a real cloud. To change it here would make the state differ from what
                exists.
        """
        seed = state.get(LABEL)
        if not isinstance(seed, str):
            raise RehearsalError(
                f"{urn} was not created by a simulated cloud, and a simulated cloud cannot change or delete it; run "
                f"this stack with the real {self.package} provider, or rehearse it with a state of its own"
            )
        return seed


def _key(urn: str, config: ProviderConfig, inputs: PropertyMap, identifier: str) -> Key:
    """Return the key of a resource among all of its cloud."""
    token = parse(urn).type
    scope = config.scope(token, inputs) if cloud_data.find_resource(token).unique_ids else urn
    return token, scope, identifier


def _name(token: str, inputs: PropertyMap, config: ProviderConfig) -> str:
    return str(SimulatedResource(token, "", config, inputs).lookup("name"))
