"""Field ownership of server-side apply: names of managers, and whose fields an apply would touch."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import cast

from novacron_rehearsal.engine.diff import parse_path
from novacron_rehearsal.kubernetes.objects import (
    PATCH_FIELD_MANAGER,
    Json,
    Object,
    annotation,
    find,
    find_object,
    find_objects,
)
from novacron_rehearsal.kubernetes.properties import FIELD_MANAGER
from novacron_rehearsal.values import PropertyMap

PREFIX = "pulumi-kubernetes"
_FORMER_MANAGERS = {
    "Apply": ("kubectl",),
    "Update": ("kubectl", PREFIX, "pulumi-resource-kubernetes", "before-first-apply"),
}
"""Managers whose fields an update takes over, by operation; each is the beginning of a name, such as `kubectl-patch`.

As in Pulumi's provider, they are those of Pulumi without server-side apply, and of what someone changed with kubectl.
"""


def choose_manager(state: PropertyMap, inputs: PropertyMap) -> str:
    """Return the field manager of a resource: the annotation's, else that of the state, else a new one."""
    chosen = annotation(inputs, PATCH_FIELD_MANAGER) or find(state, FIELD_MANAGER)
    return chosen if isinstance(chosen, str) and chosen else f"{PREFIX}-{secrets.token_hex(4)}"


def is_pulumis(live: object) -> bool:
    """Return whether Pulumi manages fields of an object."""
    return any(str(item.get("manager", "")).startswith(PREFIX) for item in _managed(live))


def owned_fields(live: object, manager: str) -> Object:
    """Return the fields that a manager applied, in the form of `fieldsV1`."""
    owned: Object = {}
    for item in _managed(live):
        if item.get("manager") == manager and "subresource" not in item:
            owned = _merge(owned, find_object(item, "fieldsV1"))
    return owned


def take_over_former_fields(live: object, manager: str) -> list[Json]:
    """Return the JSON patch that gives the fields of former managers to a manager; empty when there are none.

    Without it, a field that the program stops to set would stay, because the former manager still owns it.
    """
    managed = _managed(live)
    own = [item for item in managed if item.get("manager") == manager and item.get("operation") == "Apply"]
    former = [item for item in managed if item not in own and _is_taken_over(item)]
    if not former:
        return []
    taken: Object = dict(own[0] if own else former[0])
    fields: Object = {}
    for item in [*own, *former]:
        fields = _merge(fields, find_object(item, "fieldsV1"))
    taken |= {"manager": manager, "operation": "Apply", "fieldsV1": fields}
    kept: list[Json] = [item for item in managed if item not in former and item not in own]
    version = cast("Json", find(live, "metadata", "resourceVersion"))
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": [*kept, taken]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
    ]


def leave_ignored_fields(content: Object, live: Object, ignored: Sequence[str], manager: str) -> Object:
    """Return an object without the ignored fields that others own, and with the present value of the other ones.

    Fields in lists are left as the program has them: only a name, not an index, identifies an item to the server.
    """
    owned = owned_fields(live, manager)
    for text in ignored:
        path = parse_path(text)
        keys = [key for key in path if isinstance(key, str)]
        if len(keys) != len(path) or "*" in keys:
            continue
        now = find(live, *keys)
        if find(owned, *(f"f:{key}" for key in keys)) is None:
            content = _without(content, keys)
        elif now is not None:
            content = _with(content, keys, cast("Json", now))
    return content


def _is_taken_over(item: Object) -> bool:
    names = _FORMER_MANAGERS.get(str(item.get("operation")), ())
    return str(item.get("manager")).startswith(names) and "subresource" not in item


def _managed(live: object) -> list[Object]:
    return find_objects(live, "metadata", "managedFields")


def _merge(one: Object, other: Object) -> Object:
    merged = dict(one)
    for key, value in other.items():
        before = merged.get(key)
        merged[key] = _merge(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def _without(content: Object, keys: list[str]) -> Object:
    head, *rest = keys
    below = content.get(head)
    if not rest:
        return {key: value for key, value in content.items() if key != head}
    return {**content, head: _without(below, rest)} if isinstance(below, dict) else content


def _with(content: Object, keys: list[str], value: Json) -> Object:
    head, *rest = keys
    below = content.get(head)
    if not rest:
        return {**content, head: value}
    return {**content, head: _with(below if isinstance(below, dict) else {}, rest, value)}
