"""Workers that die without a packet: stopped processes, and a network that drops everything."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fork_server import ROOT
from tests.polling import wait_until

from .gateway import Gateway, MakeGateway, said

pytestmark = pytest.mark.xdist_group("gateway")

LOST_AFTER_S = 1.5
FAILOVER_S = 6.0
"""Lost after 1.5 s, found within 0.25 s, and answered by the other worker; the rest is for a busy machine."""


@pytest.fixture
def gateway(fresh: MakeGateway) -> Gateway:
    gateway = fresh(lost_after_s=LOST_AFTER_S)
    gateway.start_workers("a", "b")
    return gateway


@contextlib.contextmanager
def stopped(process_id: int) -> Iterator[None]:
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process_id, signal.SIGCONT)


def test_requests_of_a_stopped_worker_are_served_by_another_one_within_seconds(gateway: Gateway) -> None:
    said_by: list[str] = []
    asking = [
        threading.Thread(target=lambda: said_by.append(said(gateway.ask({"a": {"every_s": 0.5}, "*": {}}))))
        for _ in range(8)
    ]
    for thread in asking:
        thread.start()
    time.sleep(0.5)  # half of them are at each worker
    with stopped(gateway.workers["a"].pid):
        began_s = time.monotonic()
        for thread in asking:
            thread.join(FAILOVER_S)
        assert time.monotonic() - began_s < FAILOVER_S
        assert said_by == ["b"] * 8


def test_stream_of_a_stopped_worker_ends_with_an_error_event_within_seconds(gateway: Gateway) -> None:
    script = {"*": {"chunks": 1000, "every_s": 0.05}}
    with gateway.stream(script) as response:
        lines = response.iter_lines()
        next(lines)
        workers = gateway.get("/api/v1/llm/cluster/status").json()["workers"]
        busy = next(one for one in workers if one["requests_in_flight"])
        with stopped(gateway.workers[busy["worker_id"]].pid):
            began_s = time.monotonic()
            rest = [line for line in lines if line.startswith("data: ")]
            assert time.monotonic() - began_s < FAILOVER_S
    assert json.loads(rest[-1].removeprefix("data: "))["error"]["code"] == "overloaded"


def test_worker_that_continues_after_a_stop_is_used_again(gateway: Gateway) -> None:
    with stopped(gateway.workers["a"].pid):
        wait_until(lambda: gateway.status("a") == "lost", "it is lost", FAILOVER_S)
    wait_until(lambda: gateway.status("a") == "active", "it is active again", 20)
    wait_until(lambda: said(gateway.ask({})) == "a", "it gets requests", FAILOVER_S)


# a network that drops packets

PEER_TIMEOUT_S = 15.0
"""`upstream.PEER_TIMEOUT_S`."""


def can_drop_packets() -> bool:
    if os.getuid() != 0 or shutil.which("unshare") is None or shutil.which("iptables") is None:
        return False
    command = ["unshare", "--net", "iptables", "-A", "INPUT", "-p", "tcp", "--dport", "9", "-j", "DROP"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def partition(folder: Path) -> dict[str, Any]:
    """Drop every packet between a coordinator and a worker that has a stream and keeps reporting.

    Call this in a network namespace of its own.
    """
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    gateway = Gateway(folder)
    try:
        gateway.start_workers("a", "b")
        with gateway.stream({"a": {"chunks": 10_000, "every_s": 0.05}, "b": {"status": 503}}) as response:
            lines = response.iter_lines()
            next(lines)
            for direction in ("--dport", "--sport"):
                rule = ["INPUT", "-p", "tcp", direction, str(gateway.ports["a"]), "-j", "DROP"]
                subprocess.run(["iptables", "-A", *rule], check=True)
            began_s = time.monotonic()
            late = said(gateway.ask({}))
            late_s = time.monotonic() - began_s
            last = [line for line in lines if line.startswith("data: ")][-1]
            return {"late": late, "late_s": late_s, "last": last, "stream_s": time.monotonic() - began_s}
    finally:
        gateway.stop()


@pytest.mark.skipif(not can_drop_packets(), reason="needs root, unshare and iptables")
def test_stream_ends_and_requests_fail_over_when_the_network_drops_all_packets(tmp_path: Path) -> None:
    program = (
        "import json, sys; from pathlib import Path; from tests.serving.test_silent_death import partition;"
        "print(json.dumps(partition(Path(sys.argv[1]))))"
    )
    command = ["unshare", "--net", sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=120, cwd=ROOT)
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["late"], result["late_s"] < FAILOVER_S) == ("b", True)
    assert json.loads(result["last"].removeprefix("data: "))["error"]["code"] == "overloaded"
    assert result["stream_s"] < PEER_TIMEOUT_S + FAILOVER_S
