"""The policy pack and its configuration that `novacron` passes to the Pulumi CLI."""

from pathlib import Path

import pytest
from novacron_ops.backends import PulumiCli, RunOutcome
from novacron_ops.project import ProjectStack
from novacron_rehearsal import Operation, PolicyPackSpec


@pytest.fixture
def project(tmp_path: Path) -> Path:
    config = tmp_path / "policy/config"
    config.mkdir(parents=True)
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (tmp_path / "policy/PulumiPolicy.yaml").write_text("runtime: python\n")
    (config / "dev.json").write_text('{"all": "advisory"}')
    return tmp_path


def test_each_stack_has_its_own_policy_configuration(project: Path) -> None:
    pack = project / "policy"
    assert ProjectStack(project, "dev").policy_packs() == [PolicyPackSpec(pack, pack / "config/dev.json")]
    assert ProjectStack(project, "prod").policy_packs() == [PolicyPackSpec(pack)]


def test_a_project_without_a_policy_folder_has_no_pack(tmp_path: Path) -> None:
    assert ProjectStack(tmp_path, "dev").policy_packs() == []


@pytest.fixture
def cli(project: Path) -> PulumiCli:
    recorder = project / "pulumi"
    recorder.write_text('#!/bin/sh\necho "$@" >> calls\n')
    recorder.chmod(0o755)
    return PulumiCli(str(recorder), ProjectStack(project, "dev"))


@pytest.mark.parametrize("operation", [Operation.PREVIEW, Operation.UP])
def test_preview_and_up_pass_the_policy_pack_and_its_configuration_to_the_cli(
    cli: PulumiCli, project: Path, operation: Operation
) -> None:
    assert cli.run(operation) is RunOutcome.SUCCEEDED
    pack = project / "policy"
    called = (project / "calls").read_text().splitlines()[-1]
    assert called.endswith(f"--policy-pack {pack} --policy-pack-config {pack / 'config/dev.json'}")


def test_destroy_passes_no_policy_pack_to_the_cli(cli: PulumiCli, project: Path) -> None:
    assert cli.run(Operation.DESTROY) is RunOutcome.SUCCEEDED
    assert "--policy-pack" not in (project / "calls").read_text()
