"""How messages show values and keys: as a person types them in YAML."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping

import yaml

SHOWN_CHARACTERS = 60
"""Characters of a value that a message shows."""
_PLAIN_KEY = re.compile(r"[^.\[\]\s]+( [^.\[\]\s]+)*")
_USER_INFO = re.compile(r"(?<=://)([^\s/@:]*:)[^\s/@]+@")
_SCRIPTS = ("CYRILLIC", "GREEK", "ARMENIAN", "FULLWIDTH")
"""Beginnings of the names of letters of which some look like Latin ones."""
_NAMED_LETTERS = 3


def show_value(value: object) -> str:
    """Return `value` as a person types it in YAML, shortened to 60 characters.

    A mapping or a list is named but not shown, because it may hold secrets, and a URL is shown without its password.
    Characters that cannot be seen are written as escapes.
    """
    if isinstance(value, Mapping | list | tuple) and value:
        return "a mapping" if isinstance(value, Mapping) else "a list"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)  # of a key that takes fractions, where 8 was read as 8.0
    if isinstance(value, str):
        value = _USER_INFO.sub(r"\1(hidden)@", value)
    text = value if isinstance(value, str) and _is_plain(value) else _quote(value)
    return _shorten(text)


def show_count(number: int, noun: str) -> str:
    """Return a number with its noun, such as `1 worker` or `1,024 workers`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def show_key(key: str) -> str:
    """Return a key as a step of a path, in quotes if it is empty or has dots, brackets or outer spaces; shortened."""
    return _shorten(key if key.isprintable() and _PLAIN_KEY.fullmatch(key) else _quote(key))


def name_look_alikes(text: str) -> list[str]:
    """Return a sentence for each letter or digit of a text that looks like one of ASCII, for the first three."""
    names = {letter: unicodedata.name(letter, "") for letter in dict.fromkeys(text) if not letter.isascii()}
    found = [
        f"{letter} is {name}, not a letter or digit of ASCII"
        for letter, name in names.items()
        if letter.isdecimal() or name.startswith(_SCRIPTS)
    ]
    return found[:_NAMED_LETTERS]


def _quote(value: object) -> str:
    """Return a value as JSON, which is YAML as well."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def _is_plain(text: str) -> bool:
    """Whether a text needs no quotes to be read as a text."""
    if not text or text != text.strip() or not text.isprintable():
        return False
    resolved: str = yaml.SafeLoader("").resolve(yaml.ScalarNode, text, (True, False))
    return resolved == "tag:yaml.org,2002:str"
