"""The simulated clouds under the Pulumi CLI, where it is on PATH."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from novacron_rehearsal.clouds import serve_clouds, write_plugins

from tests.rehearsal import pulumi_cli
from tests.rehearsal.clouds.conftest import Site
from tests.rehearsal.clouds.programs import PROGRAMS, SIZES

pytestmark = [pytest.mark.pulumi, pulumi_cli.needs_pulumi]


def changes(folder: Path, ports: dict[str, int], *arguments: str) -> dict[str, int]:
    """Run the CLI. Returns the number of steps by operation; raises when it fails."""
    log = folder / ".events"
    log.unlink(missing_ok=True)
    pulumi_cli.run(
        folder,
        *arguments,
        "--stack",
        "dev",
        "--event-log",
        str(log),
        backend=folder / ".state",
        passphrase="x",
        providers=ports,
    )
    summaries: list[dict[str, Any]] = [
        event["summaryEvent"]["resourceChanges"]
        for event in map(json.loads, log.read_text().splitlines())
        if "summaryEvent" in event
    ]
    return {op: count for op, count in summaries[-1].items() if op != "same"}


def begin(folder: Path, ports: dict[str, int]) -> None:
    (folder / ".state").mkdir()
    pulumi_cli.run(folder, "stack", "init", "dev", backend=folder / ".state", passphrase="x", providers=ports)


@pytest.mark.parametrize("package", PROGRAMS)
def test_preview_up_update_destroy_with_attached_clouds(site: Site, package: str) -> None:
    site.write(PROGRAMS[package])
    begin(site.folder, site.ports)
    # The CLI does not count the default provider.
    count = SIZES[package] + 1
    assert changes(site.folder, site.ports, "preview") == {"create": count}
    assert changes(site.folder, site.ports, "up", "--yes", "--skip-preview") == {"create": count}
    assert len(site.made(package)) == SIZES[package]
    assert changes(site.folder, site.ports, "up", "--yes", "--skip-preview", "--refresh") == {}
    pulumi_cli.run(
        site.folder,
        "config",
        "set",
        "size",
        "3",
        "--stack",
        "dev",
        backend=site.folder / ".state",
        passphrase="x",
        providers={},
    )
    assert changes(site.folder, site.ports, "up", "--yes", "--skip-preview") == {"update": 1}
    assert changes(site.folder, site.ports, "destroy", "--yes", "--skip-preview") == {"delete": count}
    assert site.made(package) == []


def test_a_misspelt_property_is_reported_with_a_fix(site: Site) -> None:
    site.write(PROGRAMS["aws"].replace('"desired_size": size', '"desired_sizes": size'))
    begin(site.folder, site.ports)
    with pytest.raises(RuntimeError, match="write 'desiredSize'"):
        changes(site.folder, site.ports, "preview")


def test_plugin_folders_of_the_project(tmp_path: Path) -> None:
    site = Site(tmp_path, {}, tmp_path, tmp_path)
    site.write(PROGRAMS["gcp"])
    providers = [{"name": name, "path": str(path)} for name, path in write_plugins(tmp_path / "plugins").items()]
    (tmp_path / "Pulumi.yaml").write_text(
        json.dumps({"name": "site", "runtime": "python", "plugins": {"providers": providers}})
    )
    begin(tmp_path, {})
    assert changes(tmp_path, {}, "up", "--yes", "--skip-preview") == {"create": SIZES["gcp"] + 1}
    assert changes(tmp_path, {}, "destroy", "--yes", "--skip-preview") == {"delete": SIZES["gcp"] + 1}


def test_providers_of_two_regions_at_one_port(tmp_path: Path) -> None:
    with serve_clouds(["aws"]) as ports:
        site = Site(tmp_path, ports, tmp_path, tmp_path)
        site.write("""
            import pulumi, pulumi_aws as aws
            for region in ("us-east-1", "eu-west-1"):
                there = pulumi.ResourceOptions(provider=aws.Provider(region, region=region))
                pulumi.export(region, aws.sqs.Queue(f"queue-{region}", opts=there).arn)
        """)
        begin(tmp_path, ports)
        changes(tmp_path, ports, "up", "--yes", "--skip-preview")
        exported = pulumi_cli.run(
            tmp_path,
            "stack",
            "output",
            "--json",
            "--stack",
            "dev",
            backend=tmp_path / ".state",
            passphrase="x",
            providers=ports,
        )
        arns = json.loads(exported.stdout)
        assert {region: arn.split(":")[3] for region, arn in arns.items()} == {region: region for region in arns}
