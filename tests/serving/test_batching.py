"""Continuous batching in the PyTorch engine: requests do not affect each other, and errors are reported."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from novacron_serving.clock import SYSTEM_CLOCK, Clock, ManualClock
from novacron_serving.engines import ChatPrompt, GenerationRequest, Sampling, TextPrompt
from novacron_serving.engines.pytorch import PyTorchConfig, PyTorchEngine
from novacron_serving.errors import RequestError, StartError
from novacron_serving.protocol.openai import Message

from tests.polling import until

from .stack import TINY

QUESTIONS = (
    "What is a GPU?",
    "Hello",
    "Tell me a story.",
    "What is a cluster? " * 12,
    "Count to five.",
    "What sound does a dog make?",
    "Who are you?",
    "Say hello in five words.",
)
GREEDY = Sampling(temperature=0)
ENDLESS = GenerationRequest(
    request_id="endless", prompt=TextPrompt("Once"), sampling=Sampling(temperature=0, logit_bias={1: -100})
)


@asynccontextmanager
async def loaded(clock: Clock = SYSTEM_CLOCK, **config: Any) -> AsyncIterator[PyTorchEngine]:
    engine = PyTorchEngine(TINY, PyTorchConfig(device="cpu", **config), clock)
    await engine.load()
    try:
        yield engine
    finally:
        await engine.unload()


def chat(number: int, text: str, sampling: Sampling = GREEDY, **options: Any) -> GenerationRequest:
    prompt = ChatPrompt((Message(role="user", content=text),))
    return GenerationRequest(request_id=f"r{number}", prompt=prompt, sampling=sampling, max_tokens=60, **options)


async def text_of(engine: PyTorchEngine, request: GenerationRequest) -> str:
    return "".join([delta.text async for delta in engine.generate(request)])


def record_passes(engine: PyTorchEngine) -> list[int]:
    """Return a list that grows with each forward pass of the decoder by the number of sequences in it."""
    passes: list[int] = []
    decoder: Any = engine._decoder
    step = decoder._slots.step
    decoder._slots.step = lambda model, tokens: passes.append(len(tokens)) or step(model, tokens)
    return passes


def test_a_completion_does_not_depend_on_other_requests_in_the_batch() -> None:
    async def run() -> None:
        async with loaded(max_concurrent_requests=5, prefill_step_tokens=16) as engine:
            seeded = Sampling(temperature=0.9, top_p=0.9, seed=4)
            requests = [chat(number, text) for number, text in enumerate(QUESTIONS)]
            requests += [chat(10 + number, text, seeded) for number, text in enumerate(QUESTIONS[:3])]
            alone = [await text_of(engine, request) for request in requests]
            passes = record_passes(engine)

            async def join_after(count: int, request: GenerationRequest) -> str:
                await until(lambda: len(passes) >= count)
                return await text_of(engine, request)

            # Requests join a running batch, one after the other, and there are more requests than slots.
            together = await asyncio.gather(*(join_after(at, request) for at, request in enumerate(requests)))
            assert max(passes) > 1
            assert list(together) == alone
            assert len(set(alone)) > 6
            assert engine.stats().kv_cache_utilization == 0

    asyncio.run(run())


def test_running_choices_share_a_forward_pass() -> None:
    async def run() -> None:
        async with loaded(max_concurrent_requests=6) as engine:
            passes = record_passes(engine)
            story = GenerationRequest(
                request_id="s", prompt=TextPrompt("Once"), sampling=ENDLESS.sampling, max_tokens=40, n=6
            )
            texts: dict[int, str] = {}
            async for delta in engine.generate(story):
                texts[delta.index] = texts.get(delta.index, "") + delta.text
            assert passes == [6] * 39  # the first token of each comes with the prompt
            assert len(texts) == 6
            assert len(set(texts.values())) == 1

    asyncio.run(run())


def test_closing_the_iterator_frees_the_slot() -> None:
    async def run() -> None:
        async with loaded(max_concurrent_requests=1, max_waiting_requests=1) as engine:
            answer: Any = engine.generate(ENDLESS)
            await anext(answer)
            waits = asyncio.create_task(text_of(engine, chat(1, "Hello")))
            await until(lambda: engine.stats().waiting_requests == 1)
            assert engine.stats().running_requests == 1
            with pytest.raises(RequestError, match="queue is full") as caught:
                await text_of(engine, chat(2, "Hello"))
            assert caught.value.status == 503
            await answer.aclose()
            assert await waits == "Hello! How can I help you today?"
            await until(lambda: engine.stats().running_requests == 0)

    asyncio.run(run())


def test_an_aborted_choice_ends() -> None:
    async def run() -> None:
        async with loaded() as engine:
            reasons: list[str | None] = []
            async for delta in engine.generate(ENDLESS):
                reasons.append(delta.finish_reason)
                engine.abort(ENDLESS.request_id)
            assert reasons[-1] == "stop"
            assert len(reasons) < 100

    asyncio.run(run())


def breaks(
    change: Callable[[Any], None],
    meanwhile: Callable[[PyTorchEngine], Awaitable[None]],
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Change the decoder of an engine while a request is running."""

    async def run() -> None:
        async with loaded(clock) as engine:
            answer: Any = engine.generate(ENDLESS)
            await anext(answer)
            assert engine.healthy()
            change(engine._decoder)
            await meanwhile(engine)
            await answer.aclose()

    asyncio.run(run())


