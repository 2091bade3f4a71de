"""Helpers for tests of the TensorRT-LLM engine over the stand-in for the library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from novacron_serving.clock import SYSTEM_CLOCK, Clock
from novacron_serving.engines import Delta, GenerationRequest, TextPrompt
from novacron_serving.engines.tensorrt_llm.config import TensorRtLlmConfig
from novacron_serving.engines.tensorrt_llm.engine import TensorRtLlmEngine
from novacron_serving.errors import RequestError
from tokenizers import Tokenizer

from tests.tiny_model import TINY

from .stand_in import LLM, Script

# Tokenizers of transformers import PyTorch, which takes longer than all tests of this folder.
TOKENIZER = Tokenizer.from_file(str(TINY / "tokenizer.json"))
STORY = "Once upon a time there was a river."
END = TOKENIZER.token_to_id("<|end|>")
HI = TextPrompt("Hi")


def tokens(text: str) -> list[int]:
    return TOKENIZER.encode(text, add_special_tokens=False).ids


def request(request_id: str = "r", prompt: Any = HI, **options: Any) -> GenerationRequest:
    return GenerationRequest(request_id=request_id, prompt=prompt, **options)


@asynccontextmanager
async def loaded(*scripts: Script, clock: Clock = SYSTEM_CLOCK, **settings: Any) -> AsyncIterator[TensorRtLlmEngine]:
    """Load an engine that replies to requests with these scripts, in order."""
    engine = TensorRtLlmEngine(TINY, TensorRtLlmConfig(gpu_architecture="hopper", **settings), clock)
    await engine.load()
    LLM.made.scripts.extend(scripts)
    try:
        yield engine
    finally:
        await engine.unload()


async def collect(deltas: AsyncIterator[Delta]) -> list[Delta]:
    return [delta async for delta in deltas]


def complete(asked: GenerationRequest, *scripts: Script, **settings: Any) -> list[Delta]:
    async def run() -> list[Delta]:
        async with loaded(*scripts, **settings) as engine:
            return await collect(engine.generate(asked))

    return asyncio.run(run())


def text_of(deltas: list[Delta], index: int = 0) -> str:
    return "".join(delta.text for delta in deltas if delta.index == index)


def failing(asked: GenerationRequest, script: Script, **settings: Any) -> tuple[RequestError, bool]:
    """Return the error of a request, and whether the engine is healthy after it."""

    async def run() -> tuple[RequestError, bool]:
        async with loaded(script, **settings) as engine:
            with pytest.raises(RequestError) as caught:
                await collect(engine.generate(asked))
            assert engine.stats().running_requests == 0
            return caught.value, engine.healthy()

    return asyncio.run(run())
