"""Encodes and decodes property values for the wire (protobuf `Struct`). `state/codec.py` does so for state files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from google.protobuf.struct_pb2 import ListValue, NullValue, Struct
from google.protobuf.struct_pb2 import Value as WireValue

from novacron_rehearsal.protocol.assets import with_hash
from novacron_rehearsal.values import (
    SIGNATURE_KEY,
    UNKNOWN,
    UNKNOWN_SENTINEL,
    Archive,
    Asset,
    Output,
    PropertyMap,
    ResourceReference,
    Secret,
    SignatureKind,
    Unknown,
    Value,
    make_secret,
    plain_output,
)

UNKNOWN_SENTINELS = frozenset(
    {
        UNKNOWN_SENTINEL,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """The kinds of values that the other side of a connection accepts. Others are encoded as plain values."""

    secrets: bool = True
    resources: bool = True
    outputs: bool = False


ENGINE_DIALECT = Dialect()


def decode(struct: Struct) -> PropertyMap:
    """Decode a wire object."""
    return {key: _decode(value) for key, value in struct.fields.items()}


def _decode(value: WireValue) -> Value:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        text = value.string_value
        return UNKNOWN if text in UNKNOWN_SENTINELS else text
    if kind == "struct_value":
        return _decode_object(value.struct_value)
    if kind == "list_value":
        return [_decode(item) for item in value.list_value.values]
    if kind == "bool_value":
        return value.bool_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    return None


def _decode_object(struct: Struct) -> Value:
    fields = struct.fields
    if SIGNATURE_KEY not in fields:
        return {key: _decode(item) for key, item in fields.items()}
    signature = fields[SIGNATURE_KEY].string_value
    plain = {key: _decode(item) for key, item in fields.items() if key != SIGNATURE_KEY}
    if signature == SignatureKind.SECRET.value:
        return make_secret(plain.get("value"))
    if signature == SignatureKind.OUTPUT.value:
        return Output(
            value=plain.get("value", UNKNOWN),
            secret=plain.get("secret") is True,
            dependencies=tuple(cast("list[str]", plain.get("dependencies") or [])),
        )
    if signature == SignatureKind.RESOURCE.value:
        identifier = plain.get("id")
        return ResourceReference(
            urn=cast("str", plain["urn"]),
            id=UNKNOWN if identifier in (UNKNOWN, "") and "id" in plain else cast("str | None", identifier),
            package_version=cast("str", plain.get("packageVersion") or ""),
        )
    if signature in (SignatureKind.ASSET.value, SignatureKind.ARCHIVE.value):
        return with_hash(_asset(signature, plain))
    raise ValueError(f"a property carries the unknown signature {signature!r}")


def _asset(signature: str, plain: PropertyMap) -> Asset | Archive:
    text, path, uri = (cast("str | None", plain.get(key) or None) for key in ("text", "path", "uri"))
    digest = cast("str", plain.get("hash") or "")
    if signature == SignatureKind.ASSET.value:
        return Asset(text=plain.get("text") if path is None and uri is None else text, path=path, uri=uri, hash=digest)  # type: ignore[arg-type]
    assets = cast("dict[str, Asset | Archive] | None", plain.get("assets"))
    return Archive(assets=assets, path=path, uri=uri, hash=digest)


def encode(properties: Mapping[str, Value], dialect: Dialect = ENGINE_DIALECT) -> Struct:
    """Encode properties in the dialect of the other side."""
    struct = Struct()
    for key, value in properties.items():
        _encode(value, struct.fields[key], dialect)
    return struct


def _encode(value: Value, out: WireValue, dialect: Dialect) -> None:
    if isinstance(value, str):
        out.string_value = value
    elif isinstance(value, bool):
        out.bool_value = value
    elif isinstance(value, (int, float)):
        out.number_value = value
    elif isinstance(value, dict):
        fields = out.struct_value.fields
        out.struct_value.SetInParent()
        for key, item in value.items():
            _encode(item, fields[key], dialect)
    elif isinstance(value, list):
        items: ListValue = out.list_value
        items.SetInParent()
        for item in value:
            _encode(item, items.values.add(), dialect)
    elif value is None:
        out.null_value = NullValue.NULL_VALUE
    elif isinstance(value, Unknown):
        out.string_value = UNKNOWN_SENTINEL
    elif isinstance(value, Secret):
        if dialect.secrets:
            _encode_signed(out, SignatureKind.SECRET, {"value": value.value}, dialect)
        else:
            _encode(value.value, out, dialect)
    elif isinstance(value, Output):
        _encode_output(value, out, dialect)
    elif isinstance(value, ResourceReference):
        _encode_reference(value, out, dialect)
    elif isinstance(value, Asset):
        properties: dict[str, Value] = {"hash": value.hash}
        for key in ("text", "path", "uri"):
            if (content := getattr(value, key)) is not None:
                properties[key] = content
        _encode_signed(out, SignatureKind.ASSET, properties, dialect)
    else:
        archive: dict[str, Value] = {"hash": value.hash}
        if value.assets is not None:
            archive["assets"] = cast("dict[str, Value]", value.assets)
        for key in ("path", "uri"):
            if (content := getattr(value, key)) is not None:
                archive[key] = content
        _encode_signed(out, SignatureKind.ARCHIVE, archive, dialect)


def _encode_signed(out: WireValue, kind: SignatureKind, properties: Mapping[str, Value], dialect: Dialect) -> None:
    fields = out.struct_value.fields
    fields[SIGNATURE_KEY].string_value = kind.value
    for key, item in properties.items():
        _encode(item, fields[key], dialect)


def _encode_output(value: Output, out: WireValue, dialect: Dialect) -> None:
    if dialect.outputs:
        properties: dict[str, Value] = {"dependencies": list(value.dependencies)}
        if value.secret:
            properties["secret"] = True
        if value.value is not UNKNOWN:
            properties["value"] = value.value
        _encode_signed(out, SignatureKind.OUTPUT, properties, dialect)
    else:
        _encode(plain_output(value), out, dialect)


def _encode_reference(value: ResourceReference, out: WireValue, dialect: Dialect) -> None:
    if dialect.resources:
        properties: dict[str, Value] = {"urn": value.urn, "packageVersion": value.package_version}
        if value.id is not None:
            properties["id"] = "" if value.id is UNKNOWN else value.id
        _encode_signed(out, SignatureKind.RESOURCE, properties, dialect)
    else:
        _encode(value.urn if value.id is None else value.id, out, dialect)
