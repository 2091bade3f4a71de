"""Clients and checkers of other projects, if installed. `make check-clients` installs them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from .stack import MODEL, Stack

pytestmark = pytest.mark.xdist_group("serving")
BENCH = Path(__file__).parents[2] / ".bench"
SCRIPT = Path(__file__).parent / "data" / "openai_client.mjs"
NOT_HERE = {"chat-image-input"}
"""Expected failures of llm-comply: a text model rejects images."""


def run(command: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=BENCH, **more)  # type: ignore[call-overload]


def tool(*path: str) -> str:
    where = BENCH.joinpath(*path)
    if not where.exists():
        pytest.skip(f"needs {path[-1]}: `make check-clients` installs it")
    return str(where)


def test_openais_javascript_client(stack: Stack) -> None:
    tool("node_modules", "openai")
    node = shutil.which("node") or pytest.skip("needs node on PATH: apt-get install nodejs")
    done = run([str(node), "--input-type=module", "-", f"{stack.url}/v1", MODEL], input=SCRIPT.read_text())
    assert (done.returncode, done.stdout.strip()) == (0, "passed"), done.stderr


def test_compatcanary(stack: Stack) -> None:
    scan = [tool("node_modules", ".bin", "compatcanary"), "scan", "--profile", "chat", "--format", "json"]
    done = run([*scan, "--base-url", f"{stack.url}/v1", "--model", MODEL, "--api-key", "any"])
    assert done.returncode == 0, done.stdout + done.stderr


def test_llm_comply(stack: Stack) -> None:
    comply = [tool("clients", "bin", "llm-comply"), "-u", f"{stack.url}/v1", "-k", "any", "-m", MODEL]
    done = run([*comply, "--format", "openai-chat", "--json"])
    results = json.loads(done.stdout)["results"]
    assert sum(one["status"] == "passed" for one in results) >= 7
    assert {one["id"] for one in results if one["status"] == "failed"} <= NOT_HERE, done.stdout
