"""Under load, one process after the other: workers are restarted, a coordinator is killed. No request is lost."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from .conftest import MODEL, Stack, answers, wait_until
from .gateway import Gateway, body

pytestmark = pytest.mark.xdist_group("serving")
KEY = {"authorization": "Bearer sk-user"}


class Load:
    """Clients that ask one request after the other until they are told to stop."""

    def __init__(self, ask: Callable[[httpx.Client, int], None], clients: int = 4) -> None:
        self.asked = 0
        self.failures: list[str] = []
        self._ask = ask
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(at,)) for at in range(clients)]

    def _run(self, at: int) -> None:
        with httpx.Client(timeout=30, trust_env=False) as client:
            while not self._stop.is_set():
                try:
                    self._ask(client, at)
                except Exception as error:  # noqa: BLE001 - whatever it was, a client would have seen it
                    self.failures.append(f"{type(error).__name__}: {error}")
                self.asked += 1

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def goes_on(self, more: int = 8) -> None:
        """Wait for so many more requests."""
        want = self.asked + more
        wait_until(lambda: self.asked >= want, "requests go on")


def test_real_workers_are_restarted_one_after_the_other(fresh_stack: Stack) -> None:
    fresh_stack.start_coordinator()
    fresh_stack.start_workers("a", "b")
    asked = {
        "model": MODEL, "stream": True, "max_tokens": 60,
        "messages": [{"role": "user", "content": "Tell me a story."}],
    }  # fmt: skip

    def ask(client: httpx.Client, at: int) -> None:
        if at % 2:
            answer = client.post(f"{fresh_stack.url}/v1/chat/completions", json=asked | {"stream": False})
            assert answer.status_code == 200, answer.text
            return
        with client.stream("POST", f"{fresh_stack.url}/v1/chat/completions", json=asked) as stream:
            said = stream.read().decode()
        assert stream.status_code == 200, said
        assert said.endswith("data: [DONE]\n\n"), said[-300:]

    with Load(ask) as load:
        for worker_id in ("a", "b"):
            load.goes_on()
            process = fresh_stack.workers[worker_id]
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            fresh_stack.start_workers(worker_id)
        load.goes_on()
    assert load.failures == []


class Balancer:
    """As load balancers do: one coordinator after the other, without those that dropped a connection."""

    def __init__(self, gateways: Sequence[Gateway]) -> None:
        self._gateways = gateways
        self._turns = itertools.count()
        self.out: set[Gateway] = set()

    def ask(self, client: httpx.Client, _: int) -> None:
        while True:
            there = [gateway for gateway in self._gateways if gateway not in self.out]
            gateway = there[next(self._turns) % len(there)]
            asked = body({"*": {"every_s": 0.01}})
            try:
                answer = client.post(f"{gateway.url}/v1/chat/completions", json=asked, headers=KEY)
            except httpx.TransportError:
                self.out.add(gateway)
                continue
            assert answer.status_code == 200, answer.text
            return


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Sequence[Gateway]]:
    made = [Gateway(tmp_path / f"coordinator-{at}") for at in range(3)]
    yield made
    for one in made:
        one.stop()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "told to stop"])
def test_a_coordinator_among_three_ends(three: Sequence[Gateway], how: signal.Signals) -> None:
    first, *others = three
    first.start_workers("a", "b", also=others)
    for one in others:
        wait_until(lambda one=one: one.status("a") == one.status("b") == "active", "all know all")
    balancer = Balancer(three)
    with Load(balancer.ask) as load:
        load.goes_on(20)
        with others[0].stream({"*": {"chunks": 40, "every_s": 0.05}}) as stream:
            first.coordinator.send_signal(how)
            code = first.coordinator.wait(20)
            assert "[DONE]" in stream.read().decode()
        load.goes_on(20)
        first.start()
        wait_until(lambda: answers(f"{first.url}/ready"), "it is back, and has heard of the workers")
        balancer.out.clear()
        load.goes_on(20)
    assert load.failures == []
    assert code == (-signal.SIGKILL if how is signal.SIGKILL else 0)
    assert first.ask({}).status_code == 200
