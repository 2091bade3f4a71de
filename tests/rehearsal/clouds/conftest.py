"""A project and simulated clouds for its programs, which are written on the real SDKs."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from novacron_rehearsal import Options, Result, StepOp, Workspace
from novacron_rehearsal.clouds import serve_clouds
from novacron_rehearsal.clouds.state import CloudState


@dataclass
class Site:
    """A project in a folder, simulated clouds, and the folders of what exists in them and of their faults."""

    folder: Path
    ports: dict[str, int]
    exists: Path
    faults: Path

    def __post_init__(self) -> None:
        (self.folder / "Pulumi.yaml").write_text("name: site\nruntime: python\n")
        self.workspace = Workspace(self.folder, "dev", passphrase="correct horse")
        self.options = Options(in_process=True, attached_providers=self.ports)

    def write(self, program: str, **config: Any) -> None:
        (self.folder / "__main__.py").write_text(dedent(program))
        (self.folder / "Pulumi.dev.yaml").write_text(json.dumps({"config": config}))

    def up(self, **options: Any) -> Result:
        return self.workspace.up(replace(self.options, **options))

    def made(self, package: str) -> list[str]:
        """The types and ids of what exists in a cloud."""
        return [f"{token} {id_}" for token, _, id_ in CloudState(self.exists / package).list_keys()]

    def left(self, package: str) -> list[str]:
        """Return what `made` returns, without the grants of Google Cloud's own accounts, which stacks share."""
        shared = re.compile("gcp:projects/iAMMember:IAMMember .*/roles/pubsub[.]")
        return [one for one in self.made(package) if not shared.match(one)]


@contextmanager
def a_site(folder: Path, copy_of: Path | None = None) -> Generator[Site]:
    """A project and clouds of its own, all below `folder`; those of another folder, if it is to be a copy."""
    if copy_of is not None:
        shutil.copytree(copy_of, folder, dirs_exist_ok=True)
    faults, project = folder / "faults.yaml", folder / "project"
    faults.touch()
    project.mkdir(exist_ok=True)
    with serve_clouds(state=folder / "exists", faults=faults) as ports:
        yield Site(project, ports, folder / "exists", faults)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path) as made:
        yield made


def taken(result: Result) -> dict[str, int]:
    """How many of each operation a run did; it must have succeeded."""
    assert result.succeeded, result.errors
    return {op.value: count for op, count in result.changes.items() if op is not StepOp.SAME}
