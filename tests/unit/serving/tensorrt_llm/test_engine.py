"""The TensorRT-LLM engine over the stand-in for the library: streams, stop texts, aborts and rejected requests."""

from __future__ import annotations

import asyncio
import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from novacron_serving.engines import ChatPrompt, Guide, GuideKind, Sampling, TextPrompt
from novacron_serving.engines.tensorrt_llm.config import TensorRtLlmConfig
from novacron_serving.engines.tensorrt_llm.engine import TensorRtLlmEngine
from novacron_serving.errors import StartError
from novacron_serving.protocol.openai import Message

from tests.polling import until
from tests.tiny_model import TINY

from .harness import END, STORY, TOKENIZER, collect, complete, failing, loaded, request, text_of, tokens
from .stand_in import LLM, Logprob, Script

pytestmark = pytest.mark.usefixtures("stand_in")


@pytest.mark.parametrize("per_output", [1, 2, 100])
def test_output_is_streamed_and_tokens_are_counted(per_output: int) -> None:
    story = tokens(STORY)
    deltas = complete(request(max_tokens=len(story)), Script(story, per_output, cached_tokens=1))
    assert text_of(deltas) == STORY
    assert [delta.finish_reason for delta in deltas] == [None] * (len(deltas) - 1) + ["length"]
    assert deltas[-1].completion_tokens == len(story)
    assert {delta.prompt_tokens for delta in deltas} == {len(TOKENIZER.encode("Hi").ids)}
    assert deltas[0].cached_tokens == 1
    assert len(deltas) == math.ceil(len(story) / per_output)


def test_the_end_token_ends_a_choice_and_is_not_part_of_its_text() -> None:
    deltas = complete(request(logprobs=0), Script([*tokens(STORY), END], ends="stop", logprobs=[-0.5] * 100))
    assert text_of(deltas) == STORY
    assert (deltas[-1].finish_reason, deltas[-1].completion_tokens) == ("stop", len(tokens(STORY)))
    assert sum(len(delta.logprobs) for delta in deltas) == len(tokens(STORY))


def test_prompt_limit_temperature_and_guide_reach_the_library() -> None:
    async def run() -> None:
        async with loaded(Script(tokens("a"))) as engine:
            guide = Guide(GuideKind.REGEX, "[a-z]+")
            sampling = Sampling(temperature=0.5)
            await collect(engine.generate(request(max_tokens=9, sampling=sampling, guide=guide)))
            (call,) = LLM.made.calls
            assert call["inputs"] == TOKENIZER.encode("Hi").ids
            given = call["sampling"].given
            assert (given["max_tokens"], given["temperature"]) == (9, 0.5)
            assert given["guided_decoding"].given == {"regex": "[a-z]+"}
            assert LLM.made.arguments["model"] == str(TINY)

    asyncio.run(run())
    assert os.environ["TRTLLM_NO_USAGE_STATS"] == "1"


def test_logit_bias_reaches_the_library() -> None:
    pytest.importorskip("torch", reason="needs PyTorch: `make test` installs it")

    async def run() -> None:
        async with loaded(Script(tokens("a"))) as engine:
            await collect(engine.generate(request(sampling=Sampling(logit_bias={3: -100.0}))))
            (call,) = LLM.made.calls
            bias = call["sampling"].given["embedding_bias"]
            assert (bias.shape[0], bias[3].item(), bias.abs().sum().item()) == (1377, -100.0, 100.0)

    asyncio.run(run())


def test_max_tokens_defaults_to_the_rest_of_the_context() -> None:
    async def run() -> None:
        async with loaded(Script(tokens("a")), Script(tokens("a"))) as engine:
            await collect(engine.generate(request()))
            await collect(engine.generate(request(max_tokens=10_000)))
            room = 512 - len(TOKENIZER.encode("Hi").ids)
            assert [call["sampling"].given["max_tokens"] for call in LLM.made.calls] == [room, room]

    asyncio.run(run())


def test_seeds_are_random_unless_the_request_has_one() -> None:
    async def run() -> None:
        async with loaded(*[Script(tokens("a")) for _ in range(6)], sampler="trtllm") as engine:
            await collect(engine.generate(request()))
            await collect(engine.generate(request()))
            for _ in range(2):
                await collect(engine.generate(request(n=2, sampling=Sampling(seed=7))))
            first, second, *seeded = [call["sampling"].given["seed"] for call in LLM.made.calls]
            assert first != second
            assert seeded == [7, 8, 7, 8]

    asyncio.run(run())


