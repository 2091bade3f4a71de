"""Compares inputs: detailed diffs, and the property paths of `ignore_changes` and `replace_on_changes`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

from novacron_rehearsal.events import DiffKind, PropertyDiff
from novacron_rehearsal.values import Archive, Asset, PropertyMap, Secret, Value

Path: TypeAlias = tuple["str | int", ...]

_SEGMENT = re.compile(r'\.?([^.\[\]"]+)|\[(\d+|\*|"(?:[^"\\]|\\.)*")\]')


def parse_path(text: str) -> Path:
    """Split a path such as `a.b[0]["c.d"]` or `a.*`. Raises `ValueError` when it is not a path."""
    segments: list[str | int] = []
    position = 0
    while position < len(text):
        match = _SEGMENT.match(text, position)
        if match is None:
            raise ValueError(f'{text!r} is not a property path; write names, [index], ["key"] and *')
        name, bracket = match.groups()
        if name is not None:
            segments.append(name)
        elif bracket.startswith('"'):
            segments.append(bracket[1:-1].replace('\\"', '"'))
        else:
            segments.append(bracket if bracket == "*" else int(bracket))
        position = match.end()
    return tuple(segments)


def format_path(path: Path) -> str:
    """Return a path as text."""
    text = ""
    for segment in path:
        if isinstance(segment, int):
            text += f"[{segment}]"
        elif re.fullmatch(r"[A-Za-z_$][\w$-]*", segment):
            text += f".{segment}" if text else segment
        else:
            text += f'["{segment}"]'
    return text


def matches(pattern: Path, path: Path) -> bool:
    """Return whether a pattern matches the path or a part of it from the start; `*` matches one segment."""
    return len(pattern) <= len(path) and all(
        wanted in ("*", found) for wanted, found in zip(pattern, path, strict=False)
    )


def compare(old: Value, new: Value) -> dict[str, PropertyDiff]:
    """Return every difference between two values, such as two sets of inputs, by path."""
    found: dict[str, PropertyDiff] = {}
    for path, kind in _differences(old, new, ()):
        found[format_path(path)] = PropertyDiff(kind, input_diff=True)
    return found


def _differences(old: Value, new: Value, path: Path) -> Iterable[tuple[Path, DiffKind]]:
    if isinstance(old, Secret) or isinstance(new, Secret):
        old = old.value if isinstance(old, Secret) else old
        new = new.value if isinstance(new, Secret) else new
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            if key not in new:
                yield (*path, key), DiffKind.DELETE
            elif key not in old:
                yield (*path, key), DiffKind.ADD
            else:
                yield from _differences(old[key], new[key], (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            if index >= len(new):
                yield (*path, index), DiffKind.DELETE
            elif index >= len(old):
                yield (*path, index), DiffKind.ADD
            else:
                yield from _differences(old[index], new[index], (*path, index))
    elif isinstance(old, (Asset, Archive)) and isinstance(new, (Asset, Archive)):
        if type(old) is not type(new) or old.hash != new.hash:
            yield path, DiffKind.UPDATE
    elif old != new or (isinstance(old, bool) != isinstance(new, bool)):
        yield path, DiffKind.UPDATE


def apply_ignore_changes(old: PropertyMap, new: PropertyMap, patterns: Iterable[str]) -> PropertyMap:
    """Return the new inputs with the old value, or without the property, wherever a pattern matches.

    Raises:
        ValueError: when a pattern is not a property path.
    """
    result: Value = new
    for pattern in patterns:
        result = _keep_old(old, result, parse_path(pattern))
    return result if isinstance(result, dict) else new


_ABSENT = object()


def _keep_old(old: object, new: Value, pattern: Path) -> Value:
    if isinstance(new, Secret):
        inner = old.value if isinstance(old, Secret) else old
        return Secret(_keep_old(inner, new.value, pattern))
    if isinstance(old, Secret):
        old = old.value
    head, rest = pattern[0], pattern[1:]
    if isinstance(new, dict):
        olds: dict[str, Value] = old if isinstance(old, dict) else {}
        keys = sorted({*olds, *new}) if head == "*" else [str(head)]
        result = dict(new)
        for key in keys:
            if not rest:
                if key in olds:
                    result[key] = olds[key]
                elif old is not _ABSENT:
                    result.pop(key, None)
            elif key in new:
                result[key] = _keep_old(olds.get(key, _ABSENT), new[key], rest)
        return result
    if isinstance(new, list) and isinstance(old, list):
        indexes = range(len(new)) if head == "*" else [head] if isinstance(head, int) else []
        items = list(new)
        for index in indexes:
            if index < len(items) and index < len(old):
                items[index] = _keep_old(old[index], items[index], rest) if rest else old[index]
        return items
    return new
