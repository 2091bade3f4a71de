"""Converts property values and resources to the JSON of state files and back. `protocol/codec.py` is for the wire."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime, timezone
from typing import Any, cast

from novacron_rehearsal.errors import quote
from novacron_rehearsal.state.resource import CustomTimeouts, OperationKind, PendingOperation, ResourceState
from novacron_rehearsal.values import (
    SIGNATURE_KEY,
    UNKNOWN,
    UNKNOWN_SENTINEL,
    Archive,
    Asset,
    Output,
    ResourceReference,
    Secret,
    SignatureKind,
    Value,
)

Encrypt = Callable[[str], str]
Decrypt = Callable[[str], str]


class SecretCache:
    """Keeps each secret's ciphertext, so that an unchanged secret has the same ciphertext in the next state."""

    def __init__(self, encrypt: Encrypt, decrypt: Decrypt) -> None:
        self._encrypt = encrypt
        self._decrypt = decrypt
        self._known: dict[str, str] = {}

    def encrypt(self, plaintext: str) -> str:
        """Return the ciphertext that the plaintext had before, or a new one."""
        if plaintext not in self._known:
            self._known[plaintext] = self._encrypt(plaintext)
        return self._known[plaintext]

    def decrypt(self, ciphertext: str) -> str:
        """Return the plaintext, and keep its ciphertext."""
        plaintext = self._decrypt(ciphertext)
        self._known[plaintext] = ciphertext
        return plaintext


