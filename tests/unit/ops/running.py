"""Running `novacron` in the process of a test, on copies of the repository's stacks."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from novacron_ops.main import main
from novacron_rehearsal.state import secrets as passphrases

ROOT = Path(__file__).parents[3]


def novacron(*arguments: str) -> int:
    """Run `novacron <arguments>` in the current folder and return its exit status."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["novacron", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    assert isinstance(ended.value.code, int)
    return int(ended.value.code)


def copy_stacks(folder: Path, *names: str) -> None:
    """Copy the repository's Pulumi.yaml and the configuration of these stacks into a folder."""
    for file in ("Pulumi.yaml", *(f"Pulumi.{name}.yaml" for name in names)):
        shutil.copyfile(ROOT / file, folder / file)


def copy_program(folder: Path, *names: str) -> None:
    """Copy the repository's program, with the configuration of these stacks, into a folder."""
    copy_stacks(folder, *names)
    shutil.copyfile(ROOT / "__main__.py", folder / "__main__.py")


def enter_project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder the current one, with a passphrase that is fast to check and without the Pulumi CLI."""
    monkeypatch.setattr(passphrases, "ITERATIONS", 1000)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "correct horse")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.chdir(folder)
