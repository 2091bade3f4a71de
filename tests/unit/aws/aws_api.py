"""Planned resources as AWS API calls, checked against the service models in botocore.

The models are independent of the Pulumi SDK: they say which members a call has, their types, the values of
enumerations, lengths, ranges and patterns. What they do not say: which members exclude each other, and whether a thing
that is referred to exists.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import yaml
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.validate import ParamValidator

from tests.unit.graph import Registered

AUTONAME = "-1234567"
"""Suffix that the provider adds to a logical name without a physical one."""


@dataclass(frozen=True)
class Call:
    """A call that creates a resource or sets some of its properties."""

    call: str
    """The service and the operation."""
    takes: tuple[str, ...] = ()
    fields: dict[str, str] = field(default_factory=dict)
    own_name: str | None = None
    longest_name: int | None = None
    constants: dict[str, Any] = field(default_factory=dict)
    tagged: str | None = None

    @property
    def operation(self) -> Any:
        service, operation = self.call.split()
        return _service(service).operation_model(operation)


def _read() -> Iterator[tuple[str, list[Call], set[str]]]:
    for type_, entry in yaml.safe_load((Path(__file__).parent / "aws_calls.yaml").read_text()).items():
        yield type_, [Call(**call) for call in entry["calls"]], set(entry.get("not_sent", ()))


CALLS = {type_: calls for type_, calls, _ in _read()}
NOT_SENT = {type_: names for type_, _, names in _read()}
_RENAMED = {
    ("LaunchTemplateInstanceNetworkInterfaceSpecificationRequest", "securityGroups"): "Groups",
    ("Parameter", "name"): "ParameterName",
    ("Parameter", "value"): "ParameterValue",
}


@cache
def _service(name: str) -> Any:
    return botocore.session.get_session().get_service_model(name)


def problems(resource: Registered) -> list[str]:
    """Return the problems of a planned resource: violations of the service model, and properties that no call has."""
    if resource.type not in CALLS:
        return [f"{resource.name}: no call is known for {resource.type}"]
    calls = CALLS[resource.type]
    sent = {name for call in calls for name in (*call.takes, *call.fields, *(["tags"] if call.tagged else []))}
    resource = replace(
        resource, inputs=_flat(resource.inputs, {name.partition(".")[0] for name in sent if "." in name})
    )
    unknown = set(resource.inputs) - sent - NOT_SENT[resource.type]
    found = [f"{resource.name}.{name}: no call takes it" for name in sorted(unknown)]
    for call in calls:
        shape, where = call.operation.input_shape, f"{resource.name}: {call.operation.name}"
        try:
            parameters = _parameters(call, resource, shape)
        except UnknownMemberError as error:
            found.append(f"{where}{error}")
            continue
        if call.longest_name is not None and len(parameters[call.own_name or ""]) > call.longest_name:
            found.append(f"{where}.{call.own_name}: longer than {call.longest_name}")
        report = ParamValidator().validate(parameters, shape)
        found += [f"{where}: {report.generate_report()}"] if report.has_errors() else []
        found += [f"{where}{text}" for text in _constraints(parameters, shape, "")]
    return found


def _flat(inputs: dict[str, Any], blocks: set[str]) -> dict[str, Any]:
    """Flatten the properties of these blocks under dotted names, as the call has them on one level."""
    flat = {name: value for name, value in inputs.items() if name not in blocks}
    for block in blocks & set(inputs):
        flat |= {f"{block}.{name}": value for name, value in inputs[block].items()}
    return flat


class UnknownMemberError(Exception):
    """Return nested properties that the call's shape lacks."""


def _parameters(call: Call, resource: Registered, shape: Any) -> dict[str, Any]:
    inputs = dict(resource.inputs)
    paths = {name: _member(shape, name, "") for name in call.takes if name in inputs} | call.fields
    if call.tagged and "tags" in inputs:
        inputs["tags"] = [{"resourceType": call.tagged, "tags": inputs["tags"]}]
        paths["tags"] = "TagSpecifications"
    root: dict[str, Any] = {}
    for path, value in call.constants.items():
        root = _merged(root, _nested(path.split("."), value))
    for name, path in paths.items():
        if name in inputs:
            steps = path.split(".")
            converted = _convert(inputs[name], _shape_at(shape, steps), f".{path}")
            root = _merged(root, _nested(steps, converted))
    if call.own_name:
        root.setdefault(call.own_name, resource.name + AUTONAME)
    return root


def _shape_at(shape: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(shape, MapShape):
            shape = shape.value
            continue
        shape = shape.member if step.isdigit() else shape.members[step]
    return shape


def _nested(path: list[str], value: Any) -> Any:
    for step in reversed(path):
        value = [value] if step.isdigit() else {step: value}
    return value


def _merged(one: Any, other: Any) -> Any:
    """Merge two structures; lists of one item merge their items."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one | {key: _merged(one[key], value) if key in one else value for key, value in other.items()}
    if isinstance(one, list) and isinstance(other, list) and one and other:
        return [_merged(one[0], other[0])]
    return other


def _convert(value: Any, shape: Shape, where: str) -> Any:
    if isinstance(shape, ListShape):
        if isinstance(value, dict):  # tags
            key_name, value_name = sorted(shape.member.members)  # Key and Value, TagKey and TagValue, Name and Value
            return [{key_name: key, value_name: text} for key, text in value.items()]
        return [_convert(item, shape.member, where) for item in value]
    if isinstance(shape, MapShape):
        return value
    if isinstance(shape, StructureShape):
        if isinstance(value, list):  # Pulumi's way to write an optional block
            (value,) = value
        return {
            member: _convert(item, shape.members[member], f"{where}.{member}")
            for member, item in ((_member(shape, name, where), item) for name, item in value.items())
        }
    if shape.type_name in ("integer", "long") and isinstance(value, float) and value.is_integer():
        return int(value)
    if shape.type_name == "boolean" and value in ("true", "false"):
        return value == "true"
    return value


def _member(shape: StructureShape, name: str, where: str) -> str:
    renamed = _RENAMED.get((shape.name, name))
    if renamed is not None:
        return renamed
    wanted = _normal(name)
    for member in shape.members:
        if _normal(member) == wanted:
            return member
    raise UnknownMemberError(f"{where} ({shape.name}) has no member {name}")


def _normal(name: str) -> str:
    return name.lower().removesuffix("s")


def _constraints(value: Any, shape: Any, where: str) -> Iterator[str]:
    """Return violations that ParamValidator does not check: enumerations, upper bounds and patterns."""
    if isinstance(shape, StructureShape):
        for name, item in value.items():
            yield from _constraints(item, shape.members[name], f"{where}.{name}")
    elif isinstance(shape, ListShape):
        for item in value:
            yield from _constraints(item, shape.member, where)
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from _constraints(key, shape.key, f"{where}.{key}")
            yield from _constraints(item, shape.value, f"{where}.{key}")
    else:
        enum = getattr(shape, "enum", None)
        if enum and value not in enum:
            yield f"{where}: {value!r} is none of {enum}"
        size = len(value) if isinstance(value, str) else value
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        if (low is not None and size < low) or (high is not None and size > high):
            yield f"{where}: {value!r} lies outside {low} to {high}"
        pattern = shape.metadata.get("pattern")
        if pattern and isinstance(value, str) and not _matches(pattern, value):
            yield f"{where}: {value!r} does not match {pattern}"


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(rf"^(?:{pattern})$", value) is not None
    except re.error:  # Java's syntax, such as \p{L}
        return True
