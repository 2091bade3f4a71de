"""Compares a resource's inputs with new ones: what changes, and whether the object must be replaced."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from novacron_rehearsal.engine.diff import compare, matches, parse_path
from novacron_rehearsal.events import DiffKind, PropertyDiff
from novacron_rehearsal.kubernetes.inputs import has_unknown_name, is_autonamed
from novacron_rehearsal.kubernetes.objects import Kind, find, find_text, name_of, namespace_of
from novacron_rehearsal.kubernetes.properties import move_string_data
from novacron_rehearsal.kubernetes.quantities import same_quantity
from novacron_rehearsal.kubernetes.replacement import IDENTITY, find_immutable, is_covered
from novacron_rehearsal.kubernetes.settings import Settings
from novacron_rehearsal.providers.client import DiffResult
from novacron_rehearsal.values import UNKNOWN, PropertyMap

_NAMESPACE = "metadata.namespace"
_QUANTITIES = frozenset(
    {"averageValue", "capacity", "default", "defaultRequest", "divisor", "hard", "limits", "max", "min", "overhead"}
    | {"requests", "sizeLimit"}
)
"""Fields of Kubernetes' API that are quantities or maps of quantities."""


def compare_inputs(
    kind: Kind,
    old: PropertyMap,
    new: PropertyMap,
    outputs: PropertyMap,
    *,
    default_namespace: str,
    settings: Settings,
    ignored: Sequence[str] = (),
) -> DiffResult:
    """Compare the inputs that were applied last with new ones.

    Args:
        kind: kind of the new object.
        old: the inputs that were applied last.
        new: the inputs of the program.
        outputs: the object as it was last read.
        default_namespace: namespace of objects that name none.
        settings: the provider's configuration.
        ignored: property paths of `ignore_changes`.
    """
    old, new = (
        move_string_data({key: value for key, value in one.items() if not key.startswith("__")}) for one in (old, new)
    )
    detailed = compare(old, new)
    detailed.pop(_NAMESPACE, None)
    if moved := _compare_namespaces(new, outputs, default_namespace):
        detailed[_NAMESPACE] = moved
    patterns = [parse_path(path) for path in ignored]
    immutable = find_immutable(kind, old, settings)
    replaces: list[str] = []
    for path, entry in list(detailed.items()):
        if _is_same_quantity(old, new, path) or any(matches(pattern, parse_path(path)) for pattern in patterns):
            del detailed[path]
            continue
        plain = re.sub(r"\[[^\]]*\]", "", path)
        forces = plain in (*IDENTITY, _NAMESPACE) or (
            is_covered(immutable.fields, plain)
            and not is_covered(immutable.except_for, plain)
            and not (entry.kind is DiffKind.DELETE and is_covered(immutable.defaulted, plain))
        )
        if plain == "apiVersion" and _group(old) == _group(new):
            forces = False  # another version of the same object
        if forces:
            replaces.append(path)
            detailed[path] = replace(entry, kind=DiffKind(f"{entry.kind.value}-replace"))
    return DiffResult(
        changes=bool(detailed),
        replaces=sorted(replaces),
        diffs=sorted({re.split(r"[.\[]", path, maxsplit=1)[0] for path in detailed}),
        detailed=detailed,
        delete_before_replace=bool(replaces) and _keeps_its_place(new, outputs, default_namespace),
    )


def _is_same_quantity(old: PropertyMap, new: PropertyMap, path: str) -> bool:
    """Return whether both inputs have the same quantity: Pulumi's provider keeps `1000m` as `1` in the state."""
    keys = parse_path(path)
    return not _QUANTITIES.isdisjoint(keys) and same_quantity(_value_at(old, keys), _value_at(new, keys))


def _value_at(value: object, keys: Sequence[str | int]) -> object:
    for key in keys:
        if isinstance(value, dict):
            value = cast("dict[str | int, object]", value).get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(cast("list[object]", value)):
            value = cast("list[object]", value)[key]
        else:
            return None
    return value


def _compare_namespaces(new: PropertyMap, outputs: PropertyMap, default: str) -> PropertyDiff | None:
    """Compare the namespaces that apply. An object outside namespaces has none, whatever its inputs say."""
    if not namespace_of(outputs):
        return None
    wanted = find(new, "metadata", "namespace") or default
    if new.get("metadata") is UNKNOWN or wanted == namespace_of(outputs):
        return None
    return PropertyDiff(DiffKind.UPDATE, input_diff=True)


def _keeps_its_place(new: PropertyMap, outputs: PropertyMap, default: str) -> bool:
    """Return whether the replacement has the same name in the same namespace: both cannot exist at once."""
    if has_unknown_name(new) or is_autonamed(new) or name_of(new) != name_of(outputs):
        return False
    return not namespace_of(outputs) or (namespace_of(new) or default) == namespace_of(outputs)


def _group(inputs: PropertyMap) -> str:
    return find_text(inputs, "apiVersion").rpartition("/")[0]
