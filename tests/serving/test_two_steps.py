"""Prompts read by some workers and answered by others, and adapters: before workers that do what a test tells them."""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from novacron_serving.models import open_folder
from novacron_serving.models.publishing import publish

from .conftest import HTTP, wait_until
from .gateway import Gateway, body, said
from .scripted_worker import MODEL

pytestmark = pytest.mark.xdist_group("gateway")

KV_TRANSFER_HEADER = "x-novacron-kv-transfer"
PREFILL_HEADER = "x-novacron-prefill"


class Split(Gateway):
    """Two workers that read prompts, p1 and p2, and two that answer, d1 and d2."""

    def start_both_kinds(self) -> None:
        self.start_workers("p1", "p2", ROLE="prefill")
        self.start_workers("d1", "d2", ROLE="decode")

    def asked(self) -> dict[str, list[dict[str, Any]]]:
        return {worker_id: self.seen(worker_id)["requests"] for worker_id in self.workers if self.alive(worker_id)}

    def alive(self, worker_id: str) -> bool:
        return self.workers[worker_id].poll() is None

    def counts(self) -> dict[str, int]:
        return {worker_id: len(requests) for worker_id, requests in self.asked().items()}

    def load(self) -> list[int]:
        workers = self.get("/api/v1/llm/cluster/status").json()["workers"]
        return [worker["requests_in_flight"] for worker in workers]


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Split]:
    """A test leaves them alive."""
    made = Split(tmp_path_factory.mktemp("split"))
    try:
        made.start_both_kinds()
        yield made
    finally:
        assert set(made.load()) == {0}  # every place was given back
        made.stop()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Any]:
    made: list[Split] = []

    def make(**config: Any) -> Split:
        made.append(Split(tmp_path, **config))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def new(before: dict[str, int], split: Split) -> list[str]:
    """Who was asked since."""
    now = split.counts()
    return sorted(worker_id for worker_id, count in now.items() for _ in range(count - before[worker_id]))


def test_one_reads_and_another_answers(split: Split) -> None:
    answer = split.ask({})
    second = said(answer)
    assert second in ("d1", "d2")
    read = split.seen(second)["requests"][-1]
    first = read["kv_transfer"].removeprefix("read by ").removesuffix("\xff")
    assert first in ("p1", "p2")
    asked = split.seen(first)["requests"][-1]
    assert asked["headers"][PREFILL_HEADER] == "1"
    assert PREFILL_HEADER not in read["headers"]
    assert (asked["path"], asked["headers"]["x-request-id"]) == (read["path"], read["headers"]["x-request-id"])
    assert read["bytes"] == asked["bytes"] + len(f"read by {first}") + 1
    assert KV_TRANSFER_HEADER not in answer.headers
    assert "read by" not in answer.text


def test_a_stream_is_the_second_ones(split: Split) -> None:
    with split.stream({"*": {"chunks": 3}}) as answer:
        text = "".join(answer.iter_text())
    assert answer.status_code == 200
    assert KV_TRANSFER_HEADER not in answer.headers
    assert text.count('"content"') == 3
    assert text.endswith("data: [DONE]\n\n")
    assert '"p1 "' not in text
    assert '"p2 "' not in text


def test_prompts_that_begin_alike_are_read_by_one_and_answered_by_the_least_loaded(fresh: Any) -> None:
    split = fresh(routing="prefix_affine")
    split.start_both_kinds()
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(split.ask, [{"*": {"every_s": 0.05}}] * 8))
    counts = split.counts()
    assert sorted(counts[first] for first in ("p1", "p2")) == [0, 8]
    assert counts["d1"] + counts["d2"] == 8
    assert min(counts["d1"], counts["d2"]) >= 3


@pytest.mark.parametrize(
    "options",
    [{"n": 2}, {"logprobs": True}, {"logprobs": 0}, {"prompt": ["a", "b"]}, {"prompt": []}],
    ids=str,
)
def test_what_cannot_be_handed_over_is_answered_whole(split: Split, options: dict[str, Any]) -> None:
    before = split.counts()
    assert split.ask({}, **options).status_code == 200
    (asked,) = new(before, split)
    assert asked in ("d1", "d2")
    assert split.seen(asked)["requests"][-1]["kv_transfer"] == ""


