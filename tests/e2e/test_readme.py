"""The README's commands, typed in a copy of the repository, do what the README says.

`make test`, which runs this test, and `make check`, which is for the repository itself, are left out.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from novacron_infra.config import load

from .conftest import ROOT, Project

README = (ROOT / "README.md").read_text()
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(sh|yaml)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
ROWS: list[str] = re.findall(r"^\| (`.*?`) \|", README, re.MULTILINE)
COMMANDS = [command for row in ROWS for command in re.findall(r"`((?:make|\.venv)[^`]+)`", row)]
TEXTS = {
    re.split(" serves|:", text)[0]: text
    for text in re.findall(r"^```text\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
}
"""The output of commands, by its first words."""
MAKEFILE = (ROOT / "Makefile").read_text()
SKIPPED = {"make test", "make check"}
ON_A_NODE = {
    "make node",
    ".venv/bin/novacron images build && .venv/bin/novacron images load",
    "export KUBECONFIG=$PWD/.novacron/clusters/node/admin.kubeconfig",
    "make up STACK=trial",
    "make down STACK=trial && make node-down",
}
"""Commands that need root and built images: tests/node does what they do."""
PORTS = (8080, 9090, 9091)
STAMPS = " ".join(f"-o {stamp}" for stamp in sorted(set(re.findall(r"\.venv/\w+\.stamp", MAKEFILE))))
"""The environment is the repository's own: the copy must not install itself into it."""

pytestmark = [
    pytest.mark.xdist_group("readme"),
    pytest.mark.skipif(Path(sys.prefix) != ROOT / ".venv", reason="the README's .venv is not the one that runs this"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl: apt-get install curl"),
]


class Typed(Project):
    """A copy of the whole repository."""

    def __post_init__(self) -> None:
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
        for name in filter(None, names):
            if (ROOT / name).is_file():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.folder / name)
        (self.folder / ".venv").symlink_to(ROOT / ".venv")
        stack = self.folder / "Pulumi.local.yaml"
        stack.write_text(self.with_own_ports(stack.read_text()))

    def with_own_ports(self, text: str) -> str:
        for offset, port in enumerate(PORTS):
            text = text.replace(str(port), str(self.port + offset))
        return text

    def type(self, line: str) -> str:
        """Run a line in a shell and return its output."""
        script = f'make() {{ command make {STAMPS} "$@"; }}\n{self.with_own_ports(line)}'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=150,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typed]:
    made = Typed(tmp_path_factory.mktemp("repository"))
    try:
        yield made
    finally:
        made.run("down")
        left = made.services()
    assert left == []


def shell_lines() -> list[str]:
    """Return the commands of the README's sh blocks, without comments, continued lines joined."""
    text = "\n".join(block for kind, block in BLOCKS if kind == "sh").replace("\\\n", " ")
    return [line.split("#")[0].strip() for line in text.splitlines() if line.strip()]


def test_the_commands_of_the_readme(typed: Typed) -> None:
    lines = shell_lines()
    assert lines[:2] == ["make up", "make test"]
    output = typed.type("make up")
    assert f"{typed.url}/v1 answers" in output
    suggested = next(line.strip() for line in output.splitlines() if line.strip().startswith("curl "))
    asked = [line for line in lines if line.startswith("curl ")]
    assert len(asked) == 1
    for line in (suggested, *asked):
        answer: dict[str, Any] = json.loads(typed.type(line))
        assert answer["choices"][0]["message"]["content"]

    project = [line for line in lines if "novacron init" in line or line.startswith("cd ")]
    assert "dev on aws serves llama-3.1-70b" in [typed.type(line) for line in project][-1]

    outputs = {command: typed.type(command) for command in COMMANDS if command not in {*SKIPPED, "make down"}}
    assert "unchanged" in outputs["make preview"]
    assert "created" not in outputs["make preview"]
    assert f"{typed.url}/v1 (answers, 2 of 2 workers active)" in outputs["make status"]
    assert "worker-1 " in outputs["make logs"]
    printed = line_patterns(outputs["make rehearse"])
    assert line_patterns(TEXTS["prod on simulated clouds"]) - {"…", ""} <= printed
    typed.type("make down")
    assert not typed.run_dir.exists()
    assert typed.services() == []
    others = set(lines) - set(asked) - set(project) - {"make up"} - SKIPPED - ON_A_NODE
    assert others == set(), "the test does not type these"


def test_the_files_of_the_readme_are_accepted() -> None:
    shown = [yaml.safe_load(block) for kind, block in BLOCKS if kind == "yaml"]
    assert shown
    for stack in shown:
        load(stack["config"]["novacron:environment"])


def line_patterns(text: str) -> set[str]:
    """Return the lines without their figures, which change with every resource of a rehearsal."""
    return {" ".join(re.sub(r"\d[\d,.]*", "0", line).split()) for line in text.splitlines()}


def test_the_plan_of_the_readme_is_what_the_command_prints() -> None:
    printed = (ROOT / "tests/unit/golden/prod.txt").read_text().splitlines()
    assert set(TEXTS["prod on aws"].splitlines()) - {"…"} <= set(printed)


def test_the_commands_for_a_node_are_those_of_the_readme() -> None:
    assert set(shell_lines()) >= ON_A_NODE


def test_every_make_target_and_path_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", README)) <= targets
    paths = [path for row in ROWS for path in re.findall(r"`([\w./*]+/[\w./*]*|[\w*]+\.\w+)`", row)]
    assert len(paths) > 5
    for path in paths:
        assert any(ROOT.glob(path.rstrip("/"))), path
