"""Running the Pulumi CLI from PATH, for tests that compare the engine with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

needs_pulumi = pytest.mark.skipif(
    shutil.which("pulumi") is None,
    reason="needs the Pulumi CLI on PATH: `python -m tools.cluster build pulumi` builds it, `novacron setup --pulumi` "
    "downloads it",
)


def version() -> str:
    """The CLI's version; empty where there is none on PATH."""
    if shutil.which("pulumi") is None:
        return ""
    done = subprocess.run(["pulumi", "version"], capture_output=True, text=True, check=False)
    return done.stdout.strip().removeprefix("v") or "unknown"


def run(
    folder: Path,
    *arguments: str,
    backend: Path,
    passphrase: str,
    providers: Mapping[str, int],
    path: str = "",
    timeout_s: float = 120,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run it in a project's folder, with providers that run already, and more folders in front of PATH.

    Raises:
        RuntimeError: it fails, and `check` is true.
    """
    folders = [str(Path(sys.executable).parent), path, os.environ["PATH"]]  # the program runs in the tests' environment
    done = subprocess.run(
        ["pulumi", "--non-interactive", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PATH": os.pathsep.join(filter(None, folders)),
            "PULUMI_HOME": str(folder / ".home"),
            "PULUMI_BACKEND_URL": f"file://{backend}",
            "PULUMI_CONFIG_PASSPHRASE": passphrase,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_DEBUG_COMMANDS": "true",
            "PULUMI_DEBUG_PROVIDERS": ",".join(f"{name}:{port}" for name, port in providers.items()),
        },
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if check and done.returncode:
        raise RuntimeError(f"pulumi {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done
