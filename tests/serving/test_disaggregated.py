"""Disaggregated serving (prefill and decode on different workers) and adapters, with scripted workers."""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from novacron_serving.models import open_folder
from novacron_serving.models.publishing import publish

from tests.polling import wait_until

from .gateway import Gateway, body, said
from .scripted_worker import MODEL
from .stack import HTTP

pytestmark = pytest.mark.xdist_group("gateway")

KV_TRANSFER_HEADER = "x-novacron-kv-transfer"
PREFILL_HEADER = "x-novacron-prefill"


MakeSplit: TypeAlias = Callable[..., "Split"]


class Split(Gateway):
    """A coordinator with two prefill workers, p1 and p2, and two decode workers, d1 and d2."""

    def start_all_workers(self) -> None:
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
    """Tests leave the workers running."""
    made = Split(tmp_path_factory.mktemp("split"))
    try:
        made.start_all_workers()
        yield made
    finally:
        assert set(made.load()) == {0}  # every slot is free again
        made.stop()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[MakeSplit]:
    made: list[Split] = []

    def make(**config: Any) -> Split:
        made.append(Split(tmp_path, **config))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def new(before: dict[str, int], split: Split) -> list[str]:
    """Return the workers that got requests since then, once per request."""
    now = split.counts()
    return sorted(worker_id for worker_id, count in now.items() for _ in range(count - before[worker_id]))


def test_prefill_worker_transfers_its_kv_cache_to_the_decode_worker(split: Split) -> None:
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


def test_client_gets_the_stream_of_the_decode_worker(split: Split) -> None:
    with split.stream({"*": {"chunks": 3}}) as answer:
        text = "".join(answer.iter_text())
    assert answer.status_code == 200
    assert KV_TRANSFER_HEADER not in answer.headers
    assert text.count('"content"') == 3
    assert text.endswith("data: [DONE]\n\n")
    assert '"p1 "' not in text
    assert '"p2 "' not in text


def test_common_prefixes_share_a_prefill_worker_and_spread_over_decode_workers(fresh: MakeSplit) -> None:
    split = fresh(routing="prefix_affine")
    split.start_all_workers()
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
def test_request_that_cannot_be_disaggregated_is_served_by_one_worker(split: Split, options: dict[str, Any]) -> None:
    before = split.counts()
    assert split.ask({}, **options).status_code == 200
    (asked,) = new(before, split)
    assert asked in ("d1", "d2")
    assert split.seen(asked)["requests"][-1]["kv_transfer"] == ""


@pytest.mark.parametrize("options", [{"n": 1, "logprobs": False}, {"n": None, "logprobs": None}, {"prompt": [1, 2]}])
def test_neutral_fields_do_not_prevent_disaggregation(split: Split, options: dict[str, Any]) -> None:
    before = split.counts()
    assert split.ask({}, **options).status_code == 200
    assert len(new(before, split)) == 2


def test_request_below_prefill_from_bytes_is_served_by_one_worker(fresh: MakeSplit) -> None:
    split = fresh(prefill_from_bytes=1000)
    split.start_all_workers()
    split.ask({})
    split.ask({"*": {"padding": "x" * 1000}})
    counts = split.counts()
    assert counts["p1"] + counts["p2"] == 1
    assert counts["d1"] + counts["d2"] == 2


def test_answer_that_is_complete_after_prefill_comes_from_the_prefill_worker(split: Split) -> None:
    before = split.counts()
    first = said(split.ask({"p1": {"whole": True}, "p2": {"whole": True}}))
    assert first in ("p1", "p2")
    assert new(before, split) == [first]


@pytest.mark.parametrize("status", [500, 503])
def test_failed_prefill_is_retried_on_the_other_prefill_worker(split: Split, status: int) -> None:
    before, retries = split.counts(), split.metric("novacron_retries_total")
    for script in [{"p1": {"status": status}}] * 3 + [{"p2": {"status": status}}] * 3:
        assert said(split.ask(script)) in ("d1", "d2")
    asked, again = new(before, split), split.metric("novacron_retries_total") - retries
    assert again >= 1
    assert asked.count("p1") + asked.count("p2") == 6 + again
    assert asked.count("d1") + asked.count("d2") == 6


def test_failed_decode_is_retried_with_a_new_prefill(split: Split) -> None:
    before, retries = split.counts(), split.metric("novacron_retries_total")
    for fails, answers in [("d1", "d2")] * 3 + [("d2", "d1")] * 3:
        assert said(split.ask({fails: {"status": 500}})) == answers
    asked, again = new(before, split), split.metric("novacron_retries_total") - retries
    assert again >= 1
    assert asked.count("p1") + asked.count("p2") == asked.count("d1") + asked.count("d2") == 6 + again


