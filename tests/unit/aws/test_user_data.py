"""User data: the golden files, and their use on a node."""

from __future__ import annotations

import subprocess
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest
import yaml
from novacron_infra.aws.user_data import render_user_data
from novacron_infra.catalog import Cloud, Machine, find_machine, load_machines

GOLDEN = Path(__file__).parents[1] / "golden" / "aws"
MACHINES = ["c6i.8xlarge", "i4i.16xlarge", "p4d.24xlarge", "p5.48xlarge", "p6-b300.48xlarge"]


def parts(name: str) -> list[Message]:
    message = message_from_string(render_user_data(find_machine(name)))
    assert message.is_multipart()
    found = message.get_payload()
    assert isinstance(found, list)
    return [part for part in found if isinstance(part, Message)]


@pytest.mark.parametrize("name", MACHINES)
def test_user_data_matches_the_golden_file(name: str) -> None:
    expected = (GOLDEN / f"user-data-{name}.txt").read_text(encoding="utf-8")
    assert render_user_data(find_machine(name)) == expected, "run make golden"


@pytest.mark.parametrize(
    "machine",
    [machine for machine in load_machines().values() if machine.cloud is Cloud.AWS],
    ids=lambda machine: str(machine.name),
)
def test_user_data_is_multipart_with_node_config_as_eks_requires(machine: Machine) -> None:
    node_config, script = parts(machine.name)
    assert node_config.get_content_type() == "application/node.eks.aws"
    config = yaml.safe_load(str(node_config.get_payload()))
    assert (config["apiVersion"], config["kind"]) == ("node.eks.aws/v1alpha1", "NodeConfig")
    assert "cluster" not in config["spec"]  # EKS adds its own
    assert ("instance" in config["spec"]) == bool(machine.local_nvme_gb)
    assert script.get_content_type() == "text/x-shellscript"
    assert len(render_user_data(machine)) < 16384  # the limit of EC2


@pytest.mark.parametrize("name", MACHINES)
def test_user_data_script_writes_valid_bash_scripts(name: str, tmp_path: Path) -> None:
    script = str(parts(name)[1].get_payload())
    for folder in ("etc/sysctl.d", "usr/local/sbin", "etc/systemd/system"):
        (tmp_path / folder).mkdir(parents=True)
    rooted = script.replace("> /", f"> {tmp_path}/").replace("chmod 0755 /", f"chmod 0755 {tmp_path}/")
    stub = "systemctl() { :; }\n"
    subprocess.run(["bash", "-c", stub + rooted], check=True, capture_output=True, timeout=20)
    tuning = tmp_path / "usr/local/sbin/novacron-tuning"
    subprocess.run(["bash", "-n", tuning], check=True, timeout=20)
    assert tuning.stat().st_mode & 0o111
    assert ("nvidia-smi" in tuning.read_text()) == (find_machine(name).gpu is not None)
    settings = dict(
        line.split(" = ") for line in (tmp_path / "etc/sysctl.d/90-novacron.conf").read_text().splitlines() if line
    )
    assert settings["net.core.rmem_max"] == settings["net.core.wmem_max"] == str(256 * 1024 * 1024)
    assert settings["net.core.netdev_max_backlog"] == "30000"


def test_user_data_does_not_write_to_infiniband() -> None:
    assert not any(
        "infiniband" in render_user_data(machine) for machine in load_machines().values() if machine.cloud is Cloud.AWS
    )
