"""The built wheels without a clone: `novacron init` writes a project that plans and rehearses.

Building, installing and rehearsing take about 10 CPU seconds.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import ROOT

UV = Path(sys.executable).parent / "uv"
ADMIN = "arn:aws:iam::123456789012:role/operators"
PROJECT = ("--platform", "aws", "--model", "llama-3.1-8b", "--machine", "p5.48xlarge", "--region", "us-west-2")

pytestmark = pytest.mark.skipif(not UV.exists(), reason="needs uv in the environment: make")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a virtual environment's programs. It has the wheels, and the tests' other packages."""
    folder = tmp_path_factory.mktemp("wheels")
    for project in ("infra", "serving", "."):
        build = [UV, "build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable]
        subprocess.run([*build, "--out-dir", folder / "dist", project], cwd=ROOT, check=True)
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    install = [UV, "pip", "install", "--quiet", "--no-deps", "--no-index", "--python", python]
    subprocess.run([*install, *(folder / "dist").glob("*.whl")], check=True)
    # A folder in a .pth file is searched, but the .pth files in it are not read: the clone's own packages stay away.
    found = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    (Path(found.stdout.strip()) / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / "venv/bin"


@pytest.fixture
def novacron(installed: Path, tmp_path: Path) -> Callable[..., str]:
    """Return a function that runs the installed `novacron` in an empty folder and returns what it prints."""

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [installed / "novacron", *arguments],
            cwd=tmp_path,
            env={"PATH": f"{installed}:/usr/bin:/bin", "HOME": str(tmp_path / "home")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_project_of_the_installed_wheels_plans_and_rehearses(novacron: Callable[..., str], tmp_path: Path) -> None:
    assert "Next: novacron plan -s dev" in novacron("init", *PROJECT, "--admin", ADMIN)
    assert str(ROOT) not in "".join(file.read_text() for file in tmp_path.iterdir() if file.is_file())
    assert "llama-3.1-8b fp8" in novacron("plan", "-s", "dev")
    assert "Only simulated providers ran." in novacron("rehearse", "-s", "dev")


def test_the_installed_command_does_not_use_the_clone(installed: Path, tmp_path: Path) -> None:
    program = "import novacron_infra, novacron_ops, novacron_rehearsal; print(novacron_infra, novacron_ops)"
    done = subprocess.run(
        [installed / "python", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert str(ROOT) not in done.stdout
