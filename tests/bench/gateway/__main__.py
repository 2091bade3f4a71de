"""Compare the coordinator with other gateways in one run, on the same fake backends, load and two cores.

`python -m tests.bench.gateway [--seconds 3] [--rounds 3] [--only NAME]… [--requests 100000]`. `make bench-gateway`
installs the other gateways into `.bench` from the package registries.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.serving.certificates import Authority

KEY = "sk-" + hashlib.sha256(b"bench").hexdigest()
BENCH = Path(".bench")
TLS = "cluster_tls.json"
"""File with the coordinator's `cluster_tls` setting, in the folder of a measurement with it."""
CASES = [(1, False), (16, False), (256, False), (1, True), (16, True), (256, True)]
"""Pairs of connections and streaming."""


@dataclass(frozen=True)
class Ports:
    gateway: int
    grpc: int
    backends: tuple[int, int]
    spare: int

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.backends]


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def novacron(ports: Ports, folder: Path) -> list[str]:
    """Return the coordinator's command, with authentication, metrics, admission and prefix-affine routing."""
    config = {
        "http_port": ports.gateway,
        "grpc_port": ports.grpc,
        "routing": "prefix_affine",
        "api_keys": [{"name": "bench", "sha256": hashlib.sha256(KEY.encode()).hexdigest()}],
    }
    if (folder / TLS).exists():
        config["cluster_tls"] = json.loads((folder / TLS).read_text())
    path = folder / "coordinator.json"
    path.write_text(json.dumps(config))
    return [sys.executable, "-m", "novacron_serving.coordinator", "--config", str(path)]


def rust(name: str, *command: str) -> Any:
    def start(ports: Ports, folder: Path) -> list[str]:
        del folder
        return [
            str(BENCH / "rust" / "bin" / name), *command, "--worker-urls", *ports.urls, "--host", "127.0.0.1",
            "--port", str(ports.gateway), "--policy", "cache_aware", "--prometheus-port", str(ports.spare),
        ]  # fmt: skip

    return start


def litellm(ports: Ports, folder: Path) -> list[str]:
    models = [
        {"model_name": "bench", "litellm_params": {"model": "openai/bench", "api_base": f"{url}/v1", "api_key": "none"}}
        for url in ports.urls
    ]
    path = folder / "litellm.yaml"
    path.write_text(json.dumps({"model_list": models}))  # JSON is YAML
    return [
        str(BENCH / "litellm" / "bin" / "litellm"), "--config", str(path), "--host", "127.0.0.1",
        "--port", str(ports.gateway), "--num_workers", "2",
    ]  # fmt: skip


def portkey(ports: Ports, folder: Path) -> list[str]:
    del folder
    server = BENCH / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    return ["node", str(server), f"--port={ports.gateway}", "--headless"]


def portkey_headers(ports: Ports) -> dict[str, str]:
    """Return the headers that name the backends, which Portkey needs in each request."""
    targets = [{"provider": "openai", "api_key": "none", "custom_host": f"{url}/v1"} for url in ports.urls]
    return {"x-portkey-config": json.dumps({"strategy": {"mode": "loadbalance"}, "targets": targets})}


GATEWAYS = {
    "novacron": novacron,
    "novacron-tls": novacron,
    "vllm-router": rust("vllm-router"),
    "smg": rust("smg", "launch"),
    "sglang-router": rust("sglang-router", "launch"),
    "portkey": portkey,
    "litellm": litellm,
}


@contextlib.contextmanager
def running(name: str) -> Iterator[tuple[Ports, psutil.Process]]:
    gateway, grpc, one, two, spare = free_ports(5)
    ports = Ports(gateway, grpc, (one, two), spare)
    environment = os.environ | {"NOVACRON_CLUSTER_TOKEN": "bench", "LITELLM_MASTER_KEY": KEY}
    processes: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:

        def start(command: list[str]) -> None:
            processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))

        try:
            registering = [f"127.0.0.1:{grpc}"] if name.startswith("novacron") else []
            if name == "novacron-tls":
                tls = json.dumps(Authority().issue(Path(folder)))
                (Path(folder) / TLS).write_text(tls)
                registering.append(tls)
            for port in ports.backends:
                start([sys.executable, "-m", "tests.bench.gateway.backend", str(port), *registering])
            time.sleep(0.5)
            start(GATEWAYS[name](ports, Path(folder)))
            wait(ports.gateway, request_headers(name, ports), Path(folder) / "log")
            yield ports, psutil.Process(processes[-1].pid)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)
                process.kill()


