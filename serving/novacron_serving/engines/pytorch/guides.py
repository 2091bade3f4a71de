"""Holding an answer to a JSON schema or an expression: llguidance says which tokens may come next."""

from __future__ import annotations

import json
from typing import Any

from novacron_serving.engines import Guide, GuideKind
from novacron_serving.errors import RequestError, invalid

BITS = 32
ENDING_TOKENS = 48
"""So many tokens before its limit a JSON answer takes whatever closes it: cut, it would be of no use to anybody."""
_CLOSES = frozenset('"}]')
# No whitespace but a space after a comma or colon: a model that is held to JSON may otherwise write spaces for ever.
# The schema itself may ask the library for options (`x-guidance`); leniency is not one that it gets.
OPTIONS: dict[str, Any] = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "lenient": False,
    "coerce_one_of": False,
}


class Guides:
    """Makes matchers for one model's tokens."""

    def __init__(self, tokenizer: Any, vocabulary_tokens: int, end_ids: list[int]) -> None:
        """Args: `tokenizer`: of transformers; `vocabulary_tokens`: how many logits the model has."""
        self._tokens: Any = None
        self._reason = "its tokenizer is not one of the fast ones"
        self._vocabulary = vocabulary_tokens
        self._end_ids = end_ids
        self._closing: Any = None
        self._tokenizer = tokenizer
        if end_ids and getattr(tokenizer, "is_fast", False):
            from llguidance import hf

            try:
                self._tokens = hf.from_tokenizer(tokenizer, n_vocab=vocabulary_tokens, eos_token=end_ids)
            except Exception as error:  # noqa: BLE001 - a tokenizer that it cannot read serves requests without guides
                self._reason = str(error)

    def matcher(self, guide: Guide) -> Matcher:
        """For one answer. Raises `RequestError` when answers cannot be held to the guide."""
        if self._tokens is None:
            raise _refusal(f"this model's answers cannot be held to a form: {self._reason}")
        from llguidance import LLMatcher

        try:
            matcher = LLMatcher(self._tokens, _grammar(guide), log_level=0)
            if not matcher.is_error():
                matcher.compute_logit_bias()  # a form that nothing fits fails here
        except Exception as error:
            raise _refusal(str(error)) from error
        problems = [matcher.get_error()] if matcher.is_error() else matcher.get_grammar_warnings()
        if problems:
            raise _refusal("; ".join(problems))
        return Matcher(matcher, self._vocabulary, None if guide.kind is GuideKind.REGEX else self._closers())

    def _closers(self) -> Any:
        """A tensor with a truth value for each token: does it only close what is open?"""
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
            told = json.loads(guide.value)
            tags = [
                StructTag(
                    trigger=next(trigger for trigger in told["triggers"] if one["begin"].startswith(trigger)),
                    begin=one["begin"],
                    grammar=one["schema"] | {"x-guidance": OPTIONS},
                    end=one["end"],
                )
                for one in told["structures"]
            ]
            return StructTag.to_grammar(tags, assume_special=False)


class Matcher:
    """Where one answer is in its form."""

    def __init__(self, matcher: Any, vocabulary_tokens: int, closers: Any) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary_tokens
        self._closers = closers

    def copy(self) -> Matcher:
        """For another answer to the same prompt."""
        return Matcher(self._matcher.deep_copy(), self._vocabulary, self._closers)

    def allowed(self, *, ending: bool = False) -> Any:
        """A tensor with a truth value for each token: may it come next? When the answer has to end: does it close?"""
        import torch

        words = torch.zeros((self._vocabulary + BITS - 1) // BITS, dtype=torch.int32)
        self._matcher.unsafe_compute_mask_ptr(words.data_ptr(), words.numel() * 4)
        if self._matcher.is_error():
            raise RequestError(500, f"the guide failed: {self._matcher.get_error()}", kind="server_error")
        bits = (words[:, None] >> torch.arange(BITS, dtype=torch.int32)) & 1
        allowed = bits.flatten()[: self._vocabulary].bool()
        if ending and self._closers is not None:
            closing = allowed & self._closers
            if bool(closing.any()):
                return closing
        return allowed

    def take(self, token: int) -> bool:
        """The token that was chosen; true: nothing can come after it."""
        self._matcher.consume_token(token)
        return bool(self._matcher.is_stopped())


def _refusal(reason: str) -> RequestError:
    reason = " ".join(reason.split())[:500]
    return invalid(
        f"response_format: answers cannot be held to it: {reason}", param="response_format", code="unsupported_value"
    )
