"""The project and its stacks: which stacks exist, and what their configuration holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from novacron_ops.errors import Exit, OpsError
from novacron_ops.project import ProjectStack, find_stack

from tests.unit.ops.running import novacron


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: novacron\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_project_is_found_from_a_folder_inside_it(project: Path) -> None:
    (project / "a/b").mkdir(parents=True)
    assert find_stack("dev", project / "a/b") == ProjectStack(project, "dev")


def test_a_stack_needs_no_file_in_a_project_without_stack_files(project: Path) -> None:
    assert find_stack("dev").folder == project


def test_a_stack_without_a_file_is_refused_with_the_stacks_that_exist(project: Path) -> None:
    (project / "Pulumi.dev.yaml").touch()
    (project / "Pulumi.eu.west.yaml").touch()
    with pytest.raises(OpsError, match=r"there is no Pulumi.prod.yaml; stacks here: dev, eu.west") as refused:
        find_stack("prod")
    assert refused.value.exit_status is Exit.BAD_INPUT


def test_a_deployed_stack_needs_no_file(project: Path) -> None:
    (project / "Pulumi.dev.yaml").touch()
    state = project / ".novacron/.pulumi/stacks/novacron/prod.json"
    state.parent.mkdir(parents=True)
    state.touch()
    assert find_stack("prod").name == "prod"


@pytest.mark.parametrize("name", ["", "../prod", "a/b", "a b", "x" * 101])
def test_an_invalid_stack_name_is_refused(project: Path, name: str) -> None:
    with pytest.raises(OpsError, match="a stack's name has 1 to 100 letters, digits, hyphens, underscores and dots"):
        find_stack(name)


def test_keys_without_a_namespace_belong_to_the_project(project: Path) -> None:
    (project / "Pulumi.dev.yaml").write_text("config: {environment: {platform: local}, aws:region: eu-west-1}\n")
    stack = find_stack("dev")
    assert stack.read_configuration() == {"novacron:environment": {"platform": "local"}, "aws:region": "eu-west-1"}
    assert stack.is_local()


@pytest.mark.parametrize("default", ["{value: {platform: aws}}", "{default: {platform: aws}}"])
def test_project_defaults_apply_below_the_stacks_values(project: Path, default: str) -> None:
    (project / "Pulumi.yaml").write_text(
        f"name: novacron\nruntime: python\nconfig:\n  environment: {default}\n  size: 2\n"
    )
    (project / "Pulumi.dev.yaml").write_text("config: {novacron:size: 3}\n")
    assert find_stack("dev").read_configuration() == {"novacron:environment": {"platform": "aws"}, "novacron:size": 3}
    assert find_stack("dev").is_cloud()


@pytest.mark.parametrize(
    ("content", "is_cloud", "is_local"),
    [
        ("config: {novacron:environment: {platform: local}}", False, True),
        ("config: {novacron:environment: {platform: aws}}", True, False),
        ("config: {novacron:environment: {}}", True, False),
        ("config: {novacron:environment: text}", False, False),
        ("""config: {novacron:environment: '{"platform": "local"}'}""", False, True),
        ("config: [1]", False, False),
        ("", False, False),
    ],
)
def test_a_stack_is_local_on_clouds_or_neither(project: Path, content: str, is_cloud: bool, is_local: bool) -> None:
    (project / "Pulumi.dev.yaml").write_text(content)
    assert (find_stack("dev").is_cloud(), find_stack("dev").is_local()) == (is_cloud, is_local)


def test_plan_reads_an_environment_key_without_a_namespace(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "Pulumi.dev.yaml").write_text("config: {environment: {platform: local}}\n")
    assert novacron("plan", "-s", "dev") == 0
    assert "The configuration of stack dev is valid" in capsys.readouterr().out


def test_plan_names_the_key_of_another_project(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (project / "Pulumi.dev.yaml").write_text("config: {environment: {platform: local}}\n")
    assert novacron("plan", "-s", "dev") == 2
    output = capsys.readouterr().err
    assert "has no novacron:environment below config" in output
    assert (
        "its key `environment` belongs to the project and means shop:environment: write novacron:environment" in output
    )


def test_plan_of_a_project_without_stack_files_suggests_a_rehearsal(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert novacron("plan", "-s", "dev") == 2
    assert "run `novacron rehearse -s dev`" in capsys.readouterr().err


def test_a_yaml_bomb_in_the_configuration_is_refused_at_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["config:", "  a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    (project / "Pulumi.dev.yaml").write_text("\n".join([*lines, "  novacron:environment: {platform: local, x: *a8}"]))
    assert novacron("plan", "-s", "dev") == 2
    assert "aliases expand to more than 100,000 values" in capsys.readouterr().err
