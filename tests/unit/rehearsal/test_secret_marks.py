"""Secrets stay secret, whatever a provider returns."""

from __future__ import annotations

import pytest
from novacron_rehearsal.state.resource import ResourceState
from novacron_rehearsal.state.secret_marks import mark_secrets, marked_like
from novacron_rehearsal.values import UNKNOWN, PropertyMap, Secret, Value, without_secrets


def thing(**values: object) -> ResourceState:
    return ResourceState("urn:pulumi:dev::shop::a:b:C::thing", "a:b:C", custom=True, **values)  # type: ignore[arg-type]


def test_secrets_are_marked_again_where_they_went_in() -> None:
    sent: PropertyMap = {"a": {"b": Secret("x"), "c": 1}, "d": [1, 2], "e": Secret({"f": 1})}
    returned = without_secrets(sent)
    assert isinstance(returned, dict)
    assert marked_like(returned, sent) == sent
    assert marked_like({"new": 1}, sent) == {"new": 1}


@pytest.mark.parametrize(
    ("returned", "sent", "marked"),
    [
        ({"k": "x", "n": 1}, {"k": Secret("x"), "n": 1}, {"k": Secret("x"), "n": 1}),
        (["y", "x"], ["x", Secret("y")], Secret(["y", "x"])),
        ("text", {"k": Secret("x")}, Secret("text")),
        ({"k": Secret("x")}, Secret({"k": "x"}), Secret({"k": "x"})),
        (UNKNOWN, Secret("x"), UNKNOWN),
        (Secret("x"), Secret("x"), Secret("x")),
        (Secret("x"), "x", Secret("x")),
    ],
)
def test_only_the_secret_part_of_an_object_is_marked(returned: Value, sent: Value, marked: Value) -> None:
    assert marked_like({"property": returned}, {"property": sent}) == {"property": marked}


def test_additional_secret_outputs_and_outputs_with_the_name_of_a_secret_input_are_secret() -> None:
    state = thing(
        inputs={"password": Secret("x"), "size": 1, "nested": {"key": Secret("y")}},
        outputs={"password": "x", "size": 1, "made": "z", "nested": {"key": "y"}, "later": UNKNOWN},
        additional_secret_outputs=["made", "absent"],
    )
    mark_secrets(state)
    assert state.outputs == {
        "password": Secret("x"),
        "size": 1,
        "made": Secret("z"),
        "nested": {"key": "y"},
        "later": UNKNOWN,
    }


def test_the_inputs_of_a_resource_that_is_read_are_secret_where_its_outputs_are() -> None:
    before = thing(external=True, outputs={"password": Secret("x")}, additional_secret_outputs=["password"])
    after = thing(
        external=True,
        inputs={"password": "x", "size": 1},
        outputs={"password": "x", "size": 1},
        additional_secret_outputs=["password"],
    )
    mark_secrets(after, before)
    assert after.inputs == {"password": Secret("x"), "size": 1}


def test_values_that_were_secret_before_a_refresh_stay_secret() -> None:
    before = thing(inputs={"a": {"b": Secret("x")}}, outputs={"a": {"b": Secret("x")}, "key": Secret("k")})
    after = thing(inputs={"a": {"b": "y"}}, outputs={"a": {"b": "y"}, "key": "k2", "size": 1})
    mark_secrets(after, before)
    assert after.inputs == {"a": {"b": Secret("y")}}
    assert after.outputs == {"a": {"b": Secret("y")}, "key": Secret("k2"), "size": 1}
