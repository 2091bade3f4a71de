"""The command that publishes and verifies models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.tiny_model import TINY


def test_publish_and_verify_print_the_model_and_name_a_missing_file(tmp_path: Path) -> None:
    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "novacron_serving.models", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )

    url = f"file://{tmp_path}/tiny"
    done = command("publish", str(TINY), url, "--id", "tiny")
    assert done.returncode == 0, done.stderr
    assert command("verify", url).stdout == done.stdout
    (tmp_path / "tiny" / "config.json").unlink()
    failed = command("verify", url)
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
    assert "config.json is missing" in failed.stderr
