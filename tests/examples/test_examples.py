"""Every example deploys to simulated clouds, creates the resources that its README lists, and leaves nothing behind."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml
from novacron_rehearsal import Options, PolicyPackSpec, Workspace
from novacron_rehearsal.clouds import serve_clouds
from novacron_rehearsal.clouds.state import CloudState

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("[0-9]-*/Pulumi.yaml"))
README = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")


def read_listed_resources(example: str) -> dict[str, int]:
    """Return the count of each resource type in the README's section of an example."""
    (section,) = re.findall(rf"^## `{example}`\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    return {type_: int(count) for count, type_ in re.findall(r"^- (\d+) `([a-z-]+:\S+)`", section, re.MULTILINE)}


def test_the_examples_readme_has_a_section_for_each_example() -> None:
    assert len(EXAMPLES) == 4
    assert re.findall(r"^## `(\S+)`", README, re.MULTILINE) == EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_creates_the_resources_that_the_readme_lists(tmp_path: Path, example: str) -> None:
    folder = shutil.copytree(ROOT / "examples" / example, tmp_path / "project")
    exists = tmp_path / "exists"
    with serve_clouds(state=exists) as ports:
        workspace = Workspace(folder, "dev", backend_dir=tmp_path / "state", passphrase="of a test")
        options = Options(in_process=True, attached_providers=ports, policy_packs=[PolicyPackSpec(ROOT / "policy")])
        made = workspace.up(options)
        assert made.succeeded, made.errors
        assert made.policy_violations == []
        if "rto_s" in made.outputs:
            assert f"within {made.outputs['rto_s']} s (output `rto_s`)" in README
        existing = Counter(token for package in ports for token, _, _ in CloudState(exists / package).list_keys())
        expected = read_listed_resources(example)
        assert expected
        assert {type_: existing[type_] for type_ in expected} == expected
        again = workspace.up(options)
        assert again.succeeded, again.errors
        assert {op.value for op in again.changes} == {"same"}
        gone = workspace.destroy(options)
        assert gone.succeeded, gone.errors
        assert [list(CloudState(exists / package).list_keys()) for package in ports] == [[] for _ in ports]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_named_after_its_folder(example: str) -> None:
    project = yaml.safe_load((ROOT / "examples" / example / "Pulumi.yaml").read_text(encoding="utf-8"))
    assert project["name"] == example.split("-", 1)[1]
