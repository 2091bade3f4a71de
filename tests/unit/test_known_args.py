"""Outputs in place of plain arguments: components name the argument in one sentence, before any resource."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pulumi
import pytest
from novacron_infra import aws, azure, dns, gcp
from novacron_infra.errors import ArgumentError

from tests.unit.aws import graph as aws_graph
from tests.unit.aws import samples as aws_samples
from tests.unit.azure import graph as azure_graph
from tests.unit.azure import samples as azure_samples
from tests.unit.gcp import graph as gcp_graph
from tests.unit.gcp import samples as gcp_samples

CLOUDS: dict[str, tuple[Any, Any, Any]] = {
    "aws": (aws.EksNodePool, aws_samples.POOL, aws_graph.declare),
    "gcp": (gcp.GkeNodePool, gcp_samples.POOL, gcp_graph.declare),
    "azure": (azure.AksNodePool, azure_samples.POOL, azure_graph.declare),
}


def find_problems(component: Any, args: Any, declare: Any) -> list[str]:
    with pytest.raises(ArgumentError) as error:
        declare(lambda opts: component("gpu", args, opts))
    return [f"{problem.path} = {problem.value}" for problem in error.value.problems]


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("field", ["nodes", "machine", "zones"])
def test_an_output_in_the_shape_of_a_pool_is_named(cloud: str, field: str) -> None:
    component, sample, declare = CLOUDS[cloud]
    shape = replace(sample.shape, **{field: pulumi.Output.from_input(getattr(sample.shape, field))})
    found = find_problems(component, replace(sample, shape=shape), declare)
    assert found == [f"gpu.shape.{field} = an output"]


def test_an_item_of_a_list_is_named() -> None:
    shape = replace(aws_samples.POOL.shape, zones=(pulumi.Output.from_input("us-west-2a"),))
    args = replace(aws_samples.POOL, shape=shape)
    assert find_problems(aws.EksNodePool, args, aws_graph.declare) == ["gpu.shape.zones.0 = an output"]


def test_the_values_of_a_mapping_may_be_outputs_but_not_the_mapping() -> None:
    subnets = {zone: pulumi.Output.from_input(value) for zone, value in aws_samples.POOL.subnet_ids.items()}
    aws_graph.declare(
        lambda opts: aws.EksNodePool("gpu", replace(aws_samples.POOL, subnet_ids=subnets), opts).resources
    )
    args: Any = replace(aws_samples.POOL, subnet_ids=pulumi.Output.all(**subnets))
    assert find_problems(aws.EksNodePool, args, aws_graph.declare) == ["gpu.subnet_ids = an output"]


def test_an_output_in_a_text_is_named() -> None:
    args = replace(aws_samples.POOL, cluster_name=f"{pulumi.Output.from_input('prod')}")
    assert find_problems(aws.EksNodePool, args, aws_graph.declare) == ["gpu.cluster_name = an output in a text"]


def test_all_outputs_are_reported_together() -> None:
    output: Any = pulumi.Output.from_input(2)
    args = replace(aws_samples.POOL, kubernetes_version=output, shape=replace(aws_samples.POOL.shape, nodes=output))
    found = find_problems(aws.EksNodePool, args, aws_graph.declare)
    assert found == ["gpu.shape.nodes = an output", "gpu.kubernetes_version = an output"]


def test_a_global_endpoint_needs_the_names_of_its_regions() -> None:
    args = dns.GlobalEndpointArgs(
        traffic=pulumi.Output.from_input("api.example.com"),  # pyright: ignore[reportArgumentType] - what is refused
        regions=(),
        service=dns.Route53(zone_name="example.com"),
        probe=dns.Probe(path="/ready"),
    )
    assert find_problems(dns.GlobalEndpoint, args, aws_graph.declare) == ["gpu.traffic = an output"]
