"""State files: values are the same after writing and reading, and unchanged secrets keep their ciphertext."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from novacron_rehearsal.state.codec import (
    SecretCache,
    from_state,
    parse_time,
    pending_from_state,
    pending_to_state,
    resource_from_state,
    resource_to_state,
    to_state,
)
from novacron_rehearsal.state.resource import CustomTimeouts, OperationKind, PendingOperation, ResourceState
from novacron_rehearsal.values import SIGNATURE_KEY, UNKNOWN, Archive, Asset, Output, ResourceReference, Secret


def turn(text: str) -> str:
    """Stands for a cipher: its own inverse."""
    return text[::-1]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.text("abcxyz_.-/", min_size=1, max_size=8)
assets = st.one_of(
    st.builds(Asset, text=texts, hash=names),
    st.builds(Asset, path=names, hash=names),
    st.builds(Asset, uri=names, hash=names),
)
archives = st.one_of(
    st.builds(Archive, path=names, hash=names),
    st.builds(Archive, assets=st.dictionaries(names, assets, max_size=3), hash=names),
)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
    st.just(UNKNOWN),
    assets,
    archives,
    st.builds(ResourceReference, names, st.one_of(st.none(), st.just(UNKNOWN), names), names),
)
plain_values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
values = st.recursive(
    plain_values | st.builds(Secret, plain_values),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
properties = st.dictionaries(names, values, max_size=3)
times = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001 - naive bounds are what it takes
resources = st.builds(
    ResourceState,
    urn=names,
    type=names,
    custom=st.booleans(),
    id=texts,
    inputs=properties,
    outputs=properties,
    parent=texts,
    dependencies=st.lists(names, max_size=3),
    property_dependencies=st.dictionaries(names, st.lists(names, max_size=2), max_size=2),
    delete=st.booleans(),
    pending_replacement=st.booleans(),
    protect=st.booleans(),
    init_errors=st.lists(texts, max_size=2),
    custom_timeouts=st.none() | st.builds(CustomTimeouts, st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)),
    created=st.none() | times,
    modified=st.none() | times,
    stack_trace=st.lists(names, max_size=2),
    replacement_trigger=st.none() | texts,
    import_id=texts,
)


@given(values)
@settings(max_examples=30)
def test_a_value_is_the_same_after_writing_and_reading(value: Any) -> None:
    written = json.loads(json.dumps(to_state(value, turn)))
    assert from_state(written, turn) == value


@given(values)
@settings(max_examples=30)
def test_a_plaintext_secret_is_read_without_a_key(value: Any) -> None:
    def no_key(_: str) -> str:
        raise AssertionError("nothing is encrypted")

    assert from_state(json.loads(json.dumps(to_state(value, None))), no_key) == value


@given(resources)
@settings(max_examples=30)
def test_a_resource_is_the_same_after_writing_and_reading(state: ResourceState) -> None:
    written = json.loads(json.dumps(resource_to_state(state, turn)))
    assert resource_from_state(written, turn) == state


@pytest.mark.parametrize("kind", OperationKind)
def test_a_pending_operation_is_the_same_after_writing_and_reading(kind: OperationKind) -> None:
    operation = PendingOperation(kind, ResourceState("urn", "a:b:C", custom=True, inputs={"key": Secret("x")}))
    assert pending_from_state(json.loads(json.dumps(pending_to_state(operation, turn))), turn) == operation


def test_unchanged_secrets_keep_their_ciphertext() -> None:
    made: list[str] = []

    def seal(text: str) -> str:
        made.append(text)
        return f"{text[::-1]}/{len(made)}"

    first = SecretCache(seal, lambda text: text.partition("/")[0][::-1])
    value = {"password": Secret("hunter2"), "same": Secret("hunter2"), "key": Secret(["a", 1])}
    written = to_state(value, first.encrypt)
    assert "hunter2" not in json.dumps(written)
    # Another process reads it, changes one secret, and writes it again.
    second = SecretCache(seal, lambda text: text.partition("/")[0][::-1])
    read = from_state(written, second.decrypt)
    assert isinstance(read, dict)
    again = to_state({**read, "key": Secret(["b"])}, second.encrypt)
    assert (again["password"], again["same"]) == (written["password"], written["same"])
    assert again["key"] != written["key"]
    assert made == ['"hunter2"', '["a",1]', '["b"]']


def test_values_that_the_state_cannot_hold_are_refused() -> None:
    with pytest.raises(TypeError, match="without_outputs"):
        to_state(Output("x"), turn)
    with pytest.raises(ValueError, match="unknown signature 'new'"):
        from_state({SIGNATURE_KEY: "new"}, turn)
    with pytest.raises(ValueError, match="a resource without 'type'"):
        resource_from_state({"urn": "urn:x", "custom": True}, turn)


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-11-24T02:00:00Z", 0),
        ("2026-11-24T02:00:00.5Z", 500_000),
        ("2026-11-24T02:00:00.123456789Z", 123_456),
        ("2026-11-24T03:00:00.12+01:00", 120_000),
    ],
)
def test_times_are_read_with_any_number_of_fractional_digits(text: str, microsecond: int) -> None:
    assert parse_time(text) == datetime(2026, 11, 24, 2, 0, 0, microsecond, tzinfo=timezone.utc)
