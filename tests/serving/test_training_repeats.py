"""The training script reproduces the shipped model: the same tokenizer, and the recorded losses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .stack import TINY

SCRIPT = Path(__file__).parents[2] / "serving" / "training" / "train.py"
STEPS = 3


def test_the_first_steps_of_the_training_have_the_recorded_losses(tmp_path: Path) -> None:
    # Two threads wait for each other where other tests run too.
    options = ["--out", str(tmp_path / "again"), "--stop-after", str(STEPS), "--threads", "1"]
    command = [sys.executable, str(SCRIPT), *options]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    recorded = json.loads((TINY / "training.json").read_text())
    repeated = json.loads((tmp_path / "again" / "training.json").read_text())
    # Sums of floats differ in their last digits from one kind of CPU to the next.
    assert repeated["first_losses"] == pytest.approx(recorded["first_losses"][:STEPS], abs=0.005)
    assert {key: repeated[key] for key in ("seed", "parameters", "tokens_per_step")} == {
        key: recorded[key] for key in ("seed", "parameters", "tokens_per_step")
    }
    assert (tmp_path / "again" / "tokenizer.json").read_bytes() == (TINY / "tokenizer.json").read_bytes()
