"""Rejects requests that would crash the library (#6329, #7692), or that it would silently serve differently.

Numbers are issues and pull requests of NVIDIA/TensorRT-LLM.
"""

from __future__ import annotations

from novacron_serving.engines import ChatPrompt, GenerationRequest
from novacron_serving.engines.limits import prompt_too_long
from novacron_serving.engines.tensorrt_llm.config import Sampler, TensorRtLlmConfig
from novacron_serving.errors import RequestError, invalid

PENALTIES = {"presence_penalty": 0.0, "frequency_penalty": 0.0, "repetition_penalty": 1.0}
"""The penalties, with the values that have no effect."""


def check_request(request: GenerationRequest, config: TensorRtLlmConfig, vocabulary_tokens: int) -> None:
    """Raise `RequestError` if an engine with these settings cannot serve the request."""
    if request.guide is not None and config.guided_decoding is None:
        raise invalid("response_format: guided decoding is off for this model; leave it out", param="response_format")
    if request.adapter is not None and (config.lora is None or request.adapter not in config.lora.adapters):
        known = ", ".join(config.lora.adapters) if config.lora else "none"
        message = f"adapter {request.adapter!r} does not exist; the adapters are: {known}"
        raise RequestError(404, message, kind="invalid_request_error", param="model", code="model_not_found")
    for token in request.sampling.logit_bias:
        if not 0 <= token < vocabulary_tokens:
            raise invalid(f"logit_bias: {token} is not a token id; ids are 0 to {vocabulary_tokens - 1}", "logit_bias")
    _check_sampling(request, config)
    if request.prefill_only or request.kv_transfer is not None:
        _check_disaggregated(request, config)


def _check_disaggregated(request: GenerationRequest, config: TensorRtLlmConfig) -> None:
    """Check a request that two workers share. The coordinator does not send requests that fail here."""
    if config.disaggregation is None:
        raise RequestError(503, "this worker has no disaggregation", kind="server_error")
    if request.n > 1:
        raise invalid("n: a KV transfer is for one choice", param="n")
    if request.logprobs is not None:  # those of the first token are not transferred before 1.3
        raise invalid("logprobs: a KV transfer does not include them", param="logprobs")


def _check_sampling(request: GenerationRequest, config: TensorRtLlmConfig) -> None:
    sampling = request.sampling
    greedy = sampling.temperature == 0
    if config.is_always_greedy and not greedy:
        raise invalid(
            "temperature: this model is served with greedy speculative decoding only; send 0",
            param="temperature",
            code="unsupported_value",
        )
    if config.sampler is Sampler.TRTLLM:
        if request.logprobs is not None and request.logprobs > 1:
            raise invalid(
                "top_logprobs: must be at most 1 with this model's sampler", "top_logprobs", "unsupported_value"
            )
        return
    # The default sampler ignores penalties before #16485 (issue #9442), and seeds before #17172, both in 1.3.
    for name, neutral in PENALTIES.items():
        if getattr(sampling, name) != neutral:
            raise invalid(f"{name}: not supported by this model's sampler; send {neutral:g}", name, "unsupported_value")
    if sampling.seed is not None and not greedy:
        raise invalid("seed: not supported by this model's sampler; leave it out", "seed", "unsupported_parameter")


def max_completion_tokens(
    request: GenerationRequest, prompt_tokens: int, context_tokens: int, config: TensorRtLlmConfig
) -> int:
    """Return the number of tokens that fit after the prompt. Raises `RequestError` if it is zero."""
    longest = context_tokens - 1
    if not config.chunked_prefill:
        longest = min(longest, config.max_step_tokens)
    if 0 < prompt_tokens <= longest:
        return context_tokens - prompt_tokens
    field = "messages" if isinstance(request.prompt, ChatPrompt) else "prompt"
    if not prompt_tokens:
        raise invalid(f"{field}: must not be empty; give at least one token", param=field)
    raise prompt_too_long(field, prompt_tokens, context_tokens, longest)
