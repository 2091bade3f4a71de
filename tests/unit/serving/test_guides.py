"""Guided decoding: any choice of allowed tokens gives a valid text."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import jsonschema
import pytest
from novacron_serving.engines import Guide, GuideKind
from novacron_serving.engines.pytorch.guides import Guides
from novacron_serving.engines.tokens import Tokens
from novacron_serving.errors import RequestError
from novacron_serving.protocol.openai import Function, Tool
from novacron_serving.worker.tool_calls import (
    CALL_SYNTAX,
    Arguments,
    Call,
    HermesParser,
    JsonParser,
    ToolFormat,
    make_structural_tag,
)

from tests.tiny_model import TINY

from .samples import needs_pytorch

pytestmark = needs_pytorch

END = 1
VOCABULARY = 1377


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    return Tokens.load(TINY)


@pytest.fixture(scope="module")
def guides(tokens: Tokens) -> Guides:
    return Guides(tokens.tokenizer, VOCABULARY, [END])


def walk(guides: Guides, tokens: Tokens, guide: Guide, seed: int, begin: str = "") -> str:
    """Return text of randomly chosen allowed tokens, up to the first token after which it may end."""
    matcher, picks = guides.make_matcher(guide), random.Random(seed)  # noqa: S311
    chosen: list[int] = []
    for token in tokens.tokenizer.encode(begin, add_special_tokens=False):
        assert matcher.allowed()[token]
        matcher.advance(token)
        chosen.append(token)
    for _ in range(400):
        allowed = matcher.allowed().nonzero().flatten().tolist()
        if END in allowed:
            break
        chosen.append(picks.choice(allowed))
        if matcher.advance(chosen[-1]):
            break
    else:
        pytest.fail(f"no end: {tokens.decode(chosen)}")
    return tokens.decode(chosen)


SCHEMAS: list[dict[str, Any]] = [
    {"enum": ["a", 1, None, {"b": []}]},
    {"type": "object", "properties": {"a": {"type": "boolean"}, "b": {"type": "integer", "maximum": 99, "minimum": 0}},
     "required": ["a", "b"], "additionalProperties": False},
    {"type": "array", "items": {"anyOf": [{"type": "null"}, {"const": "x"}]}, "minItems": 2, "maxItems": 4},
    {"$defs": {"tree": {"type": "object", "properties": {"l": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/tree"}]}},
     "required": ["l"], "additionalProperties": False}}, "$ref": "#/$defs/tree"},
    {"type": "string", "pattern": "^[a-c]{2,4}$"},
    {"type": "string", "format": "date"},
]  # fmt: skip


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_json_fits_its_schema(guides: Guides, tokens: Tokens, schema: dict[str, Any]) -> None:
    for seed in range(5):
        chosen = walk(guides, tokens, Guide(GuideKind.JSON_SCHEMA, json.dumps(schema)), seed)
        jsonschema.validate(json.loads(chosen), schema, format_checker=jsonschema.FormatChecker())
        assert "\n" not in chosen


def test_text_matches_its_regular_expression(guides: Guides, tokens: Tokens) -> None:
    for seed in range(5):
        assert re.fullmatch(
            "(yes|no), [0-9]{3}!", walk(guides, tokens, Guide(GuideKind.REGEX, "(yes|no), [0-9]{3}!"), seed)
        )


@pytest.mark.parametrize("tool_format", ToolFormat)
def test_calls_within_text_follow_the_schemas_of_strict_functions(
    guides: Guides, tokens: Tokens, tool_format: ToolFormat
) -> None:
    schema = SCHEMAS[1]
    tools = [
        Tool(type="function", function=Function(name=name, parameters=schema, strict=True)) for name in ("on", "off")
    ]
    guide = Guide(GuideKind.STRUCTURAL_TAG, json.dumps(make_structural_tag(tools, tool_format)))
    parser = (HermesParser if tool_format is ToolFormat.HERMES else JsonParser)(tools, max_calls=None)
    text = "Well, " if tool_format is ToolFormat.HERMES else ""
    for seed in range(5):
        chosen = walk(guides, tokens, guide, seed, text + CALL_SYNTAX[tool_format][0])
        pieces = [*parser.feed(chosen), *parser.finish()]
        assert [piece.name in ("on", "off") for piece in pieces if isinstance(piece, Call)] == [True]
        (arguments,) = (piece.text for piece in pieces if isinstance(piece, Arguments))
        jsonschema.validate(json.loads(arguments), schema)
        parser.calls = 0


@pytest.mark.parametrize(
    "guide",
    [
        Guide(GuideKind.JSON_SCHEMA, '{"not": {}}'),
        Guide(GuideKind.JSON_SCHEMA, '{"not": {}, "x-guidance": {"lenient": true}}'),
        Guide(GuideKind.JSON_SCHEMA, '{"oneOf": [{"minimum": 1}, {"maximum": 9}]}'),
        Guide(GuideKind.JSON_SCHEMA, '{"enum": []}'),
        Guide(GuideKind.JSON_SCHEMA, '{"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}'),
        Guide(GuideKind.JSON_SCHEMA, "{"),
        Guide(GuideKind.REGEX, "(a"),
        Guide(GuideKind.STRUCTURAL_TAG, "{}"),
    ],
    ids=str,
)
def test_a_guide_that_cannot_be_enforced_is_rejected(guides: Guides, guide: Guide) -> None:
    with pytest.raises(RequestError, match="response_format") as caught:
        guides.make_matcher(guide)
    assert (caught.value.status, caught.value.param) == (400, "response_format")


def test_guided_decoding_needs_a_fast_tokenizer() -> None:
    with pytest.raises(RequestError, match="does not support guided decoding"):
        Guides(object(), VOCABULARY, [END]).make_matcher(Guide(GuideKind.JSON_OBJECT))