def test_an_engine_that_dies_is_unhealthy_and_fails_its_requests() -> None:
    def die(decoder: Any) -> None:
        def broken(model: Any, tokens: Any) -> Any:
            raise RuntimeError("the device fell off the bus")

        decoder._slots.step = broken

    async def meanwhile(engine: PyTorchEngine) -> None:
        with pytest.raises(RequestError, match=r"off the bus|has stopped") as caught:
            await text_of(engine, chat(1, "Hello"))
        assert caught.value.status == 503
        assert not engine.healthy()

    breaks(die, meanwhile)


def test_an_engine_that_hangs_is_unhealthy_until_its_step_ends() -> None:
    clock, hangs, may_continue = ManualClock(), threading.Event(), threading.Event()

    def hang(decoder: Any) -> None:
        step = decoder._slots.step

        def slow(model: Any, tokens: Any) -> Any:
            hangs.set()
            may_continue.wait(20)
            return step(model, tokens)

        decoder._slots.step = slow

    async def meanwhile(engine: PyTorchEngine) -> None:
        await until(hangs.is_set)
        clock.advance(59)
        assert engine.healthy()
        clock.advance(2)
        assert not engine.healthy()
        may_continue.set()
        await until(engine.healthy)

    breaks(hang, meanwhile, clock)


def test_an_invalid_distribution_fails_one_request_only() -> None:
    async def run() -> None:
        async with loaded() as engine:
            decoder: Any = engine._decoder
            sampler = decoder._sampler

            def broken(job: Any, index: int) -> Any:
                made = sampler(job, index)
                if job.request.request_id == "r7":
                    made._bias = decoder._model.lm_head.weight[:, 0] * float("nan")
                return made

            decoder._sampler = broken
            good, bad = await asyncio.gather(
                text_of(engine, chat(6, "Hello")),
                text_of(engine, chat(7, "Hello", Sampling())),
                return_exceptions=True,
            )
            assert good == "Hello! How can I help you today?"
            assert isinstance(bad, RequestError)
            assert bad.status == 500
            assert engine.healthy()

    asyncio.run(run())


def test_a_device_that_does_not_exist_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(StartError, match="PyTorch sees no CUDA device; use 'cpu' or 'auto'"):
        asyncio.run(PyTorchEngine(TINY, PyTorchConfig(device="cuda")).load())
