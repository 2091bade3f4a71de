"""Real workers are restarted one after the other under load: no request fails, no stream is cut."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import openai
import pytest

from tests.polling import wait_until

from .stack import MODEL, Stack

pytestmark = pytest.mark.xdist_group("gateway")


def workers_of(stack: Stack) -> dict[str, str]:
    workers = httpx.get(f"{stack.url}/api/v1/llm/cluster/status").json()["workers"]
    return {worker["worker_id"]: worker["status"] for worker in workers}


def ask(client: openai.OpenAI, **options: Any) -> Any:
    return client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Tell me a story."}], **options
    )


def test_a_rolling_restart_of_workers_fails_no_request_and_cuts_no_stream(fresh_stack: Stack) -> None:
    stack = fresh_stack
    stack.start_coordinator()
    stack.start_workers("one", "two")
    over, ends = threading.Event(), list[str]()

    def ask_on(*, stream: bool) -> None:
        with stack.client() as client:
            while not over.is_set():
                if stream:
                    chunks = list(ask(client, stream=True, temperature=2, seed=1, max_tokens=64))
                    ends.append(chunks[-1].choices[0].finish_reason or "cut")
                else:
                    ends.append(ask(client, temperature=0, max_tokens=8).choices[0].finish_reason)

    failed: list[BaseException] = []

    def asking(*, stream: bool) -> None:
        try:
            ask_on(stream=stream)
        except (openai.OpenAIError, httpx.HTTPError) as error:
            failed.append(error)

    threads = [threading.Thread(target=asking, kwargs={"stream": stream}) for stream in (True, False)]
    for thread in threads:
        thread.start()
    try:
        for worker_id in ("one", "two"):
            stack.workers[worker_id].terminate()
            assert stack.workers[worker_id].wait(30) == 0
            wait_until(lambda worker_id=worker_id: worker_id not in workers_of(stack), "it leaves the list at once", 2)
            stack.start_workers(worker_id)
            wait_until(lambda: set(workers_of(stack).values()) == {"active"}, "it is back", 10)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert len(ends) > 10
    assert set(ends) <= {"stop", "length"}
