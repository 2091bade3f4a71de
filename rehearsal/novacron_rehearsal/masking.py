"""Hides secrets in texts that other programs wrote, such as the messages of policies."""

from __future__ import annotations

import re
from collections.abc import Iterable

from novacron_rehearsal.values import MASK, Secret, Value

MIN_SECRET_LENGTH = 3
"""Shorter secrets stay in a text, as in the Pulumi CLI: they occur in many ordinary words."""


def mask_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return a text with `[secret]` in place of each secret that has at least `MIN_SECRET_LENGTH` characters."""
    # The longest first: a secret may be part of another one.
    long_enough = sorted({item for item in secrets if len(item) >= MIN_SECRET_LENGTH}, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, long_enough)), MASK, text) if long_enough else text


def find_secret_texts(value: Value, *, inside: bool = False) -> list[str]:
    """Return the texts in the secrets of a value. `inside` marks the value itself as part of a secret."""
    if isinstance(value, Secret):
        return find_secret_texts(value.value, inside=True)
    if isinstance(value, dict):
        return [text for item in value.values() for text in find_secret_texts(item, inside=inside)]
    if isinstance(value, list):
        return [text for item in value for text in find_secret_texts(item, inside=inside)]
    return [value] if inside and isinstance(value, str) and value else []
