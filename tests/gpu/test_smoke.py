"""`make test-gpu` up to the GPU: its script passes over the stand-in for TensorRT-LLM, and finds faults in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from novacron_serving.engines import TextPrompt
from novacron_serving.engines.tokens import Tokens

from tests.gpu.smoke import Stack, check_responses
from tests.tiny_model import TINY

SCRIPT = Path(__file__).with_name("smoke.py")
ROOT = Path(__file__).parents[2]
END_TOKEN = 1
ANSWER = "A GPU is a processor with many small cores."

STAND_IN = """
import sys
from tests.unit.serving.tensorrt_llm import stand_in

sys.modules.update(stand_in.modules())


class LLM(stand_in.LLM):
    def generate_async(self, inputs, **options):
        self.scripts.append(stand_in.Script({tokens}, ends="stop"))
        return super().generate_async(inputs, **options)


sys.modules["tensorrt_llm"].LLM = LLM
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": f"{folder}:{ROOT}"}
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def install(folder: Path, answer: str) -> None:
    """Write a program that lists a GPU, and a library that always answers the same, into a folder."""
    (folder / "nvidia-smi").write_text("#!/bin/sh\necho 'GPU 0: none'\n")
    (folder / "nvidia-smi").chmod(0o755)
    tokens = Tokens.load(TINY).encode(TextPrompt(answer))
    (folder / "tensorrt_llm.py").write_text(STAND_IN.format(tokens=[*tokens, END_TOKEN]))


def test_the_script_passes_without_the_real_library(tmp_path: Path) -> None:
    install(tmp_path, ANSWER)
    done = run(tmp_path, "--gpu-architecture", "hopper", "--required")
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"tokens_per_s"' in done.stdout


def test_a_wrong_answer_fails() -> None:
    class Greeter(Stack):
        def __init__(self) -> None: ...

        def ask(self, *_: Any, **__: Any) -> httpx.Response:
            return httpx.Response(200, json={"choices": [{"message": {"content": "Hello!"}}]})

    with pytest.raises(AssertionError, match="the tiny model answers 'Hello!'"):
        check_responses(Greeter(), tiny=True)


@pytest.mark.parametrize(("arguments", "word", "status"), [((), "skipped", 0), (("--required",), "failed", 1)])
def test_without_a_gpu_the_script_says_why(tmp_path: Path, arguments: tuple[str, ...], word: str, status: int) -> None:
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'No devices were found'\nexit 6\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    done = run(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (status, f"{word}: nvidia-smi finds no GPU: No devices were found\n")
