# ruff: noqa: N802 - the protocol gives the methods' names
"""The gRPC services of a run: the resource monitor for the program, and the engine service for logging."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeAlias

import grpc
import grpc.aio
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from pulumi.runtime.proto import callback_pb2, engine_pb2, provider_pb2, resource_pb2
from pulumi.runtime.proto.engine_pb2_grpc import EngineServicer, add_EngineServicer_to_server
from pulumi.runtime.proto.resource_pb2_grpc import ResourceMonitorServicer, add_ResourceMonitorServicer_to_server

from novacron_rehearsal.engine import registration
from novacron_rehearsal.engine.deployment import Deployment
from novacron_rehearsal.engine.run import StepFailedError
from novacron_rehearsal.engine.transforms import Transforms
from novacron_rehearsal.errors import CancelledError, NotSupportedError, RehearsalError
from novacron_rehearsal.events import Diagnostic, Severity
from novacron_rehearsal.project import StackConfig
from novacron_rehearsal.protocol import codec
from novacron_rehearsal.protocol.channels import CHANNEL_OPTIONS
from novacron_rehearsal.protocol.goal import Goal, decode_read, decode_registration
from novacron_rehearsal.state.resource import ResourceState
from novacron_rehearsal.values import PropertyMap, contains_unknown, without_outputs

FEATURES = {
    "secrets": "SECRETS",
    "resourceReferences": "RESOURCE_REFERENCES",
    "outputValues": "OUTPUT_VALUES",
    "aliasSpecs": "ALIAS_SPECS",
    "deletedWith": "DELETED_WITH",
    "transforms": "TRANSFORMS",
    "invokeTransforms": "INVOKE_TRANSFORMS",
    "replaceWith": "REPLACE_WITH",
    "replacementTrigger": "REPLACEMENT_TRIGGER",
    "invokeDependsOn": "INVOKE_DEPENDS_ON",
    "invokeParent": "INVOKE_PARENT",
    "resourceHooks": "RESOURCE_HOOKS",
}

_Context: TypeAlias = "grpc.aio.ServicerContext[Message, Message]"


class Monitor(ResourceMonitorServicer):
    """Serves the program. When the run is ending, every method fails at once with UNAVAILABLE."""

    def __init__(self, deployment: Deployment, config: StackConfig) -> None:
        self.deployment = deployment
        self._config = config
        self._transforms = Transforms()
        deployment.hooks.use_program(self._transforms.call)
        self.program_done = asyncio.Event()
        self.deletes_done = asyncio.Event()
        self._registrations: set[asyncio.Task[ResourceState]] = set()

    async def SupportsFeature(
        self, request: resource_pb2.SupportsFeatureRequest, context: _Context
    ) -> resource_pb2.SupportsFeatureResponse:
        """Return whether the engine supports a feature."""
        del context
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in FEATURES)

    async def GetDeploymentInfo(self, request: Empty, context: _Context) -> resource_pb2.DeploymentInfo:
        """Describe the run."""
        del request, context
        run = self.deployment.run
        features = resource_pb2.ResourceMonitorFeature
        names = (f"RESOURCE_MONITOR_FEATURE_{name}" for name in FEATURES.values())
        return resource_pb2.DeploymentInfo(
            project=run.project,
            stack=run.stack,
            organization="organization",
            config=self._config.values,
            configSecretKeys=self._config.secret_keys,
            dryRun=run.dry_run,
            parallel=run.parallel,
            supportedFeatures=[features.Value(name) for name in names if name in features.keys()],  # noqa: SIM118 - a protobuf enum
        )

    async def RegisterResource(
        self, request: resource_pb2.RegisterResourceRequest, context: _Context
    ) -> resource_pb2.RegisterResourceResponse:
        """Register one resource of the program."""
        try:
            request = await self._transforms.apply(request)
            state = await self._register(decode_registration(request))
        except (StepFailedError, CancelledError) as error:
            if self.deployment.ending or not request.supportsResultReporting:
                await _abort(context, error)
            # The program continues: it treats the outputs as unknown, and what depends on them is skipped.
            where = self.deployment.run.make_urn(request.parent, request.type, request.name)
            return resource_pb2.RegisterResourceResponse(
                urn=where,
                id=self.deployment.find_id(where),
                result=resource_pb2.Result.FAIL,  # the SDK has no other result for a skipped resource
            )
        except RehearsalError as error:
            self.deployment.fail("", str(error))
            await _abort(context, error)
        outputs, unknown = self._known_outputs(state)
        dialect = codec.Dialect(secrets=request.acceptSecrets, resources=request.acceptResources)
        return resource_pb2.RegisterResourceResponse(
            urn=state.urn, id=state.id, object=codec.encode(outputs, dialect), unknown=unknown
        )

    async def _register(self, goal: Goal) -> ResourceState:
        """Register a resource, to the end even if the program ends first: the state needs the result of its step.

        gRPC cancels the requests of a program that ends, and an interrupt from the keyboard ends it at once.
        """
        task = asyncio.create_task(registration.register(self.deployment, goal))
        self._registrations.add(task)
        task.add_done_callback(self._registrations.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    def stop_registrations(self) -> None:
        """Stop waiting for steps in progress."""
        for task in self._registrations:
            task.cancel()

    def _known_outputs(self, state: ResourceState) -> tuple[PropertyMap, bool]:
        """Return a resource's outputs for the program, and whether outputs that are missing in them are unknown.

        Otherwise a missing output is None for the program, and a resource that has it as an input loses its dependency.
        """
        unknown = state.urn in self.deployment.registry.simulated_dynamic
        if self.deployment.run.dry_run:
            return state.outputs, unknown
        # In an `up`, the SDK reads an unknown output as None too.
        known = {key: value for key, value in state.outputs.items() if not contains_unknown(value)}
        excluded = state.urn in self.deployment.selection.not_made
        return known, unknown or excluded or len(known) < len(state.outputs)

    async def ReadResource(
        self, request: resource_pb2.ReadResourceRequest, context: _Context
    ) -> resource_pb2.ReadResourceResponse:
        """Read one resource that the program does not manage."""
        known_id = "" if request.id in codec.UNKNOWN_SENTINELS else request.id
        try:
            state = await registration.read(self.deployment, decode_read(request), known_id)
        except (StepFailedError, CancelledError) as error:
            await _abort(context, error)
        dialect = codec.Dialect(secrets=request.acceptSecrets, resources=request.acceptResources)
        return resource_pb2.ReadResourceResponse(urn=state.urn, properties=codec.encode(state.outputs, dialect))

    async def RegisterResourceOutputs(
        self, request: resource_pb2.RegisterResourceOutputsRequest, context: _Context
    ) -> Empty:
        """Register the outputs of a component or of the stack."""
        try:
            await registration.register_outputs(self.deployment, request.urn, codec.decode(request.outputs))
        except StepFailedError as error:
            await _abort(context, error)
        return Empty()

    async def Invoke(
        self, request: resource_pb2.ResourceInvokeRequest, context: _Context
    ) -> resource_pb2.ResourceInvokeResponse:
        """Call a function of a provider."""
        try:
            request = await self._transforms.apply_to_invoke(request)
            arguments = {key: without_outputs(value) for key, value in codec.decode(request.args).items()}
            result, failures = await registration.invoke(
                self.deployment, request.tok, arguments, request.provider, request.version
            )
        except (StepFailedError, CancelledError) as error:
            await _abort(context, error)
        except RehearsalError as error:
            message = f"invocation of {request.tok} returned an error: {error}"
            await _abort(context, message, grpc.StatusCode.UNKNOWN)
        response = resource_pb2.ResourceInvokeResponse(
            failures=[provider_pb2.CheckFailure(property=f.property, reason=f.reason) for f in failures],
            unknown=result is None,
        )
        dialect = codec.Dialect(resources=request.acceptResources)
        getattr(response, "return").CopyFrom(codec.encode(result or {}, dialect))
        return response

    async def Call(self, request: resource_pb2.ResourceCallRequest, context: _Context) -> NoReturn:
        """Refuse to call a method of a remote component."""
        await self._refuse(context, f"calling the method {request.tok}")

    async def RegisterStackTransform(self, request: callback_pb2.Callback, context: _Context) -> Empty:
        """Add a transform for every resource."""
        del context
        self._transforms.add_stack_transform(request)
        return Empty()

    async def RegisterStackInvokeTransform(self, request: callback_pb2.Callback, context: _Context) -> Empty:
        """Add a transform for every function call."""
        del context
        self._transforms.add_invoke_transform(request)
        return Empty()

    async def RegisterResourceHook(self, request: resource_pb2.RegisterResourceHookRequest, context: _Context) -> Empty:
        """Register a resource hook."""
        try:
            self.deployment.hooks.add(request)
        except RehearsalError as error:
            self.deployment.fail("", str(error))
            await _abort(context, error)
        return Empty()

    async def RegisterErrorHook(self, request: resource_pb2.RegisterErrorHookRequest, context: _Context) -> NoReturn:
        """Refuse an error hook."""
        await self._refuse(context, f"the error hook {request.name!r}")

    async def RegisterPackage(self, request: resource_pb2.RegisterPackageRequest, context: _Context) -> NoReturn:
        """Refuse a parameterized package."""
        await self._refuse(context, f"the parameterized package {request.name!r}")

    async def SignalAndWaitForShutdown(self, request: Empty, context: _Context) -> Empty:
        """Note that the program is done, and wait until the deletions are done."""
        del request, context
        self.program_done.set()
        await self.deletes_done.wait()
        return Empty()

    async def _refuse(self, context: _Context, what: str) -> NoReturn:
        error = NotSupportedError(what)
        self.deployment.fail("", str(error))
        await _abort(context, error)

    async def close(self) -> None:
        """Release the program if it waits, and close the connections to its callbacks."""
        self.program_done.set()
        self.deletes_done.set()
        await self._transforms.close()


async def _abort(context: _Context, message: object, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> NoReturn:
    await context.abort(code, str(message))
    raise AssertionError


_SEVERITIES = {
    engine_pb2.DEBUG: Severity.DEBUG,
    engine_pb2.INFO: Severity.INFO,
    engine_pb2.WARNING: Severity.WARNING,
    engine_pb2.ERROR: Severity.ERROR,
}


class EngineService(EngineServicer):
    """Logging and the root resource, for the program, providers and policy packs."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._root = ""

    async def Log(self, request: engine_pb2.LogRequest, context: _Context) -> Empty:
        """Emit a message. An error fails the run."""
        del context
        severity = _SEVERITIES.get(request.severity, Severity.INFO)
        if severity is Severity.DEBUG or self._monitor.deployment.cancelled:
            # A program that is interrupted reports the interruption itself as an error.
            return Empty()
        if severity is Severity.ERROR:
            deployment = self._monitor.deployment
            deployment.failed = True
            deployment.stopped |= not deployment.run.continue_on_error
        self._monitor.deployment.emit(
            Diagnostic(severity, request.message.rstrip("\n"), request.urn, request.ephemeral)
        )
        return Empty()

    async def GetRootResource(
        self, request: engine_pb2.GetRootResourceRequest, context: _Context
    ) -> engine_pb2.GetRootResourceResponse:
        """Return the stack's URN."""
        del request, context
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    async def SetRootResource(
        self, request: engine_pb2.SetRootResourceRequest, context: _Context
    ) -> engine_pb2.SetRootResourceResponse:
        """Keep the stack's URN."""
        del context
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()

    async def RequirePulumiVersion(
        self, request: engine_pb2.RequirePulumiVersionRequest, context: _Context
    ) -> engine_pb2.RequirePulumiVersionResponse:
        """Accept any version: the engine speaks the protocol of the program's own SDK."""
        del request, context
        return engine_pb2.RequirePulumiVersionResponse()

    async def StartDebugging(self, request: engine_pb2.StartDebuggingRequest, context: _Context) -> Empty:
        """Do nothing: debuggers attach without the engine."""
        del request, context
        return Empty()


@dataclass(frozen=True, slots=True)
class Serving:
    """The two servers of a run."""

    servers: tuple[grpc.aio.Server, ...]
    program_address: str
    """For the program: a socket that only this user can open, because registering resources can run code."""
    engine_address: str
    """For providers and policy packs, which only log: a port on 127.0.0.1, because plug-ins expect one."""

    async def stop(self) -> None:
        """Stop both servers, and cancel the calls that still run."""
        for server in self.servers:
            await server.stop(None)


async def serve(monitor: Monitor, engine: EngineService, socket_dir: Path) -> Serving:
    """Start the servers of a run.

    Args:
        monitor: serves the program.
        engine: serves the program, providers and policy packs.
        socket_dir: a folder that only this user can open.
    """
    program, plugins = (grpc.aio.server(options=CHANNEL_OPTIONS) for _ in range(2))
    add_ResourceMonitorServicer_to_server(monitor, program)
    for server in (program, plugins):
        add_EngineServicer_to_server(engine, server)
    socket = f"unix:{socket_dir / 'monitor'}"
    program.add_insecure_port(socket)
    port = plugins.add_insecure_port("127.0.0.1:0")
    await program.start()
    await plugins.start()
    return Serving((program, plugins), socket, f"127.0.0.1:{port}")
