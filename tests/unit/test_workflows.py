"""The GitHub workflows call commands that exist, and keep to the rules for their rights and actions."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from novacron_ops.commands.images import Action
from novacron_ops.images import Image
from novacron_ops.main import app
from typer.main import get_command

from tools.release import find_problems, find_versions, read_notes

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github/actions").glob("*/action.yml"))
TRUSTED_OWNERS = {
    "actions", "aquasecurity", "aws-actions", "azure", "docker", "google-github-actions", "pulumi", "sigstore",
}  # fmt: skip


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def jobs() -> list[tuple[str, dict[str, Any]]]:
    return [(f"{path.stem}/{name}", job) for path in WORKFLOWS for name, job in load(path)["jobs"].items()]


def steps() -> list[dict[str, Any]]:
    found = [step for _, job in jobs() for step in job["steps"]]
    return found + [step for path in ACTIONS for step in load(path)["runs"]["steps"]]


def scripts() -> str:
    return "\n".join(step["run"] for step in steps() if "run" in step)


def test_every_make_target_that_a_workflow_calls_exists() -> None:
    targets = set(re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    stamps = {f".venv/{name}.stamp" for name in ("uv", "base", "run", "clouds", "unit", "dev", "docs")}
    called = set(re.findall(r"\bmake (?:--silent )?([\w./-]+)", scripts()))
    assert {"test-unit", "check-workflows", "rehearse", "preview", "up", "dist", "test-gpu"} <= called
    assert called <= targets | stamps


def test_every_novacron_command_that_a_workflow_calls_exists() -> None:
    called = re.findall(r"\.venv/bin/novacron (\w+) (.*)", scripts())
    assert called
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for name, arguments in called:
        options = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[\w-]+", arguments)) <= options
        if name == "images":
            action, image = arguments.split()[:2]
            assert action in [known.value for known in Action]
            assert image in [known.value for known in Image]


def test_every_file_and_module_that_a_script_names_exists() -> None:
    named = re.findall(r"(?<![\w/])((?:\.ci|tests|images|tools|requirements)/[\w./-]+)", scripts())
    modules = re.findall(r"-m ([\w.]+)", scripts())
    assert ".ci/run" in named
    assert modules == ["tools.release"]
    assert [path for path in named if not (ROOT / path).exists()] == []
    assert all((ROOT / f"{module.replace('.', '/')}.py").is_file() for module in modules)


def test_images_are_built_from_dockerfiles_that_exist() -> None:
    build = load(ROOT / ".github/workflows/images.yml")["jobs"]
    published = set(re.findall(r'"([\w-]+)"', build["publish"]["strategy"]["matrix"]["image"]))
    assert published == {image.value for image in Image}
    assert published == {*build["build"]["strategy"]["matrix"]["image"], "worker-gpu"}
    assert all((ROOT / f"images/{image}.Dockerfile").is_file() for image in published)


def test_stacks_of_previews_and_deployments_exist() -> None:
    stacks = set(load(ROOT / ".github/workflows/deploy.yml")[True]["workflow_dispatch"]["inputs"]["stack"]["options"])
    for job in load(ROOT / ".github/workflows/preview.yml")["jobs"].values():
        assert set(job["strategy"]["matrix"]["stack"]) == stacks
    assert all((ROOT / f"Pulumi.{stack}.yaml").is_file() for stack in stacks)


@pytest.mark.parametrize(("name", "job"), jobs(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_job_has_a_time_limit_and_names_its_rights(name: str, job: dict[str, Any]) -> None:
    assert job["timeout-minutes"] <= 180
    assert job["permissions"]["contents"] == ("write" if name == "release/release" else "read")
    if name.startswith(("preview/preview", "deploy/")):
        assert job["environment"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_starts_without_rights_and_never_on_pull_request_target(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"]
    assert "pull_request_target" not in workflow[True]  # YAML reads the key `on` as true


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=lambda path: path.stem)
def test_every_action_is_pinned_by_commit_and_comes_from_a_known_owner(path: Path) -> None:
    for used in re.findall(r"uses: (\S.*)", path.read_text()):
        if not used.startswith("./"):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used)
            assert used.split("/")[0] in TRUSTED_OWNERS


def test_one_action_has_the_same_commit_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for path in [*WORKFLOWS, *ACTIONS]:
        for name, commit in re.findall(r"uses: ([\w/-]+)@(\w+)", path.read_text()):
            pins.setdefault(name, set()).add(commit)
    assert {name: commits for name, commits in pins.items() if len(commits) > 1} == {}


def test_self_hosted_runners_never_run_pull_requests() -> None:
    for name, job in jobs():
        if "self-hosted" in str(job["runs-on"]):
            assert job["if"].startswith("github.event_name == 'push'"), name


def test_all_versions_of_the_repository_are_the_same() -> None:
    versions = find_versions(ROOT)
    assert len(versions) == 3 + len(Image)
    assert len(set(versions.values())) == 1


def test_a_release_needs_matching_versions_and_notes(tmp_path: Path) -> None:
    for path in ("infra", "serving", "images"):
        (tmp_path / path).mkdir()
    for path in ("pyproject.toml", "infra/pyproject.toml", "serving/pyproject.toml"):
        (tmp_path / path).write_text('[project]\nversion = "0.2.0"\n')
    (tmp_path / "images/coordinator.Dockerfile").write_text("ARG VERSION=0.1.0\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n- A change.\n")
    assert find_problems(tmp_path, "v0.2.0") == [
        "images/coordinator.Dockerfile: the version is 0.1.0; it must be 0.2.0",
        "CHANGELOG.md: no section '0.2.0'; rename the section 'Unreleased' to '0.2.0'",
    ]
    (tmp_path / "images/coordinator.Dockerfile").write_text("ARG VERSION=0.2.0\n")
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## 0.2.0 (2026-12-01)\n\n- A change.\n\n## 0.1.0\n\n- First.\n"
    )
    assert find_problems(tmp_path, "v0.2.0") == []
    assert read_notes((tmp_path / "CHANGELOG.md").read_text(), "0.2.0") == "- A change."
    assert "is tagged vMAJOR.MINOR.PATCH" in find_problems(tmp_path, "0.2")[0]


def test_the_release_command_rejects_a_tag_without_notes() -> None:
    command = [sys.executable, "-m", "tools.release", "v999.0.0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "pyproject.toml: the version is" in done.stderr
