"""Compares inputs: which properties differ, and which of them can only be changed by a new resource."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping

from novacron_rehearsal.clouds import cloud_data, sdk, templates
from novacron_rehearsal.clouds.outputs import has_generated_name
from novacron_rehearsal.clouds.schema import load_schema
from novacron_rehearsal.events import DiffKind, PropertyDiff
from novacron_rehearsal.providers.client import DiffResult
from novacron_rehearsal.values import PropertyMap, Value, without_secrets

_REPLACING = {
    DiffKind.ADD: DiffKind.ADD_REPLACE,
    DiffKind.UPDATE: DiffKind.UPDATE_REPLACE,
    DiffKind.DELETE: DiffKind.DELETE_REPLACE,
}


def compare_inputs(token: str, olds: PropertyMap, news: PropertyMap, ignored: list[str]) -> DiffResult:
    """Compare old inputs with new ones.

    No SDK describes which changes force a replacement; `data/*.yaml` does for the types that cluster programs use.
    Properties of other types are changed in place, except those in a resource's id.
    """
    forcing = find_replacing_inputs(token) | _find_replacing_values(token, olds, news)
    detailed: dict[str, PropertyDiff] = {}
    replaces: set[str] = set()
    for path, kind in _changes(olds, news, ""):
        plain = re.sub(r"\[[^\]]*\]", "", path)
        if any(_covers(name, path) for name in ignored):
            continue
        forced = any(_covers(name, plain) or _covers(plain, name) for name in forcing)
        if forced:
            replaces.add(path.partition(".")[0].partition("[")[0])
        detailed[path] = PropertyDiff(_REPLACING[kind] if forced else kind, input_diff=True)
    return DiffResult(
        changes=bool(detailed),
        replaces=sorted(replaces),
        diffs=sorted({path.partition(".")[0].partition("[")[0] for path in detailed}),
        detailed=detailed,
        # Two resources cannot have the same name at once, and only a generated name changes with the resource.
        delete_before_replace=bool(replaces) and _keeps_its_name(token, olds, news),
    )


def find_replacing_inputs(token: str) -> frozenset[str]:
    """Return the inputs (paths without indices) whose change replaces a resource of this type."""
    facts = cloud_data.find_resource(token)
    if sdk.is_custom_resource(token):
        return frozenset(facts.replaces)
    return frozenset(
        path
        for path in {*facts.replaces, *templates.find_variables(facts.id)}
        if path.partition(".")[0] in load_schema(token).inputs
    )


def _find_replacing_values(token: str, olds: PropertyMap, news: PropertyMap) -> frozenset[str]:
    """Return the lists and networks that replace the resource by the way they change."""
    facts = cloud_data.find_resource(token)

    def items(inputs: PropertyMap, name: str) -> int:
        value = without_secrets(inputs.get(name))
        return len(value) if isinstance(value, list) else 0

    return frozenset(
        [name for name in facts.grows if items(news, name) <= items(olds, name)]
        + [name for name in facts.fills if bool(items(news, name)) != bool(items(olds, name))]
        + [name for name in facts.widens if not _is_wider(news.get(name), olds.get(name))]
    )


def _is_wider(new: Value, old: Value) -> bool:
    """Return whether one network has every address of another. An unknown one counts as wider."""
    try:
        return ipaddress.IPv4Network(str(old)).subnet_of(ipaddress.IPv4Network(str(new)))
    except ValueError:
        return True


def _keeps_its_name(token: str, olds: PropertyMap, news: PropertyMap) -> bool:
    first, *rest = cloud_data.find_resource(token).name.split(".")
    old, new = (without_secrets(inputs.get(first)) for inputs in (olds, news))
    for key in rest:
        old, new = (value.get(key) if isinstance(value, dict) else None for value in (old, new))
    return new is not None and old == new and not has_generated_name(token, news)


def _covers(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith((f"{outer}.", f"{outer}["))


def _changes(old: Mapping[str, Value], new: Mapping[str, Value], path: str) -> Iterator[tuple[str, DiffKind]]:
    for key in sorted({*old, *new}):
        if not key.startswith("__"):
            name = key if re.fullmatch(r"[\w-]+", key) else f'["{key}"]'
            where = f"{path}.{name}" if path and not name.startswith("[") else f"{path}{name}"
            yield from _change(old.get(key), new.get(key), where)


def _change(old: Value, new: Value, path: str) -> Iterator[tuple[str, DiffKind]]:
    old, new = without_secrets(old), without_secrets(new)
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _changes(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else None
            after = new[index] if index < len(new) else None
            yield from _change(before, after, f"{path}[{index}]")
    elif old != new:
        yield path, DiffKind.ADD if old is None else DiffKind.DELETE if new is None else DiffKind.UPDATE