@pytest.mark.parametrize("options", [{"n": 1, "logprobs": False}, {"n": None, "logprobs": None}, {"prompt": [1, 2]}])
def test_fields_that_ask_for_nothing_do_not_hinder(split: Split, options: dict[str, Any]) -> None:
    before = split.counts()
    assert split.ask({}, **options).status_code == 200
    assert len(new(before, split)) == 2


def test_short_requests_can_be_answered_whole(fresh: Any) -> None:
    split = fresh(prefill_from_bytes=1000)
    split.start_both_kinds()
    split.ask({})
    split.ask({"*": {"padding": "x" * 1000}})
    counts = split.counts()
    assert counts["p1"] + counts["p2"] == 1
    assert counts["d1"] + counts["d2"] == 2


def test_an_answer_that_ended_while_it_was_read_is_the_firsts(split: Split) -> None:
    before = split.counts()
    first = said(split.ask({"p1": {"whole": True}, "p2": {"whole": True}}))
    assert first in ("p1", "p2")
    assert new(before, split) == [first]


@pytest.mark.parametrize("status", [500, 503])
def test_a_first_one_that_fails_is_followed_by_the_other(split: Split, status: int) -> None:
    before, retries = split.counts(), split.metric("novacron_retries_total")
    for script in [{"p1": {"status": status}}] * 3 + [{"p2": {"status": status}}] * 3:
        assert said(split.ask(script)) in ("d1", "d2")
    asked, again = new(before, split), split.metric("novacron_retries_total") - retries
    assert again >= 1
    assert asked.count("p1") + asked.count("p2") == 6 + again
    assert asked.count("d1") + asked.count("d2") == 6


def test_a_second_one_that_fails_has_the_prompt_read_again_for_the_other(split: Split) -> None:
    before, retries = split.counts(), split.metric("novacron_retries_total")
    for fails, answers in [("d1", "d2")] * 3 + [("d2", "d1")] * 3:
        assert said(split.ask({fails: {"status": 500}})) == answers
    asked, again = new(before, split), split.metric("novacron_retries_total") - retries
    assert again >= 1
    assert asked.count("p1") + asked.count("p2") == asked.count("d1") + asked.count("d2") == 6 + again


def test_clients_mistakes_are_told_and_not_repeated(split: Split) -> None:
    before = split.counts()
    assert split.ask({"p1": {"status": 400}, "p2": {"status": 400}}).status_code == 400
    assert len(new(before, split)) == 1
    before = split.counts()
    assert split.ask({"d1": {"status": 404}, "d2": {"status": 404}}).status_code == 404
    assert len(new(before, split)) == 2


def test_attempts_count_for_both_steps_together(split: Split) -> None:
    before = split.counts()
    answer = split.ask({"d1": {"status": 500}, "d2": {"status": 500}})
    assert answer.status_code == 500
    asked = new(before, split)
    seconds = asked.count("d1") + asked.count("d2")
    assert (seconds, len(asked)) in ((2, 4), (3, 6))  # once more, if the same one has read the prompt for both
    before = split.counts()
    assert split.ask({"p1": {"status": 500}, "p2": {"status": 500}}).status_code == 500
    assert new(before, split) == ["p1", "p2"]


@pytest.mark.parametrize("stream", [True, False])
def test_workers_that_die_before_the_first_byte(fresh: Any, stream: bool) -> None:
    split = fresh()
    split.start_both_kinds()
    script = {"p1": {"die": "before"}, "d1": {"die": "before"}}
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        asking = [threads.submit(split.ask, script, stream=stream) for _ in range(12)]
        answers = [one.result() for one in asking]
    assert [answer.status_code for answer in answers] == [200] * 12
    assert all("d2 " in answer.text for answer in answers)
    wait_until(lambda: not split.alive("p1"), "p1 has died")
    wait_until(lambda: not split.alive("d1"), "d1 has died")
    assert split.load() == [0] * 4


