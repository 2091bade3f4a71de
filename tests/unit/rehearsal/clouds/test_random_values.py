"""The simulated `random` package gives results of the form that programs rely on."""

from __future__ import annotations

import base64
import re
import uuid

import pytest
from novacron_rehearsal.clouds.outputs import SimulatedResource, compute_id, compute_outputs
from novacron_rehearsal.clouds.provider_config import read_provider_config
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.values import UNKNOWN, PropertyMap, Secret, Value, without_secrets

SEED = "5a" * 32


def made(kind: str, seed: str = SEED, **inputs: Value) -> PropertyMap:
    """The outputs of a resource, secrets in plain, and its id."""
    token = f"random:index/{kind[0].lower()}{kind[1:]}:{kind}"
    subject = SimulatedResource(
        token, f"urn:pulumi:dev::lab::{token}::thing", read_provider_config("random", {}), dict(inputs), seed
    )
    plain = without_secrets(compute_outputs(subject))
    assert isinstance(plain, dict)
    return {**plain, "id": compute_id(subject)}


@pytest.mark.parametrize("length", [1, 16, 128])
def test_a_password_has_its_length_and_is_of_letters_digits_and_special_characters(length: int) -> None:
    password = str(made("RandomPassword", length=length)["result"])
    assert re.fullmatch(r"[A-Za-z0-9!@#$%&*()\-_=+\[\]{}<>:?]+", password)
    assert len(password) == length


def test_a_password_has_only_the_characters_that_are_allowed_and_enough_of_each_required_kind() -> None:
    found = made("RandomPassword", length=12, overrideSpecial="_%", minSpecial=4, minUpper=3, minNumeric=2, lower=False)
    password = str(found["result"])
    assert re.fullmatch(r"[A-Z0-9_%]{12}", password)
    assert sum(character in "_%" for character in password) >= 4
    assert sum(character.isupper() for character in password) >= 3
    assert sum(character.isdigit() for character in password) >= 2
    assert (found["lower"], found["upper"], found["number"], found["numeric"]) == (False, True, True, True)
    assert (found["minSpecial"], found["minLower"]) == (4, 0)
    assert re.fullmatch(r"[a-zA-Z]{40}", str(made("RandomPassword", length=40, special=False, number=False)["result"]))


def test_a_password_and_its_hash_are_secret_and_its_id_does_not_show_it() -> None:
    token = "random:index/randomPassword:RandomPassword"
    subject = SimulatedResource(
        token, f"urn:pulumi:dev::lab::{token}::thing", read_provider_config("random", {}), {"length": 20}, SEED
    )
    assert isinstance(compute_outputs(subject)["result"], Secret)
    assert isinstance(compute_outputs(subject)["bcryptHash"], Secret)
    assert compute_id(subject) == "none"
    assert re.fullmatch(r"\$2a\$10\$[./A-Za-z0-9]{53}", str(made("RandomPassword", length=20)["bcryptHash"]))


def test_results_depend_on_the_seed_alone_and_are_unknown_before_the_resource_is_made() -> None:
    assert made("RandomPassword", length=20) == made("RandomPassword", length=20)
    assert made("RandomPassword", length=20)["result"] != made("RandomPassword", "00" * 32, length=20)["result"]
    assert made("RandomPassword", "", length=20)["result"] is UNKNOWN
    assert made("RandomId", "", byteLength=4)["hex"] is UNKNOWN
    assert made("RandomPassword", length=UNKNOWN)["result"] is UNKNOWN


def test_a_string_is_its_own_id() -> None:
    found = made("RandomString", length=8, special=False, upper=False)
    assert re.fullmatch(r"[a-z0-9]{8}", str(found["result"]))
    assert found["id"] == found["result"]


def test_the_forms_of_a_random_id_are_of_the_same_bytes() -> None:
    found = made("RandomId", byteLength=8)
    content = bytes.fromhex(str(found["hex"]))
    assert len(content) == 8
    assert base64.b64decode(str(found["b64Std"])) == content
    assert str(found["b64Url"]) == base64.urlsafe_b64encode(content).decode().rstrip("=") == found["id"]
    assert found["dec"] == str(int.from_bytes(content, "big"))
    named = made("RandomId", byteLength=8, prefix="web-")
    assert named["hex"] == f"web-{content.hex()}"
    assert named["id"] == found["id"]


def test_bytes_are_secret_and_of_the_given_length() -> None:
    found = made("RandomBytes", length=32)
    assert base64.b64decode(str(found["base64"])) == bytes.fromhex(str(found["hex"]))
    assert len(str(found["hex"])) == 64


@pytest.mark.parametrize(
    ("inputs", "form"),
    [
        ({}, r"[a-z]+-[a-z]+"),
        ({"length": 3, "separator": "_", "prefix": "p"}, r"p_[a-z]+_[a-z]+_[a-z]+"),
        ({"length": 1}, r"[a-z]+"),
    ],
)
def test_a_pet_is_its_id(inputs: dict[str, Value], form: str) -> None:
    found = made("RandomPet", **inputs)
    assert re.fullmatch(form, str(found["id"]))
    assert found["length"] == inputs.get("length", 2)


def test_an_integer_is_in_its_range() -> None:
    results = {made("RandomInteger", f"{number:064x}", min=3, max=5)["result"] for number in range(40)}
    assert results == {3, 4, 5}
    assert made("RandomInteger", min=3, max=3)["id"] == "3"


@pytest.mark.parametrize(("kind", "version"), [("RandomUuid", 4), ("RandomUuid4", 4), ("RandomUuid7", 7)])
def test_a_uuid_is_of_its_version(kind: str, version: int) -> None:
    found = uuid.UUID(str(made(kind)["result"]))
    assert (found.version, found.variant) == (version, uuid.RFC_4122)


def test_a_shuffle_has_every_item_once_before_one_comes_again() -> None:
    items: list[Value] = ["a", "b", "c"]
    assert sorted(map(str, made("RandomShuffle", inputs=items)["results"] or [])) == ["a", "b", "c"]  # type: ignore[arg-type]
    five = made("RandomShuffle", inputs=items, resultCount=5)["results"]
    assert isinstance(five, list)
    assert sorted(map(str, five[:3])) == ["a", "b", "c"]
    assert len(five) == 5


@pytest.mark.parametrize(
    ("kind", "inputs", "message"),
    [
        ("RandomPassword", {"length": 0}, "length is 0; it must be at least 1"),
        ("RandomPassword", {"length": 3, "minUpper": 2, "minLower": 2}, "minLower .* = 4"),
        (
            "RandomString",
            {"length": 3, "special": False, "upper": False, "lower": False, "numeric": False},
            "are all false; set one of them",
        ),
        ("RandomInteger", {"min": 5, "max": 1}, "min is 5 and max is 1"),
    ],
)
def test_random_inputs_that_the_provider_refuses(kind: str, inputs: dict[str, Value], message: str) -> None:
    with pytest.raises(RehearsalError, match=message):
        made(kind, **inputs)
