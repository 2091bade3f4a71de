"""Checks inputs against a resource's schema. Every problem has the path of the property and a fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from novacron_rehearsal.clouds import cloud_data, sdk
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
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.providers.client import CheckFailure
from novacron_rehearsal.values import (
    UNKNOWN,
    Archive,
    Asset,
    Output,
    PropertyMap,
    ResourceReference,
    Secret,
    Value,
    without_secrets,
)

_SHOWN_NAMES = 12
_LEADER_WORKER_SET = ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet")
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class InputProblem(CheckFailure):
    """A problem of one property: its path, and the reason with a fix."""

    certain: bool = True
    """False for a value that the SDK does not list, when the cloud may accept more than the SDK lists."""


def check_inputs(token: str, inputs: PropertyMap) -> list[InputProblem]:
    """Return the problems of a resource's inputs. Unknown values pass; they are checked when they are known.

    Raises:
        UnknownTypeError: when the SDK has no such resource.
    """
    if sdk.is_custom_resource(token):
        return list(_custom_resource(token, inputs))
    return [*_object(inputs, load_schema(token).inputs, "", token), *_name_conflicts(token, inputs)]


def _name_conflicts(token: str, inputs: PropertyMap) -> Iterator[InputProblem]:
    """Yield a problem when the inputs have a name and a prefix for one, or when the provider will add the name."""
    facts = cloud_data.find_resource(token)
    prefix = f"{facts.name}Prefix"
    if not facts.name or inputs.get(prefix) is None:
        return
    if inputs.get(facts.name) is not None:
        yield InputProblem(prefix, f"conflicts with {facts.name}; give one of the two")
    elif facts.autonamed_with_prefix:
        rule = f"conflicts with {facts.name}, which the provider adds when the program does not give it"
        yield InputProblem(prefix, f"{rule}; leave the prefix out and name the resource")


def check_order(token: str, inputs: PropertyMap) -> None:
    """Raise RehearsalError for two numbers of a resource that the cloud does not accept together.

    Clouds report them when a resource is created or updated, after a preview without problems.
    """
    for order in cloud_data.find_resource(token).ordered:
        low, high = _number(inputs, order.low), _number(inputs, order.high)
        if low is not None and high is not None and low > high:
            raise RehearsalError(f"{order.refusal.format(low=f'{low:g}', high=f'{high:g}')} (simulated by NovaCron)")


def _number(inputs: PropertyMap, path: str) -> float | None:
    value: Value = without_secrets(inputs)
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, (int, float)) else None


def check_input_names(token: str, inputs: PropertyMap) -> list[InputProblem]:
    """Return the problems of the inputs' names alone, for providers: all of their values are text."""
    known = load_schema(token).inputs
    names = [name for name in inputs if not name.startswith("__") and name != "version" and name not in known]
    return [InputProblem(name, _unknown_name(name, known, token)) for name in names]


def _object(value: Mapping[str, Value], known: Fields, path: str, owner: str) -> Iterator[InputProblem]:
    for name, item in value.items():
        if name.startswith("__"):  # the protocol's own, such as __defaults
            continue
        where = f"{path}.{name}" if path else name
        if name not in known:
            yield InputProblem(where, _unknown_name(name, known, owner))
        elif item is not None:
            yield from _value(item, known[name].type, where)
    for field in known.values():
        if field.required and value.get(field.name) is None:
            where = f"{path}.{field.name}" if path else field.name
            yield InputProblem(where, f"is missing, and {owner} requires it; give {_described(field.type)}")


def _value(value: Value, wanted: Type, path: str) -> Iterator[InputProblem]:
    if isinstance(value, (Secret, Output)):
        yield from _value(value.value, wanted, path)
    elif value is UNKNOWN or value is None:
        return
    elif isinstance(wanted, OneOf):
        attempts = [list(_value(value, option, path)) for option in wanted.options]
        # The problems of the type that the value resembles most are the most useful ones.
        alike = [
            problems for problems in attempts if all(item.property != path or not item.certain for item in problems)
        ]
        yield from min(alike, key=len) if alike else [_wrong(value, wanted, path)]
    elif isinstance(wanted, Object):
        if isinstance(value, dict):
            yield from _object(value, read_fields(wanted.cls), path, wanted.cls.__name__)
        else:
            yield _wrong(value, wanted, path)
    elif isinstance(wanted, ListOf):
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _value(item, wanted.item, f"{path}[{index}]")
        else:
            yield _wrong(value, wanted, path)
    elif isinstance(wanted, MapOf):
        if isinstance(value, dict):
            for key, item in value.items():
                yield from _value(item, wanted.item, f"{path}.{key}" if key.isidentifier() else f'{path}["{key}"]')
        else:
            yield _wrong(value, wanted, path)
    elif not _is(value, wanted):
        yield _wrong(value, wanted, path)
    elif wanted.values and value not in wanted.values:
        # Clouds with an open list of values ignore case.
        known = [str(item) for item in wanted.values]
        if not (wanted.open and str(value).lower() in map(str.lower, known)):
            yield InputProblem(path, f"is {_shown(value)}; {_nearest(str(value), known)}", certain=not wanted.open)


