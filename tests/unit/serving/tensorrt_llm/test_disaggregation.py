"""SIMULATED: prefill by one TensorRT-LLM engine and decode by another, over the stand-in for the library.

The stand-in keeps a file where the library keeps a cache. These tests do not show that the library transfers a cache.
They show the requests to the library, how its results are used, and the messages between workers.
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
from novacron_serving.engines import Delta, GenerationRequest, KvTransfer
from novacron_serving.engines.tensorrt_llm.arguments import Struct, make_disaggregated_params
from novacron_serving.engines.tensorrt_llm.config import TensorRtLlmConfig
from novacron_serving.engines.tensorrt_llm.engine import TensorRtLlmEngine
from novacron_serving.errors import RequestError
from novacron_serving.protocol import KV_TRANSFER_HEADER, PREFILL_HEADER
from novacron_serving.worker.app import WorkerApp
from novacron_serving.worker.config import WorkerConfig
from novacron_serving.worker.instrumentation import Instrumentation
from novacron_serving.worker.kv_transfer import sign_transfer, verify_transfer
from novacron_serving.worker.served import ServedModel
from pydantic import ValidationError

from tests.polling import until
from tests.tiny_model import TINY

from . import stand_in as stand_in_module
from .harness import END, STORY, TOKENIZER, collect, request, text_of, tokens
from .stand_in import FACTS, LLM, Script
from .test_arguments import check

pytestmark = pytest.mark.usefixtures("stand_in")

TRANSCEIVER = {"backend": "UCX", "max_tokens_in_buffer": 8192, "transfer_timeout_s": 30}
PREFILL_SETTINGS = {"disaggregation": TRANSCEIVER, "overlap_scheduler": False}
DECODE_SETTINGS = {"disaggregation": TRANSCEIVER}
TRANSFER = KvTransfer(
    prompt=(1, 2), first_tokens=(3,), context_request_id=2**40, opaque_state=b"\0\xff", draft_tokens=(4,)
)


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stand_in_module, "CACHES", tmp_path)
    return tmp_path


def unfetched(caches: Path) -> list[Path]:
    """Return the caches that no engine has fetched."""
    return list(caches.iterdir())


@asynccontextmanager
async def engines(script: Script) -> AsyncIterator[tuple[TensorRtLlmEngine, TensorRtLlmEngine, LLM, LLM]]:
    """Load a prefill and a decode engine. Yield them and the library's objects below them."""
    made: list[TensorRtLlmEngine] = []
    libraries: list[LLM] = []
    for settings in (PREFILL_SETTINGS, DECODE_SETTINGS):
        engine = TensorRtLlmEngine(TINY, TensorRtLlmConfig(gpu_architecture="hopper", **settings))
        await engine.load()
        LLM.made.scripts += [replace(script), replace(script)]
        made.append(engine)
        libraries.append(LLM.made)
    yield made[0], made[1], libraries[0], libraries[1]
    for engine in made:
        assert engine.stats().running_requests == 0
        await engine.unload()


async def prefill(engine: TensorRtLlmEngine, **options: Any) -> KvTransfer:
    (delta,) = await collect(engine.generate(request(prefill_only=True, **options)))
    assert delta.kv_transfer is not None
    assert (delta.text, delta.finish_reason, delta.completion_tokens) == ("", None, 0)
    return delta.kv_transfer


async def run_both(script: Script, **options: Any) -> list[Delta]:
    async with engines(script) as (first, second, _, _):
        return await collect(second.generate(request(kv_transfer=await prefill(first, **options), **options)))


def test_the_decode_engine_returns_the_whole_completion_with_the_usage_of_both(caches: Path) -> None:
    async def run() -> None:
        script = Script([*tokens(STORY), END], ends="stop", cached_tokens=1)
        async with engines(script) as (first, second, prefills, decodes):
            transfer = await prefill(first)
            assert transfer.prompt == tuple(TOKENIZER.encode("Hi").ids)
            assert transfer.first_tokens == tuple(tokens(STORY)[:1])
            assert len(unfetched(caches)) == 1
            deltas = await collect(second.generate(request(kv_transfer=transfer)))
            assert not unfetched(caches)  # the cache was fetched
            assert text_of(deltas) == STORY
            last = deltas[-1]
            assert (last.finish_reason, last.completion_tokens) == ("stop", len(tokens(STORY)))
            assert (last.prompt_tokens, last.cached_tokens) == (len(transfer.prompt), 1)
            (prefilled,), (decoded,) = prefills.calls, decodes.calls
            assert prefilled["half"].given == {"request_type": "context_only"}
            assert decoded["half"].given == {
                "request_type": "generation_only",
                "first_gen_tokens": list(transfer.first_tokens),
                "ctx_request_id": transfer.context_request_id,
                "opaque_state": transfer.opaque_state,
                "draft_tokens": None,
            }
            assert prefilled["inputs"] == decoded["inputs"]
            assert prefilled["sampling"].max_tokens == decoded["sampling"].max_tokens

    asyncio.run(run())


