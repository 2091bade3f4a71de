"""A goal: one resource as the program declares it, decoded from its request."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import alias_pb2, resource_pb2

from novacron_rehearsal import urn
from novacron_rehearsal.errors import NotSupportedError
from novacron_rehearsal.protocol import codec
from novacron_rehearsal.state.resource import CustomTimeouts
from novacron_rehearsal.values import PropertyMap, Value, output_dependencies, without_outputs

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(slots=True)
class AliasSpec:
    """A former name of a resource. Empty fields are the same as the resource's own."""

    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str = ""
    no_parent: bool = False


@dataclass(slots=True)
class Goal:
    """One resource as the program declares it."""

    type: str
    name: str
    custom: bool
    parent: str
    inputs: PropertyMap
    dependencies: list[str]
    property_dependencies: dict[str, list[str]]
    provider: str = ""
    providers: dict[str, str] = field(default_factory=dict[str, str])
    version: str = ""
    protect: bool | None = None
    delete_before_replace: bool | None = None
    ignore_changes: list[str] = field(default_factory=list[str])
    replace_on_changes: list[str] = field(default_factory=list[str])
    hide_diff: list[str] = field(default_factory=list[str])
    additional_secret_outputs: list[str] = field(default_factory=list[str])
    alias_urns: list[str] = field(default_factory=list[str])
    alias_specs: list[AliasSpec] = field(default_factory=list[AliasSpec])
    import_id: str = ""
    custom_timeouts: CustomTimeouts | None = None
    retain_on_delete: bool | None = None
    deleted_with: str = ""
    replace_with: list[str] = field(default_factory=list[str])
    replacement_trigger: Value = None
    before_update: list[str] = field(default_factory=list[str])
    """Names of the hooks that the engine calls before it updates the resource."""
    source_position: str = ""

    @property
    def is_provider(self) -> bool:
        """Return whether this is a provider resource."""
        return urn.is_provider(self.type)


def decode_read(request: resource_pb2.ReadResourceRequest) -> Goal:
    """Decode a request to read a resource that the program does not manage."""
    return Goal(
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


def decode_registration(request: resource_pb2.RegisterResourceRequest) -> Goal:
    """Decode a request to register a resource.

    Raises:
        NotSupportedError: for a feature that only the Pulumi CLI supports.
    """
    if request.remote:
        raise NotSupportedError(f"{request.type} {request.name!r} is a remote component")
    if others := [field.name for field, _ in request.hooks.ListFields() if field.name != "before_update"]:
        raise NotSupportedError(f"{request.type} {request.name!r} has resource hooks ({', '.join(others)})")
    if request.packageRef:
        raise NotSupportedError(f"{request.type} {request.name!r} is of a parameterized package")
    if request.state_migrations:
        raise NotSupportedError(f"{request.type} {request.name!r} has state migrations")
    properties = codec.decode(request.object)
    needed = {key: {*deps.urns} for key, deps in request.propertyDependencies.items()}
    for key, value in properties.items():
        # Without dependencies for each property, every property has all dependencies of the resource.
        everything = () if request.propertyDependencies else request.dependencies
        needed.setdefault(key, {*everything}).update(output_dependencies(value))
    return Goal(
        type=request.type,
        name=request.name,
        custom=request.custom,
        parent=request.parent,
        inputs={key: without_outputs(value) for key, value in properties.items()},
        dependencies=sorted(set(request.dependencies)),
        property_dependencies={key: sorted(urns) for key, urns in needed.items()},
        provider=request.provider,
        providers=dict(request.providers),
        version=request.version,
        protect=request.protect if request.HasField("protect") else None,
        delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
        ignore_changes=list(request.ignoreChanges),
        replace_on_changes=list(request.replaceOnChanges),
        hide_diff=list(request.hideDiffs),
        additional_secret_outputs=list(request.additionalSecretOutputs),
        alias_urns=[
            *request.aliasURNs,
            *(alias.urn for alias in request.aliases if alias.WhichOneof("alias") == "urn"),
        ],
        alias_specs=[_decode_alias(alias.spec) for alias in request.aliases if alias.WhichOneof("alias") == "spec"],
        import_id=request.importId,
        custom_timeouts=decode_timeouts(request.customTimeouts) if request.HasField("customTimeouts") else None,
        retain_on_delete=request.retainOnDelete if request.HasField("retainOnDelete") else None,
        deleted_with=request.deletedWith,
        replace_with=list(request.replace_with),
        replacement_trigger=_decode_trigger(request),
        before_update=list(request.hooks.before_update),
        source_position=request.sourcePosition.uri if request.HasField("sourcePosition") else "",
    )


def _decode_alias(spec: alias_pb2.Alias.Spec) -> AliasSpec:
    return AliasSpec(
        name=spec.name,
        type=spec.type,
        stack=spec.stack,
        project=spec.project,
        parent=spec.parentUrn,
        no_parent=spec.noParent,
    )


def _decode_trigger(request: resource_pb2.RegisterResourceRequest) -> Value:
    if not request.HasField("replacement_trigger"):
        return None
    holder = Struct()
    holder.fields["trigger"].CopyFrom(request.replacement_trigger)
    return without_outputs(codec.decode(holder)["trigger"])


def decode_timeouts(message: resource_pb2.RegisterResourceRequest.CustomTimeouts) -> CustomTimeouts | None:
    """Decode timeouts such as `5m`; `None` when none is set."""
    values = [_seconds(getattr(message, key)) for key in ("create", "update", "delete")]
    return CustomTimeouts(*values) if any(values) else None


def _seconds(text: str) -> float:
    return sum(float(amount) * _SECONDS[unit] for amount, unit in _DURATION.findall(text))
