"""Transforms: functions of the program that the engine calls back before it registers a resource or invokes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import grpc.aio
from pulumi.runtime.proto import callback_pb2, resource_pb2
from pulumi.runtime.proto.callback_pb2_grpc import CallbacksStub

from novacron_rehearsal import urn
from novacron_rehearsal.errors import ProgramError
from novacron_rehearsal.protocol import codec
from novacron_rehearsal.protocol.channels import CHANNEL_OPTIONS
from novacron_rehearsal.values import Output, Secret, output_dependencies

_OPTION_FIELDS = {
    # of TransformResourceOptions: of RegisterResourceRequest
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


class Transforms:
    """The transforms of one run: a resource's own, then its ancestors', then the stack's."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._invoke: list[Any] = []
        self._of_parent: dict[str, list[Any]] = {}
        self._stubs: dict[str, tuple[Any, Any]] = {}

    def add_stack_transform(self, callback: Any) -> None:
        """A transform for every resource that is registered from here on."""
        self._stack.append(callback)

    def add_invoke_transform(self, callback: Any) -> None:
        """A transform for every invoke from here on."""
        self._invoke.append(callback)

    async def apply(self, request: Any) -> Any:
        """The registration as the transforms leave it. Raises `ProgramError` when one of them raises."""
        own = list(request.transforms)
        inherited = self._of_parent.get(request.parent, [])
        if not request.custom and (own or inherited):
            stack, project = self._names(request.parent)
            where = urn.make(stack, project, request.parent, request.type, request.name)
            self._of_parent[where] = [*own, *inherited]
        chain = [*own, *inherited, *self._stack]
        # As on the CLI, only a resource with transforms of its own has its dependencies told by its properties.
        if own:
            request = _with_outputs(request)
        for callback in chain:
            request = await self._apply_one(callback, request)
        return _with_property_dependencies(request) if own else request

    @staticmethod
    def _names(parent: str) -> tuple[str, str]:
        if not parent:
            return "", ""
        parts = urn.parse(parent)
        return parts.stack, parts.project

    async def _apply_one(self, callback: Any, request: Any) -> Any:
        options = resource_pb2.TransformResourceOptions()
        for theirs, ours in {**_OPTION_FIELDS, **_SCALAR_FIELDS}.items():
            value = getattr(request, ours)
            if theirs in _SCALAR_FIELDS:
                setattr(options, theirs, value)
            else:
                getattr(options, theirs).extend(value)
        for flag, field in (("protect", "protect"), ("retain_on_delete", "retainOnDelete")):
            if request.HasField(field):
                setattr(options, flag, getattr(request, field))
        if request.deleteBeforeReplaceDefined:
            options.delete_before_replace = request.deleteBeforeReplace
        if request.HasField("customTimeouts"):
            options.custom_timeouts.CopyFrom(request.customTimeouts)
        for key, value in request.providers.items():
            options.providers[key] = value
        message = resource_pb2.TransformRequest(
            type=request.type,
            name=request.name,
            custom=request.custom,
            parent=request.parent,
            properties=request.object,
            options=options,
        )
        response = resource_pb2.TransformResponse.FromString(await self._call(callback, message))
        changed = resource_pb2.RegisterResourceRequest()
        changed.CopyFrom(request)
        if response.HasField("properties"):
            changed.object.CopyFrom(response.properties)
        if response.HasField("options"):
            _take_options(changed, response.options)
        return changed

    async def apply_to_invoke(self, request: Any) -> Any:
        """The invoke as the transforms leave it. Raises `ProgramError` when one of them raises."""
        for callback in self._invoke:
            message = resource_pb2.TransformInvokeRequest(
                token=request.tok,
                args=request.args,
                options=resource_pb2.TransformInvokeOptions(provider=request.provider, version=request.version),
            )
            response = resource_pb2.TransformInvokeResponse.FromString(await self._call(callback, message))
            changed = resource_pb2.ResourceInvokeRequest()
            changed.CopyFrom(request)
            if response.HasField("args"):
                changed.args.CopyFrom(response.args)
            if response.HasField("options"):
                changed.provider = response.options.provider
                changed.version = response.options.version
            request = changed
        return request

    async def _call(self, callback: Any, message: Any) -> bytes:
        if callback.target not in self._stubs:
            channel = grpc.aio.insecure_channel(callback.target, options=CHANNEL_OPTIONS)
            self._stubs[callback.target] = (channel, CallbacksStub(channel))
        request = callback_pb2.CallbackInvokeRequest(token=callback.token, request=message.SerializeToString())
        try:
            response = await self._stubs[callback.target][1].Invoke(request)
        except grpc.aio.AioRpcError as error:
            raise ProgramError(f"a transform of the program failed: {error.details()}") from error
        return response.response

    async def close(self) -> None:
        """Close the connections to the program."""
        for channel, _ in self._stubs.values():
            await channel.close(None)


def _with_outputs(request: Any) -> Any:
    """Properties that depend on something as outputs that say so: a transform may move them."""
    changed = resource_pb2.RegisterResourceRequest()
    changed.CopyFrom(request)
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


def _with_property_dependencies(request: Any) -> Any:
    """The dependencies as the transformed properties tell them."""
    request.propertyDependencies.clear()
    dependencies = set(request.dependencies)
    for key, value in codec.decode(request.object).items():
        needed = output_dependencies(value)
        request.propertyDependencies[key].urns.extend(sorted(needed))
        dependencies |= needed
    del request.dependencies[:]
    request.dependencies.extend(sorted(dependencies))
    return request


def _take_options(request: Any, options: Any) -> None:
    for theirs, ours in _OPTION_FIELDS.items():
        field = getattr(request, ours)
        del field[:]
        field.extend(getattr(options, theirs))
    for theirs, ours in _SCALAR_FIELDS.items():
        setattr(request, ours, getattr(options, theirs))
    for flag, field in (("protect", "protect"), ("retain_on_delete", "retainOnDelete")):
        if options.HasField(flag):
            setattr(request, field, getattr(options, flag))
        else:
            request.ClearField(field)
    if options.HasField("delete_before_replace"):
        request.deleteBeforeReplace = options.delete_before_replace
        request.deleteBeforeReplaceDefined = True
    if options.HasField("custom_timeouts"):
        request.customTimeouts.CopyFrom(options.custom_timeouts)
    request.providers.clear()
    for key, value in options.providers.items():
        request.providers[key] = value
