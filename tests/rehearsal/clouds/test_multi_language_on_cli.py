"""The plugin under the Pulumi CLI: its schema, an SDK made from it, and a pool made by a program that has no other."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.rehearsal import pulumi_cli
from tests.rehearsal.clouds.conftest import Site
from tests.rehearsal.clouds.test_on_cli import begin, changes

pytestmark = [pytest.mark.pulumi, pulumi_cli.needs_pulumi]
INFRA = Path(__file__).parents[3] / "infra"
PROGRAM = """
    import pulumi

    class EksGpuPool(pulumi.ComponentResource):
        def __init__(self, name, inputs):
            super().__init__("novacron:index:EksGpuPool", name, {"nodeRoleArn": None, **inputs}, None, True)

    pool = EksGpuPool("gpu", {
        "shape": {"machine": "p5.48xlarge", "nodes": 2, "zones": ["us-west-2a"], "fabric": "efa"},
        "clusterName": "prod",
        "clusterSecurityGroupId": "sg-0123456789abcdef0",
        "kubernetesVersion": "1.35",
        "subnetIds": {"us-west-2a": "subnet-0123456789abcdef0"},
        "diskKeyArn": "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-0000-0000-000000000000",
        "fabricSecurityGroupId": "sg-0123456789abcdef1",
        "tags": {"environment": "prod"},
    })
    pulumi.export("role", pool.nodeRoleArn)
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """An executable that the CLI takes for the installed plugin."""
    script = tmp_path / "bin" / "pulumi-resource-novacron"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{INFRA}" "$@"\n')
    script.chmod(0o755)
    return script


def cli(site: Site, *arguments: str) -> str:
    backend = site.folder / ".state"
    return pulumi_cli.run(site.folder, *arguments, backend=backend, passphrase="x", providers=site.ports).stdout


@pytest.mark.skipif(
    "language_host" in (shutil.which("pulumi-language-python") or ""),
    reason="needs Pulumi's own language host: that in tools/ generates no SDKs",
)
def test_the_cli_reads_the_schema_and_makes_an_sdk_of_it(site: Site, plugin: Path, tmp_path: Path) -> None:
    (site.folder / ".state").mkdir()
    schema = json.loads(cli(site, "package", "get-schema", str(plugin)))
    assert "novacron:index:EksGpuPool" in schema["resources"]
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    cli(
        site,
        "package",
        "gen-sdk",
        str(tmp_path / "schema.json"),
        "--language",
        "python",
        "--out",
        str(tmp_path / "sdk"),
    )
    (made,) = (tmp_path / "sdk" / "python").rglob("eks_gpu_pool.py")
    assert "node_role_arn" in made.read_text()


def test_another_program_makes_a_pool(site: Site, plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(plugin.parent), prepend=":")
    site.write(PROGRAM)
    begin(site.folder, site.ports)
    planned = changes(site.folder, site.ports, "preview")
    made = changes(site.folder, site.ports, "up", "--yes", "--skip-preview")
    assert made == planned
    assert made["create"] > 5
    assert sum(item.startswith("aws:eks/nodeGroup:NodeGroup ") for item in site.made("aws")) == 1
    assert changes(site.folder, site.ports, "up", "--yes", "--skip-preview") == {}
    assert json.loads(cli(site, "stack", "output", "--json", "--stack", "dev"))["role"].startswith("arn:aws:iam::")


def test_a_count_that_another_resource_would_tell_is_refused_by_name(
    site: Site, plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(plugin.parent), prepend=":")
    told = 'pulumi_aws.ec2.Vpc("other", cidr_block="10.0.0.0/16").owner_id.apply(int)'
    site.write(
        PROGRAM.replace("import pulumi", "import pulumi, pulumi_aws", 1).replace('"nodes": 2', f'"nodes": {told}')
    )
    begin(site.folder, site.ports)
    with pytest.raises(RuntimeError, match=r"gpu\.shape\.nodes[\s\S]*a preview has to know it"):
        changes(site.folder, site.ports, "preview")