@pytest.mark.parametrize(
    "generation",
    [request(), request(prefill_only=True), request(kv_transfer=TRANSFER)],
    ids=["whole", "prefill", "decode"],
)
def test_the_parameters_of_disaggregation_have_the_names_and_types_of_the_library(
    generation: GenerationRequest,
) -> None:
    parameters = make_disaggregated_params(generation)
    assert "disaggregated_params" in FACTS["generate_async"]
    if generation.kv_transfer or generation.prefill_only:
        assert isinstance(parameters, Struct)
        fields = {name: value for name, value in parameters.fields.items() if value is not None}
        check(Struct(parameters.name, fields), "DisaggregatedParams")
        assert set(parameters.fields) <= set(FACTS["classes"]["DisaggregatedParams"])
    else:
        assert parameters is None
    assert {"disaggregated_params"} <= set(FACTS["completion_output"])
    assert "not_finished" in FACTS["finish_reasons"]


def test_a_stop_text_in_the_first_token_is_found() -> None:
    deltas = asyncio.run(run_both(Script(tokens(STORY)), stops=("upon",)))
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
def test_a_completion_that_ends_with_its_first_token_is_returned_by_the_prefill_engine(
    script: Script, options: dict[str, Any], text: str, reason: str, caches: Path
) -> None:
    async def run() -> None:
        async with engines(script) as (first, _, prefills, _):
            deltas = await collect(first.generate(request(prefill_only=True, **options)))
            assert text_of(deltas) == text
            assert (deltas[-1].finish_reason, deltas[-1].kv_transfer) == (reason, None)
            assert (prefills.calls[0]["half"] is None) == ("max_tokens" in options)

    asyncio.run(run())
    assert len(unfetched(caches)) <= 1


def test_a_missing_cache_is_an_error_before_the_first_token(caches: Path) -> None:
    async def run() -> None:
        async with engines(Script(tokens(STORY))) as (first, second, _, _):
            transfer = await prefill(first)
            for cache in unfetched(caches):
                cache.unlink()
            with pytest.raises(RequestError, match="the cache cannot be fetched") as caught:
                await collect(second.generate(request(kv_transfer=transfer)))
            assert caught.value.status == 500
            assert second.healthy()

    asyncio.run(run())


def test_a_disconnected_client_aborts_the_prefill_but_a_finished_prefill_keeps_its_cache() -> None:
    async def run() -> None:
        async with engines(Script(tokens(STORY), first_after_s=60)) as (first, _, prefills, _):
            prefilling = asyncio.create_task(prefill(first))
            await until(lambda: prefills.results)
            prefilling.cancel()
            await asyncio.wait([prefilling])
            assert prefills.results[0].aborts == 1
        async with engines(Script(tokens(STORY))) as (first, _, prefills, _):
            await prefill(first)
            assert prefills.results[0].aborts == 0  # its cache has still to be fetched

    asyncio.run(run())


@pytest.mark.parametrize(
    ("settings", "options", "status", "param"),
    [
        (PREFILL_SETTINGS, {"n": 2}, 400, "n"),
        (PREFILL_SETTINGS, {"logprobs": 0}, 400, "logprobs"),
        ({"disaggregation": None}, {}, 503, None),
    ],
    ids=["n", "logprobs", "no transceiver"],
)
def test_requests_that_cannot_be_shared_by_two_workers_are_rejected(
    settings: dict[str, Any], options: Any, status: int, param: str | None
) -> None:
    async def run() -> None:
        engine = TensorRtLlmEngine(TINY, TensorRtLlmConfig(gpu_architecture="hopper", **settings))
        await engine.load()
        for half in ({"prefill_only": True}, {"kv_transfer": TRANSFER}):
            with pytest.raises(RequestError) as caught:
                await collect(engine.generate(request(**half, **options)))
            assert (caught.value.status, caught.value.param) == (status, param)
        await engine.unload()

    asyncio.run(run())


# messages between workers

BODY = b'{"model": "m"}'


def test_a_signed_transfer_is_read_back_unchanged() -> None:
    for one in (TRANSFER, replace(TRANSFER, opaque_state=None, draft_tokens=None, prompt=tuple(range(100_000)))):
        signed = sign_transfer(one, BODY, "token")
        assert verify_transfer(signed + BODY, str(len(signed)), "token") == (one, BODY)


SIGNED = sign_transfer(TRANSFER, BODY, "token")


@pytest.mark.parametrize(
    ("body", "length", "token"),
    [
        (SIGNED + BODY.replace(b"m", b"n"), len(SIGNED), "token"),
        (SIGNED + BODY, len(SIGNED), "another"),
        (SIGNED + BODY, len(SIGNED) - 1, "token"),
        (SIGNED + BODY, 0, "token"),
        (SIGNED + BODY, -5, "token"),
        (SIGNED + BODY, "²", "token"),
        (SIGNED + BODY, 10**30, "token"),
        (SIGNED.replace(b'"cached_tokens":0', b'"cached_tokens":9') + BODY, len(SIGNED), "token"),
        (b"\0" * 32 + SIGNED[32:] + BODY, len(SIGNED), "token"),
        (b"", 0, "token"),
        (BODY, 4, "token"),
    ],
)
def test_a_changed_transfer_or_one_for_another_request_is_rejected(body: bytes, length: Any, token: str) -> None:
    with pytest.raises(RequestError, match="the signature does not match this request"):
        verify_transfer(body, str(length), token)


