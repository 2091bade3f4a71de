"""SIMULATED: a coordinator with two prefill workers, two decode workers and one with adapters, as processes.

The engine runs over the stand-in for TensorRT-LLM, with files in place of caches.
"""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.polling import wait_until
from tests.unit.serving.tensorrt_llm.harness import TOKENIZER

from .stack import HTTP, MODEL, TINY, Stack

pytestmark = pytest.mark.xdist_group("gateway")

PREFILL_WORKERS, DECODE_WORKERS = ("prefill-0", "prefill-1"), ("decode-0", "decode-1")
ADAPTED, ADAPTERS = "adapted", ("law", "code")
COMPLETION = list(range(40, 60))
TEXT: str = TOKENIZER.decode(COMPLETION)
STAND_IN = f"""
import os, signal, sys
from tests.unit.serving.tensorrt_llm import stand_in

sys.modules.update(stand_in.modules())
stand_in.CACHES = stand_in.Path(os.environ["CACHES"])


class LLM(stand_in.LLM):
    def generate_async(self, inputs, **options):
        half = options["disaggregated_params"]
        if half is not None and take_order(f"die-{{half.request_type}}"):
            os.kill(os.getpid(), signal.SIGKILL)
        if half is not None and half.request_type == "generation_only" and take_order("lose"):
            stand_in.Path(half.opaque_state[:-2].decode()).unlink()
        adapter = options["lora_request"]
        completion = {COMPLETION} if adapter is None else [adapter.lora_int_id + 60] * 3
        self.scripts.append(stand_in.Script(completion, every_s=0.01))
        return super().generate_async(inputs, **options)


def take_order(name):
    try:
        (stand_in.CACHES.parent / name).unlink()  # the first process to see the file follows the order
    except FileNotFoundError:
        return False
    return True


sys.modules["tensorrt_llm"].LLM = LLM
"""


class Split(Stack):
    def worker_config(self, worker_id: str, port: int) -> dict[str, Any]:
        if worker_id == ADAPTED:
            adapters = {name: str(self.folder / name) for name in ADAPTERS}
            engine = {"kind": "tensorrt-llm", "gpu_architecture": "hopper", "lora": {"adapters": adapters}}
            model = {"id": ADAPTED, "path": str(TINY)}
            return super().worker_config(worker_id, port) | {"engine": engine, "model": model}
        reads = worker_id in PREFILL_WORKERS
        engine = {
            "kind": "tensorrt-llm",
            "gpu_architecture": "hopper",
            "overlap_scheduler": not reads,
            "disaggregation": {"max_tokens_in_buffer": 8192, "transfer_timeout_s": 30},
        }
        return super().worker_config(worker_id, port) | {"engine": engine, "role": "prefill" if reads else "decode"}

    def served(self, worker_ids: tuple[str, ...]) -> int:
        workers = HTTP.get(f"{self.url}/api/v1/llm/cluster/status").json()["workers"]
        return sum(worker["served_requests"] for worker in workers if worker["worker_id"] in worker_ids)

    def active(self) -> int:
        return HTTP.get(f"{self.url}/api/v1/llm/cluster/status").json()["cluster"]["active_workers"]

    def ask(self) -> Any:
        with self.client() as client:
            return client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "Hi"}], max_tokens=20
            )


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Split]:
    folder = tmp_path_factory.mktemp("split")
    (folder / "caches").mkdir()
    (folder / "library").mkdir()
    for name in ADAPTERS:
        (folder / name).mkdir()
        (folder / name / "adapter_config.json").write_text("{}")
    (folder / "library" / "tensorrt_llm.py").write_text(STAND_IN)
    made = Split(folder)
    before = dict(os.environ)
    os.environ |= {"PYTHONPATH": f"{folder / 'library'}:{Path(__file__).parents[2]}", "CACHES": str(folder / "caches")}
    try:
        made.start_coordinator()
        made.start_workers(*PREFILL_WORKERS, *DECODE_WORKERS, ADAPTED)
        yield made
    finally:
        made.stop()
        os.environ.clear()
        os.environ.update(before)


def left(split: Split) -> list[Path]:
    return list((split.folder / "caches").iterdir())


def test_whole_and_streamed_responses_of_disaggregated_workers(split: Split) -> None:
    with split.client() as client:
        whole = split.ask()
        assert whole.choices[0].message.content == TEXT
        assert (whole.choices[0].finish_reason, whole.usage.completion_tokens) == ("length", len(COMPLETION))
        text = client.completions.create(model=MODEL, prompt="Hi", max_tokens=20)
        assert text.choices[0].text == TEXT
        chunks = list(
            client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "Hi"}], max_tokens=20, stream=True,
                stream_options={"include_usage": True},
            )
        )  # fmt: skip
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.completion_tokens == len(COMPLETION)
    assert (split.served(PREFILL_WORKERS), split.served(DECODE_WORKERS)) == (3, 3)
    assert not left(split)


def test_requests_that_cannot_be_shared_are_handled_by_one_worker(split: Split) -> None:
    before = split.served(PREFILL_WORKERS)
    with split.client() as client:
        several = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Hi"}], max_tokens=20, n=2, logprobs=False
        )
        assert [choice.message.content for choice in several.choices] == [TEXT] * 2
    assert split.served(PREFILL_WORKERS) == before


def test_clients_cannot_set_the_fields_of_a_transfer(split: Split) -> None:
    with split.client() as client:
        for field in ("disaggregated_params", "kv_transfer", "prefill_only"):
            with pytest.raises(openai.BadRequestError, match=field):
                client.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": "Hi"}], extra_body={field: {"request_type": "x"}}
                )


def test_requests_select_adapters_by_model_name(split: Split) -> None:
    with split.client() as client:
        parents = {model.id: model.to_dict().get("parent") for model in client.models.list()}
        assert parents == {MODEL: None, ADAPTED: None, "adapted:law": ADAPTED, "adapted:code": ADAPTED}
        for model, completion in ((ADAPTED, COMPLETION[:3]), ("adapted:law", [61] * 3), ("adapted:code", [62] * 3)):
            answer = client.completions.create(model=model, prompt="Hi", max_tokens=3)
            assert answer.choices[0].text == TOKENIZER.decode(completion)
        for model in ("adapted:cooking", f"{MODEL}:law", "law"):
            with pytest.raises(openai.NotFoundError, match="the models are: adapted, adapted:code, adapted:law"):
                client.completions.create(model=model, prompt="Hi", max_tokens=3)


def test_many_concurrent_requests_of_disaggregated_workers(split: Split) -> None:
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        answers = [one.result() for one in [threads.submit(split.ask) for _ in range(48)]]
    assert {answer.choices[0].message.content for answer in answers} == {TEXT}
    assert not left(split)


@pytest.mark.parametrize("what", ["lose", "die-context_only", "die-generation_only"])
def test_no_request_fails_when_a_cache_or_a_worker_is_lost(split: Split, what: str) -> None:
    before = split.active()
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        asking = [threads.submit(split.ask) for _ in range(8)]
        (split.folder / what).touch()
        asking += [threads.submit(split.ask) for _ in range(8)]
        answers = [one.result() for one in asking]
    assert {answer.choices[0].message.content for answer in answers} == {TEXT}
    assert not (split.folder / what).exists()
    if what != "lose":  # the other worker of the same role continues alone
        wait_until(lambda: split.active() == before - 1, "one is dead")
