# ruff: noqa: N802 - the protocol gives the methods' names
"""The provider protocol for real clusters: package `kubernetes`, one configuration per process."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import cast

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import plugin_pb2, provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer

from novacron_rehearsal.errors import NotSupportedError, ProviderError
from novacron_rehearsal.events import Severity
from novacron_rehearsal.kubernetes.cluster import Cluster
from novacron_rehearsal.kubernetes.diff import compare_inputs
from novacron_rehearsal.kubernetes.inputs import complete_inputs
from novacron_rehearsal.kubernetes.kubeconfig import find_server, load_access
from novacron_rehearsal.kubernetes.objects import read_kind
from novacron_rehearsal.kubernetes.operations import Operations, Resource
from novacron_rehearsal.kubernetes.properties import INPUTS
from novacron_rehearsal.kubernetes.settings import check_settings, read_settings
from novacron_rehearsal.kubernetes.waiting import Waiter
from novacron_rehearsal.protocol import codec
from novacron_rehearsal.providers.client import DiffResult, ProviderResponse
from novacron_rehearsal.providers.serving import (
    EngineLog,
    InitializationError,
    encode_diff,
    encode_failures,
    reports_errors,
)
from novacron_rehearsal.values import PropertyMap, without_secrets

VERSION = "0.1.0"


@dataclass(frozen=True, slots=True)
class _Configured:
    operations: Operations
    cluster: Cluster


class KubernetesProvider(ResourceProviderServicer):
    """Serves the package `kubernetes` to one engine."""

    description = "NovaCron's Kubernetes provider"

    def __init__(self, log: EngineLog) -> None:
        self._log = log
        self._configured: _Configured | None = None
        self._cancelled = threading.Event()

    def close(self) -> None:
        """End operations that wait, and close all connections."""
        self._cancelled.set()
        if self._configured is not None:
            self._configured.cluster.close()
        self._log.close()

    # -- the provider itself ------------------------------------------------------------------------------------------

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Return the version."""
        del request, context
        return plugin_pb2.PluginInfo(version=VERSION)

    def Attach(self, request: plugin_pb2.PluginAttach, context: grpc.ServicerContext) -> Empty:
        """Send messages to an engine that did not start this provider."""
        del context
        self._log.close()
        self._log = EngineLog(request.address)
        return Empty()

    @reports_errors
    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Reject what only Pulumi's own provider supports."""
        del context
        failures = encode_failures(check_settings(codec.decode(request.news)))
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    @reports_errors
    def DiffConfig(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """Replace the provider, and so its resources, when the API server is another one."""
        del context
        old = codec.decode(request.old_inputs if request.old_inputs.fields else request.olds)
        new = codec.decode(request.news)
        return encode_diff(compare_configurations(old, new))

    @reports_errors
    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """Read the kubeconfig. The cluster is asked only when it is needed: a preview works without it."""
        del context
        settings = read_settings(codec.decode(request.args))
        cluster = Cluster(load_access(settings), settings.timeout_s)

        def report(urn: str, progress: str) -> None:
            self._log.write(Severity.INFO, progress, urn, ephemeral=True)

        waiter = Waiter(cluster, self._cancelled, report)
        self._configured = _Configured(Operations(cluster, settings, waiter, self._log.write), cluster)
        text = (
            f"NovaCron's own provider manages the cluster at {cluster.access.server}, because Pulumi's plug-in for "
            "kubernetes is not installed"
        )
        self._log.write(Severity.INFO, text, request.urn)
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Cancel(self, request: Empty, context: grpc.ServicerContext) -> Empty:
        """End operations that wait for an object. What was applied stays, and the state has it."""
        del request, context
        self._cancelled.set()
        return Empty()

    # -- resources ----------------------------------------------------------------------------------------------------

    @reports_errors
    def Check(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        """Return the inputs with a generated name where the program gives none, and what is wrong with them."""
        del context
        olds, news = codec.decode(request.olds), codec.decode(request.news)
        kind = read_kind(request.urn, news)
        inputs, failures = complete_inputs(request.urn, kind, olds, news, request.randomSeed)
        return provider_pb2.CheckResponse(inputs=codec.encode(inputs), failures=encode_failures(failures))

    @reports_errors
    def Diff(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """Compare the inputs that were applied last with new ones."""
        del context
        operations, outputs = self._operations(), codec.decode(request.olds)
        old, new = _last_inputs(request.old_inputs, outputs), codec.decode(request.news)
        resource = _resource(request.urn, new)
        found = compare_inputs(
            resource.kind,
            old,
            new,
            outputs,
            default_namespace=operations.default_namespace,
            settings=operations.settings,
            ignored=request.ignoreChanges,
        )
        if operations.must_replace(resource, outputs):
            found = DiffResult(changes=True, replaces=[*found.replaces, "status"], delete_before_replace=True)
        return encode_diff(found)

    @reports_errors
    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        """Create an object and wait until it is ready."""
        del context
        resource = _resource(request.urn, codec.decode(request.properties))
        operations = self._operations()
        if request.preview:
            return provider_pb2.CreateResponse(properties=codec.encode(operations.preview_create(resource)))
        made = _complete(operations.create(resource, request.timeout))
        return provider_pb2.CreateResponse(id=made.id, properties=codec.encode(made.outputs))

    @reports_errors
    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        """Change an object in place and wait until it is ready."""
        del context
        resource, outputs = _resource(request.urn, codec.decode(request.news)), codec.decode(request.olds)
        operations, ignored = self._operations(), list(request.ignoreChanges)
        if request.preview:
            planned = operations.preview_update(resource, outputs, ignored)
            return provider_pb2.UpdateResponse(properties=codec.encode(planned))
        made = _complete(operations.update(resource, outputs, request.timeout, ignored))
        return provider_pb2.UpdateResponse(properties=codec.encode(made.outputs))

    @reports_errors
    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        """Read an object, or import it when it was never applied; an empty id when it does not exist."""
        del context
        outputs = codec.decode(request.properties)
        resource = _resource(request.urn, _last_inputs(request.inputs, outputs))
        found = self._operations().read(resource, request.id, outputs)
        if found is None:
            return provider_pb2.ReadResponse(id="")
        found = _complete(found)
        inputs = codec.encode(found.inputs or {})
        return provider_pb2.ReadResponse(id=found.id, properties=codec.encode(found.outputs), inputs=inputs)

    @reports_errors
    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> Empty:
        """Delete an object and wait until it is gone."""
        del context
        outputs = codec.decode(request.properties)
        resource = _resource(request.urn, _last_inputs(request.old_inputs, outputs))
        self._operations().delete(resource, request.id, outputs, request.timeout)
        return Empty()

    @reports_errors
    def Invoke(self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext) -> provider_pb2.InvokeResponse:
        """Refuse functions: they belong to components for YAML files, charts and Kustomize."""
        del context
        raise NotSupportedError(f"{request.tok} (NovaCron's Kubernetes provider manages single objects only)")

    def _operations(self) -> Operations:
        if self._configured is None:
            raise ProviderError("the Kubernetes provider has no configuration yet; this is a bug of the engine")
        return self._configured.operations


def compare_configurations(old: PropertyMap, new: PropertyMap) -> DiffResult:
    """Compare two configurations of the provider."""
    plain_old, plain_new = (
        {key: without_secrets(value) for key, value in one.items() if key not in ("version", "__internal")}
        for one in (old, new)
    )
    changed = sorted(key for key in {*plain_old, *plain_new} if plain_old.get(key) != plain_new.get(key))
    identifier = plain_new.get("clusterIdentifier")
    if identifier and plain_old.get("clusterIdentifier"):
        moved = identifier != plain_old["clusterIdentifier"]
    else:
        before, after = find_server(read_settings(old)), find_server(read_settings(new))
        moved = bool(before and after and before != after)
    reasons = [key for key in changed if key in ("clusterIdentifier", "context", "kubeconfig")]
    return DiffResult(changes=bool(changed), diffs=changed, replaces=reasons if moved else [])


def _resource(urn: str, inputs: PropertyMap) -> Resource:
    return Resource(urn, read_kind(urn, inputs), inputs)


def _last_inputs(inputs: Struct, outputs: PropertyMap) -> PropertyMap:
    """Return the inputs that were applied last. Older states have them in the outputs alone."""
    if inputs.fields:
        return codec.decode(inputs)
    kept = outputs.get(INPUTS)
    return cast("PropertyMap", kept) if isinstance(kept, dict) else {}


def _complete(response: ProviderResponse) -> ProviderResponse:
    """Return a response of a ready resource. Raises `InitializationError` for one that is not."""
    if response.init_errors:
        inputs = None if response.inputs is None else codec.encode(response.inputs)
        raise InitializationError(response.id, codec.encode(response.outputs), inputs, response.init_errors)
    return response
