"""Translates the library's outputs of one choice into deltas. Each output has all tokens so far."""

from __future__ import annotations

from collections.abc import Mapping

from novacron_serving.engines import Delta, FinishReason, GenerationRequest, KvTransfer, TokenLogprob
from novacron_serving.engines.detokenizer import Detokenizer
from novacron_serving.engines.tensorrt_llm.library import Logprob, RequestOutput
from novacron_serving.engines.tokens import Tokens
from novacron_serving.errors import RequestError

FINISH: Mapping[str, FinishReason] = {"stop": "stop", "length": "length"}
PREFILL_FINISHED = ("not_finished", "length")
"""For the library, a prefill is a request for one token: `length` is the end of the prefill, not of the completion."""
UNLIKELY = -9999.0
"""OpenAI's log probability of a token for which none is known."""


class Choice:
    """Reads the outputs of one `RequestOutput` with `n` of 1."""

    def __init__(self, request: GenerationRequest, index: int, prompt_tokens: int, tokens: Tokens) -> None:
        self.finished = False
        self._index = index
        self._prompt_tokens = prompt_tokens
        self._tokens = tokens
        self._end_id = None if request.ignore_eos else tokens.end_id
        self._logprobs = request.logprobs
        self._prefill_only = request.prefill_only
        self._kv_transfer = request.kv_transfer
        self._text = Detokenizer(tokens.decode, request.stops)
        self._read = 0
        self._counted = 0

    def add_output(self, output: RequestOutput) -> Delta | None:
        """Return the new output, or None if no text is complete yet.

        Raises:
            RequestError: the engine has aborted the request by itself.
        """
        completion = output.outputs[0]
        if self._prefill_only and completion.finish_reason in PREFILL_FINISHED:
            return self._transfer(output)
        token_ids: list[int] = completion.token_ids
        known = completion.logprobs or ()
        text, logprobs = "", list[TokenLogprob]()
        reason: FinishReason | None = None
        for at in range(self._read, len(token_ids)):
            token = token_ids[at]
            if token == self._end_id:
                continue  # ends the choice, and is not part of it
            self._counted += 1
            added, stopped = self._text.add(token)
            text += added
            if self._logprobs is not None and at < len(known):
                logprobs.append(self._logprob(token, known[at]))
            if stopped:
                reason = "stop"
                break
        self._read = max(self._read, len(token_ids))
        if reason is None and (output.finished or completion.finish_reason):
            reason = self._finish_reason(completion.finish_reason)
            text += self._text.flush()
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
            self._kv_transfer.cached_tokens if self._kv_transfer else _cached_tokens(output),
        )

    def _transfer(self, output: RequestOutput) -> Delta:
        """Return the result of a prefill."""
        parameters = output.outputs[0].disaggregated_params
        if parameters is None or parameters.ctx_request_id is None:
            raise RequestError(500, "the engine returned no KV transfer after the prefill", kind="server_error")
        self.finished = True
        transfer = KvTransfer(
            prompt=tuple(output.prompt_token_ids),
            first_tokens=tuple(parameters.first_gen_tokens or ()),
            context_request_id=parameters.ctx_request_id,
            opaque_state=parameters.opaque_state,
            draft_tokens=None if parameters.draft_tokens is None else tuple(parameters.draft_tokens),
            cached_tokens=_cached_tokens(output),
        )
        return Delta("", self._prompt_tokens, 0, kv_transfer=transfer, cached_tokens=transfer.cached_tokens)

    def abort(self) -> Delta:
        """End the choice and return its last delta."""
        self.finished = True
        return Delta(self._text.flush(), self._prompt_tokens, self._counted, "stop", self._index)

    def _finish_reason(self, reason: str | None) -> FinishReason:
        if reason is not None and reason in FINISH:
            return FINISH[reason]
        raise RequestError(
            503, f"the engine aborted the request ({reason or 'no reason given'}); try again", kind="server_error"
        )

    def _logprob(self, token: int, logprobs: float | Mapping[int, Logprob]) -> TokenLogprob:
        """Return the log probability of a token.

        Args:
            token: its id.
            logprobs: a number, or entries by token id, of the sampled token and the likeliest ones.
        """
        if not isinstance(logprobs, Mapping):
            return self._token(token, float(logprobs))
        ranked = sorted(((entry.logprob, other) for other, entry in logprobs.items()), reverse=True)
        top = tuple(self._token(other, logprob) for logprob, other in ranked[: self._logprobs])
        return self._token(token, logprobs[token].logprob if token in logprobs else UNLIKELY, top)

    def _token(self, token: int, logprob: float, top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
        text, raw = self._tokens.piece(token)
        return TokenLogprob(text, logprob, raw, top)


def _cached_tokens(output: RequestOutput) -> int:
    return getattr(output, "cached_tokens", 0) or 0