def _is(value: Value, wanted: Scalar) -> bool:
    if wanted.kind == "anything":
        return True
    if wanted.kind == "text":
        # A resource in place of its id arrives as a reference.
        return isinstance(value, (str, ResourceReference))
    if wanted.kind == "true or false":
        return isinstance(value, bool)
    if wanted.kind == "asset":
        return isinstance(value, (Asset, Archive))
    if isinstance(value, bool):
        return False
    return isinstance(value, int if wanted.kind == "whole number" else (int, float))


def _wrong(value: Value, wanted: Type, path: str) -> InputProblem:
    return InputProblem(path, f"is {_shown(value)}; give {_described(wanted)}")


def _unknown_name(name: str, known: Fields, owner: str) -> str:
    plain = {_plain(item): item for item in known}
    near = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.6)
    if near:
        return f"is not a property of {owner}; write {plain[near[0]]!r}"
    if not known:
        return f"is not a property of {owner}, which has none; leave it out"
    return f"is not a property of {owner}; leave it out, or use one of: {_listed(known)}"


def _plain(name: str) -> str:
    """Return a name in a form that is the same for camelCase and snake_case."""
    return name.replace("_", "").lower()


def _nearest(value: str, values: list[str]) -> str:
    if len(values) == 1:
        return f"only {values[0]!r} is allowed"
    near = difflib.get_close_matches(value, values, n=1, cutoff=0.6)
    return (f"write {near[0]!r}, or another" if near else "write one") + f" of: {_listed(values)}"


def _listed(names: Mapping[str, object] | list[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:_SHOWN_NAMES]) + (", …" if len(ordered) > _SHOWN_NAMES else "")


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return f"an object ({_listed(value)})" if value else "an empty object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, (Asset, Archive)):
        return "an asset"
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _described(wanted: Type) -> str:
    if isinstance(wanted, OneOf):
        return " or ".join(_described(option) for option in wanted.options)
    if isinstance(wanted, ListOf):
        return f"a list, each item {_described(wanted.item)}"
    if isinstance(wanted, MapOf):
        return f"a mapping, each value {_described(wanted.item)}"
    if isinstance(wanted, Object):
        return f"an object of {wanted.cls.__name__} ({_listed(dict(read_fields(wanted.cls)))})"
    if wanted.values and not wanted.open:
        return f"one of {', '.join(map(repr, wanted.values))}"
    return {
        "text": "text",
        "whole number": "a whole number",
        "number": "a number",
        "true or false": "true or false",
        "asset": "an asset or an archive",
        "anything": "any value",
    }[wanted.kind]


def _custom_resource(token: str, inputs: PropertyMap) -> Iterator[InputProblem]:
    """Check a custom resource. Only the properties that every Kubernetes object has are known."""
    module, _, kind = token.partition(":")[2].rpartition(":")
    for name, wanted in (("apiVersion", module), ("kind", kind)):
        given = inputs.get(name)
        if given is not UNKNOWN and given != wanted:
            yield InputProblem(name, f"is {_shown(given)}; a resource of type {token} needs {wanted!r}")
    metadata = load_schema("kubernetes:core/v1:Namespace").inputs["metadata"].type
    yield from _value(inputs.get("metadata"), metadata, "metadata")
    if (module, kind) == _LEADER_WORKER_SET:
        yield from _pod_templates(inputs.get("spec"))


def _pod_templates(spec: Value) -> Iterator[InputProblem]:
    """Check the templates of a LeaderWorkerSet's pods, which have the type that Deployments use."""
    known = load_schema("kubernetes:apps/v1:Deployment").inputs["spec"].type
    group = spec.get("leaderWorkerTemplate") if isinstance(spec, dict) else None
    if isinstance(known, Object) and isinstance(group, dict):
        template = read_fields(known.cls)["template"].type
        for name in ("leaderTemplate", "workerTemplate"):
            yield from _value(group.get(name), template, f"spec.leaderWorkerTemplate.{name}")
