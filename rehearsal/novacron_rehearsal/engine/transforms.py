"""Transforms: functions of the program that the engine calls before it registers a resource or calls a function."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import grpc.aio
from google.protobuf.message import Message
from pulumi.runtime.proto import callback_pb2, resource_pb2
from pulumi.runtime.proto.callback_pb2_grpc import CallbacksStub

from novacron_rehearsal import urn
from novacron_rehearsal.errors import ProgramError
from novacron_rehearsal.protocol import codec
from novacron_rehearsal.protocol.channels import CHANNEL_OPTIONS
from novacron_rehearsal.values import Output, Secret, output_dependencies

_LIST_FIELDS = {
    # field of TransformResourceOptions: field of RegisterResourceRequest
    "depends_on": "dependencies",
    "ignore_changes": "ignoreChanges",
    "replace_on_changes": "replaceOnChanges",
    "aliases": "aliases",
    "additional_secret_outputs": "additionalSecretOutputs",
    "hide_diff": "hideDiffs",
    "replace_with": "replace_with",
}
_SCALAR_FIELDS = {
    "version": "version",
    "provider": "provider",
    "plugin_download_url": "pluginDownloadURL",
    "deleted_with": "deletedWith",
    "import": "importId",
}
_OPTIONAL_FLAGS = {"protect": "protect", "retain_on_delete": "retainOnDelete"}

_Message = TypeVar("_Message", bound=Message)


class Transforms:
    """The transforms of one run. A resource's own come first, then its ancestors', then the stack's."""

    def __init__(self) -> None:
        self._stack: list[callback_pb2.Callback] = []
        self._invoke: list[callback_pb2.Callback] = []
        self._of_parent: dict[str, list[callback_pb2.Callback]] = {}
        self._channels: dict[str, grpc.aio.Channel] = {}

    def add_stack_transform(self, callback: callback_pb2.Callback) -> None:
        """Apply a transform to every resource that is registered from now on."""
        self._stack.append(callback)

    def add_invoke_transform(self, callback: callback_pb2.Callback) -> None:
        """Apply a transform to every function call from now on."""
        self._invoke.append(callback)

    async def apply(self, request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceRequest:
        """Return the request after all transforms. Raises `ProgramError` when one of them fails."""
        own = list(request.transforms)
        inherited = self._of_parent.get(request.parent, [])
        if not request.custom and (own or inherited):
            stack, project = _stack_and_project(request.parent)
            where = urn.make(stack, project, request.parent, request.type, request.name)
            self._of_parent[where] = [*own, *inherited]
        chain = [*own, *inherited, *self._stack]
        # As on the CLI, only a resource with transforms of its own gets its dependencies from its properties.
        if own:
            request = _with_outputs(request)
        for callback in chain:
            request = await self._apply_one(callback, request)
        return _with_property_dependencies(request) if own else request

    async def _apply_one(
        self, callback: callback_pb2.Callback, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceRequest:
        message = resource_pb2.TransformRequest(
            type=request.type,
            name=request.name,
            custom=request.custom,
            parent=request.parent,
            properties=request.object,
            options=_read_options(request),
        )
        response = resource_pb2.TransformResponse.FromString(await self.call(callback, message))
        changed = _copy(request)
        if response.HasField("properties"):
            changed.object.CopyFrom(response.properties)
        if response.HasField("options"):
            _write_options(changed, response.options)
        return changed

    async def apply_to_invoke(self, request: resource_pb2.ResourceInvokeRequest) -> resource_pb2.ResourceInvokeRequest:
        """Return a function call after all transforms. Raises `ProgramError` when one of them fails."""
        for callback in self._invoke:
            message = resource_pb2.TransformInvokeRequest(
                token=request.tok,
                args=request.args,
                options=resource_pb2.TransformInvokeOptions(provider=request.provider, version=request.version),
            )
            response = resource_pb2.TransformInvokeResponse.FromString(await self.call(callback, message))
            changed = _copy(request)
            if response.HasField("args"):
                changed.args.CopyFrom(response.args)
            if response.HasField("options"):
                changed.provider = response.options.provider
                changed.version = response.options.version
            request = changed
        return request

    async def call(self, callback: callback_pb2.Callback, message: Message) -> bytes:
        """Call a function of the program and return its response. Raises `ProgramError` when it fails."""
        if callback.target not in self._channels:
            self._channels[callback.target] = grpc.aio.insecure_channel(callback.target, options=CHANNEL_OPTIONS)
        stub = CallbacksStub(self._channels[callback.target])
        request = callback_pb2.CallbackInvokeRequest(token=callback.token, request=message.SerializeToString())
        try:
            response = await stub.Invoke(request)
        except grpc.aio.AioRpcError as error:
            raise ProgramError(f"a function of the program failed: {error.details()}") from error
        return response.response

    async def close(self) -> None:
        """Close the connections to the program."""
        for channel in self._channels.values():
            await channel.close(None)


def _stack_and_project(parent: str) -> tuple[str, str]:
    if not parent:
        return "", ""
    parts = urn.parse(parent)
    return parts.stack, parts.project


def _copy(request: _Message) -> _Message:
    changed = type(request)()
    changed.CopyFrom(request)
    return changed


def _with_outputs(request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceRequest:
    """Turn properties with dependencies into outputs that carry them: a transform may move the properties."""
    changed = _copy(request)
    properties = codec.decode(request.object)
    for key, needed in request.propertyDependencies.items():
        value = properties.get(key)
        missing = set(needed.urns) - output_dependencies(value)
        if key not in properties or not missing:
            continue
        output = Output(value.value, secret=True) if isinstance(value, Secret) else value
        output = output if isinstance(output, Output) else Output(output)
        properties[key] = replace(output, dependencies=tuple(sorted({*output.dependencies, *missing})))
    changed.object.CopyFrom(codec.encode(properties, codec.Dialect(outputs=True)))
    return changed


def _with_property_dependencies(
    request: resource_pb2.RegisterResourceRequest,
) -> resource_pb2.RegisterResourceRequest:
    """Set the dependencies to those of the transformed properties."""
    request.propertyDependencies.clear()
    dependencies = set(request.dependencies)
    for key, value in codec.decode(request.object).items():
        needed = output_dependencies(value)
        request.propertyDependencies[key].urns.extend(sorted(needed))
        dependencies |= needed
    del request.dependencies[:]
    request.dependencies.extend(sorted(dependencies))
    return request


def _read_options(request: resource_pb2.RegisterResourceRequest) -> resource_pb2.TransformResourceOptions:
    """Return a request's options as a transform gets them."""
    options = resource_pb2.TransformResourceOptions()
    for theirs, ours in _SCALAR_FIELDS.items():
        setattr(options, theirs, getattr(request, ours))
    for theirs, ours in _LIST_FIELDS.items():
        getattr(options, theirs).extend(getattr(request, ours))
    for theirs, ours in _OPTIONAL_FLAGS.items():
        if request.HasField(ours):  # type: ignore[arg-type]
            setattr(options, theirs, getattr(request, ours))
    if request.deleteBeforeReplaceDefined:
        options.delete_before_replace = request.deleteBeforeReplace
    if request.HasField("customTimeouts"):
        options.custom_timeouts.CopyFrom(request.customTimeouts)
    for key, value in request.providers.items():
        options.providers[key] = value
    return options


def _write_options(
    request: resource_pb2.RegisterResourceRequest, options: resource_pb2.TransformResourceOptions
) -> None:
    """Set a request's options to those that a transform returned."""
    for theirs, ours in _LIST_FIELDS.items():
        field = getattr(request, ours)
        del field[:]
        field.extend(getattr(options, theirs))
    for theirs, ours in _SCALAR_FIELDS.items():
        setattr(request, ours, getattr(options, theirs))
    for theirs, ours in _OPTIONAL_FLAGS.items():
        if options.HasField(theirs):  # type: ignore[arg-type]
            setattr(request, ours, getattr(options, theirs))
        else:
            request.ClearField(ours)  # type: ignore[arg-type]
    if options.HasField("delete_before_replace"):
        request.deleteBeforeReplace = options.delete_before_replace
        request.deleteBeforeReplaceDefined = True
    if options.HasField("custom_timeouts"):
        request.customTimeouts.CopyFrom(options.custom_timeouts)
    request.providers.clear()
    for key, value in options.providers.items():
        request.providers[key] = value
