"""Disaggregated serving: one worker reads the prompt (prefill), another one generates the answer (decode).

The prefill worker gets the normal request plus one header. It responds with a KV transfer, which the coordinator sends
to the decode worker in front of the request; the decode worker's response goes to the client. A slot of the decode
worker is reserved together with the prefill worker's, so that no KV transfer waits for a slot. Clients do not notice,
and cannot forge a transfer: the coordinator writes both headers itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from novacron_serving.coordinator.scheduling.routing import Router
from novacron_serving.coordinator.workers.upstream import Receiver, UpstreamConnection
from novacron_serving.coordinator.workers.workers import Pool, Worker
from novacron_serving.protocol import KV_TRANSFER_HEADER, PREFILL_HEADER

_KV_TRANSFER = KV_TRANSFER_HEADER.encode()
_PREFILL_LINE = f"{PREFILL_HEADER}: 1\r\n".encode()


class PrefillClient(Receiver, Protocol):
    """The attempt that takes two steps."""

    def on_prefill_complete(self) -> None:
        """Send the request to the decode worker."""
        ...


def can_disaggregate(content: Mapping[str, Any]) -> bool:
    """Return whether a request's KV cache can be transferred.

    TensorRT-LLM 1.2 supports one prompt and one answer, without log probabilities.
    """
    prompt, logprobs = content.get("prompt"), content.get("logprobs")
    several = isinstance(prompt, list) and not (prompt and isinstance(prompt[0], int))
    return not several and (logprobs is None or logprobs is False) and content.get("n") in (None, 1)


class Disaggregated:
    """The state of one disaggregated request.

    It receives the prefill worker's response, and passes everything but a KV transfer on to the attempt: errors, and
    an answer that is complete after its first token.
    """

    def __init__(self) -> None:
        self.decode_worker: Worker | None = None
        """Holds a reserved slot until prefill has finished."""
        self._client: PrefillClient
        self._transfer = b""
        self._receives_transfer = False
        self._prefill_id = ""
        self._attempts = 0
        self._failed: set[str] = set()
        """Ids of workers that have failed this request."""
        self._failed_transfers: set[str] = set()
        """Ids of prefill workers whose KV transfer a decode worker has failed on."""

    # worker selection

    def choose_workers(self, pool: Pool, router: Router, prefix: Sequence[int]) -> Worker | None:
        """Choose a prefill worker by the prompt's prefix, and reserve a slot of the least loaded decode worker.

        Returns:
            The prefill worker; None: no pair of workers has a free slot.
        """
        prefill, decode = self._candidates(pool)
        decode = [worker for worker in decode if worker.load < worker.capacity]
        digests = {worker.model_digest for worker in decode}
        prefill = [worker for worker in prefill if worker.load < worker.capacity and worker.model_digest in digests]
        if not prefill:
            return None
        chosen = router.choose(prefill, prefix)
        self._prefill_id = chosen.worker_id
        self.decode_worker = _least_loaded(decode, chosen.model_digest)
        self.decode_worker.take_slot()
        return chosen

    def _candidates(self, pool: Pool) -> tuple[list[Worker], list[Worker]]:
        """Return the prefill and decode workers that have not failed this request, whether they are free or not."""
        prefill = [worker for worker in pool.prefill if worker.worker_id not in self._failed]
        decode = [worker for worker in pool.decode if worker.worker_id not in self._failed]
        if not decode:
            # The prefill worker may have been gone before its cache was fetched: try again with another one.
            prefill = [worker for worker in prefill if worker.worker_id not in self._failed_transfers]
            decode = pool.decode
        return prefill, decode

    def stop(self, worker: Worker) -> Worker | None:
        """End an attempt: a worker has failed, or the request is over.

        Returns:
            The worker whose reserved slot has to be freed, if any.
        """
        self._attempts += 1
        self._failed.add(worker.worker_id)
        if self._transfer:
            self._failed_transfers.add(self._prefill_id)
        self._transfer = b""
        reserved, self.decode_worker = self.decode_worker, None
        return reserved

    def can_retry(self, pool: Pool, attempts: int) -> bool:
        """Return whether both steps may be tried again."""
        prefill, decode = self._candidates(pool)
        digests = {worker.model_digest for worker in decode}
        return self._attempts < attempts and any(worker.model_digest in digests for worker in prefill)

    def choose_decode_worker(self, pool: Pool) -> tuple[Worker, Worker]:
        """Return the decode worker after prefill, and the one with the reserved slot; usually the same."""
        reserved, self.decode_worker = self.decode_worker, None
        assert reserved is not None  # noqa: S101 - `choose_workers` has reserved it
        if reserved in pool.decode:
            return reserved, reserved
        # The reserved worker is gone: another one can use the same KV transfer.
        others = [worker for worker in pool.decode if worker.model_digest == reserved.model_digest]
        return (_least_loaded(others, reserved.model_digest) if others else reserved), reserved

    # requests and the prefill worker's response

    def prepare(
        self, lines: bytes, body: bytes | bytearray, client: PrefillClient
    ) -> tuple[bytes, bytes | bytearray, Receiver]:
        """Return headers, body and receiver for the next step. A request that is not split keeps its own."""
        self._client = client
        if self.decode_worker is not None:
            return lines + _PREFILL_LINE, body, self
        if self._transfer:
            length = b"%b: %d\r\n" % (_KV_TRANSFER, len(self._transfer))
            return lines + length, self._transfer + body, self._client
        return lines, body, self._client

    def on_connect(self, connection: UpstreamConnection) -> bool:
        """Pass the connection on."""
        return self._client.on_connect(connection)

    def on_headers(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Find out whether the response is a KV transfer."""
        self._receives_transfer = status == 200 and any(name == _KV_TRANSFER for name, _ in headers)
        if not self._receives_transfer:
            self._client.on_headers(status, headers)

    def on_data(self, data: bytes) -> None:
        """Collect the KV transfer, or pass the data on."""
        if self._receives_transfer:
            self._transfer += data
        else:
            self._client.on_data(data)

    def on_complete(self) -> None:
        """Start the second step, or pass the end of the response on."""
        if self._receives_transfer:
            self._client.on_prefill_complete()
        else:
            self._client.on_complete()

    def on_error(self, reason: str, *, reused: bool) -> None:
        """Drop an incomplete KV transfer and pass the error on."""
        self._transfer = b""
        self._client.on_error(reason, reused=reused)


def _least_loaded(workers: Sequence[Worker], model_digest: str) -> Worker:
    same = [worker for worker in workers if worker.model_digest == model_digest]
    return min(same, key=lambda worker: (worker.load, worker.served_requests))
