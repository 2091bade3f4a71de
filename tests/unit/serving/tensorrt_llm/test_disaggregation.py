"""SIMULATED: one TensorRT-LLM engine reads a prompt and another one answers, over the stand-in for the library.

The stand-in keeps a file where the library keeps a cache. Nothing here shows that the library hands a cache over; what
it shows is what is asked of it, what is made of what it says, and what goes between workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from novacron_serving.engines import Delta, HandOver
from novacron_serving.engines.tensorrt_llm.arguments import Struct, disaggregated
from novacron_serving.engines.tensorrt_llm.config import TensorRtLlmConfig
from novacron_serving.engines.tensorrt_llm.engine import TensorRtLlmEngine
from novacron_serving.errors import RequestError
from novacron_serving.protocol import HAND_OVER, PREFILL
from novacron_serving.worker.app import WorkerApp
from novacron_serving.worker.config import WorkerConfig
from novacron_serving.worker.handing_over import seal, unseal
from pydantic import ValidationError

from tests.tiny_model import TINY

from . import stand_in as stand_in_module
from .harness import END, STORY, TOKENIZER, collect, request, text_of, tokens, until
from .stand_in import FACTS, LLM, Script
from .test_arguments import check

pytestmark = pytest.mark.usefixtures("stand_in")

TRANSCEIVER = {"backend": "UCX", "max_tokens_in_buffer": 8192, "transfer_timeout_s": 30}
READS = {"disaggregation": TRANSCEIVER, "overlap_scheduler": False}
ANSWERS = {"disaggregation": TRANSCEIVER}
HANDED = HandOver(prompt=(1, 2), first_tokens=(3,), context_request_id=2**40, opaque_state=b"\0\xff", draft_tokens=(4,))
HALVES = {"whole": request(), "reads": request(hands_over=True), "answers": request(handed_over=HANDED)}


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stand_in_module, "CACHES", tmp_path)
    return tmp_path


def left(caches: Path) -> list[Path]:
    """What nobody has fetched."""
    return list(caches.iterdir())


@asynccontextmanager
async def engines(script: Script) -> AsyncIterator[tuple[TensorRtLlmEngine, TensorRtLlmEngine, LLM, LLM]]:
    """One that reads prompts, one that answers, and the libraries below them; both say what the script says."""
    made: list[TensorRtLlmEngine] = []
    libraries: list[LLM] = []
    for settings in (READS, ANSWERS):
        engine = TensorRtLlmEngine(TINY, TensorRtLlmConfig(gpu_architecture="hopper", **settings))
        await engine.load()
        LLM.made.scripts += [replace(script), replace(script)]
        made.append(engine)
        libraries.append(LLM.made)
    yield made[0], made[1], libraries[0], libraries[1]
    for engine in made:
        assert engine.stats().running_requests == 0
        await engine.unload()


async def read(engine: TensorRtLlmEngine, **options: Any) -> HandOver:
    (delta,) = await collect(engine.generate(request(hands_over=True, **options)))
    assert delta.hand_over is not None
    assert (delta.text, delta.finish_reason, delta.completion_tokens) == ("", None, 0)
    return delta.hand_over


async def handed(script: Script, **options: Any) -> list[Delta]:
    async with engines(script) as (first, second, _, _):
        return await collect(second.generate(request(handed_over=await read(first, **options), **options)))


def test_one_reads_and_the_other_answers_all_of_it(caches: Path) -> None:
    async def run() -> None:
        script = Script([*tokens(STORY), END], ends="stop", cached_tokens=1)
        async with engines(script) as (first, second, reads, answers):
            hand_over = await read(first)
            assert hand_over.prompt == tuple(TOKENIZER.encode("Hi"))
            assert hand_over.first_tokens == tuple(tokens(STORY)[:1])
            assert len(left(caches)) == 1
            deltas = await collect(second.generate(request(handed_over=hand_over)))
            assert not left(caches)  # it was fetched
            assert text_of(deltas) == STORY
            last = deltas[-1]
            assert (last.finish_reason, last.completion_tokens) == ("stop", len(tokens(STORY)))
            assert (last.prompt_tokens, last.cached_tokens) == (len(hand_over.prompt), 1)
            (asked,), (answered,) = reads.calls, answers.calls
            assert asked["half"].given == {"request_type": "context_only"}
            assert answered["half"].given == {
                "request_type": "generation_only",
                "first_gen_tokens": list(hand_over.first_tokens),
                "ctx_request_id": hand_over.context_request_id,
                "opaque_state": hand_over.opaque_state,
                "draft_tokens": None,
            }
            assert asked["inputs"] == answered["inputs"]
            assert asked["sampling"].max_tokens == answered["sampling"].max_tokens

    asyncio.run(run())


@pytest.mark.parametrize(
    "asked", [request(), request(hands_over=True), request(handed_over=HANDED)], ids=["whole", "reads", "answers"]
)
def test_what_is_said_of_halves_has_the_librarys_names_and_types(asked: Any) -> None:
    said = disaggregated(asked)
    assert "disaggregated_params" in FACTS["generate_async"]
    if asked.handed_over or asked.hands_over:
        assert isinstance(said, Struct)
        fields = {name: value for name, value in said.fields.items() if value is not None}
        check(Struct(said.name, fields), "DisaggregatedParams")
        assert set(said.fields) <= set(FACTS["classes"]["DisaggregatedParams"])
    else:
        assert said is None
    assert {"disaggregated_params"} <= set(FACTS["completion_output"])
    assert "not_finished" in FACTS["finish_reasons"]


def test_a_stop_text_counts_from_the_first_token_on() -> None:
    deltas = asyncio.run(handed(Script(tokens(STORY)), stops=("upon",)))
    assert text_of(deltas) == "Once "
    assert deltas[-1].finish_reason == "stop"


@pytest.mark.parametrize(
    ("script", "options", "text", "reason"),
    [
        (Script([END], ends="stop"), {}, "", "stop"),
        (Script(tokens(STORY)), {"max_tokens": 1}, TOKENIZER.decode(tokens(STORY)[:1]), "length"),
    ],
    ids=["ends at once", "one token"],
)
def test_an_answer_that_is_over_is_handed_to_nobody(
    script: Script, options: dict[str, Any], text: str, reason: str, caches: Path
) -> None:
    async def run() -> None:
        async with engines(script) as (first, _, reads, _):
            deltas = await collect(first.generate(request(hands_over=True, **options)))
            assert text_of(deltas) == text
            assert (deltas[-1].finish_reason, deltas[-1].hand_over) == (reason, None)
            assert (reads.calls[0]["half"] is None) == ("max_tokens" in options)

    asyncio.run(run())
    assert len(left(caches)) <= 1


def test_a_cache_that_is_gone_is_an_error_before_the_first_token(caches: Path) -> None:
    async def run() -> None:
        async with engines(Script(tokens(STORY))) as (first, second, _, _):
            hand_over = await read(first)
            for cache in left(caches):
                cache.unlink()
            with pytest.raises(RequestError, match="the cache cannot be fetched") as caught:
                await collect(second.generate(request(handed_over=hand_over)))
            assert caught.value.status == 500
            assert second.healthy()

    asyncio.run(run())


def test_a_client_that_leaves_ends_the_reading_and_what_was_read_is_not_ended() -> None:
    async def run() -> None:
        async with engines(Script(tokens(STORY), first_after_s=60)) as (first, _, reads, _):
            reading = asyncio.create_task(read(first))
            await until(lambda: reads.results)
            reading.cancel()
            await asyncio.wait([reading])
            assert reads.results[0].aborts == 1
        async with engines(Script(tokens(STORY))) as (first, _, reads, _):
            await read(first)
            assert reads.results[0].aborts == 0  # its cache is still to be fetched

    asyncio.run(run())


@pytest.mark.parametrize(
    ("settings", "options", "status", "param"),
    [
        (READS, {"n": 2}, 400, "n"),
        (READS, {"logprobs": 0}, 400, "logprobs"),
        ({"disaggregation": None}, {}, 503, None),
    ],
    ids=["n", "logprobs", "no transceiver"],
)
def test_what_is_not_handed_over(settings: dict[str, Any], options: Any, status: int, param: str | None) -> None:
    async def run() -> None:
        engine = TensorRtLlmEngine(TINY, TensorRtLlmConfig(gpu_architecture="hopper", **settings))
        await engine.load()
        for half in ({"hands_over": True}, {"handed_over": HANDED}):
            with pytest.raises(RequestError) as caught:
                await collect(engine.generate(request(**half, **options)))
            assert (caught.value.status, caught.value.param) == (status, param)
        await engine.unload()

    asyncio.run(run())


# between workers

BODY = b'{"model": "m"}'


def test_a_hand_over_comes_through_as_it_is() -> None:
    for one in (HANDED, replace(HANDED, opaque_state=None, draft_tokens=None, prompt=tuple(range(100_000)))):
        sealed = seal(one, BODY, "token")
        assert unseal(sealed + BODY, str(len(sealed)), "token") == (one, BODY)


SEALED = seal(HANDED, BODY, "token")


@pytest.mark.parametrize(
    ("body", "length", "token"),
    [
        (SEALED + BODY.replace(b"m", b"n"), len(SEALED), "token"),
        (SEALED + BODY, len(SEALED), "another"),
        (SEALED + BODY, len(SEALED) - 1, "token"),
        (SEALED + BODY, 0, "token"),
        (SEALED + BODY, -5, "token"),
        (SEALED + BODY, "²", "token"),
        (SEALED + BODY, 10**30, "token"),
        (SEALED.replace(b'"cached_tokens":0', b'"cached_tokens":9') + BODY, len(SEALED), "token"),
        (b"\0" * 32 + SEALED[32:] + BODY, len(SEALED), "token"),
        (b"", 0, "token"),
        (BODY, 4, "token"),
    ],
)
def test_a_hand_over_for_another_request_or_changed_is_refused(body: bytes, length: Any, token: str) -> None:
    with pytest.raises(RequestError, match="not sealed for this request"):
        unseal(body, str(length), token)


def config(role: str, **engine: Any) -> WorkerConfig:
    return WorkerConfig.model_validate(
        {"worker_id": "w", "port": 0, "coordinator": "127.0.0.1:1", "model": {"id": "m", "path": str(TINY)},
         "role": role, "engine": {"kind": "tensorrt-llm", "gpu_architecture": "hopper"} | engine}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("role", "engine", "told"),
    [
        ("prefill", {}, "role prefill needs engine.disaggregation"),
        ("decode", {}, "role decode needs engine.disaggregation"),
        ("prefill", ANSWERS, "needs engine.overlap_scheduler false"),
        ("prefill", READS | {"disaggregation": {"max_tokens_in_buffer": 9}}, "needs .*transfer_timeout_s"),
        ("decode", ANSWERS | {"lora": {"adapters": {"law": "/a"}}}, "does not go with engine.lora"),
        ("decode", ANSWERS | {"max_context_tokens": 9000}, "8192 is less than the longest input, 9000 tokens"),
        ("decode", {"kind": "pytorch"}, "pytorch hands no cache over; use role both"),
        ("context", ANSWERS, "'both', 'prefill' or 'decode'"),
    ],
)  # fmt: skip
def test_roles_that_cannot_work_are_refused(role: str, engine: dict[str, Any], told: str) -> None:
    if engine.get("kind") == "pytorch":
        with pytest.raises(ValidationError, match=told):
            WorkerConfig.model_validate(
                config("both").model_dump(exclude={"engine", "role"}) | {"role": role, "engine": engine}
            )
        return
    with pytest.raises(ValidationError, match=told):
        config(role, **engine)


def test_the_pytorch_engine_says_that_it_has_no_adapters() -> None:
    with pytest.raises(ValidationError, match="this engine has no adapters; use kind tensorrt-llm"):
        WorkerConfig.model_validate(
            config("both").model_dump(exclude={"engine"}) | {"engine": {"kind": "pytorch", "lora": {}}}
        )


PATHS = {
    "/v1/chat/completions": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    "/v1/completions": {"model": "m", "prompt": "Hi", "max_tokens": 50},
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", PATHS)
def test_two_workers_over_http(path: str, stream: bool) -> None:
    def app_of(role: str, settings: dict[str, Any], engine: TensorRtLlmEngine) -> httpx.AsyncClient:
        app = WorkerApp(config(role, **settings), engine, "token")
        app.loaded = True
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app.asgi), base_url="http://w", headers={"authorization": "Bearer token"}
        )

    async def run() -> None:
        async with (
            engines(Script([*tokens(STORY), END], ends="stop")) as (reads, answers, _, _),
            app_of("prefill", READS, reads) as first,
            app_of("decode", ANSWERS, answers) as second,
        ):
            body = httpx.Request("POST", "http://w", json=PATHS[path] | {"stream": stream}).content
            read_ = await first.post(path, content=body, headers={PREFILL: "1"})
            assert (read_.status_code, read_.headers[HAND_OVER]) == (200, "1")
            sealed = read_.content
            for wrong in (body.replace(b"Hi", b"Ho"), body + b" "):
                refused = await second.post(path, content=sealed + wrong, headers={HAND_OVER: str(len(sealed))})
                assert (refused.status_code, "not sealed" in refused.text) == (500, True)
            answer = await second.post(path, content=sealed + body, headers={HAND_OVER: str(len(sealed))})
            assert answer.status_code == 200, answer.text
            assert HAND_OVER not in answer.headers
            if stream:
                assert answer.text.endswith("data: [DONE]\n\n")
                assert '"finish_reason":"stop"' in answer.text
            else:
                (choice,) = answer.json()["choices"]
                assert (choice.get("text") or choice["message"]["content"]) == STORY
                assert answer.json()["usage"]["completion_tokens"] == len(tokens(STORY))
            for client, header in ((first, HAND_OVER), (second, PREFILL)):
                other = await client.post(path, content=sealed + body, headers={header: str(len(sealed))})
                assert other.status_code in (400, 503)  # the one is no JSON to a reader of requests
            for client in (first, second):
                counted = (await client.get("/metrics")).text
                assert ('gen_ai_token_type="input"' in counted) == (client is first)

    asyncio.run(run())
