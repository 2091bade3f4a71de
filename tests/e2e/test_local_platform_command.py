"""The `novacron` command on a real local stack: up, a chat, up again, a dead process, down; nothing is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import yaml

ROOT = Path(__file__).parents[2]


def free_ports(count: int) -> int:
    """The first of `count` free ports in a row."""
    for first in range(20000, 32000, count + 7):
        sockets = [socket.socket() for _ in range(count)]
        try:
            for offset, one in enumerate(sockets):
                one.bind(("127.0.0.1", first + offset))
        except OSError:
            continue
        else:
            return first
        finally:
            for one in sockets:
                one.close()
    raise AssertionError("no free ports")


def novacron(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-c", "from novacron_ops.main import main; main()", *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_a_local_stack_from_up_to_down(tmp_path: Path) -> None:
    shutil.copy(ROOT / "__main__.py", tmp_path)
    description = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    (tmp_path / "Pulumi.yaml").write_text(yaml.safe_dump({**description, "runtime": {"name": "python"}}))
    first = free_ports(3)
    environment = {
        "platform": "local",
        "coordinator": {"http_port": first, "grpc_port": first + 1},
        "workers": {"count": 1, "base_port": first + 2},
    }
    (tmp_path / "Pulumi.local.yaml").write_text(yaml.safe_dump({"config": {"novacron:environment": environment}}))
    options = ("--engine", "rehearsal")
    try:
        done = novacron(tmp_path, "up", *options)
        assert done.returncode == 0, done.stdout + done.stderr
        endpoint = f"http://127.0.0.1:{first}/v1"
        assert f"curl {endpoint}/chat/completions" in done.stdout
        question = {"model": "novacron-tiny", "max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}]}
        answer = httpx.post(f"{endpoint}/chat/completions", json=question, timeout=30).json()
        assert answer["choices"][0]["message"]["content"]

        again = novacron(tmp_path, "up", *options)
        assert again.returncode == 0
        assert "create" not in again.stdout
        assert "6 same" in again.stdout

        state = json.loads((tmp_path / ".novacron/run/local/worker-0/state.json").read_text())
        os.kill(state["supervisor_pid"], signal.SIGKILL)
        psutil.wait_procs(
            [psutil.Process(state["child_pid"])] if psutil.pid_exists(state["child_pid"]) else [], timeout=5
        )
        assert novacron(tmp_path, "status", *options).returncode == 1
        healed = novacron(tmp_path, "up", *options)
        assert healed.returncode == 0, healed.stdout + healed.stderr
        assert novacron(tmp_path, "status", *options).returncode == 0
    finally:
        down = novacron(tmp_path, "down", *options)
    assert down.returncode == 0, down.stdout + down.stderr
    assert not (tmp_path / ".novacron/run/local").exists()
    left = [
        p.info["cmdline"]
        for p in psutil.process_iter(["cmdline"])
        if str(tmp_path) in " ".join(p.info["cmdline"] or [])
    ]
    assert left == []


def test_bad_input_ends_with_2_and_says_what_to_do(tmp_path: Path) -> None:
    assert novacron(tmp_path, "up").returncode == 2
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\n")
    done = novacron(tmp_path, "up", "--stack", "nowhere")
    assert done.returncode == 2
    assert "Pulumi.nowhere.yaml" in done.stderr
    assert novacron(tmp_path, "up", "--no-such-option").returncode == 2
