"""The TensorRT-LLM engine over the stand-in for the library: errors, a dead or hanging engine, and load."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from novacron_serving.clock import ManualClock
from novacron_serving.engines import Guide, GuideKind
from novacron_serving.engines.tensorrt_llm.config import TensorRtLlmConfig
from novacron_serving.engines.tensorrt_llm.engine import TensorRtLlmEngine
from novacron_serving.errors import RequestError, StartError

from tests.polling import until
from tests.tiny_model import TINY

from .harness import STORY, collect, failing, loaded, request, text_of, tokens
from .stand_in import LLM, Script
from .stand_in import RequestError as EngineRequestError

pytestmark = pytest.mark.usefixtures("stand_in")


def test_an_error_of_one_request_leaves_the_engine_healthy() -> None:
    error, healthy = failing(request(), Script([], raises=EngineRequestError("no room in the cache")))
    assert (error.status, healthy) == (500, True)
    assert "no room in the cache" in str(error)


def test_an_assertion_of_the_library_fails_one_request_only() -> None:
    error, healthy = failing(request(), Script([], raises=AssertionError()))
    assert (error.status, healthy) == (500, True)
    assert "AssertionError" in str(error)


def test_output_that_cannot_be_read_fails_one_request_only() -> None:
    error, healthy = failing(request(), Script(["no number"]))  # type: ignore[list-item]
    assert (error.status, healthy) == (500, True)
    assert "the engine's output cannot be read" in str(error)


def test_a_guide_that_cannot_be_compiled_is_the_clients_error() -> None:
    guide = Guide(GuideKind.JSON_SCHEMA, '{"type": "nonsense"}')
    error, healthy = failing(request(guide=guide), Script([], raises=EngineRequestError("bad grammar")))
    assert (error.status, error.param, healthy) == (400, "response_format", True)


def test_a_request_that_the_library_rejects_is_the_clients_error() -> None:
    error, healthy = failing(request(), Script([], rejects=ValueError("logprobs must be at most 1")))
    assert (error.status, healthy) == (400, True)
    assert "logprobs must be at most 1" in str(error)


@pytest.mark.parametrize("reason", ["cancelled", "timeout"])
def test_a_request_that_the_engine_aborts_ends_with_an_error(reason: str) -> None:
    error, healthy = failing(request(), Script(tokens("a"), ends=reason))
    assert (error.status, healthy) == (503, True)
    assert reason in str(error)


def test_a_dead_engine_fails_its_requests_rejects_new_ones_and_stays_unhealthy() -> None:
    async def run() -> None:
        dying = Script([], first_after_s=0.02, raises=RuntimeError("rank 3 crashed"))
        async with loaded(dying) as engine:
            assert engine.healthy()
            with pytest.raises(RequestError, match="rank 3 crashed") as caught:
                await collect(engine.generate(request()))
            assert (caught.value.status, caught.value.code) == (503, "engine_dead")
            assert not engine.healthy()
            with pytest.raises(RequestError, match="the engine has died: rank 3 crashed"):
                await collect(engine.generate(request("next")))
            LLM.made._executor.down = False  # the library may report something else later
            assert not engine.healthy()

    asyncio.run(run())


def test_an_executor_that_shut_down_while_idle_is_detected() -> None:
    async def run() -> None:
        async with loaded() as engine:
            LLM.made._executor.down = True
            assert not engine.healthy()
            with pytest.raises(RequestError, match="its executor has shut down"):
                await collect(engine.generate(request()))

    asyncio.run(run())


def test_a_rank_that_died_while_idle_is_detected() -> None:
    async def run() -> None:
        async with loaded() as engine:
            LLM.made._executor._error_queue.put(RuntimeError("MPI worker 1 ended"))
            assert not engine.healthy()

    asyncio.run(run())


def test_the_health_check_of_the_library_is_used_if_it_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with loaded() as engine:
            assert engine.healthy()
            monkeypatch.setattr(LLM.made, "_check_health", lambda: False, raising=False)
            assert not engine.healthy()

    asyncio.run(run())


def test_an_engine_that_produces_no_output_is_unhealthy_until_it_does() -> None:
    async def run() -> None:
        clock = ManualClock()
        hanging, slow = Script(tokens(STORY), hangs_after=1), Script(tokens(STORY), first_after_s=0.05)
        async with loaded(hanging, slow, clock=clock, unhealthy_after_s=60) as engine:
            deltas = engine.generate(request())
            await anext(deltas)
            clock.advance(59)
            assert engine.healthy()
            other = asyncio.create_task(collect(engine.generate(request("other"))))
            await asyncio.sleep(0)
            clock.advance(2)
            assert not engine.healthy()
            await other
            assert engine.healthy()
            clock.advance(61)
            assert not engine.healthy()
            await deltas.aclose()
            assert engine.healthy()

    asyncio.run(run())


def test_a_slow_first_token_and_an_idle_engine_are_healthy() -> None:
    async def run() -> None:
        clock = ManualClock()
        async with loaded(Script(tokens("late"), first_after_s=0.05), clock=clock, unhealthy_after_s=60) as engine:
            clock.advance(10_000)
            assert engine.healthy()
            reading = asyncio.create_task(collect(engine.generate(request())))
            await until(lambda: LLM.made.results)
            clock.advance(59)
            assert engine.healthy()
            assert text_of(await reading) == "late"
            clock.advance(10_000)
            assert engine.healthy()

    asyncio.run(run())


def test_a_request_beyond_the_queue_gets_503_overloaded() -> None:
    async def run() -> None:
        settings: dict[str, Any] = {"max_concurrent_requests": 1, "max_waiting_requests": 1}
        async with loaded(*[Script(tokens(STORY), every_s=0.01)] * 2, **settings) as engine:
            streams = [engine.generate(request(name)) for name in ("a", "b")]
            for stream in streams:
                await anext(stream)
            stats = engine.stats()
            assert (stats.running_requests, stats.waiting_requests, stats.kv_cache_utilization) == (1, 1, 1.0)
            with pytest.raises(RequestError) as caught:
                await anext(engine.generate(request("c")))
            assert (caught.value.status, caught.value.code) == (503, "overloaded")
            for stream in streams:
                await stream.aclose()

    asyncio.run(run())


def test_iteration_statistics_of_the_library_are_the_load() -> None:
    async def run() -> None:
        async with loaded(Script(tokens(STORY), hangs_after=1), iteration_stats=True) as engine:
            deltas = engine.generate(request())
            await anext(deltas)
            blocks = {"maxNumBlocks": 1000, "usedNumBlocks": 600, "freeNumBlocks": 400, "tokensPerBlock": 64}
            LLM.made.statistics.append({"numActiveRequests": 5, "numQueuedRequests": 3, "kvCacheStats": blocks})
            await until(lambda: engine.stats().kv_cache_capacity_tokens)
            stats = engine.stats()
            assert (stats.running_requests, stats.waiting_requests) == (5, 3)
            assert (stats.kv_cache_utilization, stats.kv_cache_capacity_tokens) == (0.6, 64_000)
            await deltas.aclose()
            stats = engine.stats()
            assert (stats.running_requests, stats.kv_cache_utilization) == (0, 0.0)

    asyncio.run(run())


def test_an_error_while_loading_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LLM, "fails", RuntimeError("CUDA out of memory.\n  Tried to allocate"))
    engine = TensorRtLlmEngine(TINY, TensorRtLlmConfig(gpu_architecture="hopper"))
    with pytest.raises(StartError, match=r"TensorRT-LLM cannot load .*: CUDA out of memory\. Tried"):
        asyncio.run(engine.load())
    assert not engine.healthy()
