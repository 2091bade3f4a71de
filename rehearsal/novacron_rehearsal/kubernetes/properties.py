"""Converts between property values and Kubernetes objects: secrets, the state's own keys, drift."""

from __future__ import annotations

import base64
from typing import cast

from novacron_rehearsal.kubernetes.objects import LAST_APPLIED, Json, Object, find, find_text
from novacron_rehearsal.kubernetes.quantities import same_quantity
from novacron_rehearsal.state.secret_marks import marked_like
from novacron_rehearsal.values import (
    UNKNOWN,
    PropertyMap,
    Value,
    contains_unknown,
    make_secret,
    without_outputs,
    without_secrets,
)

INPUTS, INITIAL_API_VERSION, FIELD_MANAGER = "__inputs", "__initialApiVersion", "__fieldManager"
"""Keys that Pulumi's provider adds to a resource's outputs."""
_SERVER_METADATA = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
_REVISION = "deployment.kubernetes.io/revision"
_DASHED = {
    f"x_kubernetes_{name.replace('-', '_')}": f"x-kubernetes-{name}"
    for name in (
        "embedded-resource",
        "int-or-string",
        "list-map-keys",
        "list-type",
        "map-type",
        "preserve-unknown-fields",
        "validations",
    )
}
"""Fields of a CustomResourceDefinition's schema: the SDKs' names and Kubernetes'."""
_UNDERSCORED = {dashed: underscored for underscored, dashed in _DASHED.items()}


def to_object(inputs: PropertyMap) -> Object:
    """Return the object of known inputs, without marks of secrets and without the state's own keys."""
    plain = without_secrets(without_outputs(inputs))
    return {key: value for key, value in cast("Object", _rename(plain, _DASHED)).items() if not key.startswith("__")}


def to_outputs(live: Object, inputs: PropertyMap, field_manager: str) -> PropertyMap:
    """Return the outputs of a resource: the object as it exists, and the keys that Pulumi's provider adds."""
    outputs = _to_properties(live, inputs)
    outputs[INPUTS] = {key: value for key, value in inputs.items() if not key.startswith("__")}
    outputs[INITIAL_API_VERSION] = find_text(live, "apiVersion")
    outputs[FIELD_MANAGER] = field_manager
    return outputs


def mark_secrets(values: PropertyMap, reference: PropertyMap) -> PropertyMap:
    """Mark what is secret: the data of a Secret, and what is secret in the reference."""
    values = marked_like(values, reference)
    if values.get("kind") == "Secret":
        for key in ("data", "stringData"):
            if key in values and values[key] is not UNKNOWN:
                values[key] = make_secret(without_secrets(values[key]))
    return values


def move_string_data(inputs: PropertyMap) -> PropertyMap:
    """Return a Secret's inputs with `stringData` moved into `data`, as the API server does it.

    If `stringData` was applied, a key that the program no longer sets would stay: no manager would own it in `data`.
    """
    text, data = without_secrets(inputs.get("stringData")), without_secrets(inputs.get("data") or {})
    if inputs.get("kind") != "Secret" or not isinstance(text, dict) or not isinstance(data, dict):
        return inputs
    if contains_unknown(text) or contains_unknown(data):
        return inputs
    encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in text.items()}
    kept = {key: value for key, value in inputs.items() if key != "stringData"}
    return {**kept, "data": make_secret({**data, **encoded})}


def make_preview_outputs(inputs: PropertyMap, planned: Object | None = None) -> PropertyMap:
    """Return the outputs of a resource that will be created. What the cluster will assign is unknown.

    Args:
        inputs: the resource's inputs.
        planned: the object that a dry run returned, if there was one.
    """
    if planned is None:
        outputs = mark_secrets(dict(inputs), inputs)
    else:
        outputs = _to_properties(planned, inputs)
        metadata = outputs.get("metadata")
        if isinstance(metadata, dict):
            assigned: PropertyMap = dict.fromkeys(
                ("creationTimestamp", "generation", "resourceVersion", "uid"), UNKNOWN
            )
            outputs["metadata"] = {**metadata, **assigned}
        if outputs.get("kind") == "Service":
            _forget_allocations(outputs, inputs)
    outputs["status"] = UNKNOWN
    return outputs