def test_client_error_of_either_step_is_not_retried(split: Split) -> None:
    before = split.counts()
    assert split.ask({"p1": {"status": 400}, "p2": {"status": 400}}).status_code == 400
    assert len(new(before, split)) == 1
    before = split.counts()
    assert split.ask({"d1": {"status": 404}, "d2": {"status": 404}}).status_code == 404
    assert len(new(before, split)) == 2


def test_attempts_cover_both_steps(split: Split) -> None:
    before = split.counts()
    answer = split.ask({"d1": {"status": 500}, "d2": {"status": 500}})
    assert answer.status_code == 500
    asked = new(before, split)
    seconds = asked.count("d1") + asked.count("d2")
    assert (seconds, len(asked)) in ((2, 4), (3, 6))  # three, if the same worker has prefilled both
    before = split.counts()
    assert split.ask({"p1": {"status": 500}, "p2": {"status": 500}}).status_code == 500
    assert new(before, split) == ["p1", "p2"]


@pytest.mark.parametrize("stream", [True, False])
def test_workers_of_either_step_may_die_before_the_first_byte(fresh: MakeSplit, stream: bool) -> None:
    split = fresh()
    split.start_all_workers()
    script = {"p1": {"die": "before"}, "d1": {"die": "before"}}
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        asking = [threads.submit(split.ask, script, stream=stream) for _ in range(12)]
        answers = [one.result() for one in asking]
    assert [answer.status_code for answer in answers] == [200] * 12
    assert all("d2 " in answer.text for answer in answers)
    wait_until(lambda: not split.alive("p1"), "p1 has died")
    wait_until(lambda: not split.alive("d1"), "d1 has died")
    assert split.load() == [0] * 4


def test_stream_of_a_dying_decode_worker_ends_with_an_error(fresh: MakeSplit) -> None:
    split = fresh()
    split.start_workers("p1", ROLE="prefill")
    split.start_workers("d1", "d2", ROLE="decode")
    with split.stream({"*": {"die": "middle"}}) as answer:
        text = "".join(answer.iter_text())
    assert "failed during the response" in text
    assert "[DONE]" not in text
    # A dying worker may still accept a connection.
    wait_until(lambda: not (split.alive("d1") and split.alive("d2")), "one of them has died")
    assert split.counts()["p1"] == 1


def test_decode_workers_serve_alone_but_prefill_workers_do_not(fresh: MakeSplit) -> None:
    split = fresh(lost_after_s=1.0)
    split.start_workers("d1", ROLE="decode")
    assert said(split.ask({})) == "d1"
    assert split.seen("d1")["requests"][-1]["kv_transfer"] == ""
    split.start_workers("p1", ROLE="prefill")
    assert said(split.ask({})) == "d1"
    assert split.seen("d1")["requests"][-1]["kv_transfer"] == "read by p1\xff"
    split.workers["d1"].kill()
    wait_until(lambda: split.status("d1") != "active", "d1 is lost")
    answer = split.ask({})
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "overloaded"
    assert split.get("/v1/models").json()["data"] == []
    assert split.get("/ready").json()["active_workers"] == 1


def test_decode_worker_serves_alone_when_the_last_prefill_worker_dies(fresh: MakeSplit) -> None:
    split = fresh()
    split.start_workers("p1", ROLE="prefill")
    split.start_workers("d1", ROLE="decode")
    assert said(split.ask({"p1": {"die": "before"}})) == "d1"
    assert split.seen("d1")["requests"][-1]["kv_transfer"] == ""
    assert split.load() == [0, 0]


def test_workers_with_a_role_or_adapters_get_no_assignment(fresh: MakeSplit, tmp_path: Path) -> None:
    split = fresh(database_url=f"sqlite:///{tmp_path / 'keys.db'}", minimum_workers=0)
    split.start_workers("p1", ROLE="prefill")
    split.start_workers("a", ADAPTERS="law")
    path = tmp_path / "model"
    path.mkdir()
    (path / "config.json").write_text("{}")
    (path / "pytorch_model.bin").write_text("none")
    publish(path, open_folder(f"file://{tmp_path / 'store'}", {}), model_id="other")
    admin = {"authorization": "Bearer sk-admin"}
    models = f"{split.url}/api/v1/llm/models"
    assert HTTP.post(models, json={"url": f"file://{tmp_path / 'store'}"}, headers=admin).status_code == 201
    answer = HTTP.post(f"{models}/other/load", json={"worker_count": 1, "force": True}, headers=admin)
    assert (answer.status_code, "and 0 are available" in answer.text) == (409, True)


