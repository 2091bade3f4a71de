"""Load on the stack `trial`: streamed requests in threads, half of which keep their connections."""

from __future__ import annotations

import threading
from types import TracebackType

import httpx

from tests.node.trial import BODY, Trial


class Load:
    """Asks for streams, one after the other in each thread, until the context ends."""

    def __init__(self, trial: Trial, threads: int) -> None:
        self.served = 0
        self.failures: list[str] = []
        self._trial = trial
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number % 2 == 0,)) for number in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, keep_connections: bool) -> None:
        with self._trial.open_client(keep_connections=keep_connections) as client:
            while not self._over.is_set():
                self._ask_once(client)

    def _ask_once(self, client: httpx.Client) -> None:
        try:
            answer = client.post("/v1/chat/completions", json={**BODY, "max_tokens": 2, "stream": True})
            complete = answer.status_code == 200 and answer.text.endswith("data: [DONE]\n\n")
            if not complete or '"error"' in answer.text:
                self.failures.append(f"{answer.status_code} {answer.text[-300:]}")
        except httpx.HTTPError as error:
            self.failures.append(repr(error))
        self.served += 1
