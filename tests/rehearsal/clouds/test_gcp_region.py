"""Two regions on simulated Google Cloud, with copies of the models: deployed, unchanged, destroyed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from novacron_infra.outputs import GcpRegionOutputs
from novacron_rehearsal import PolicyPackSpec

from tests.rehearsal.clouds.conftest import Site, a_site, taken

pytestmark = pytest.mark.xdist_group("gcp regions")
PACK = PolicyPackSpec(Path(__file__).parents[3] / "policy")
PROGRAM = """
    from ipaddress import IPv4Network

    import pulumi, pulumi_gcp as gcp
    from novacron_infra.gcp import GcpModelReplication, GcpModelReplicationArgs, ReplicaArgs
    from novacron_infra.gcp.region import GcpRegion, GcpRegionArgs
    from novacron_infra.pools import NodePoolShape, NodeRole
    from novacron_infra.regions import RegionSpec
    from novacron_infra.stores import GcsStore
    from novacron_infra.tags import Tags

    config = pulumi.Config()
    protect = bool(config.get_bool("protect"))
    tags = Tags(environment="staging")
    names = config.require_object("regions")
    regions, buckets = {}, {}
    for number, name in enumerate(names):
        provider = gcp.Provider(name, project="acme-staging", region=name)
        zones = tuple(f"{name}-{letter}" for letter in "abc")
        buckets[name] = f"models-{name}"
        regions[name] = GcpRegion(
            f"staging-{name}",
            GcpRegionArgs(
                project="acme-staging",
                spec=RegionSpec(
                region=name, zones=zones, network=IPv4Network(f"10.{number}.0.0/16"),
                kubernetes_version="1.35", admins=("group:operators@example.com",),
                pools={
                    "coordinators": NodePoolShape(
                        role=NodeRole.COORDINATOR, machine="c2-standard-60", nodes=3, zones=zones
                    ),
                    "workers": NodePoolShape(
                        role=NodeRole.WORKER, machine="a3-megagpu-8g", nodes=4, zones=zones[:1],
                    ),
                },
                store=GcsStore(bucket=buckets[name]), postgres_storage_gib=100, redis_nodes=6, tags=tags,
                protect=protect,
                add_ons=True,
                ),
            ),
            pulumi.ResourceOptions(providers=[provider]),
        )
        if number == 0:
            primary = provider
    first, *others = names
    if others:
        GcpModelReplication(
            "staging-models",
            GcpModelReplicationArgs(
                project="acme-staging",
                source_bucket=regions[first].store.bucket.name,
                replicas={name: ReplicaArgs(bucket=regions[name].store.bucket.name) for name in others},
                tags=tags,
            ),
            pulumi.ResourceOptions(providers=[primary]),
        )
    pulumi.export("regions", {name: region.results.export() for name, region in regions.items()})
"""
ONE, TWO = ["us-central1"], ["us-central1", "northamerica-northeast1"]


def describe(site: Site, regions: list[str], **config: str) -> None:
    site.write(PROGRAM, **{"site:regions": json.dumps(regions)}, **config)


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two regions that are up, for tests that work on copies of it."""
    folder = tmp_path_factory.mktemp("regions")
    with a_site(folder) as site:
        describe(site, TWO)
        previewed = site.workspace.preview(site.options)
        first = site.up(policy_packs=[PACK])
        assert taken(first) == taken(previewed)
        assert taken(first)["create"] > 100
        assert first.policy_violations == []
    return folder


@pytest.fixture
def up(regions: Path, tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path, copy_of=regions) as site:
        yield site


def test_regions_come_up_stay_as_they_are_and_go_without_a_trace(up: Site) -> None:
    assert taken(up.workspace.preview(up.options)) == {}
    destroyed = up.workspace.destroy(up.options)
    assert destroyed.succeeded, destroyed.errors
    assert up.left("gcp") == up.made("kubernetes") == []


def test_a_region_that_goes_takes_nothing_of_the_other_along(up: Site) -> None:
    describe(up, ONE)
    result = up.up()
    assert result.succeeded, result.errors
    assert {step.op.value for step in result.steps if ":providers:" not in step.urn} == {"same", "delete"}
    assert not any("northamerica" in item for item in up.made("gcp"))
    assert taken(up.workspace.refresh(up.options)) == {}


def test_stack_outputs_have_the_addresses_of_each_region(up: Site) -> None:
    outputs = cast("dict[str, dict[str, str]]", up.up().outputs["regions"])
    told = outputs["us-central1"]
    GcpRegionOutputs.model_validate(told)
    assert told["model_store"] == "gs://models-us-central1/models"
    assert told["registry"] == "us-central1-docker.pkg.dev/acme-staging/staging-novacron"
    assert told["worker_identity"] != told["coordinator_identity"]
    assert told["worker_identity"].startswith("staging-us-central1-llm-")
    assert told["postgres_secret"] == "projects/acme-staging/secrets/staging-us-central1-postgres-login"
    assert told["postgres_endpoint"].endswith(":5432")
    assert told["ingress_address"].startswith("203.0.113.")
    assert all(outputs[name] for name in TWO)


def test_what_cannot_be_made_again_keeps_a_region_from_being_destroyed(site: Site) -> None:
    describe(site, ONE, **{"site:protect": "true"})
    assert site.up().succeeded
    standing = site.made("gcp")
    assert not site.workspace.destroy(site.options).succeeded
    assert site.made("gcp") == standing