def test_kv_caches_are_transferred_only_between_workers_with_the_same_weights(fresh: MakeSplit) -> None:
    split = fresh()
    split.start_workers("p1", ROLE="prefill", MODEL_DIGEST="11" * 32)
    split.start_workers("d1", ROLE="decode", MODEL_DIGEST="22" * 32)
    assert said(split.ask({})) == "d1"
    assert split.counts()["p1"] == 0
    split.start_workers("d2", ROLE="decode", MODEL_DIGEST="11" * 32)
    assert {said(split.ask({})) for _ in range(4)} == {"d2"}


def test_prefill_starts_only_with_a_free_decode_slot(fresh: MakeSplit) -> None:
    split = fresh(worker_queue=0, queue_timeout_s=30)
    split.start_workers("p1", ROLE="prefill", slots=8)
    split.start_workers("d1", ROLE="decode", slots=1)
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(split.ask, {"d1": {"chunks": 1, "every_s": 0.4}}) for _ in range(3)]
        wait_until(lambda: split.counts()["d1"] == 1, "one request is decoding")
        assert split.counts()["p1"] == 1
        assert [said(one.result()) for one in asking] == ["d1"] * 3
    assert split.load() == [0, 0]


def test_disconnecting_client_aborts_either_step(split: Split) -> None:
    aborted = sum(split.seen(worker_id)["aborted"] for worker_id in split.workers)
    for script in ({"p1": {"hang": True}, "p2": {"hang": True}}, {"d1": {"hang": True}, "d2": {"hang": True}}):
        with pytest.raises(httpx.ReadTimeout):
            HTTP.post(
                f"{split.url}/v1/chat/completions", json=body(script), timeout=0.5,
                headers={"authorization": "Bearer sk-user"},
            )  # fmt: skip
        aborted += 1
        wait_until(
            lambda aborted=aborted: sum(split.seen(one)["aborted"] for one in split.workers) == aborted,
            "the worker aborts the request",
        )
    assert set(split.load()) == {0}


def test_disaggregation_headers_of_a_client_are_ignored(split: Split) -> None:
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


def test_cluster_status_shows_the_roles_of_workers(split: Split) -> None:
    workers = split.get("/api/v1/llm/cluster/status").json()["workers"]
    roles = {"d1": "decode", "d2": "decode", "p1": "prefill", "p2": "prefill"}
    assert {worker["worker_id"]: worker["role"] for worker in workers} == roles


# adapters

LAW, CODE = f"{MODEL}:law", f"{MODEL}:code"


def test_adapters_are_models_on_the_workers_that_have_them(fresh: MakeSplit) -> None:
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
    wait_until(lambda: gateway.ask({}, model="law").status_code == 404, "the coordinator knows all workers")
    for unknown in ("law", f"{MODEL}:", f"{MODEL}:cooking", f"{LAW}:code"):
        answer = gateway.ask({}, model=unknown)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    worker = gateway.get("/api/v1/llm/cluster/status").json()["workers"][0]
    assert (worker["model"], worker["adapters"]) == (MODEL, [LAW, CODE])


def test_cached_response_of_one_adapter_is_not_returned_for_another(fresh: MakeSplit) -> None:
    gateway = fresh(cache={})
    gateway.start_workers("a", ADAPTERS="law code")

    def is_cached(model: str) -> bool:
        answer = gateway.ask({}, model=model, temperature=0, key="sk-own-1")
        return answer.headers.get("x-novacron-cache") == "hit"

    assert [is_cached(model) for model in (MODEL, LAW, CODE)] == [False] * 3
    assert [is_cached(model) for model in (MODEL, LAW, CODE)] == [True] * 3


def test_queues_of_a_model_and_its_adapters_take_turns(fresh: MakeSplit) -> None:
    gateway = fresh(worker_queue=0, queue_timeout_s=30)
    gateway.start_workers("a", ADAPTERS="law", slots=1)
    ended: list[str] = []

    def ask(model: str) -> None:
        assert said(gateway.ask({"a": {"chunks": 1, "every_s": 0.15}}, model=model)) == "a"
        ended.append(model)

    with concurrent.futures.ThreadPoolExecutor(12) as threads:
        first = threads.submit(ask, MODEL)
        wait_until(lambda: len(gateway.seen("a")["requests"]) == 1, "the worker is busy")
        others = [threads.submit(ask, model) for model in (*[MODEL] * 6, LAW, LAW)]
        for one in (first, *others):
            one.result()
    assert LAW in ended[1:4]
    assert ended.index(LAW) < 4
    assert ended[-1] == MODEL
