"""Guided decoding with llguidance: restricts tokens to those that keep the text valid."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from novacron_serving.engines import Guide, GuideKind
from novacron_serving.errors import RequestError, invalid

if TYPE_CHECKING:
    import torch
    from llguidance import LLMatcher

BITS = 32
ENDING_TOKENS = 48
"""This many tokens before the limit, JSON is closed as soon as possible. Truncated JSON would be useless."""
_CLOSES = frozenset('"}]')
# No whitespace except a space after commas and colons: small models otherwise write spaces without end.
# A schema may set options of the library (`x-guidance`), but not these.
OPTIONS: dict[str, Any] = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "lenient": False,
    "coerce_one_of": False,
}


class Guides:
    """Makes matchers for one tokenizer."""

    def __init__(self, tokenizer: Any, vocabulary_tokens: int, end_ids: list[int]) -> None:
        """Prepare the tokenizer for guided decoding.

        Args:
            tokenizer: a tokenizer of transformers.
            vocabulary_tokens: number of the model's logits.
            end_ids: tokens that end a completion.
        """
        self._tokens: Any = None
        self._reason = "its tokenizer is not a fast tokenizer"
        self._vocabulary = vocabulary_tokens
        self._end_ids = end_ids
        self._closing: torch.Tensor | None = None
        self._tokenizer = tokenizer
        if end_ids and getattr(tokenizer, "is_fast", False):
            from llguidance import hf

            try:
                self._tokens = hf.from_tokenizer(tokenizer, n_vocab=vocabulary_tokens, eos_token=end_ids)
            except Exception as error:  # noqa: BLE001 - requests without guides are still served
                self._reason = str(error)

    def make_matcher(self, guide: Guide) -> Matcher:
        """Return a matcher for one choice. Raises `RequestError` if the guide is invalid or unsupported."""
        if self._tokens is None:
            raise _error(f"this model does not support guided decoding: {self._reason}")
        from llguidance import LLMatcher

        try:
            matcher = LLMatcher(self._tokens, _grammar(guide), log_level=0)
            if not matcher.is_error():
                matcher.compute_logit_bias()  # fails for a guide that no text fulfils
        except Exception as error:
            raise _error(str(error)) from error
        problems = [matcher.get_error()] if matcher.is_error() else matcher.get_grammar_warnings()
        if problems:
            raise _error("; ".join(problems))
        return Matcher(matcher, self._vocabulary, None if guide.kind is GuideKind.REGEX else self._closing_tokens())

    def _closing_tokens(self) -> torch.Tensor:
        """Return a tensor of booleans by token: whether it only closes strings, lists and objects."""
        import torch

        if self._closing is None:
            closing = torch.zeros(self._vocabulary, dtype=torch.bool)
            for text, token in self._tokenizer.get_vocab().items():
                if text and _CLOSES.issuperset(text) and token < self._vocabulary:
                    closing[token] = True
            closing[torch.tensor(self._end_ids)] = True
            self._closing = closing
        return self._closing


def _grammar(guide: Guide) -> str:
    from llguidance import LLMatcher, StructTag

    match guide.kind:
        case GuideKind.REGEX:
            return LLMatcher.grammar_from_regex(guide.value)
        case GuideKind.JSON_OBJECT | GuideKind.JSON_SCHEMA:
            schema = guide.value or '{"type": "object"}'
            return LLMatcher.grammar_from_json_schema(schema, overrides=OPTIONS)  # type: ignore[arg-type]
        case GuideKind.STRUCTURAL_TAG:
            tag = json.loads(guide.value)
            tags = [
                StructTag(
                    trigger=next(trigger for trigger in tag["triggers"] if one["begin"].startswith(trigger)),
                    begin=one["begin"],
                    grammar=one["schema"] | {"x-guidance": OPTIONS},
                    end=one["end"],
                )
                for one in tag["structures"]
            ]
            return StructTag.to_grammar(tags, assume_special=False)


class Matcher:
    """The state of guided decoding for one choice."""

    def __init__(self, matcher: LLMatcher, vocabulary_tokens: int, closing_tokens: torch.Tensor | None) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary_tokens
        self._closing_tokens = closing_tokens

    def copy(self) -> Matcher:
        """Return a copy for another choice of the same request."""
        return Matcher(self._matcher.deep_copy(), self._vocabulary, self._closing_tokens)

    def allowed(self, *, ending: bool = False) -> torch.Tensor:
        """Return a tensor of booleans by token: whether it may come next.

        With `ending`, only tokens that close the text are allowed, if there are any.
        """
        import torch

        words = torch.zeros((self._vocabulary + BITS - 1) // BITS, dtype=torch.int32)
        self._matcher.unsafe_compute_mask_ptr(words.data_ptr(), words.numel() * 4)
        if self._matcher.is_error():
            raise RequestError(500, f"the guide failed: {self._matcher.get_error()}", kind="server_error")
        bits = (words[:, None] >> torch.arange(BITS, dtype=torch.int32)) & 1
        allowed = bits.flatten()[: self._vocabulary].bool()
        if ending and self._closing_tokens is not None:
            closing = allowed & self._closing_tokens
            if bool(closing.any()):
                return closing
        return allowed

    def advance(self, token: int) -> bool:
        """Advance by the sampled token. Return True if no token may come after it."""
        self._matcher.consume_token(token)
        return bool(self._matcher.is_stopped())


def _error(reason: str) -> RequestError:
    reason = " ".join(reason.split())[:500]
    return invalid(
        f"response_format: it cannot be enforced: {reason}", param="response_format", code="unsupported_value"
    )
