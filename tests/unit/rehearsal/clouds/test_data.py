"""`data/*.yaml` describes only types and properties that the SDKs have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from novacron_rehearsal.clouds import cloud_data, templates
from novacron_rehearsal.clouds.input_diffs import find_replacing_inputs
from novacron_rehearsal.clouds.outputs import SimulatedResource, compute_id, compute_outputs
from novacron_rehearsal.clouds.provider_config import read_provider_config
from novacron_rehearsal.clouds.schema import (
    Fields,
    ListOf,
    MapOf,
    Object,
    OneOf,
    Scalar,
    Type,
    load_schema,
    read_fields,
)
from novacron_rehearsal.values import without_secrets

KNOWN = [
    (package, token)
    for package in cloud_data.list_packages()
    for token in cloud_data.load_cloud(package).types
    if token != cloud_data.EVERY_TYPE
]
URN = "urn:pulumi:dev::lab::{token}::thing"


def missing(path: str, known: Fields) -> str:
    """The first part of a dotted path that the SDK does not have; empty when it has all."""
    first, _, rest = path.partition(".")
    if first not in known:
        return first
    inner = known[first].type
    while isinstance(inner, ListOf):
        inner = inner.item
    return missing(rest, read_fields(inner.cls)) if rest and isinstance(inner, Object) else ""


@pytest.mark.parametrize(("package", "token"), KNOWN)
def test_cloud_data_has_only_properties_that_the_sdk_has(package: str, token: str) -> None:
    known, facts = load_schema(token), cloud_data.find_resource(token)
    own = cloud_data.load_cloud(package).types[token]
    assert not [
        path for path in {*find_replacing_inputs(token), *own.get("replaces", ())} if missing(path, known.inputs)
    ]
    assert not facts.outputs.keys() - known.outputs.keys() - {"type"}
    assert "name" not in own or not missing(own["name"], known.inputs)


@pytest.mark.parametrize(("package", "token"), KNOWN)
def test_a_resource_with_required_inputs_only_has_an_id_and_its_outputs(package: str, token: str) -> None:
    inputs = {field.name: sample(field.type) for field in load_schema(token).inputs.values() if field.required}
    name = cloud_data.find_resource(token).name.split(".")
    if len(name) == 1 and name[0] in load_schema(token).inputs:
        inputs[name[0]] = "named"
    subject = SimulatedResource(
        token,
        URN.format(token=token),
        read_provider_config(package, {}),
        {"metadata": {"name": "named"}, **inputs},
        "0" * 64,
    )
    made = compute_outputs(subject)
    assert compute_id(subject)
    assert "{" not in compute_id(subject)
    unlike = [
        text
        for wanted in load_schema(token).outputs.values()
        for text in problems(without_secrets(made.get(wanted.name)), wanted.type)
    ]
    assert not unlike


def sample(wanted: Type) -> Any:
    """A value that the SDK would take."""
    if isinstance(wanted, OneOf):
        return sample(wanted.options[0])
    if isinstance(wanted, Object):
        return {field.name: sample(field.type) for field in read_fields(wanted.cls).values() if field.required}
    if isinstance(wanted, ListOf):
        return [sample(wanted.item)]
    if isinstance(wanted, Scalar):
        return (
            wanted.values[0]
            if wanted.values
            else {"whole number": 1, "number": 1, "true or false": True}.get(wanted.kind, "given")
        )
    return {}


def problems(value: Any, wanted: Type) -> Iterator[str]:
    """Yield the parts of an output that do not have the type in the SDK."""
    if value is None or isinstance(wanted, OneOf):
        return
    if isinstance(wanted, Object):
        for key, item in value.items():
            if key in read_fields(wanted.cls):
                yield from problems(item, read_fields(wanted.cls)[key].type)
            elif key != "__defaults":
                yield f"{wanted.cls.__name__} has no {key}"
    elif isinstance(wanted, ListOf):
        for item in value:
            yield from problems(item, wanted.item)
    elif isinstance(wanted, MapOf):
        for item in value.values():
            yield from problems(item, wanted.item)
    elif wanted.kind == "text" and not isinstance(value, str):
        yield f"{value!r} is not text"
    elif wanted.kind == "whole number" and not isinstance(value, int):
        yield f"{value!r} is not a whole number"


@pytest.mark.parametrize("package", cloud_data.list_packages())
def test_output_patterns_use_variables_that_every_resource_has(package: str) -> None:
    always = {*read_provider_config(package, {}).variables, "hex", "uuid", "byte", "id", "kind", "service", "name"}
    asked = {
        name for text in cloud_data.load_cloud(package).patterns.values() for name in templates.find_variables(text)
    }
    assert asked <= always | {"tags", "labels"}
