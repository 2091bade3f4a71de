"""Secrets in texts that other programs wrote."""

from __future__ import annotations

import pytest
from novacron_rehearsal.masking import find_secret_texts, mask_secrets
from novacron_rehearsal.values import Secret, Value


@pytest.mark.parametrize(
    ("secrets", "expected"),
    [
        (["x"], "exemption abcdef"),
        (["ex", ""], "exemption abcdef"),
        (["exe"], "[secret]mption abcdef"),
        (["abc", "abcdef"], "exemption [secret]"),
        (["abc", "secret"], "exemption [secret]def"),
        ([], "exemption abcdef"),
    ],
)
def test_secrets_of_three_characters_or_more_are_masked(secrets: list[str], expected: str) -> None:
    assert mask_secrets("exemption abcdef", secrets) == expected


def test_the_texts_inside_a_secret_are_found_at_every_depth() -> None:
    value: Value = {"open": "a", "hidden": [Secret({"user": "b", "port": 5432, "hosts": ["c", ""]})]}
    assert find_secret_texts(value) == ["b", "c"]
