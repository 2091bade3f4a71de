"""Settings of the PyTorch engine."""

from __future__ import annotations

from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator


class PyTorchConfig(BaseModel):
    """Settings of the engine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["pytorch"] = "pytorch"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    quantization: Literal["none", "int8", "int4"] = "none"
    """Of the weights, when they are loaded. `novacron quality` measures what it costs."""
    threads: int = Field(default=1, ge=1)
    max_concurrent_requests: int = Field(default=8, ge=1)
    """Answers that are decoded together; a request for `n` answers takes `n` of these places."""
    max_waiting_requests: int = Field(default=64, ge=0)
    max_context_tokens: int | None = Field(default=None, ge=16)
    """At most the model's own; `None` for just that."""
    prefill_step_tokens: int = Field(default=512, ge=1)
    """Prompt tokens computed between two steps of the answers under way: a long prompt does not make them halt."""
    prefix_cache_tokens: int = Field(default=4096, ge=0)
    """Of prompts, kept for those that begin alike; 0: none. It takes memory beside that of the answers under way."""
    hung_after_s: float = Field(default=60, gt=0)
    """A step that takes longer is taken for a hang."""

    @model_validator(mode="before")
    @classmethod
    def _has_no_adapters(cls, given: Any) -> Any:
        if isinstance(given, dict) and "lora" in cast("dict[str, Any]", given):
            raise ValueError(
                "lora: this engine has no adapters; use kind tensorrt-llm, or publish a model that the adapter is "
                "merged into"
            )
        return given