def config(role: str, **engine: Any) -> WorkerConfig:
    return WorkerConfig.model_validate(
        {"worker_id": "w", "port": 0, "coordinator": "127.0.0.1:1", "model": {"id": "m", "path": str(TINY)},
         "role": role, "engine": {"kind": "tensorrt-llm", "gpu_architecture": "hopper"} | engine}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("role", "engine", "message"),
    [
        ("prefill", {}, "role prefill needs engine.disaggregation"),
        ("decode", {}, "role decode needs engine.disaggregation"),
        ("prefill", DECODE_SETTINGS, "needs engine.overlap_scheduler false"),
        ("prefill", PREFILL_SETTINGS | {"disaggregation": {"max_tokens_in_buffer": 9}}, "needs .*transfer_timeout_s"),
        ("decode", DECODE_SETTINGS | {"lora": {"adapters": {"law": "/a"}}}, "cannot be combined with engine.lora"),
        ("decode", DECODE_SETTINGS | {"max_context_tokens": 9000}, "is 8192, .* the longest prompt of 9000 tokens"),
        ("decode", {"kind": "pytorch"}, "pytorch cannot transfer its cache; use role both"),
        ("context", DECODE_SETTINGS, "'both', 'prefill' or 'decode'"),
    ],
)  # fmt: skip
def test_roles_that_cannot_work_are_rejected(role: str, engine: dict[str, Any], message: str) -> None:
    if engine.get("kind") == "pytorch":
        with pytest.raises(ValidationError, match=message):
            WorkerConfig.model_validate(
                config("both").model_dump(exclude={"engine", "role"}) | {"role": role, "engine": engine}
            )
        return
    with pytest.raises(ValidationError, match=message):
        config(role, **engine)


def test_adapters_with_the_pytorch_engine_are_rejected() -> None:
    with pytest.raises(ValidationError, match="this engine does not support adapters; use kind tensorrt-llm"):
        WorkerConfig.model_validate(
            config("both").model_dump(exclude={"engine"}) | {"engine": {"kind": "pytorch", "lora": {}}}
        )


PATHS = {
    "/v1/chat/completions": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    "/v1/completions": {"model": "m", "prompt": "Hi", "max_tokens": 50},
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", PATHS)
def test_prefill_and_decode_by_two_workers_over_http(path: str, stream: bool) -> None:
    def app_of(role: str, settings: dict[str, Any], engine: TensorRtLlmEngine) -> httpx.AsyncClient:
        served = ServedModel(model_id="m", engine=engine, ready=True)
        app = WorkerApp(config(role, **settings), served, "token", Instrumentation(served, None))
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app.asgi), base_url="http://w", headers={"authorization": "Bearer token"}
        )

    async def run() -> None:
        async with (
            engines(Script([*tokens(STORY), END], ends="stop")) as (prefill_engine, decode_engine, _, _),
            app_of("prefill", PREFILL_SETTINGS, prefill_engine) as first,
            app_of("decode", DECODE_SETTINGS, decode_engine) as second,
        ):
            body = httpx.Request("POST", "http://w", json=PATHS[path] | {"stream": stream}).content
            prefilled = await first.post(path, content=body, headers={PREFILL_HEADER: "1"})
            assert (prefilled.status_code, prefilled.headers[KV_TRANSFER_HEADER]) == (200, "1")
            signed = prefilled.content
            for wrong in (body.replace(b"Hi", b"Ho"), body + b" "):
                refused = await second.post(
                    path, content=signed + wrong, headers={KV_TRANSFER_HEADER: str(len(signed))}
                )
                assert (refused.status_code, "signature" in refused.text) == (500, True)
            answer = await second.post(path, content=signed + body, headers={KV_TRANSFER_HEADER: str(len(signed))})
            assert answer.status_code == 200, answer.text
            assert KV_TRANSFER_HEADER not in answer.headers
            if stream:
                assert answer.text.endswith("data: [DONE]\n\n")
                assert '"finish_reason":"stop"' in answer.text
            else:
                (choice,) = answer.json()["choices"]
                assert (choice.get("text") or choice["message"]["content"]) == STORY
                assert answer.json()["usage"]["completion_tokens"] == len(tokens(STORY))
            for client, header in ((first, KV_TRANSFER_HEADER), (second, PREFILL_HEADER)):
                other = await client.post(path, content=signed + body, headers={header: str(len(signed))})
                assert other.status_code in (400, 503)  # 400: a worker without the header reads the transfer as JSON
            for client in (first, second):
                counted = (await client.get("/metrics")).text
                assert ('gen_ai_token_type="input"' in counted) == (client is first)

    asyncio.run(run())
