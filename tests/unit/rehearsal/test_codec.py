"""Property values on the wire: every kind survives, and what the other side does not know is folded."""

from __future__ import annotations

import pytest
from novacron_rehearsal.protocol.codec import UNKNOWN_SENTINELS, Dialect, Struct, decode, encode
from novacron_rehearsal.values import (
    SIGNATURE_KEY,
    UNKNOWN,
    Archive,
    Asset,
    Output,
    PropertyMap,
    ResourceReference,
    Secret,
    Value,
    contains_secret,
    contains_unknown,
    make_secret,
    without_outputs,
)

EVERYTHING = Dialect(outputs=True)

ROUND_TRIPS: list[Value] = [
    None,
    True,
    0,
    -7,
    1.5,
    "",
    "text",
    [],
    {},
    [1, [2, {"a": None}]],
    {"a": {"b": [True]}},
    UNKNOWN,
    Secret("s"),
    Secret({"a": [1]}),
    Output("v", dependencies=("urn:a",)),
    Output(UNKNOWN, secret=True),
    ResourceReference("urn:x", None),
    ResourceReference("urn:x", "id-1", "1.2.3"),
    ResourceReference("urn:x", UNKNOWN),
    Asset(text="hello", hash="ab"),
    Asset(path="file", hash="ab"),
    Archive(assets={"x": Asset(text="y", hash="cd")}, hash="ab"),
]


@pytest.mark.parametrize("value", ROUND_TRIPS, ids=repr)
def test_every_kind_survives_the_wire(value: Value) -> None:
    properties: PropertyMap = {"value": value}
    struct = Struct.FromString(encode(properties, EVERYTHING).SerializeToString())
    assert decode(struct) == properties


def test_whole_numbers_come_back_as_integers_and_booleans_stay_booleans() -> None:
    decoded = decode(encode({"number": 2.0, "flag": True}))
    assert isinstance(decoded["number"], int)
    assert decoded["flag"] is True


@pytest.mark.parametrize("sentinel", sorted(UNKNOWN_SENTINELS))
def test_unknowns_of_every_type_are_one_unknown(sentinel: str) -> None:
    struct = Struct()
    struct.update({"value": sentinel})
    assert decode(struct) == {"value": UNKNOWN}


def test_an_unknown_signature_is_refused() -> None:
    struct = Struct()
    struct.update({"value": {SIGNATURE_KEY: "0123"}})
    with pytest.raises(ValueError, match="0123"):
        decode(struct)


def test_values_that_the_other_side_does_not_accept_are_encoded_as_plain_values() -> None:
    plain = Dialect(secrets=False, resources=False)
    values: PropertyMap = {
        "secret": Secret({"a": Secret("b")}),
        "component": ResourceReference("urn:c"),
        "resource": ResourceReference("urn:r", "id-1"),
        "output": Output("v", secret=True),
    }
    assert decode(encode(values, plain)) == {
        "secret": {"a": "b"},
        "component": "urn:c",
        "resource": "id-1",
        "output": "v",
    }


def test_secrets_are_never_nested_directly() -> None:
    assert make_secret(Secret(1)) == Secret(1)
    assert without_outputs(Secret(Output("v", secret=True))) == Secret("v")


def test_secrets_and_unknowns_are_found_at_any_depth() -> None:
    assert contains_unknown({"a": [Secret(UNKNOWN)]})
    assert contains_unknown(Output(UNKNOWN))
    assert not contains_unknown({"a": [Secret("known")]})
    assert contains_secret({"a": [{"b": Output("v", secret=True)}]})
    assert not contains_secret({"a": [1, "b", None]})


def test_a_repr_never_shows_a_secret() -> None:
    assert "hunter2" not in repr({"a": [Secret("hunter2")]})
