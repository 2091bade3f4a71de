"""Checks and completes a resource's inputs: generated names, labels, and what cannot work."""

from __future__ import annotations

from novacron_rehearsal.kubernetes.objects import AUTONAMED, Kind, annotation, find, find_text, is_annotated, name_of
from novacron_rehearsal.kubernetes.properties import mark_secrets, move_string_data
from novacron_rehearsal.providers.client import CheckFailure
from novacron_rehearsal.urn import parse
from novacron_rehearsal.values import UNKNOWN, PropertyMap, Value, without_outputs, without_secrets

_MANAGED_BY = "app.kubernetes.io/managed-by"
_NAME_HEX = 8


def complete_inputs(
    urn: str, kind: Kind, olds: PropertyMap, news: PropertyMap, seed: bytes
) -> tuple[PropertyMap, list[CheckFailure]]:
    """Return the inputs with a generated name where the program gives none, and what is wrong with them.

    Like Pulumi's provider, it moves the `stringData` of a Secret into `data`. It keeps the label
    `app.kubernetes.io/managed-by: pulumi` of objects that have it, and adds it to none: with server-side apply, the
    field manager names the program that manages an object.

    Args:
        urn: the resource's URN.
        kind: the kind of its object.
        olds: the inputs so far; empty for a new resource.
        news: the program's inputs.
        seed: random bytes for the name.
    """
    inputs: PropertyMap = {"apiVersion": kind.api_version, "kind": kind.name}
    inputs.update((key, without_outputs(value)) for key, value in news.items())
    metadata = _plain(inputs.get("metadata", {}))
    if metadata is UNKNOWN:
        return mark_secrets(inputs, news), []
    if not isinstance(metadata, dict):
        return inputs, [CheckFailure("metadata", "it must be an object")]
    metadata = dict(metadata)
    failures: list[CheckFailure] = []
    name = _plain(metadata.get("name"))
    if not name and kind.is_patch:
        failures.append(CheckFailure("metadata.name", "a Patch resource must name the object that it changes"))
    elif not name and "generateName" in metadata:
        reason = "server-side apply does not support it; remove it and the name is generated, or set metadata.name"
        failures.append(CheckFailure("metadata.generateName", reason))
    elif not name:
        old_name = name_of(olds) if is_annotated(olds, AUTONAMED) else ""
        metadata["name"] = old_name or f"{parse(urn).name}-{seed.hex()[:_NAME_HEX]}"
        _set(metadata, "annotations", AUTONAMED, "true")
    if find_text(olds, "metadata", "labels", _MANAGED_BY) == "pulumi":
        _set(metadata, "labels", _MANAGED_BY, "pulumi")
    inputs["metadata"] = metadata
    return mark_secrets(move_string_data(inputs), news), failures


def is_autonamed(inputs: PropertyMap) -> bool:
    """Return whether the resource's name was generated."""
    return annotation(inputs, AUTONAMED) == "true"


def has_unknown_name(inputs: PropertyMap) -> bool:
    """Return whether the name or the whole metadata is not known yet."""
    return inputs.get("metadata") is UNKNOWN or find(inputs, "metadata", "name") is UNKNOWN


def _set(metadata: PropertyMap, group: str, key: str, value: str) -> None:
    """Add a label or annotation, unless all of them are unknown."""
    known = _plain(metadata.get(group) or {})
    if isinstance(known, dict):
        metadata[group] = {**known, key: value}


def _plain(value: Value) -> Value:
    """Return a value without the mark of a secret around it."""
    return without_secrets(value) if not isinstance(value, dict) else value