def test_each_of_n_choices_has_its_own_finish_reason() -> None:
    deltas = complete(
        request(n=3, stops=("upon",), sampling=Sampling(temperature=0)),
        Script(tokens(STORY), every_s=0.001),
        Script([*tokens("No."), END], ends="stop"),
        Script(tokens("A long tale"), every_s=0.001),
    )
    assert [text_of(deltas, index) for index in range(3)] == ["Once ", "No.", "A long tale"]
    ends = {delta.index: delta.finish_reason for delta in deltas if delta.finish_reason}
    assert ends == {0: "stop", 1: "stop", 2: "length"}
    assert sum(delta.finish_reason is not None for delta in deltas) == 3


@pytest.mark.parametrize("per_output", [1, 3, 100])
@pytest.mark.parametrize("stop", ["river", "time there", " a r", "e", "Once"])
def test_a_stop_text_across_outputs_ends_the_choice_and_is_not_part_of_its_text(stop: str, per_output: int) -> None:
    async def run() -> None:
        async with loaded(Script([*tokens(STORY), *tokens(" More.")], per_output)) as engine:
            deltas = await collect(engine.generate(request(stops=(stop,))))
            assert text_of(deltas) == STORY[: STORY.index(stop)]
            assert deltas[-1].finish_reason == "stop"
            (result,) = LLM.made.results
            assert result.aborts == (0 if result.finished else 1)  # generation stops

    asyncio.run(run())


def test_an_incomplete_stop_text_is_returned_at_the_end() -> None:
    deltas = complete(request(stops=("river. And",)), Script([*tokens(STORY), END], ends="stop"))
    assert text_of(deltas) == STORY


def test_log_probabilities_are_those_of_new_tokens_with_the_likeliest_tokens() -> None:
    completion = tokens("Hello you")
    other = tokens("x")[0]
    logprobs = [{token: Logprob(-0.5, 2), other: Logprob(-0.25, 1)} for token in completion]
    deltas = complete(request(logprobs=1), Script(completion, logprobs=logprobs))
    entries = [entry for delta in deltas for entry in delta.logprobs]
    assert [entry.logprob for entry in entries] == [-0.5] * len(completion)
    assert "".join(entry.token for entry in entries) == "Hello you"
    assert b"".join(entry.bytes for entry in entries) == b"Hello you"
    assert [[top.logprob for top in entry.top] for entry in entries] == [[-0.25]] * len(completion)
    assert sum(map(len, (delta.logprobs for delta in complete(request(), Script(completion, logprobs=logprobs))))) == 0


def test_closing_the_iterator_aborts_unfinished_choices() -> None:
    async def run() -> None:
        async with loaded(*[Script(tokens(STORY), every_s=0.01)] * 2) as engine:
            deltas = engine.generate(request(n=2))
            await anext(deltas)
            assert engine.stats().running_requests == 2
            await deltas.aclose()
            assert [result.aborts for result in LLM.made.results] == [1, 1]
            assert engine.stats().running_requests == 0
            assert engine.healthy()

    asyncio.run(run())


def test_cancelling_the_reader_aborts_the_request() -> None:
    async def run() -> None:
        async with loaded(Script(tokens(STORY), hangs_after=2)) as engine:
            reading = asyncio.create_task(collect(engine.generate(request())))
            await until(lambda: LLM.made.results and len(LLM.made.results[0].outputs[0].token_ids) == 2)
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
            assert LLM.made.results[0].aborts == 1
            assert engine.stats().running_requests == 0

    asyncio.run(run())


