"""Configuration of the PyTorch engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator


class PyTorchConfig(BaseModel):
    """Settings of the PyTorch engine."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["pytorch"] = "pytorch"
    """Selects the PyTorch engine."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: the GPU if there is one."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Data type of the computation. `auto`: bfloat16 on a GPU, float32 on a CPU."""
    quantization: Literal["none", "int8", "int4"] = "none"
    """Quantisation of the weights, applied when they are loaded. `novacron quality` measures its effect."""
    threads: int = Field(default=1, ge=1)
    """CPU threads of the computation."""
    max_concurrent_requests: int = Field(default=8, ge=1)
    """Slots in a batch. A request with `n` choices takes `n` slots."""
    max_waiting_requests: int = Field(default=64, ge=0)
    """Further requests that wait for a slot. Beyond this limit the response is 503."""
    max_context_tokens: int | None = Field(default=None, ge=16)
    """Upper bound for the context of the model. None: no other bound."""
    chat_template: Path | None = None
    """File with the Jinja chat template to use instead of the model's. None: the model's own."""
    prefill_step_tokens: int = Field(default=512, ge=1)
    """Prompt tokens computed between two decoding steps, so that a long prompt does not stall running requests."""
    prefix_cache_tokens: int = Field(default=4096, ge=0)
    """Capacity for prompts that later ones may start with. 0: off. It uses memory in addition to the running batch."""
    hung_after_s: float = Field(default=60, gt=0)
    """A step that takes longer makes the worker unhealthy."""

    @model_validator(mode="before")
    @classmethod
    def _has_no_adapters(cls, given: Any) -> Any:
        if isinstance(given, dict) and "lora" in cast("dict[str, Any]", given):
            raise ValueError(
                "lora: this engine does not support adapters; use kind tensorrt-llm, or merge the adapter into the "
                "model"
            )
        return given