def to_state(value: Value, encrypt: Encrypt | None) -> Any:
    """Return a value as JSON data. Without `encrypt`, secrets are in plain text (`export --show-secrets`)."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, dict):
        return {key: to_state(item, encrypt) for key, item in value.items()}
    if isinstance(value, list):
        return [to_state(item, encrypt) for item in value]
    if isinstance(value, Secret):
        plaintext = json.dumps(to_state(value.value, None), separators=(",", ":"))
        content = {"plaintext": plaintext} if encrypt is None else {"ciphertext": encrypt(plaintext)}
        return {SIGNATURE_KEY: SignatureKind.SECRET.value, **content}
    if isinstance(value, Output):
        raise TypeError("a first-class output reached the state; call without_outputs first")
    if isinstance(value, ResourceReference):
        data: dict[str, Any] = {SIGNATURE_KEY: SignatureKind.RESOURCE.value, "urn": value.urn}
        if value.id is not None:
            data["id"] = "" if value.id is UNKNOWN else value.id
        data["packageVersion"] = value.package_version
        return data
    if isinstance(value, Asset):
        return _content(SignatureKind.ASSET, value.hash, text=value.text, path=value.path, uri=value.uri)
    if isinstance(value, Archive):
        assets = None if value.assets is None else {k: to_state(v, encrypt) for k, v in value.assets.items()}
        return _content(SignatureKind.ARCHIVE, value.hash, assets=assets, path=value.path, uri=value.uri)
    return UNKNOWN_SENTINEL


def _content(kind: SignatureKind, digest: str, **content: Any) -> dict[str, Any]:
    return {
        SIGNATURE_KEY: kind.value,
        "hash": digest,
        **{key: value for key, value in content.items() if value is not None},
    }


def from_state(data: Any, decrypt: Decrypt) -> Value:
    """Read a value from JSON data. Raises `ValueError` for an unknown signature."""
    if isinstance(data, list):
        return [from_state(item, decrypt) for item in data]
    if data == UNKNOWN_SENTINEL:
        return UNKNOWN
    if not isinstance(data, dict):
        return cast("Value", data)
    signature = data.get(SIGNATURE_KEY)
    if signature is None:
        return {key: from_state(item, decrypt) for key, item in data.items()}
    if signature == SignatureKind.SECRET.value:
        plaintext = data["plaintext"] if "plaintext" in data else decrypt(data["ciphertext"])
        return Secret(from_state(json.loads(plaintext), decrypt))
    if signature == SignatureKind.RESOURCE.value:
        identifier = data.get("id")
        return ResourceReference(
            data["urn"], UNKNOWN if identifier == "" else identifier, data.get("packageVersion", "")
        )
    if signature == SignatureKind.ASSET.value:
        return Asset(data.get("text"), data.get("path") or None, data.get("uri") or None, data.get("hash", ""))
    if signature == SignatureKind.ARCHIVE.value:
        assets = data.get("assets")
        members = None if assets is None else {key: from_state(item, decrypt) for key, item in assets.items()}
        return Archive(cast("Any", members), data.get("path") or None, data.get("uri") or None, data.get("hash", ""))
    raise ValueError(f"unknown signature {signature!r}")


_NAMES = {
    "import_id": "importID",
    "parent": "parent",
}
_PROPERTIES = ("inputs", "outputs")
_TIMES = ("created", "modified")


def _key(field_name: str) -> str:
    if field_name in _NAMES:
        return _NAMES[field_name]
    head, *rest = field_name.split("_")
    return head + "".join(part.capitalize() for part in rest)


_TYPES = {field.name: str(field.type) for field in fields(ResourceState)} | {"stack_trace": "frames"}
_RULES: dict[str, tuple[type, str]] = {
    "str": (str, "text"),
    "bool": (bool, "true or false"),
    "list[str]": (list, "a list of texts"),
    "PropertyMap": (dict, "an object"),
    "dict[str, list[str]]": (dict, "an object"),
    "CustomTimeouts | None": (dict, "an object"),
    "frames": (list, "a list of objects"),
}
"""Type and rule of a value in JSON by the annotation of its field."""
KEYS = {field.name: _key(field.name) for field in fields(ResourceState)}
"""JSON key by Python field."""


def resource_to_state(state: ResourceState, encrypt: Encrypt | None) -> dict[str, Any]:
    """Return a resource as `apitype.ResourceV3` JSON without its empty fields."""
    data: dict[str, Any] = {"urn": state.urn, "custom": state.custom}
    for name, key in KEYS.items():
        value = getattr(state, name)
        if name in ("urn", "custom") or value is None:
            continue
        if name != "replacement_trigger" and (value == "" or value is False or value in ([], {})):
            continue
        if name in _PROPERTIES or name == "replacement_trigger":
            data[key] = to_state(value, encrypt)
        elif name in _TIMES:
            data[key] = format_time(value)
        elif name == "custom_timeouts":
            seconds = {"create": value.create_s, "update": value.update_s, "delete": value.delete_s}
            data[key] = {what: _as_go(number) for what, number in seconds.items() if number}
        elif name == "stack_trace":
            data[key] = [{"sourcePosition": position} for position in value]
        else:
            data[key] = value
    return data


def resource_from_state(data: Any, decrypt: Decrypt) -> ResourceState:
    """Read a resource from `apitype.ResourceV3` JSON. Raises `KeyError` or `ValueError` when it is not one."""
    if not isinstance(data, dict):
        raise ValueError(f"a resource is {quote(data)}; it must be an object")
    where = str(data.get("urn", "a resource"))[:200]
    values: dict[str, Any] = {}
    for name, key in KEYS.items():
        value = data.get(key)
        if value is None:
            continue
        _check_type(f"{key} of {where}", value, _TYPES[name])
        if name in _PROPERTIES:
            values[name] = {k: from_state(v, decrypt) for k, v in value.items()}
        elif name == "replacement_trigger":
            values[name] = from_state(value, decrypt)
        elif name in _TIMES:
            values[name] = _read_time(f"{key} of {where}", value)
        elif name == "custom_timeouts":
            values[name] = CustomTimeouts(value.get("create", 0), value.get("update", 0), value.get("delete", 0))
        elif name == "stack_trace":
            values[name] = [frame.get("sourcePosition", "") for frame in value]
        else:
            values[name] = value
    for required in ("urn", "type", "custom"):
        if required not in values:
            raise ValueError(f"a resource without {required!r}: {where}")
    return ResourceState(**values)


def _check_type(what: str, value: object, annotation: str) -> None:
    """Raise `ValueError` for a value of another type than its field in `ResourceState` has."""
    expected, rule = _RULES.get(annotation, (object, ""))
    items = cast("list[object]", value) if annotation == "list[str]" and isinstance(value, list) else []
    if not isinstance(value, expected) or (annotation == "list[str]" and not all(isinstance(i, str) for i in items)):
        raise ValueError(f"{what} is {quote(value)}; it must be {rule}")


def _read_time(what: str, value: object) -> datetime:
    try:
        return parse_time(cast("str", value))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} is {quote(value)}; it must be a time like 2027-03-31T12:00:00Z") from error


def _as_go(number: float) -> float:
    """Return a whole number as an integer: Go writes it without a fraction."""
    return int(number) if float(number).is_integer() else number


def format_time(time: datetime) -> str:
    """Return a time in UTC as RFC 3339 text, as Go writes it."""
    return time.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


_FRACTION = re.compile(r"\.(\d{1,6})\d*")


def parse_time(text: str) -> datetime:
    """Parse an RFC 3339 time. Go writes any number of fractional digits; Python 3.10 reads only three or six."""
    text = _FRACTION.sub(lambda match: f".{match[1]:0<6}", text)
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def pending_to_state(operation: PendingOperation, encrypt: Encrypt | None) -> dict[str, Any]:
    """Return an operation as `apitype.OperationV2` JSON."""
    return {"resource": resource_to_state(operation.resource, encrypt), "type": operation.kind.value}


def pending_from_state(data: Any, decrypt: Decrypt) -> PendingOperation:
    """Read an operation from `apitype.OperationV2` JSON."""
    kinds = [kind.value for kind in OperationKind]
    if not isinstance(data, dict) or data.get("type") not in kinds:
        raise ValueError(f"a pending operation is {quote(data)}; its type must be one of {', '.join(kinds)}")
    return PendingOperation(OperationKind(data["type"]), resource_from_state(data.get("resource"), decrypt))
