"""Checks the prose of files against the rules of `phrases.yaml`."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import yaml

from tools.prose.parts import BLANK, PLACEHOLDER, Part, find_parts

_RULES = Path(__file__).with_name("phrases.yaml")
_RUN = re.compile(rf"\s+|{BLANK}+|[^\s{BLANK}]+")
_FULL_STOP = "end the first line of a docstring with a full stop"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A banned phrase and what to write instead."""

    pattern: re.Pattern[str]
    write: str
    starts_docstring: bool


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The banned phrases, globs of the files that are not searched, and texts that may stay."""

    rules: tuple[Rule, ...]
    excluded: tuple[str, ...]
    exceptions: tuple[tuple[str, str], ...]
    """Globs of files and the exact text that may stay in them."""


class Finding(NamedTuple):
    """A place to rewrite. Lines and columns count from 1."""

    path: PurePath
    line: int
    column: int
    phrase: str
    write: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.phrase!r}; write: {self.write}"


def load_rules(path: Path = _RULES) -> Rules:
    """Return the rules of a file of rules."""
    content = yaml.safe_load(path.read_text("utf-8"))
    return Rules(
        rules=tuple(_rule(item) for item in content["rules"]),
        excluded=tuple(item["path"] for item in content["exclude"]),
        exceptions=tuple((item["path"], item["text"]) for item in content["exceptions"]),
    )


def check(path: PurePath, text: str, rules: Rules) -> list[Finding]:
    """Return the places to rewrite in a file, in the order of its lines."""
    if any(fnmatch(str(path), glob) for glob in rules.excluded):
        return []
    parts = find_parts(path, _without_exceptions(path, text, rules))
    prose = _squeeze(_overlay(text, parts))
    found = {
        (prose.find_offset(hit.start()), hit.group(), rule.write)
        for rule in rules.rules
        if not rule.starts_docstring
        for hit in rule.pattern.finditer(prose.text)
    }
    for part in parts:
        if part.kind == "docstring":
            found |= set(_docstring_start(part, rules))
    return [Finding(path, *_position(text, offset), phrase, write) for offset, phrase, write in sorted(found)]


def _without_exceptions(path: PurePath, text: str, rules: Rules) -> str:
    for glob, kept in rules.exceptions:
        if fnmatch(str(path), glob):
            text = text.replace(kept, " " * len(kept))
    return text


def _rule(item: dict[str, Any]) -> Rule:
    # A hyphen and a placeholder count as part of a word: a stand-in is not "stand in".
    pattern = rf"(?<![\w{PLACEHOLDER}-])(?:{item['pattern']})(?![\w{PLACEHOLDER}-])"
    return Rule(
        pattern=re.compile(pattern, 0 if item.get("case") else re.IGNORECASE),
        write=item["write"],
        starts_docstring=item.get("where") == "docstring-start",
    )


def _overlay(text: str, parts: list[Part]) -> str:
    """Return the text with everything but prose and white space blanked, so that a comment's lines stay together."""
    masked = list(re.sub(r"\S", BLANK, text))
    for part in parts:
        masked[part.start : part.start + len(part.text)] = part.text
    return "".join(masked)


@dataclass(frozen=True)
class _Squeezed:
    """A text with each run of white space as one space, and each run of code as one `BLANK`."""

    text: str
    starts: list[int]
    """Where each run starts in `text`."""
    offsets: list[int]
    """Where each run started before."""

    def find_offset(self, at: int) -> int:
        """Return where a character was before."""
        run = bisect_right(self.starts, at) - 1
        return self.offsets[run] + at - self.starts[run]


def _squeeze(text: str) -> _Squeezed:
    squeezed, starts, offsets, length = list[str](), list[int](), list[int](), 0
    for run in _RUN.finditer(text):
        found = run.group()
        kept = BLANK if found[0] == BLANK else " " if found[0].isspace() else found
        squeezed.append(kept)
        starts.append(length)
        offsets.append(run.start())
        length += len(kept)
    return _Squeezed("".join(squeezed), starts, offsets)


def _docstring_start(part: Part, rules: Rules) -> Iterator[tuple[int, str, str]]:
    body = part.text.lstrip()
    start = part.start + len(part.text) - len(body)
    first = body.rstrip().split("\n", 1)[0].rstrip()
    for rule in rules.rules:
        if rule.starts_docstring and (hit := rule.pattern.match(body)):
            yield start, hit.group(), rule.write
    if first and not first.endswith("."):
        yield start + len(first) - 1, first[-1].replace(BLANK, "`"), _FULL_STOP


def _position(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