def test_a_second_one_that_dies_within_an_answer_ends_it_with_an_error(fresh: Any) -> None:
    split = fresh()
    split.start_workers("p1", ROLE="prefill")
    split.start_workers("d1", "d2", ROLE="decode")
    with split.stream({"*": {"die": "middle"}}) as answer:
        text = "".join(answer.iter_text())
    assert "failed during the response" in text
    assert "[DONE]" not in text
    # Who is about to die may still take a connection.
    wait_until(lambda: not (split.alive("d1") and split.alive("d2")), "one of them has died")
    assert split.counts()["p1"] == 1


def test_without_those_who_read_the_others_answer_whole_and_without_those_nobody_does(fresh: Any) -> None:
    split = fresh(lost_after_s=1.0)
    split.start_workers("d1", ROLE="decode")
    assert said(split.ask({})) == "d1"
    assert split.seen("d1")["requests"][-1]["kv_transfer"] == ""
    split.start_workers("p1", ROLE="prefill")
    assert said(split.ask({})) == "d1"
    assert split.seen("d1")["requests"][-1]["kv_transfer"] == "read by p1\xff"
    split.workers["d1"].kill()
    wait_until(lambda: split.status("d1") != "active", "d1 is gone")
    answer = split.ask({})
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "overloaded"
    assert split.get("/v1/models").json()["data"] == []
    assert split.get("/ready").json()["active_workers"] == 1


def test_the_last_one_that_reads_dies_and_the_request_is_answered_whole(fresh: Any) -> None:
    split = fresh()
    split.start_workers("p1", ROLE="prefill")
    split.start_workers("d1", ROLE="decode")
    assert said(split.ask({"p1": {"die": "before"}})) == "d1"
    assert split.seen("d1")["requests"][-1]["kv_transfer"] == ""
    assert split.load() == [0, 0]


def test_workers_with_a_role_or_adapters_are_given_no_other_model(fresh: Any, tmp_path: Path) -> None:
    split = fresh(database_url=f"sqlite:///{tmp_path / 'keys.db'}", minimum_workers=0)
    split.start_workers("p1", ROLE="prefill")
    split.start_workers("a", ADAPTERS="law")
    path = tmp_path / "model"
    path.mkdir()
    (path / "config.json").write_text("{}")
    publish(path, open_folder(f"file://{tmp_path / 'store'}", {}), model_id="other")
    admin = {"authorization": "Bearer sk-admin"}
    models = f"{split.url}/api/v1/llm/models"
    assert HTTP.post(models, json={"url": f"file://{tmp_path / 'store'}"}, headers=admin).status_code == 201
    answer = HTTP.post(f"{models}/other/load", json={"worker_count": 1, "force": True}, headers=admin)
    assert (answer.status_code, "and 0 are available" in answer.text) == (409, True)


def test_other_weights_are_handed_nothing(fresh: Any) -> None:
    split = fresh()
    split.start_workers("p1", ROLE="prefill", MODEL_DIGEST="11" * 32)
    split.start_workers("d1", ROLE="decode", MODEL_DIGEST="22" * 32)
    assert said(split.ask({})) == "d1"
    assert split.counts()["p1"] == 0
    split.start_workers("d2", ROLE="decode", MODEL_DIGEST="11" * 32)
    assert {said(split.ask({})) for _ in range(4)} == {"d2"}


def test_there_is_a_place_for_the_answer_before_a_prompt_is_read(fresh: Any) -> None:
    split = fresh(worker_queue=0, queue_timeout_s=30)
    split.start_workers("p1", ROLE="prefill", places=8)
    split.start_workers("d1", ROLE="decode", places=1)
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(split.ask, {"d1": {"chunks": 1, "every_s": 0.4}}) for _ in range(3)]
        wait_until(lambda: split.counts()["d1"] == 1, "one is answered")
        assert split.counts()["p1"] == 1
        assert [said(one.result()) for one in asking] == ["d1"] * 3
    assert split.load() == [0, 0]


def test_a_client_that_leaves_ends_either_step(split: Split) -> None:
    aborted = sum(split.seen(worker_id)["aborted"] for worker_id in split.workers)
    for script in ({"p1": {"hang": True}, "p2": {"hang": True}}, {"d1": {"hang": True}, "d2": {"hang": True}}):
        with pytest.raises(httpx.ReadTimeout):
            HTTP.post(
                f"{split.url}/v1/chat/completions", json=body(script), timeout=0.5,
                headers={"authorization": "Bearer sk-user"},
            )  # fmt: skip
        aborted += 1
        wait_until(
            lambda aborted=aborted: sum(split.seen(one)["aborted"] for one in split.workers) == aborted, "it ended"
        )
    assert set(split.load()) == {0}


