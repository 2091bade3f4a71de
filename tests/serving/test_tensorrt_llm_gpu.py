"""The real library on a real GPU, to verify the stand-in. Skipped without a GPU."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from pathlib import Path

import pytest
from novacron_serving.engines import Delta, GenerationRequest, Guide, GuideKind, Sampling, TextPrompt
from novacron_serving.engines.tensorrt_llm.config import TensorRtLlmConfig
from novacron_serving.engines.tensorrt_llm.engine import TensorRtLlmEngine

MODEL = os.environ.get("NOVACRON_TEST_MODEL", "")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        importlib.util.find_spec("tensorrt_llm") is None,
        reason="needs TensorRT-LLM: pip install 'novacron-serving[tensorrt-llm]'",
    ),
    pytest.mark.skipif(not MODEL, reason="needs a model folder (Hugging Face, bf16) in NOVACRON_TEST_MODEL"),
]


@pytest.fixture(autouse=True)
def _needs_cuda() -> None:
    import torch  # here, because each process of pytest imports this module

    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")


def request(name: str, **options: object) -> GenerationRequest:
    return GenerationRequest(request_id=name, prompt=TextPrompt("The capital of France is"), **options)  # type: ignore[arg-type]


def test_completions_stop_texts_guides_log_probabilities_and_aborts() -> None:
    async def run() -> None:
        engine = TensorRtLlmEngine(Path(MODEL), TensorRtLlmConfig(max_concurrent_requests=8, max_context_tokens=1024))
        await engine.load()
        try:
            greedy = Sampling(temperature=0)

            async def answer(name: str, **options: object) -> list[Delta]:
                return [delta async for delta in engine.generate(request(name, **options))]

            plain = await answer("plain", max_tokens=40, sampling=greedy, logprobs=1)
            text = "".join(delta.text for delta in plain)
            assert "Paris" in text
            assert plain[-1].completion_tokens == sum(len(delta.logprobs) for delta in plain) > 32
            stopped = await answer("stopped", max_tokens=40, sampling=greedy, stops=("Paris",))
            assert "".join(delta.text for delta in stopped) == text[: text.index("Paris")]
            both = await answer("both", max_tokens=5, n=2)
            assert {delta.index for delta in both if delta.finish_reason} == {0, 1}
            guided = await answer("guided", max_tokens=8, guide=Guide(GuideKind.REGEX, "[0-9]{4}"))
            assert "".join(delta.text for delta in guided).isdigit()
            stream = engine.generate(request("left", max_tokens=900))
            await anext(stream)
            await stream.aclose()
            assert engine.stats().running_requests == 0
            assert engine.healthy()
        finally:
            await engine.unload()
        assert not engine.healthy()

    asyncio.run(run())