def imported_inputs(live: Object) -> Object:
    """Return inputs for an object that no program has described yet: everything but what the server sets."""
    inputs = {key: value for key, value in live.items() if key != "status"}
    metadata = {key: value for key, value in _metadata(live).items() if key not in _SERVER_METADATA}
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict):
        kept = {key: value for key, value in annotations.items() if key not in (_REVISION, LAST_APPLIED)}
        metadata["annotations"] = kept
        if not kept:
            del metadata["annotations"]
    inputs["metadata"] = metadata
    return inputs


def prune(live: Object, inputs: Object) -> Object:
    """Return the inputs as the object has them now: another value where it drifted, and nothing that others added."""
    pruned = _prune_object(live, inputs)
    if "stringData" in inputs and "stringData" not in live:
        # The API server moves `stringData` into `data`.
        data = find(live, "data")
        wanted = cast("Object", inputs["stringData"])
        pruned["stringData"] = {key: _decode(find(data, key), value) for key, value in wanted.items()}
    return pruned


def _prune_object(live: Object, inputs: Object) -> Object:
    pruned: Object = {}
    for key, wanted in inputs.items():
        if key in live:
            pruned[key] = _prune_value(live[key], wanted, key)
        elif not wanted:
            pruned[key] = wanted  # the API server drops empty values
    return pruned


def _prune_value(live: Json, wanted: Json, key: str) -> Json:
    if isinstance(live, dict) and isinstance(wanted, dict):
        return _prune_object(live, wanted)
    if isinstance(live, list) and isinstance(wanted, list):
        return _prune_list(live, wanted, key)
    return wanted if live == wanted or same_quantity(live, wanted) else live


def _prune_list(live: list[Json], wanted: list[Json], key: str) -> list[Json]:
    identity = _find_identity(wanted)
    if identity:
        # Other programs may add items to such a list, for example a sidecar; those are not drift.
        by_identity = {find(item, identity): item for item in live}
        present = [item for item in wanted if find(item, identity) in by_identity]
        return [_prune_value(by_identity[find(item, identity)], item, key) for item in present]
    if len(live) != len(wanted):
        return live
    return [_prune_value(now, before, key) for now, before in zip(live, wanted, strict=True)]


def _find_identity(items: list[Json]) -> str:
    """Return the key that tells the items of a list apart; empty when there is none."""
    for key in ("name", "mountPath", "containerPort", "port", "key", "topologyKey", "type"):
        values = [find(item, key) for item in items]
        if items and all(isinstance(value, (str, int)) for value in values) and len(set(values)) == len(values):
            return key
    return ""


def _decode(value: object, wanted: Json) -> Json:
    if not isinstance(value, str):
        return None
    try:
        return base64.b64decode(value).decode()
    except ValueError:
        return wanted


def _to_properties(live: Object, inputs: PropertyMap) -> PropertyMap:
    return mark_secrets(cast("PropertyMap", _rename(_without_copies(live), _UNDERSCORED)), inputs)


def _metadata(value: Object) -> Object:
    metadata = value.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _without_copies(live: Object) -> Object:
    """Return an object without its list of managers, and without kubectl's copy of it, which may hold secrets."""
    metadata = {key: value for key, value in _metadata(live).items() if key != "managedFields"}
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict) and LAST_APPLIED in annotations:
        metadata["annotations"] = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    return {**live, "metadata": metadata}


def _forget_allocations(outputs: PropertyMap, inputs: PropertyMap) -> None:
    """Make unknown what a dry run allocates for a Service: the creation allocates again."""
    spec = outputs.get("spec")
    if not isinstance(spec, dict):
        return
    wanted = find(inputs, "spec")
    spec = dict(spec)
    for key in ("clusterIP", "clusterIPs", "healthCheckNodePort"):
        if key in spec and find(wanted, key) is None:
            spec[key] = UNKNOWN
    ports, given = spec.get("ports"), find(wanted, "ports")
    if isinstance(ports, list) and isinstance(given, list):
        spec["ports"] = [
            {**port, "nodePort": UNKNOWN} if isinstance(port, dict) and port.get("nodePort") and not chosen else port
            for port, chosen in zip(ports, [find(item, "nodePort") for item in given], strict=False)
        ]
    outputs["spec"] = spec


def _rename(value: Value | Json, names: dict[str, str]) -> Value:
    if isinstance(value, dict):
        return {names.get(key, key): _rename(cast("Value", item), names) for key, item in value.items()}
    if isinstance(value, list):
        return [_rename(cast("Value", item), names) for item in value]
    return cast("Value", value)
