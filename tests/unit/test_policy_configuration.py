"""Which pack and which configuration of it `novacron` gives to what runs the stack."""

from pathlib import Path

import pytest
from novacron_ops.backends import PulumiCli, policy_packs
from novacron_rehearsal import Operation, PolicyPackSpec


@pytest.fixture
def project(tmp_path: Path) -> Path:
    config = tmp_path / "policy/config"
    config.mkdir(parents=True)
    (tmp_path / "policy/PulumiPolicy.yaml").write_text("runtime: python\n")
    (config / "dev.json").write_text('{"all": "advisory"}')
    return tmp_path


def test_a_stacks_configuration_is_its_own(project: Path) -> None:
    pack = project / "policy"
    assert policy_packs(project, "dev") == [PolicyPackSpec(pack, pack / "config/dev.json")]
    assert policy_packs(project, "prod") == [PolicyPackSpec(pack)]


def test_a_project_without_pack_has_none(tmp_path: Path) -> None:
    assert policy_packs(tmp_path, "dev") == []


@pytest.fixture
def cli(project: Path) -> PulumiCli:
    recorder = project / "pulumi"
    recorder.write_text('#!/bin/sh\necho "$@" >> calls\n')
    recorder.chmod(0o755)
    return PulumiCli(str(recorder), project, "dev")


@pytest.mark.parametrize("operation", [Operation.PREVIEW, Operation.UP])
def test_the_cli_gets_pack_and_configuration(cli: PulumiCli, project: Path, operation: Operation) -> None:
    assert cli.run(operation)
    pack = project / "policy"
    called = (project / "calls").read_text().splitlines()[-1]
    assert called.endswith(f"--policy-pack {pack} --policy-pack-config {pack / 'config/dev.json'}")


def test_what_removes_resources_asks_no_policy(cli: PulumiCli, project: Path) -> None:
    assert cli.run(Operation.DESTROY)
    assert "--policy-pack" not in (project / "calls").read_text()
