"""Finds the prose in a file: comments, docstrings, strings, text of pages.

`find_parts()` returns spans of the file's text, so that a phrase can be reported at its line and column.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

BLANK = "\0"
"""Stands for one character of code: no phrase matches across it."""

PLACEHOLDER = "\1"
"""Stands for one character of a placeholder in an f-string. A word next to it is part of a longer word."""

_URL = re.compile(r"https?://[^\s)>\"'`]*[^\s)>\"'`.,;:]")
_CODE = re.compile(r"``[^`]+``|`[^`]+`")
_EMPHASIS = re.compile(r"^ *>+|(?<=[\s(])[*_]+(?=\w)|(?<=\w)[*_]+(?=[\s.,;:)])", re.MULTILINE)
_TEST_NAME = re.compile(r"^\s*(?:async )?def (test_\w+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A span of prose. `text` has the length of the span, with `BLANK` in place of code."""

    kind: str
    start: int
    text: str

    def without_code(self) -> Part:
        """Return the part with URLs and code in backticks blanked."""
        text = self.text
        for pattern in (_CODE, _URL):
            text = pattern.sub(_blanks, text)
        return Part(kind=self.kind, start=self.start, text=text)


def find_parts(path: PurePath, text: str) -> list[Part]:
    """Return the prose of a file in order; nothing for a kind of file that has none."""
    finder = _FINDERS.get(path.name) or _FINDERS.get(path.suffix)
    return sorted((part.without_code() for part in finder(text)), key=lambda part: part.start) if finder else []


def _python(text: str) -> Iterator[Part]:
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def offset(position: tuple[int, int]) -> int:
        return starts[position[0] - 1] + position[1]

    literals: list[tuple[int, int]] = []
    statement_starts = True
    open_at: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        name = tokenize.tok_name[token.type]
        if name in ("COMMENT", "NL", "INDENT", "DEDENT", "ENCODING"):
            if name == "COMMENT":
                start = offset(token.start)
                yield Part(kind="comment", start=start, text=text[start : offset(token.end)].replace("#", " "))
            continue
        if name == "FSTRING_START":  # Python 3.12 and later
            open_at.append(offset(token.start))
        elif name == "FSTRING_END" and len(open_at) > 1:
            open_at.pop()
        elif name == "FSTRING_END":
            literals.append((open_at.pop(), offset(token.end)))
        elif name == "STRING" and not open_at:
            literals.append((offset(token.start), offset(token.end)))
        elif not open_at:
            alone = statement_starts and name == "NEWLINE"
            yield from _literals(text, literals, docstring=alone)
            literals, statement_starts = [], name == "NEWLINE" or (token.string == ":" and name == "OP")
    for found in _TEST_NAME.finditer(text):
        yield Part(kind="name", start=found.start(1), text=found.group(1).replace("_", " "))


def _literals(text: str, literals: list[tuple[int, int]], *, docstring: bool) -> Iterator[Part]:
    """Yield adjacent literals, which Python joins, as one part."""
    if not literals:
        return
    start, end = literals[0][0], literals[-1][1]
    chars = [char if char.isspace() else BLANK for char in text[start:end]]
    for first, last in literals:
        chars[first - start : last - start] = _literal(text[first:last])
    body = re.sub(rf"{BLANK}(?=\s)|(?<=\s){BLANK}", " ", "".join(chars)) if len(literals) > 1 else "".join(chars)
    yield Part(kind="docstring" if docstring else "string", start=start, text=body)


def _literal(source: str) -> str:
    """Return a literal's text with quotes, escapes of white space and placeholders blanked."""
    start = min(at for at in (source.find('"'), source.find("'")) if at >= 0)
    quotes = 3 if source[start : start + 3] in ('"""', "'''") else 1
    prefix, body = source[:start].lower(), source[start + quotes : -quotes]
    if "f" in prefix:
        body = _without_placeholders(body)
    if "r" not in prefix:
        body = re.sub(r"\\[ntr\n]", "  ", body)
    return " " * (start + quotes) + body + " " * quotes


def _without_placeholders(body: str) -> str:
    out, depth, at = [], 0, 0
    while at < len(body):
        if depth == 0 and body[at : at + 2] in ("{{", "}}"):
            out += body[at : at + 2]
            at += 2
            continue
        depth += body[at] == "{"
        out.append(PLACEHOLDER if depth else body[at])
        depth -= body[at] == "}" and depth > 0
        at += 1
    return "".join(out)


def _blanks(found: re.Match[str]) -> str:
    return "".join(char if char == "\n" else BLANK for char in found.group())


def _markdown(text: str) -> Iterator[Part]:
    body = re.sub(r"^( *)(```+|~~~+).*?^ *\2", _blanks, text, flags=re.MULTILINE | re.DOTALL)
    body = re.sub(r"(?<=\])\([^)\s]*\)", _blanks, body)
    body = _EMPHASIS.sub(lambda found: " " * len(found.group()), body)
    yield Part(kind="markdown", start=0, text=body)


def _whole(text: str) -> Iterator[Part]:
    yield Part(kind="comment", start=0, text=text.replace("#", " "))


def _matches(pattern: str) -> Callable[[str], Iterator[Part]]:
    """Return a finder for what the groups of a pattern match."""
    compiled = re.compile(pattern, re.MULTILINE | re.DOTALL)

    def find(text: str) -> Iterator[Part]:
        for found in compiled.finditer(text):
            index = found.lastindex or 0
            kind = "comment" if index == 1 else "string"
            yield Part(kind=kind, start=found.start(index), text=found.group(index))

    return find


_javascript = _matches(r"(//[^\n]*|/\*.*?\*/)|(\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)")


def _javascript_strings(text: str) -> Iterator[Part]:
    for part in _javascript(text):
        body = re.sub(r"\$\{[^}]*\}", _blanks, part.text)
        yield Part(kind=part.kind, start=part.start, text=re.sub(r"^[\"'`]|[\"'`]$", " ", body))


def _html(text: str) -> Iterator[Part]:
    for script in re.finditer(r"<script\b[^>]*>(.*?)</script>", text, re.DOTALL):
        for part in _javascript_strings(script.group(1)):
            yield Part(kind=part.kind, start=part.start + script.start(1), text=part.text)
    body = re.sub(r"<(script|style)\b.*?</\1>", _blanks, text, flags=re.DOTALL)
    body = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", _blanks, body, flags=re.DOTALL)
    for attribute in re.finditer(r"(?:title|alt|placeholder|aria-label|content)=\"([^\"]*)\"", body):
        yield Part(kind="markup", start=attribute.start(1), text=attribute.group(1))
    yield Part(kind="markup", start=0, text=re.sub(r"<[^>!][^>]*>", _blanks, body))


_hash_comments = _matches(r"(?:^|\s)(#[^\n]*)")
_FINDERS: dict[str, Callable[[str], Iterator[Part]]] = {
    ".py": _python,
    ".pyi": _python,
    ".md": _markdown,
    ".yaml": _whole,
    ".yml": _whole,
    ".toml": _whole,
    ".in": _whole,
    ".js": _javascript_strings,
    ".mjs": _javascript_strings,
    ".css": _matches(r"(/\*.*?\*/)"),
    ".proto": _matches(r"(//[^\n]*)"),
    ".html": _html,
    ".jinja": _html,
    ".j2": _html,
    ".sh": _hash_comments,
    "run": _hash_comments,
    ".gitignore": _hash_comments,
    "Makefile": _matches(r"(#[^\n]*)|\"([^\"\n]*)\""),
}