def test_aborting_a_request_ends_its_iterator_with_stop() -> None:
    async def run() -> None:
        async with loaded(Script(tokens(STORY), hangs_after=2)) as engine:
            reading = asyncio.create_task(collect(engine.generate(request("mine"))))
            await until(lambda: LLM.made.results and len(LLM.made.results[0].outputs[0].token_ids) == 2)
            engine.abort("another")
            assert LLM.made.results[0].aborts == 0
            engine.abort("mine")
            engine.abort("mine")
            deltas = await asyncio.wait_for(reading, 2)
            assert deltas[-1].finish_reason == "stop"
            assert LLM.made.results[0].aborts == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("asked", "settings", "status", "param"),
    [
        (request(prompt=TextPrompt("a " * 600)), {}, 400, "prompt"),
        (request(prompt=ChatPrompt((Message(role="user", content="a " * 600),))), {}, 400, "messages"),
        (request(prompt=TextPrompt("")), {}, 400, "prompt"),
        (
            request(prompt=TextPrompt("a " * 40)),
            {"chunked_prefill": False, "max_step_tokens": 16, "max_concurrent_requests": 8},
            400,
            "prompt",
        ),
        (request(guide=Guide(GuideKind.JSON_OBJECT)), {"guided_decoding": None}, 400, "response_format"),
        (request(adapter="law"), {}, 404, "model"),
        (request(sampling=Sampling(logit_bias={1377: 1.0})), {}, 400, "logit_bias"),
        (request(sampling=Sampling(frequency_penalty=0.5)), {}, 400, "frequency_penalty"),
        (request(sampling=Sampling(repetition_penalty=1.1)), {}, 400, "repetition_penalty"),
        (request(sampling=Sampling(seed=3)), {}, 400, "seed"),
        (request(logprobs=2), {"sampler": "trtllm"}, 400, "top_logprobs"),
        (request(), {"speculative": {"method": "mtp"}}, 400, "temperature"),
        (
            request(),
            {"speculative": {"method": "eagle3", "path": str(TINY), "draft_tokens": 2, "one_model": True}},
            400,
            "temperature",
        ),
    ],
    ids=[
        *("long text", "long chat", "empty", "longer than a step", "guide", "adapter", "logit bias"),
        *("penalty", "repetition", "seed", "logprobs", "mtp", "eagle"),
    ],
)
def test_requests_that_cannot_be_served_do_not_reach_the_library(
    asked: Any, settings: Any, status: int, param: str
) -> None:
    error, healthy = failing(asked, Script([]), **settings)
    assert (error.status, error.param, healthy) == (status, param, True)
    assert LLM.made.calls == []


@pytest.mark.parametrize(
    ("sampling", "settings"),
    [
        (Sampling(frequency_penalty=0.5, seed=3), {"sampler": "trtllm"}),
        (Sampling(temperature=0, seed=3), {}),
        (Sampling(temperature=0), {"speculative": {"method": "mtp"}}),
        (Sampling(), {"speculative": {"method": "eagle3", "path": str(TINY), "draft_tokens": 2}}),
    ],
    ids=["trtllm sampler", "greedy with a seed", "greedy with mtp", "eagle"],
)
def test_sampling_parameters_that_the_sampler_supports_are_accepted(sampling: Sampling, settings: Any) -> None:
    assert text_of(complete(request(sampling=sampling), Script(tokens("Yes")), **settings)) == "Yes"


def test_requests_select_adapters(tmp_path: Path) -> None:
    adapters = {name: str(tmp_path / name) for name in ("law", "code")}
    for name in adapters:
        (tmp_path / name).mkdir()
        (tmp_path / name / "adapter_config.json").write_text("{}")

    async def run() -> None:
        async with loaded(Script(tokens("a")), Script(tokens("b")), lora={"adapters": adapters}) as engine:
            await collect(engine.generate(request(adapter="code")))
            await collect(engine.generate(request()))
            with_adapter, without = LLM.made.calls
            assert (with_adapter["lora"].lora_name, with_adapter["lora"].lora_path) == ("code", adapters["code"])
            assert without["lora"] is None
            assert LLM.made.arguments["enable_lora"] is True
            assert LLM.made.arguments["lora_config"].lora_dir == list(adapters.values())

    asyncio.run(run())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quantization": "int4"}, "weights are fp16, but engine.quantization int4 means w4a16_awq on hopper"),
        ({"lora": {"adapters": {"law": "/nowhere"}}}, "lora.adapters.law '/nowhere' has no adapter_config.json"),
        (
            {"speculative": {"method": "draft-model", "path": "/nowhere", "draft_tokens": 2}},
            "speculative.path '/nowhere' has no config.json",
        ),
        (
            {"disaggregation": {"max_tokens_in_buffer": 511}},
            "is 511, which is less than the longest prompt of 512 tokens",
        ),
    ],
)
def test_a_model_that_does_not_fit_the_settings_is_rejected_before_it_is_loaded(settings: Any, message: str) -> None:
    engine = TensorRtLlmEngine(TINY, TensorRtLlmConfig(gpu_architecture="hopper", **settings))
    with pytest.raises(StartError, match=message):
        asyncio.run(engine.load())
