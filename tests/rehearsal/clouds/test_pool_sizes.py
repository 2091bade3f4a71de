"""Bounds of autoscaled pools change while the autoscaler owns their size, on simulated EKS and AKS."""

from __future__ import annotations

from typing import Any

import pytest
from novacron_rehearsal.clouds.state import CloudState

from tests.rehearsal import pulumi_cli
from tests.rehearsal.clouds.conftest import Site, taken
from tests.rehearsal.clouds.test_on_cli import begin, changes

AWS = """
    from dataclasses import replace
    import pulumi, pulumi_aws as aws
    from novacron_infra.aws import EksNodePool
    from tests.unit.aws import samples

    config = pulumi.Config()
    bounds = {key: config.get_int(key) for key in ("nodes", "minimum_nodes", "maximum_nodes")}
    cluster = aws.eks.Cluster("prod", role_arn="role", vpc_config={"subnet_ids": ["subnet-1", "subnet-2"]})
    shape = replace(samples.POOL.shape, **bounds)
    EksNodePool("pool", replace(samples.POOL, shape=shape, cluster_name=cluster.name))
"""
AZURE = """
    from dataclasses import replace
    import pulumi
    from pulumi_azure_native import containerservice
    from novacron_infra.azure import AksNodePool
    from tests.unit.azure import samples

    config = pulumi.Config()
    bounds = {key: config.get_int(key) for key in ("nodes", "minimum_nodes", "maximum_nodes")}
    cluster = containerservice.ManagedCluster("prod", resource_group_name=samples.RESOURCE_GROUP)
    shape = replace(samples.POOL.shape, **bounds)
    AksNodePool("pool", replace(samples.POOL, shape=shape, cluster_name=cluster.name))
"""
TOKENS = {"aws": "aws:eks/nodeGroup:NodeGroup", "azure-native": "azure-native:containerservice:AgentPool"}
CLOUDS = pytest.mark.parametrize(("package", "program"), [("aws", AWS), ("azure-native", AZURE)], ids=["aws", "azure"])


def write(site: Site, program: str, nodes: int, minimum: int, maximum: int) -> None:
    bounds = {"nodes": nodes, "minimum_nodes": minimum, "maximum_nodes": maximum}
    site.write(program, **{f"site:{key}": value for key, value in bounds.items()})


def read_sizes(site: Site, package: str) -> tuple[int, int, int]:
    """Return the nodes, the minimum and the maximum of the pool, as the cloud has them."""
    clouds = CloudState(site.exists / package)
    (key,) = [key for key in clouds.list_keys() if key[0] == TOKENS[package]]
    inputs: Any = (clouds.get(key) or ({},))[0]
    if package == "aws":
        inputs = inputs["scalingConfig"]
        return inputs["desiredSize"], inputs["minSize"], inputs["maxSize"]
    return inputs["count"], inputs["minCount"], inputs["maxCount"]


def autoscale(site: Site, package: str, nodes: int) -> None:
    """Change the pool's size in the cloud, as an autoscaler does."""
    clouds = CloudState(site.exists / package)
    (key,) = [key for key in clouds.list_keys() if key[0] == TOKENS[package]]
    found: Any = clouds.get(key)
    for part in found:
        if package == "aws":
            part["scalingConfig"]["desiredSize"] = nodes
        else:
            part["count"] = nodes
    clouds.put(key, *found)


@CLOUDS
def test_an_update_of_the_bounds_keeps_the_size_that_the_autoscaler_chose(
    site: Site, package: str, program: str
) -> None:
    write(site, program, 4, 4, 8)
    assert site.up().succeeded
    autoscale(site, package, 7)
    assert taken(site.up()) == {}, "the autoscaler owns the size"

    for bounds, sizes in (
        ((4, 4, 16), (7, 4, 16)),  # a higher maximum leaves the size alone
        ((8, 8, 16), (8, 8, 16)),  # a minimum above the size raises it
        ((4, 4, 6), (6, 4, 6)),  # a maximum below the size lowers it
        ((2, 2, 6), (6, 2, 6)),  # a lower minimum leaves it alone
    ):
        write(site, program, *bounds)
        assert taken(site.workspace.preview(site.options)) == {"update": 1}
        assert taken(site.up()) == {"update": 1}
        assert read_sizes(site, package) == sizes
    assert taken(site.up()) == {}


@CLOUDS
def test_a_pool_that_gets_an_autoscaler_keeps_its_size(site: Site, package: str, program: str) -> None:
    site.write(program, **{"site:nodes": 4})
    assert site.up().succeeded
    write(site, program, 6, 5, 8)
    assert site.up().succeeded
    assert read_sizes(site, package) == (5, 5, 8)


def test_the_clouds_refuse_a_size_outside_the_bounds(site: Site) -> None:
    site.write("""
        import pulumi, pulumi_aws as aws, pulumi_azure_native as azure
        aws.eks.NodeGroup("low", cluster_name="c", node_role_arn="r", subnet_ids=["s"],
            scaling_config={"desired_size": 4, "min_size": 8, "max_size": 16})
        aws.eks.NodeGroup("high", cluster_name="c", node_role_arn="r", subnet_ids=["s"],
            scaling_config={"desired_size": 4, "min_size": 1, "max_size": 2})
        aws.autoscaling.Group("group", min_size=3, max_size=4, desired_capacity=1)
        azure.containerservice.AgentPool("pool", agent_pool_name="pool", resource_group_name="g", resource_name_="c",
            count=4, enable_auto_scaling=True, min_count=8, max_count=16)
    """)
    assert site.workspace.preview(site.options).succeeded, "clouds tell when they create or update"
    refused = site.up(continue_on_error=True).errors
    assert "Minimum capacity 8 can't be greater than desired size 4" in refused
    assert "desired capacity 4 can't be greater than max size 2" in refused
    assert "Desired capacity:1 must be between the specified min size:3" in refused
    assert "agentPoolProfile.count is invalid: 4 is less than minCount 8" in refused


@CLOUDS
@pytest.mark.pulumi
@pulumi_cli.needs_pulumi
def test_the_pulumi_cli_raises_the_minimum_above_the_size(site: Site, package: str, program: str) -> None:
    write(site, program, 4, 4, 8)
    begin(site.folder, site.ports)
    environment: dict[str, Any] = {"backend": site.folder / ".state", "passphrase": "x", "providers": {}}
    changes(site.folder, site.ports, "up", "--yes", "--skip-preview")
    autoscale(site, package, 7)
    for key, value in {"nodes": 8, "minimum_nodes": 8, "maximum_nodes": 16}.items():
        pulumi_cli.run(site.folder, "config", "set", key, str(value), "--stack", "dev", **environment)
    assert changes(site.folder, site.ports, "up", "--yes", "--skip-preview") == {"update": 1}
    assert read_sizes(site, package) == (8, 8, 16)
