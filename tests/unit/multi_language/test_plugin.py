"""The plugin over Pulumi's own protocol: what it offers, and that it makes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import struct_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import errors_pb2, provider_pb2, provider_pb2_grpc

from tests.unit.aws.samples import CLUSTER_GROUP, FABRIC_GROUP, STORAGE_KEY, SUBNETS
from tests.unit.graph import Graph
from tests.unit.multi_language import plugin

Stub = provider_pb2_grpc.ResourceProviderStub
EKS_GPU_POOL = "novacron:index:EksGpuPool"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How the wire says that only the update can tell."""
POOL: dict[str, Any] = {
    "shape": {"machine": "p5.48xlarge", "nodes": 4, "zones": ["us-west-2a"], "fabric": "efa", "placement": "cluster"},
    "clusterName": "prod",
    "clusterSecurityGroupId": CLUSTER_GROUP,
    "kubernetesVersion": "1.35",
    "subnetIds": SUBNETS,
    "diskKeyArn": STORAGE_KEY,
    "fabricSecurityGroupId": FABRIC_GROUP,
    "tags": {"environment": "prod"},
}
COMPONENTS = {
    EKS_GPU_POOL: {
        "required": "clusterName clusterSecurityGroupId diskKeyArn kubernetesVersion shape subnetIds tags",
        "outputs": "nodeRoleArn",
    },
    "novacron:index:AwsGpuRegion": {
        "required": "admins coordinators kubernetesVersion network postgresStorageGib redisNodes redisPassword"
        " region tags workers zones",
        "outputs": "clusterName ingressAddress kubeconfig modelStore postgresEndpoint postgresSecret redisEndpoint"
        " registry targetGroupArn workerIdentity",
    },
    "novacron:index:GkeGpuPool": {
        "required": "clusterName diskKeyId nodeAccountEmail region shape tags",
        "outputs": "nodePoolNames",
    },
    "novacron:index:AksGpuPool": {
        "required": "clusterName controlPrincipalId kubernetesVersion pool region resourceGroup shape subnetId tags",
        "outputs": "agentPoolNames",
    },
    "novacron:index:GlobalEndpoint": {
        "required": "domain probe regions",
        "outputs": "domain nameServers regionalNames routingControls rtoS switchEndpoints",
    },
}


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with plugin.started() as stub:
        yield stub


@pytest.fixture(scope="module")
def schema(stub: Stub) -> dict[str, Any]:
    return json.loads(stub.GetSchema(provider_pb2.GetSchemaRequest()).schema)


def test_it_offers_the_components_of_every_installed_cloud(schema: dict[str, Any]) -> None:
    assert set(schema["resources"]) == set(COMPONENTS)
    assert all(resource["isComponent"] for resource in schema["resources"].values())
    assert schema["name"] == "novacron"


@pytest.mark.parametrize("token", COMPONENTS)
def test_a_component_says_what_it_takes_and_gives(schema: dict[str, Any], token: str) -> None:
    resource = schema["resources"][token]
    assert resource["requiredInputs"] == COMPONENTS[token]["required"].split()
    assert sorted(resource["properties"]) == COMPONENTS[token]["outputs"].split()
    assert resource["description"]


def test_everything_is_described_and_of_a_type(schema: dict[str, Any]) -> None:
    holders = {
        **{f"{token} in": resource["inputProperties"] for token, resource in schema["resources"].items()},
        **{f"{token} out": resource["properties"] for token, resource in schema["resources"].items()},
        **{token: type_["properties"] for token, type_ in schema["types"].items() if type_["type"] == "object"},
    }
    bare = [
        f"{token}.{name}"
        for token, properties in holders.items()
        for name, property_ in properties.items()
        if not property_.get("description") or not {"type", "$ref"} & set(property_)
    ]
    assert bare == []


def test_what_decides_the_resources_is_plain_and_the_rest_may_be_an_output(schema: dict[str, Any]) -> None:
    inputs = schema["resources"][EKS_GPU_POOL]["inputProperties"]
    assert {name for name, item in inputs.items() if item.get("plain")} == {
        "shape",
        "kubernetesVersion",
        "subnetIds",
        "tags",
    }
    assert "plain" not in inputs["subnetIds"]["additionalProperties"]
    shape = schema["types"]["novacron:index:PoolShape"]
    assert shape["required"] == ["machine", "nodes"]
    assert shape["properties"]["nodes"]["type"] == "integer"
    capacity = schema["types"]["novacron:index:Capacity"]["enum"]
    assert {member["value"] for member in capacity} >= {"on-demand", "spot", "reservation", "capacity-block"}


