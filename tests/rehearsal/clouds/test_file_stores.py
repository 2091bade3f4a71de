"""Environments with file systems as model stores: deployment, resources, destruction, and warnings of the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from novacron_infra.outputs import EnvironmentOutputs
from novacron_rehearsal import PolicyPackSpec

from tests.rehearsal.clouds.conftest import Site, taken

ROOT = Path(__file__).parents[3]
PACK = PolicyPackSpec(ROOT / "policy")
PROGRAM = (ROOT / "__main__.py").read_text(encoding="utf-8")
REPLICATION = "aws:efs/replicationConfiguration:ReplicationConfiguration"


def described(path: str, store: dict[str, str]) -> dict[str, Any]:
    """A stack of this repository with another model store."""
    values = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))["config"]["novacron:environment"]
    return values | {"protected": False, "model": values["model"] | {"store": store}}


def over_three_clouds() -> dict[str, Any]:
    """Return an environment with EFS on AWS, Filestore on Google Cloud, and an existing NFS server on Azure."""
    values = described("examples/environments/Pulumi.prod-mixed.yaml", {"kind": "efs"})
    for region in values["regions"]:
        if "overrides" in region:
            del region["overrides"]["bucket"]
            region["overrides"]["store_kind"] = "nfs"
    values["regions"][3]["overrides"]["bucket"] = "files.novacron.ai:/export"
    return values


DEV = "Pulumi.dev.yaml"
STACKS: dict[str, tuple[dict[str, Any], dict[str, str], list[str]]] = {
    "efs": (described(DEV, {"kind": "efs"}), {"us-west-2": "efs://fs-"}, ["aws"]),
    "nfs": (described(DEV, {"kind": "nfs", "bucket": "10.9.0.4:/export"}), {"us-west-2": "nfs://10.9.0.4/"}, ["aws"]),
    "three clouds": (
        over_three_clouds(),
        {
            "us-west-2": "efs://fs-",
            "us-east-1": "efs://fs-",
            "europe-west4": "nfs://10.0.",
            "japaneast": "nfs://files.novacron.ai/export/models",
        },
        ["aws", "gcp", "azure-native"],
    ),
}


@pytest.mark.parametrize(("values", "urls", "clouds"), STACKS.values(), ids=STACKS)
def test_it_comes_up_stays_as_it_is_and_goes_without_a_trace(
    site: Site, values: dict[str, Any], urls: dict[str, str], clouds: list[str]
) -> None:
    site.write(PROGRAM, **{"novacron:environment": values})
    first = site.up(policy_packs=[PACK])
    assert first.succeeded, first.errors
    assert first.policy_violations == []
    told = {name: item.model_store for name, item in EnvironmentOutputs.model_validate(first.outputs).regions.items()}
    assert {name: url for name, url in told.items() if not url.startswith(urls[name])} == {}
    assert all(url.endswith("/models") for url in told.values())
    assert taken(site.workspace.preview(site.options)) == {}
    resources = site.workspace.snapshot().resources
    assert not any(":s3/bucket" in item.type or ":storage/bucket" in item.type for item in resources)
    copies = [cast("dict[str, Any]", item.inputs) for item in resources if item.type == REPLICATION]
    files = [url.removesuffix("/models").removeprefix("efs://") for url in told.values() if url.startswith("efs://")]
    assert [[item["sourceFileSystemId"], item["destination"]["fileSystemId"]] for item in copies] == (
        [files] if len(files) > 1 else []
    )
    destroyed = site.workspace.destroy(site.options)
    assert destroyed.succeeded, destroyed.errors
    assert [site.made(cloud) for cloud in clouds] == [[] for _ in clouds]
