"""How messages show values and keys: as a person types them in YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import yaml

SHOWN_CHARACTERS = 60
"""Characters of a value that a message shows."""
_PLAIN_KEY = re.compile(r"[^.\[\]]+")


def show_value(value: object) -> str:
    """Return `value` as a person types it in YAML, shortened to 60 characters.

    A mapping or a list is named but not shown, because it may hold secrets.
    """
    if isinstance(value, Mapping | list | tuple) and value:
        return "a mapping" if isinstance(value, Mapping) else "a list"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = value if isinstance(value, str) and _is_plain(value) else json.dumps(value, ensure_ascii=False, default=str)
    return _shorten(text)


def show_count(number: int, noun: str) -> str:
    """Return a number with its noun, such as `1 worker` or `1,024 workers`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def show_key(key: str) -> str:
    """Return a key as a step of a path: in quotes if it is empty or has a dot or bracket, and shortened."""
    return _shorten(key if key.isprintable() and _PLAIN_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False))


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def _is_plain(text: str) -> bool:
    """Whether a text needs no quotes to be read as a text."""
    if not text or text != text.strip() or not text.isprintable():
        return False
    resolved: str = yaml.SafeLoader("").resolve(yaml.ScalarNode, text, (True, False))
    return resolved == "tag:yaml.org,2002:str"
