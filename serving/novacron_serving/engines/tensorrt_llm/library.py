"""Types of the library's objects, as far as the engine uses them. The library itself is imported lazily."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol


class Logprob(Protocol):
    """A log probability with its rank."""

    logprob: float


class DisaggregatedParams(Protocol):
    """The result of a prefill."""

    first_gen_tokens: Sequence[int] | None
    ctx_request_id: int | None
    opaque_state: bytes | None
    draft_tokens: Sequence[int] | None


class CompletionOutput(Protocol):
    """One choice of a request, with all tokens so far."""

    token_ids: list[int]
    logprobs: Sequence[float | Mapping[int, Logprob]] | None
    finish_reason: str | None
    disaggregated_params: DisaggregatedParams | None


class RequestOutput(Protocol):
    """A request. It yields itself whenever there are new tokens."""

    prompt_token_ids: Sequence[int]
    outputs: Sequence[CompletionOutput]
    finished: bool

    def abort(self) -> None:
        """Stop the request."""
        ...

    def __aiter__(self) -> AsyncIterator[RequestOutput]: ...


class Llm(Protocol):
    """`tensorrt_llm.LLM`."""

    def generate_async(
        self,
        inputs: list[int],
        *,
        sampling_params: object,
        lora_request: object,
        streaming: bool,
        disaggregated_params: object,
    ) -> RequestOutput:
        """Start a request."""
        ...

    def get_stats_async(self, timeout: float | None) -> AsyncIterator[dict[str, object]]:
        """Yield the statistics of the last steps."""
        ...

    def shutdown(self) -> None:
        """Stop the library's processes."""
        ...
