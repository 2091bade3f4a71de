"""The process that runs a Pulumi program: an interrupt ends it without a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from novacron_rehearsal.protocol import exec_program

SETTINGS = {
    "config": {},
    "config_secret_keys": [],
    "monitor": "",
    "engine": "",
    "project": "shop",
    "stack": "dev",
    "parallel": 1,
    "dry_run": True,
    "organization": "organization",
    "root_directory": "",
}


@pytest.mark.parametrize(
    ("pulumi", "runtime"),
    [
        ("raise KeyboardInterrupt", ""),
        ("class RunError(Exception): ...", "async def run_in_stack(_):\n    raise KeyboardInterrupt"),
    ],
    ids=["while the SDK is imported", "while the program runs"],
)
def test_an_interrupted_program_ends_with_130_and_prints_nothing(tmp_path: Path, pulumi: str, runtime: str) -> None:
    package = tmp_path / "pulumi"
    package.mkdir()
    (package / "__init__.py").write_text(pulumi)
    (package / "runtime.py").write_text(
        f"set_all_config = lambda *_: None\nSettings = dict\nconfigure = lambda _: None\n{runtime}\n"
    )
    (package / "log.py").write_text("debug = None\n")
    (tmp_path / "__main__.py").write_text("")
    done = subprocess.run(
        [sys.executable, exec_program.__file__],
        input=json.dumps({**SETTINGS, "program": str(tmp_path)}),
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (exec_program.INTERRUPTED, "", "")