def construct(stub: Stub, token: str, inputs: dict[str, Any], graph: Graph | None = None) -> dict[str, Any]:
    """Makes a component named gpu; its outputs."""
    graph = graph or Graph()
    values = struct_pb2.Struct()
    values.update(inputs)
    with plugin.monitored(graph) as address:
        request = provider_pb2.ConstructRequest(
            project="other",
            stack="dev",
            parallel=4,
            monitorEndpoint=address,
            type=token,
            name="gpu",
            inputs=values,
            accepts_output_values=True,
        )
        response = stub.Construct(request, timeout=60)
    assert response.urn.endswith(f"{token}::gpu")
    return dict(response.state)


def test_a_pool_is_made_as_it_was_asked_for(stub: Stub) -> None:
    graph = Graph()
    outputs = construct(stub, EKS_GPU_POOL, POOL, graph)
    assert outputs["nodeRoleArn"].startswith("arn:aws:")
    group = graph.one("aws:eks/nodeGroup:NodeGroup").inputs
    assert group["scalingConfig"] == {"desiredSize": 4, "maxSize": 4, "minSize": 4}
    assert group["instanceTypes"] == ["p5.48xlarge"]
    assert graph.one("aws:ec2/placementGroup:PlacementGroup").inputs["strategy"] == "cluster"
    interfaces = graph.one("aws:ec2/launchTemplate:LaunchTemplate").inputs["networkInterfaces"]
    fabric = [item for item in interfaces if item["interfaceType"] == "efa-only"]
    assert len(fabric) == 32
    assert all(FABRIC_GROUP in item["securityGroups"] for item in fabric)


def test_a_name_for_regions_of_several_clouds_is_made(stub: Stub) -> None:
    regions = [
        {"name": "us-west-2", "dnsLabel": "us", "weight": 2, "platform": "aws", "address": "us.lb.example.com",
         "addressKind": "hostname"},
        {"name": "europe-west4", "dnsLabel": "eu", "weight": 1, "platform": "gcp", "address": "192.0.2.2",
         "addressKind": "ipv4", "nearest": "eu-west-1"},
    ]  # fmt: skip
    inputs = {
        "domain": "api.example.com",
        "regions": regions,
        "route53": {"zoneName": "example.com", "zoneId": "Z0123456789"},
        "probe": {"path": "/ready"},
    }
    outputs = construct(stub, "novacron:index:GlobalEndpoint", inputs)
    assert dict(outputs["regionalNames"]) == {"us-west-2": "us.api.example.com", "europe-west4": "eu.api.example.com"}
    assert outputs["rtoS"] > 60


def shaped(**changes: Any) -> dict[str, Any]:
    return POOL | {"shape": POOL["shape"] | changes}


def told(error: grpc.RpcError) -> dict[str, str]:
    """Paths and reasons, as the engine takes them from the error."""
    (details,) = (value for key, value in error.trailing_metadata() if key == "grpc-status-details-bin")  # type: ignore[attr-defined]
    found = errors_pb2.InputPropertiesError()
    status_pb2.Status.FromString(details).details[0].Unpack(found)
    return {item.property_path: item.reason for item in found.errors}


@pytest.mark.parametrize(
    ("inputs", "path", "reason"),
    [
        (shaped(nodes=UNKNOWN), "gpu.shape.nodes", "it decides which resources there are, so a preview has to know it"),
        (shaped(zones=[UNKNOWN]), "gpu.shape.zones.0", "an output: it decides which resources there are"),
        (POOL | {"subnetIds": UNKNOWN}, "gpu.subnetIds", "an output: it decides which resources there are"),
        (shaped(nodes=1.5), "gpu.shape.nodes", "1.5: it must be a whole number"),
        (
            shaped(capacity="cheap"),
            "gpu.shape.capacity",
            "cheap: there is no such Capacity. Use one of on-demand, spot",
        ),
        (shaped(machine="p5.47xlarge"), "gpu.machine", "p5.47xlarge: the machine must be in the catalogue"),
        (shaped(placement="from-reservation"), "gpu.placement", "has no reservation to take it from"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_arguments_are_reported_with_their_paths_and_create_nothing(
    stub: Stub, inputs: dict[str, Any], path: str, reason: str
) -> None:
    graph = Graph()
    with pytest.raises(grpc.RpcError) as error:
        construct(stub, EKS_GPU_POOL, inputs, graph)
    assert reason in told(error.value)[path]
    assert graph.custom == []


def test_unknown_value_is_accepted_for_an_output_argument(stub: Stub) -> None:
    graph = Graph()
    construct(stub, EKS_GPU_POOL, POOL | {"diskKeyArn": UNKNOWN, "clusterName": UNKNOWN}, graph)
    assert graph.of("aws:eks/nodeGroup:NodeGroup")