def wait(port: int, headers: dict[str, str], log: Path) -> None:
    body = json.dumps({"model": "bench", "messages": [{"role": "user", "content": "Hello"}]}).encode()
    end = time.monotonic() + 90
    while True:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
                answer.read()
            return
        except OSError:
            if time.monotonic() > end:
                raise SystemExit(f"the gateway on port {port} does not answer:\n{log.read_text()[-2000:]}") from None
            time.sleep(0.3)


def request_headers(name: str, ports: Ports) -> dict[str, str]:
    more = portkey_headers(ports) if name == "portkey" else {}
    return {"content-type": "application/json", "authorization": f"Bearer {KEY}"} | more


def load(port: int, connections: int, seconds: float, stream: bool, headers: dict[str, str]) -> dict[str, float]:
    command = [
        sys.executable, "-m", "tests.bench.gateway.load", str(port), str(connections), str(seconds),
        json.dumps(headers),
    ]  # fmt: skip
    done = subprocess.run(command + (["stream"] if stream else []), capture_output=True, check=True)
    return json.loads(done.stdout)


def cpu_s(process: psutil.Process) -> float:
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(time.user + time.system for time in times)


def memory_mib(process: psutil.Process) -> float:
    everyone = [process, *process.children(recursive=True)]
    return sum(one.memory_info().rss for one in everyone) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=list(GATEWAYS))
    parser.add_argument(
        "--requests", type=int, default=100_000, help="requests before memory is measured; 0 to skip it"
    )
    arguments = parser.parse_args()
    names = arguments.only or list(GATEWAYS)
    results: dict[tuple[str, int, bool], list[dict[str, float]]] = {}
    for round_ in range(arguments.rounds):
        for name in ["direct", *names]:
            with running("novacron" if name == "direct" else name) as (ports, process):
                port = ports.backends[0] if name == "direct" else ports.gateway
                for connections, stream in CASES:
                    before_s = cpu_s(process)
                    result = load(port, connections, arguments.seconds, stream, request_headers(name, ports))
                    asked = max(1, result["answers"] + result["uncounted"])
                    result["cpu_us"] = 0 if name == "direct" else (cpu_s(process) - before_s) / asked * 1e6
                    results.setdefault((name, connections, stream), []).append(result)
            print(f"round {round_ + 1}: {name}", file=sys.stderr)  # noqa: T201
    table(["direct", *names], results)
    for name in names if arguments.requests else []:
        with running(name) as (ports, process):
            headers = request_headers(name, ports)
            load(ports.gateway, 16, 1, stream=False, headers=headers)
            before, answers = memory_mib(process), 0
            while answers < arguments.requests:
                answers += int(load(ports.gateway, 64, 5, stream=False, headers=headers)["answers"]) or 1
            print(f"{name}: {before:.0f} MiB, after {answers} requests {memory_mib(process):.0f} MiB")  # noqa: T201


def table(names: list[str], results: dict[tuple[str, int, bool], list[dict[str, float]]]) -> None:
    for stream in (False, True):
        columns = [connections for connections, streaming in CASES if streaming is stream]
        latency = "TTFT p50" if stream else "p50"
        kind = "streaming" if stream else "not streaming"
        print(f"\n{kind}: RPS / {latency} / p99, ms / CPU µs per request; medians")  # noqa: T201
        for name in names:
            cells: list[str] = []
            for connections in columns:
                rounds = results[name, connections, stream]
                rps, p50, p99, cpu_us = (
                    statistics.median(result[key] for result in rounds)
                    for key in ("rps", "ttft_p50_ms" if stream else "p50_ms", "p99_ms", "cpu_us")
                )
                failed = sum(result["errors"] + result["lost"] for result in rounds)
                cells.append(
                    f"{rps:>8,.0f} / {p50:.2f} / {p99:.1f} / {cpu_us:.0f}"
                    + (f" ({failed:.0f} failed)" if failed else "")
                )
            print(f"{name:14}" + "".join(f"{f'c={c}:':>8}{cell:31}" for c, cell in zip(columns, cells, strict=True)))  # noqa: T201


if __name__ == "__main__":
    main()
