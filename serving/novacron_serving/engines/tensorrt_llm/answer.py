"""One answer: the library's outputs, each of which holds all tokens so far, in; deltas out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novacron_serving.engines import Delta, FinishReason, GenerationRequest, HandOver, TokenLogprob
from novacron_serving.engines.detokenizer import Detokenizer
from novacron_serving.engines.tokens import Tokens
from novacron_serving.errors import RequestError

FINISH: Mapping[str, FinishReason] = {"stop": "stop", "length": "length"}
HANDED_OVER = ("not_finished", "length")
"""The library reads a prompt as a request for one token: `length` is the end of that one, and not of the answer."""
UNLIKELY = -9999.0
"""What OpenAI's API says of a token without a figure."""


class Answer:
    """Reads the outputs of one `RequestOutput` with `n` of 1."""

    def __init__(self, request: GenerationRequest, index: int, prompt_tokens: int, tokens: Tokens) -> None:
        self.finished = False
        self._index = index
        self._prompt_tokens = prompt_tokens
        self._tokens = tokens
        self._end_id = None if request.ignore_eos else tokens.end_id
        self._logprobs = request.logprobs
        self._hands_over = request.hands_over
        self._handed_over = request.handed_over
        self._text = Detokenizer(tokens.decode, request.stops)
        self._read = 0
        self._counted = 0

    def take(self, output: Any) -> Delta | None:
        """What an output adds; None when that is nothing yet.

        Raises:
            RequestError: when the engine itself gave the answer up.
        """
        completion = output.outputs[0]
        if self._hands_over and completion.finish_reason in HANDED_OVER:
            return self._hand_over(output)
        token_ids: list[int] = completion.token_ids
        text, logprobs = "", list[TokenLogprob]()
        reason: FinishReason | None = None
        for at in range(self._read, len(token_ids)):
            token = token_ids[at]
            if token == self._end_id:
                continue  # ends the answer and is no part of it
            self._counted += 1
            added, stopped = self._text.add(token)
            text += added
            if self._logprobs is not None and at < len(completion.logprobs or ()):
                logprobs.append(self._logprob(token, completion.logprobs[at]))
            if stopped:
                reason = "stop"
                break
        self._read = max(self._read, len(token_ids))
        if reason is None and (output.finished or completion.finish_reason):
            reason = self._ended(completion.finish_reason)
            text += self._text.rest()
        self.finished = reason is not None
        if not text and not logprobs and reason is None:
            return None
        return Delta(
            text,
            self._prompt_tokens,
            self._counted,
            reason,
            self._index,
            tuple(logprobs),
            self._handed_over.cached_tokens if self._handed_over else _cached_tokens(output),
        )

    def _hand_over(self, output: Any) -> Delta:
        """The prompt was read, and the answer goes on elsewhere."""
        said = output.outputs[0].disaggregated_params
        if said is None or said.ctx_request_id is None:
            raise RequestError(500, "the engine read the prompt and handed nothing over", kind="server_error")
        self.finished = True
        handed = HandOver(
            prompt=tuple(output.prompt_token_ids),
            first_tokens=tuple(said.first_gen_tokens or ()),
            context_request_id=said.ctx_request_id,
            opaque_state=said.opaque_state,
            draft_tokens=None if said.draft_tokens is None else tuple(said.draft_tokens),
            cached_tokens=_cached_tokens(output),
        )
        return Delta("", self._prompt_tokens, 0, hand_over=handed, cached_tokens=handed.cached_tokens)

    def cut(self) -> Delta:
        """The end of an answer that is aborted."""
        self.finished = True
        return Delta(self._text.rest(), self._prompt_tokens, self._counted, "stop", self._index)

    def _ended(self, reason: str | None) -> FinishReason:
        if reason is not None and reason in FINISH:
            return FINISH[reason]
        raise RequestError(
            503, f"the engine gave the answer up ({reason or 'without a reason'}); try again", kind="server_error"
        )

    def _logprob(self, token: int, said: Any) -> TokenLogprob:
        """Args: `said`: a number, or numbers by token id: the sampled token's and the likeliest ones'."""
        if not isinstance(said, Mapping):
            return self._token(token, float(said))
        ranked = sorted(((entry.logprob, other) for other, entry in said.items()), reverse=True)
        top = tuple(self._token(other, logprob) for logprob, other in ranked[: self._logprobs])
        return self._token(token, said[token].logprob if token in said else UNLIKELY, top)

    def _token(self, token: int, logprob: float, top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
        text, raw = self._tokens.piece(token)
        return TokenLogprob(text, logprob, raw, top)


def _cached_tokens(output: Any) -> int:
    return getattr(output, "cached_tokens", 0) or 0