def test_a_client_can_say_neither_header(split: Split) -> None:
    before = split.counts()
    request = body({}, n=2)
    answer = HTTP.post(
        f"{split.url}/v1/chat/completions", content=json.dumps(request), timeout=10,
        headers={"authorization": "Bearer sk-user", "content-type": "application/json"}
        | {KV_TRANSFER_HEADER: "5", PREFILL_HEADER: "1"},
    )  # fmt: skip
    (asked,) = new(before, split)
    assert said(answer) == asked
    seen = split.seen(asked)["requests"][-1]["headers"]
    assert KV_TRANSFER_HEADER not in seen
    assert PREFILL_HEADER not in seen


def test_roles_are_told(split: Split) -> None:
    workers = split.get("/api/v1/llm/cluster/status").json()["workers"]
    roles = {"d1": "decode", "d2": "decode", "p1": "prefill", "p2": "prefill"}
    assert {worker["worker_id"]: worker["role"] for worker in workers} == roles


# adapters

LAW, CODE = f"{MODEL}:law", f"{MODEL}:code"


def test_adapters_are_models_where_there_are_some(fresh: Any) -> None:
    gateway = fresh(routing="prefix_affine")
    gateway.start_workers("a", ADAPTERS="law code")
    gateway.start_workers("b", ADAPTERS="law")
    gateway.start_workers("c")
    listed = gateway.get("/v1/models").json()["data"]
    assert {model["id"]: model.get("parent") for model in listed} == {MODEL: None, LAW: MODEL, CODE: MODEL}
    assert gateway.get(f"/v1/models/{LAW}").json()["parent"] == MODEL
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        ask = [threads.submit(gateway.ask, {"*": {"every_s": 0.02}}, model=LAW) for _ in range(16)]
        assert {said(one.result()) for one in ask} <= {"a", "b"}
    assert {said(gateway.ask({}, model=CODE)) for _ in range(3)} == {"a"}
    wait_until(lambda: gateway.ask({}, model="law").status_code == 404, "it has been there for long enough to know")
    for unknown in ("law", f"{MODEL}:", f"{MODEL}:cooking", f"{LAW}:code"):
        answer = gateway.ask({}, model=unknown)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    told = gateway.get("/api/v1/llm/cluster/status").json()["workers"][0]
    assert (told["model"], told["adapters"]) == (MODEL, [LAW, CODE])


def test_an_answer_of_one_adapter_is_not_given_again_for_another(fresh: Any) -> None:
    gateway = fresh(cache={})
    gateway.start_workers("a", ADAPTERS="law code")

    def again(model: str) -> bool:
        answer = gateway.ask({}, model=model, temperature=0, key="sk-own-1")
        return answer.headers.get("x-novacron-cache") == "hit"

    assert [again(model) for model in (MODEL, LAW, CODE)] == [False] * 3
    assert [again(model) for model in (MODEL, LAW, CODE)] == [True] * 3


def test_models_of_one_worker_have_its_free_places_in_turn(fresh: Any) -> None:
    gateway = fresh(worker_queue=0, queue_timeout_s=30)
    gateway.start_workers("a", ADAPTERS="law", places=1)
    ended: list[str] = []

    def ask(model: str) -> None:
        assert said(gateway.ask({"a": {"chunks": 1, "every_s": 0.15}}, model=model)) == "a"
        ended.append(model)

    with concurrent.futures.ThreadPoolExecutor(12) as threads:
        first = threads.submit(ask, MODEL)
        wait_until(lambda: len(gateway.seen("a")["requests"]) == 1, "it is busy")
        others = [threads.submit(ask, model) for model in (*[MODEL] * 6, LAW, LAW)]
        for one in (first, *others):
            one.result()
    assert LAW in ended[1:4]
    assert ended.index(LAW) < 4
    assert ended[-1] == MODEL
