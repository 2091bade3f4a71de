"""What is refused before the library sees it: it would crash on it (#6329, #7692), or drop it in silence.

Issues and pull requests are NVIDIA/TensorRT-LLM's.
"""

from __future__ import annotations

from novacron_serving.engines import ChatPrompt, GenerationRequest
from novacron_serving.engines.tensorrt_llm.config import Sampler, TensorRtLlmConfig
from novacron_serving.errors import RequestError, invalid

PENALTIES = {"presence_penalty": 0.0, "frequency_penalty": 0.0, "repetition_penalty": 1.0}
"""With the values that change nothing."""


def check_request(request: GenerationRequest, config: TensorRtLlmConfig, vocabulary_tokens: int) -> None:
    """Raises `RequestError` for what an engine with these settings cannot do."""
    if request.guide is not None and config.guided_decoding is None:
        raise invalid("response_format: this model is served without guided decoding", param="response_format")
    if request.adapter is not None and (config.lora is None or request.adapter not in config.lora.adapters):
        known = ", ".join(config.lora.adapters) if config.lora else "none"
        message = f"adapter {request.adapter!r} is not served here; served: {known}"
        raise RequestError(404, message, kind="invalid_request_error", param="model", code="model_not_found")
    for token in request.sampling.logit_bias:
        if not 0 <= token < vocabulary_tokens:
            raise invalid(f"logit_bias: there is no token {token}; ids go to {vocabulary_tokens - 1}", "logit_bias")
    _check_sampling(request, config)
    if request.hands_over or request.handed_over is not None:
        _check_halves(request, config)


def _check_halves(request: GenerationRequest, config: TensorRtLlmConfig) -> None:
    """The coordinator asks for none of this: its way of one request through two workers is for the others."""
    if config.disaggregation is None:
        raise RequestError(503, "this worker hands nothing over", kind="server_error")
    if request.n > 1:
        raise invalid("n: one answer at a time is handed over", param="n")
    if request.logprobs is not None:  # those of the first token are not handed over before 1.3
        raise invalid("logprobs: they are not handed over", param="logprobs")


def _check_sampling(request: GenerationRequest, config: TensorRtLlmConfig) -> None:
    sampling = request.sampling
    greedy = sampling.temperature == 0
    if config.drafts_greedily and not greedy:
        raise invalid(
            "temperature: this model is served with drafting that answers greedily, whatever is asked for; send 0",
            param="temperature",
            code="unsupported_value",
        )
    if config.sampler is Sampler.TRTLLM:
        if request.logprobs is not None and request.logprobs > 1:
            raise invalid("top_logprobs: this model's sampler tells one at most", "top_logprobs", "unsupported_value")
        return
    # Until 1.3 the default sampler ignores them: penalties until #16485 (issue #9442), seeds until #17172.
    for name, neutral in PENALTIES.items():
        if getattr(sampling, name) != neutral:
            raise invalid(f"{name}: this model's sampler has none; send {neutral:g}", name, "unsupported_value")
    if sampling.seed is not None and not greedy:
        raise invalid("seed: this model's sampler takes none; leave it out", "seed", "unsupported_parameter")


def room(request: GenerationRequest, prompt_tokens: int, context_tokens: int, config: TensorRtLlmConfig) -> int:
    """How many tokens fit after the prompt. Raises `RequestError` when none do."""
    longest = context_tokens - 1
    if not config.chunked_prefill:
        longest = min(longest, config.max_step_tokens)
    if 0 < prompt_tokens <= longest:
        return context_tokens - prompt_tokens
    field = "messages" if isinstance(request.prompt, ChatPrompt) else "prompt"
    if not prompt_tokens:
        raise invalid(f"{field}: it is empty; give at least one token", param=field)
    raise invalid(
        f"{field}: {prompt_tokens} tokens do not fit; the context is {context_tokens} and a prompt at most {longest}; "
        "shorten it",
        param=field,
        code="context_length_exceeded",
    )
