"""Planned resources as Google Cloud API calls, checked against the discovery documents of google-api-python-client.

The documents are independent of the Pulumi SDK. They have the members of a request, their types, enumerations, patterns
and output-only members. They do not state which members exclude each other, nor whether a referenced resource exists.
Managed Lustre has no document there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import googleapiclient

from tests.unit.gcp.gcp_calls import ADDRESSES, CALLS, NOT_SENT, WITHOUT_DOCUMENT, Call
from tests.unit.gcp.graph import PROJECT
from tests.unit.graph import Registered

AUTONAME = "-1234567"
"""Suffix that the provider adds to a logical name without a physical one."""
_DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
_LOCATION = "[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?"
"""Patterns of a region and a zone in the document of Compute Engine."""

_RENAMED = {
    "LoggingConfig.enableComponents": "componentConfig.enableComponents",
    "MonitoringConfig.enableComponents": "componentConfig.enableComponents",
    "MonitoringConfig.managedPrometheus": "managedPrometheusConfig",
    "NodeConfig.guestAccelerators": "accelerators",
    "AcceleratorConfig.type": "acceleratorType",
    "AcceleratorConfig.count": "acceleratorCount",
    "CustomerEncryptionKey.kmsKeySelfLink": "kmsKeyName",
    "allowed.protocol": "IPProtocol",
    "condition.withState": "isLive",
    "Settings.diskType": "dataDiskType",
    "Settings.diskSize": "dataDiskSizeGb",
    "Settings.diskAutoresize": "storageAutoResize",
}
"""By schema, or by member where it has no name of its own: what the provider calls otherwise than the API."""
_VALUES: dict[Any, Any] = {"TRUE": True, "FALSE": False, "LIVE": True, "ARCHIVED": False}
"""How the provider writes what the API has as a boolean."""


@cache
def document(name: str) -> dict[str, Any]:
    """The document of an API and version, such as container.v1."""
    return json.loads((_DOCUMENTS / f"{name}.json").read_text(encoding="utf-8"))


def problems(resource: Registered) -> list[str]:
    """Return the problems of a planned resource: violations of the document, and properties that no call has."""
    if resource.type in WITHOUT_DOCUMENT:
        return []
    call = CALLS.get(resource.type)
    if call is None:
        return [f"{resource.name}: no call is known for {resource.type}"]
    method = _method(call)
    inputs = {name: value for name, value in resource.inputs.items() if name not in NOT_SENT.get(resource.type, set())}
    found = [f"{resource.name}.{name}: no call takes it" for name in inputs if name not in call.fields]
    placed = [(call.fields[name], value) for name, value in inputs.items() if name in call.fields]
    if call.own_name and call.own_name not in {path for path, _ in placed}:
        placed.append((call.own_name, resource.name + AUTONAME))
    for path, value in placed:
        where = f"{resource.name}: {call.method} {path}"
        if path.startswith("?"):
            if path[1:] not in method["parameters"] or not isinstance(value, str):
                found.append(f"{where}: {value!r} is not a parameter of it")
            continue  # values of one parameter are checked together below
        body = {"$ref": method["request"]["$ref"]}
        found += [f"{where}{text}" for text in _check(value, *_at(call.api, body, path.split(".")), call.api)]
    for parameter in {call.fields[name] for name in inputs if is_constrained(resource.type, name)}:
        template = ADDRESSES.get((resource.type, parameter), f"{{{parameter[1:]}}}")  # compute's are one property each
        value = template.format(**{"project": PROJECT, **inputs})
        pattern = method["parameters"][parameter[1:]]["pattern"]
        if not re.fullmatch(pattern, value):
            found.append(f"{resource.name}: {call.method} {parameter}: {value!r} does not match {pattern}")
    # Of a location the documents say only that it has no slash; compute's says what a region or a zone looks like.
    found += [
        f"{resource.name}.{name}: {inputs[name]!r} does not match {_LOCATION}"
        for name in ("location", "region")
        if call.fields.get(name) == "?parent" and name in inputs and not re.fullmatch(_LOCATION, str(inputs[name]))
    ]
    return found


def is_constrained(type_: str, name: str) -> bool:
    """Return whether a document has a pattern for the parameter of a property, and the plan has its whole value.

    References to other resources by id are not constrained, because mocked ids are not real ones.
    """
    call = CALLS[type_]
    path = call.fields.get(name, "")
    if not path.startswith("?") or "pattern" not in _method(call)["parameters"].get(path[1:], {}):
        return False
    return call.api == "compute.v1" or (type_, path) in ADDRESSES


def _method(call: Call) -> dict[str, Any]:
    holder = document(call.api)
    *collections, method = call.method.split(".")
    for collection in collections:
        holder = holder["resources"][collection]
    return holder["methods"][method]


def _resolved(api: str, schema: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    if "$ref" in schema:
        return document(api)["schemas"][schema["$ref"]], schema["$ref"]
    return schema, name


def _at(api: str, schema: dict[str, Any], steps: list[str]) -> tuple[dict[str, Any], str]:
    """The schema at a path, and the name of the schema or member that it is."""
    name = ""
    for step in steps:
        schema, _ = _resolved(api, schema, name)
        if not step.isdigit():
            name = step
        schema = schema["items"] if step.isdigit() else schema["properties"][step]
    return schema, name


def _check(value: Any, schema: dict[str, Any], name: str, api: str) -> Iterator[str]:
    if schema.get("readOnly") or re.match(r"\[?output only", schema.get("description", ""), re.IGNORECASE):
        yield ": it is output only"
        return
    schema, name = _resolved(api, schema, name)
    kind = schema["type"]
    if kind == "object" and isinstance(value, list) and all(isinstance(item, dict) and "id" in item for item in value):
        value = {item["id"]: item for item in value}  # the provider has a list where the API has a map
    if kind == "object":
        yield from _check_object(value, schema, name, api)
    elif kind == "array":
        if not isinstance(value, list):
            yield f": {value!r} is not a list"
            return
        for index, item in enumerate(value):
            for text in _check(item, schema["items"], name, api):
                yield f".{index}{text}"
    else:
        yield from _check_scalar(value, schema, kind)


def _check_object(value: Any, schema: dict[str, Any], name: str, api: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f": {value!r} is not an object"
        return
    if "additionalProperties" in schema:
        for key, item in value.items():
            for text in _check(item, schema["additionalProperties"], key, api):
                yield f".{key}{text}"
        return
    for key, item in cast("dict[str, Any]", value).items():
        path = _RENAMED.get(f"{name}.{key}", key).split(".")
        try:
            member, member_name = _at(api, schema, path)
        except KeyError:
            yield f" ({name}) has no member {key}"
            continue
        for text in _check(item, member, member_name, api):
            yield f".{key}{text}"


def _check_scalar(value: Any, schema: dict[str, Any], kind: str) -> Iterator[str]:
    if kind == "boolean":
        if not isinstance(_VALUES.get(value, value), bool):
            yield f": {value!r} is not a boolean"
    elif kind in ("integer", "number") or schema.get("format") in ("int64", "uint64"):
        yield from _check_number(value, schema, kind)
    elif not isinstance(value, str):
        yield f": {value!r} is not a string"
    else:
        if "enum" in schema and value not in schema["enum"]:
            yield f": {value!r} is none of {schema['enum']}"
        if "pattern" in schema and not re.fullmatch(schema["pattern"], value):
            yield f": {value!r} does not match {schema['pattern']}"


def _check_number(value: Any, schema: dict[str, Any], kind: str) -> Iterator[str]:
    if isinstance(value, str) and kind == "string" and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        yield f": {value!r} is not a number"
    elif kind != "number" and value != int(value):
        yield f": {value!r} is not whole"
    elif schema.get("format", "").startswith("uint") and value < 0:
        yield f": {value!r} is negative"
