"""The program's side of Pulumi's protocol: the resource monitor and the engine service, over one gRPC server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import engine_pb2, provider_pb2, resource_pb2
from pulumi.runtime.proto.engine_pb2_grpc import EngineServicer, add_EngineServicer_to_server
from pulumi.runtime.proto.resource_pb2_grpc import ResourceMonitorServicer, add_ResourceMonitorServicer_to_server

from novacron_rehearsal import urn
from novacron_rehearsal.engine import registration
from novacron_rehearsal.engine.deployment import Deployment
from novacron_rehearsal.engine.run import StepFailedError
from novacron_rehearsal.engine.transforms import Transforms
from novacron_rehearsal.errors import CancelledError, NotSupportedError, RehearsalError
from novacron_rehearsal.events import Diagnostic, Severity
from novacron_rehearsal.protocol import codec
from novacron_rehearsal.protocol.channels import CHANNEL_OPTIONS
from novacron_rehearsal.protocol.goal import Goal, of_request
from novacron_rehearsal.values import contains_unknown, without_outputs

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
}


class Monitor(ResourceMonitorServicer):
    """Answers the program. Every method ends at once with UNAVAILABLE when the run is ending."""

    def __init__(self, deployment: Deployment, config: dict[str, str], secret_keys: list[str]) -> None:
        self.deployment = deployment
        self._config = config
        self._secret_keys = secret_keys
        self._transforms = Transforms()
        self.program_done = asyncio.Event()
        self.deletes_done = asyncio.Event()

    async def SupportsFeature(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Whether the engine can do something."""
        del context
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in FEATURES)

    async def GetDeploymentInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        """What run this is."""
        del request, context
        run = self.deployment.run
        features = resource_pb2.ResourceMonitorFeature
        names = (f"RESOURCE_MONITOR_FEATURE_{name}" for name in FEATURES.values())
        return resource_pb2.DeploymentInfo(
            project=run.project,
            stack=run.stack,
            organization="organization",
            config=self._config,
            configSecretKeys=self._secret_keys,
            dryRun=run.dry_run,
            parallel=run.parallel,
            supportedFeatures=[features.Value(name) for name in names if name in features.keys()],  # noqa: SIM118 - a protobuf enum
        )

    async def RegisterResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        """One resource of the program."""
        try:
            request = await self._transforms.apply(request)
            goal = of_request(request)
            state = await registration.register(self.deployment, goal)
        except (StepFailedError, CancelledError) as error:
            if self.deployment.ending or not request.supportsResultReporting:
                await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
            # The program goes on: it takes the outputs for unknown, and what depends on them is skipped.
            result = resource_pb2.Result.FAIL  # the SDK knows no other for what is skipped
            where = urn.make(
                self.deployment.run.stack, self.deployment.run.project, request.parent, request.type, request.name
            )
            return resource_pb2.RegisterResourceResponse(urn=where, id=self.deployment.known_id(where), result=result)
        except RehearsalError as error:
            self.deployment.fail("", str(error))
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        else:
            dialect = codec.Dialect(secrets=request.acceptSecrets, resources=request.acceptResources)
            # `unknown` makes the program treat outputs that are missing here as unknown. Otherwise they would be None,
            # and a resource that has one as an input would lose its dependency.
            outputs, unknown = state.outputs, state.urn in self.deployment.registry.simulated_dynamic
            if not self.deployment.run.dry_run:
                outputs = {key: value for key, value in outputs.items() if not contains_unknown(value)}
                unknown |= len(outputs) < len(state.outputs) or state.urn in self.deployment.selection.not_made
            return resource_pb2.RegisterResourceResponse(
                urn=state.urn, id=state.id, object=codec.encode(outputs, dialect), unknown=unknown
            )

    async def ReadResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        """One resource that something else manages."""
        goal = Goal(
            type=request.type,
            name=request.name,
            custom=True,
            parent=request.parent,
            inputs={key: without_outputs(value) for key, value in codec.decode(request.properties).items()},
            dependencies=sorted(set(request.dependencies)),
            property_dependencies={},
            provider=request.provider,
            version=request.version,
            additional_secret_outputs=list(request.additionalSecretOutputs),
            source_position=request.sourcePosition.uri if request.HasField("sourcePosition") else "",
        )
        known_id = "" if request.id in codec.UNKNOWN_SENTINELS else request.id
        try:
            state = await registration.read(self.deployment, goal, known_id)
        except (StepFailedError, CancelledError) as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        else:
            dialect = codec.Dialect(secrets=request.acceptSecrets, resources=request.acceptResources)
            return resource_pb2.ReadResourceResponse(urn=state.urn, properties=codec.encode(state.outputs, dialect))

    async def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The outputs of a component or the stack."""
        try:
            await registration.register_outputs(self.deployment, request.urn, codec.decode(request.outputs))
        except StepFailedError as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        return Empty()

    async def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A function of a provider."""
        try:
            request = await self._transforms.apply_to_invoke(request)
            arguments = {key: without_outputs(value) for key, value in codec.decode(request.args).items()}
            result, failures = await registration.invoke(
                self.deployment, request.tok, arguments, request.provider, request.version
            )
        except (StepFailedError, CancelledError) as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        except RehearsalError as error:
            await context.abort(grpc.StatusCode.UNKNOWN, f"invocation of {request.tok} returned an error: {error}")
        else:
            response = resource_pb2.ResourceInvokeResponse(
                failures=[provider_pb2.CheckFailure(property=f.property, reason=f.reason) for f in failures],
                unknown=result is None,
            )
            dialect = codec.Dialect(resources=request.acceptResources)
            getattr(response, "return").CopyFrom(codec.encode(result or {}, dialect))
            return response

    async def Call(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Methods of remote components."""
        await self._refuse(context, NotSupportedError(f"calling the method {request.tok}"))

    async def RegisterStackTransform(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A transform for every resource."""
        del context
        self._transforms.add_stack_transform(request)
        return Empty()

    async def RegisterStackInvokeTransform(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A transform for every invoke."""
        del context
        self._transforms.add_invoke_transform(request)
        return Empty()

    async def RegisterResourceHook(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Hooks run only on the CLI."""
        await self._refuse(context, NotSupportedError(f"the resource hook {request.name!r}"))

    async def RegisterErrorHook(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Hooks run only on the CLI."""
        await self._refuse(context, NotSupportedError(f"the error hook {request.name!r}"))

    async def RegisterPackage(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Parameterized packages run only on the CLI."""
        await self._refuse(context, NotSupportedError(f"the parameterized package {request.name!r}"))

    async def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The program is through; it waits here until the deletions are too."""
        del request, context
        self.program_done.set()
        await self.deletes_done.wait()
        return Empty()

    async def _refuse(self, context: Any, error: NotSupportedError) -> None:
        self.deployment.fail("", str(error))
        await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))

    async def close(self) -> None:
        """Let the program go and close the connections to its callbacks."""
        self.program_done.set()
        self.deletes_done.set()
        await self._transforms.close()


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

    async def Log(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A message; an error among them fails the run."""
        del context
        severity = _SEVERITIES.get(request.severity, Severity.INFO)
        if severity is Severity.DEBUG or self._monitor.deployment.cancelled:
            # A program that is interrupted complains of the interruption.
            return Empty()
        if severity is Severity.ERROR:
            deployment = self._monitor.deployment
            deployment.failed = True
            deployment.stopped |= not deployment.run.continue_on_error
        self._monitor.deployment.emit(
            Diagnostic(severity, request.message.rstrip("\n"), request.urn, request.ephemeral)
        )
        return Empty()

    async def GetRootResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The stack's URN."""
        del request, context
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    async def SetRootResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The program tells the stack's URN."""
        del context
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()

    async def RequirePulumiVersion(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Any version is well: the engine follows the SDK that the program brings."""
        del request, context
        return engine_pb2.RequirePulumiVersionResponse()

    async def StartDebugging(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Debuggers attach without the engine's help."""
        del request, context
        return Empty()


@dataclass(frozen=True, slots=True)
class Serving:
    """The two servers of a run."""

    servers: list[grpc.aio.Server]
    program_address: str
    """For the program: a socket that only this user can open. Who can register resources can run code as this user."""
    engine_address: str
    """For providers and policy packs, which log only: a port of this machine, because plug-ins expect one."""

    async def stop(self) -> None:
        """End both servers, and the calls that still run."""
        for server in self.servers:
            await server.stop(None)


async def serve(monitor: Monitor, engine: EngineService, socket_dir: Path) -> Serving:
    """Start the servers of a run. `socket_dir` is a folder that only this user can open."""
    program, plugins = (grpc.aio.server(options=CHANNEL_OPTIONS) for _ in range(2))
    add_ResourceMonitorServicer_to_server(monitor, program)
    for server in (program, plugins):
        add_EngineServicer_to_server(engine, server)
    socket = f"unix:{socket_dir / 'monitor'}"
    program.add_insecure_port(socket)
    port = plugins.add_insecure_port("127.0.0.1:0")
    await program.start()
    await plugins.start()
    return Serving([program, plugins], socket, f"127.0.0.1:{port}")
