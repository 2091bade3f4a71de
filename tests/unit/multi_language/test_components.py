"""The same components in a Python program, and which clouds' SDKs they load."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from typing import Any, cast

import pulumi
import pytest
from novacron_infra import multi_language
from novacron_infra.aws.region import AwsRegionArgs
from novacron_infra.catalog import FabricKind
from novacron_infra.config import StoreKind
from novacron_infra.errors import ArgumentError
from novacron_infra.multi_language.aws import AwsGpuRegion, AwsGpuRegionArgs, EksGpuPool, EksGpuPoolArgs
from novacron_infra.multi_language.dns import GlobalEndpoint, GlobalEndpointArgs
from novacron_infra.regions import RegionSpec

from tests.unit.aws import samples
from tests.unit.aws.graph import declare

POOL: EksGpuPoolArgs = {
    "shape": {"machine": "p5.48xlarge", "nodes": 2, "zones": ["us-west-2a"], "fabric": FabricKind.EFA},
    "cluster_name": "prod",
    "cluster_security_group_id": samples.CLUSTER_GROUP,
    "kubernetes_version": "1.35",
    "subnet_ids": dict(samples.SUBNETS),
    "disk_key_arn": samples.STORAGE_KEY,
    "fabric_security_group_id": samples.FABRIC_GROUP,
    "tags": {"environment": "prod", "more": {"Owner": "research"}},
}
REGION: AwsGpuRegionArgs = {
    "region": samples.REGION,
    "zones": list(samples.ZONES),
    "network": "10.0.0.0/16",
    "kubernetes_version": "1.35",
    "admins": ["arn:aws:iam::123456789012:role/operators"],
    "coordinators": {"machine": "c6i.8xlarge", "nodes": 3, "zones": list(samples.ZONES)},
    "workers": {"h100": POOL["shape"]},
    "bucket": "acme-models",
    "postgres_storage_gib": 100,
    "redis_nodes": 1,
    "redis_password": "a-password-of-a-test",
    "tags": {"environment": "prod"},
}
ENDPOINT: GlobalEndpointArgs = {
    "domain": "api.example.com",
    "regions": [],
    "probe": {"path": "/ready"},
    "route53": {"zone_name": "example.com"},
}


def test_a_pool_takes_outputs_and_carries_the_tags() -> None:
    args: EksGpuPoolArgs = {**POOL, "cluster_name": pulumi.Output.from_input("prod")}
    graph = declare(lambda opts: EksGpuPool("gpu", args, opts).node_role_arn)
    group = graph.one("aws:eks/nodeGroup:NodeGroup")
    assert (group.inputs["clusterName"], group.inputs["tags"]["Owner"]) == ("prod", "research")
    assert graph.one("novacron:index:EksNodePool").parent == "gpu"
    assert {item.provider.split("::")[-2] for item in graph.custom} == {"explicit"}


def test_region_has_its_pools_and_an_ingress() -> None:
    graph = declare(lambda opts: AwsGpuRegion("prod", REGION, opts).ingress_address)
    assert {item.name for item in graph.of("aws:eks/nodeGroup:NodeGroup")} == {
        "prod-coordinators-nodes-2a",
        "prod-coordinators-nodes-2b",
        "prod-coordinators-nodes-2c",
        "prod-h100-nodes-2a",
    }
    assert graph.result.startswith("prod-")


FIELDS = {
    "pools": {"coordinators", "workers"},
    "store": {"store_kind", "bucket", "replica"},
    "models_prefix": {"prefix"},
    "spec": set[str](),
    # Charts are ordinary resources of Pulumi in every language.
    "charts": set[str](),
    # They come from an environment and its plan, which only Python programs have.
    "serving": set[str](),
    "cloud_logs": set[str](),
    "threat_detection": set[str](),
    "existing": set[str](),
    "audit": set[str](),
    "admission_policies": set[str](),
}
"""Fields of a region's arguments that have other names in another language."""


def test_a_region_takes_every_argument_that_a_python_program_gives_it() -> None:
    names = [field.name for kind in (RegionSpec, AwsRegionArgs) for field in fields(kind)]
    expected = {name for field in names for name in FIELDS.get(field, {field})}
    assert set(AwsGpuRegionArgs.__annotations__) == expected


def test_a_region_passes_its_optional_arguments_on() -> None:
    args: AwsGpuRegionArgs = {
        **REGION,
        "store_kind": StoreKind.EFS,
        "replica": True,
        "account_id": "210987654321",
        "prefix": "weights",
        "public_networks": ["203.0.113.0/24"],
    }
    del args["bucket"]  # pyright: ignore[reportTypedDictNotRequiredAccess] - it is there
    graph = declare(lambda opts: AwsGpuRegion("prod", args, opts).model_store)
    assert graph.one("aws:efs/fileSystem:FileSystem").inputs["protection"] == {"replicationOverwrite": "DISABLED"}
    assert graph.result == "efs://fs-0123456789abcdef0/weights"
    assert "210987654321" in graph.of("aws:kms/key:Key")[0].inputs["policy"]
    access = graph.one("aws:eks/cluster:Cluster").inputs["vpcConfig"]
    assert access["publicAccessCidrs"] == ["203.0.113.0/24"]


def test_workers_of_a_region_may_read_its_configuration_folder() -> None:
    args: AwsGpuRegionArgs = {**REGION, "configuration_prefix": "settings"}
    graph = declare(lambda opts: AwsGpuRegion("prod", args, opts).worker_identity)
    policy = graph.one("aws:iam/rolePolicy:RolePolicy", "prod-llm-workers-role").inputs["policy"]
    assert "/settings/*" in policy


@pytest.mark.parametrize(
    ("component", "args", "message"),
    [
        (
            EksGpuPool,
            {**POOL, "shape": {**POOL["shape"], "nodes": pulumi.Output.from_input(2)}},
            "gpu.shape.nodes = an output: it decides which resources there are, so a preview has to know it",
        ),
        (
            AwsGpuRegion,
            {**REGION, "workers": {"h100": {**POOL["shape"], "zones": [pulumi.Output.from_input("us-west-2a")]}}},
            "gpu.workers.h100.zones.0 = an output: it decides which resources there are",
        ),
        (EksGpuPool, {**POOL, "shape": {**POOL["shape"], "placement": "near"}}, "gpu.shape.placement = near: there"),
        (AwsGpuRegion, {**REGION, "network": "10.0.0.0/33"}, "gpu.network = 10.0.0.0/33: it is not an IPv4 network"),
        (AwsGpuRegion, {**REGION, "store_kind": "gcs"}, "gpu.store_kind = gcs"),
        (AwsGpuRegion, {**REGION, "add_ons": True}, "gpu.device_plugins = None: cluster add-ons on AWS include"),
        (GlobalEndpoint, {**ENDPOINT, "cloud_dns": {"zone_name": "x"}}, "gpu = route53 and cloud_dns: exactly one of"),
        (
            GlobalEndpoint,
            {**ENDPOINT, "regions": [{"name": "a", "dns_label": "a", "weight": 300, "platform": "aws", "address": "b.c",
             "address_kind": "hostname"}]},
            "gpu.regions[a].weight = 300: it must be from 0 to 255. Use a number from 0 to 255",
        ),
    ],
    ids=[
        "output", "output in a list", "no member", "no network", "store of another cloud", "add-ons without images",
        "two services", "too heavy",
    ],
)  # fmt: skip
def test_bad_arguments_are_refused_before_anything_exists(component: Any, args: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        declare(lambda opts: component("gpu", cast("Any", args), opts))
    assert message in str(error.value)


BAD_TYPES: dict[str, tuple[Any, dict[str, Any], list[str]]] = {
    "an unknown key of a shape": (
        EksGpuPool,
        {**POOL, "shape": {**POOL["shape"], "fabrik": "efa"}},
        ["gpu.shape.fabrik = efa: it is an unknown argument. Use one of machine, nodes, zones, minimum_nodes"],
    ),
    "a misspelt key that is required": (
        EksGpuPool,
        {**{key: value for key, value in POOL.items() if key != "cluster_name"}, "cluster_nam": "prod"},
        ["gpu.cluster_nam = prod: it is an unknown argument. Did you mean cluster_name?"],
    ),
    "missing keys": (
        EksGpuPool,
        {"shape": {"nodes": 1}, "tags": {}, "subnet_ids": {}, "kubernetes_version": "1.35", "disk_key_arn": "arn"},
        [
            "gpu.shape.machine is missing: this argument is required. Add it",
            "gpu.tags.environment is missing",
            "gpu.cluster_name is missing",
            "gpu.cluster_security_group_id is missing",
        ],
    ),
    "a number in quotes": (
        EksGpuPool,
        {**POOL, "shape": {**POOL["shape"], "nodes": "2"}},
        ['gpu.shape.nodes = "2": it must be a whole number. Write it in digits, without quotes'],
    ),
    "half a node": (EksGpuPool, {**POOL, "shape": {**POOL["shape"], "nodes": 2.5}}, ["gpu.shape.nodes = 2.5: it must"]),
    "true as a number": (
        EksGpuPool,
        {**POOL, "shape": {**POOL["shape"], "nodes": True}},
        ["gpu.shape.nodes = true: it must be a whole number"],
    ),
    "a list as a text": (
        EksGpuPool,
        {**POOL, "shape": {**POOL["shape"], "zones": "us-west-2a"}},
        ["gpu.shape.zones = us-west-2a: it must be a list. Write each item in a list, even a single one"],
    ),
    "a version as a number": (
        EksGpuPool,
        {**POOL, "kubernetes_version": 1.35},
        ["gpu.kubernetes_version = 1.35: it must be text. Write it in quotes"],
    ),
    "a text as a mapping": (EksGpuPool, {**POOL, "tags": "prod"}, ["gpu.tags = prod: it must be a mapping"]),
    "an input of another type": (EksGpuPool, {**POOL, "cluster_name": 7}, ["gpu.cluster_name = 7: it must be text"]),
    "an output in a text": (
        EksGpuPool,
        {**POOL, "cluster_name": f"{pulumi.Output.from_input('prod')}"},
        ["gpu.cluster_name = an output in a text: an output inside a text has no value. Pass the output itself"],
    ),
    "no arguments": (EksGpuPool, None, ["gpu = null: it must be a mapping"]),
    "a service that is inside another key": (
        GlobalEndpoint,
        {**{key: value for key, value in ENDPOINT.items() if key != "route53"}, "service": {"route53": {}}},
        ["gpu.service = a mapping: it is an unknown argument. Use one of domain, regions, route53"],
    ),
    "no service": (
        GlobalEndpoint,
        {key: value for key, value in ENDPOINT.items() if key != "route53"},
        ["gpu.route53 is missing: exactly one of route53, cloud_dns and traffic_manager answers"],
    ),
    "a tag that AWS reserves": (
        EksGpuPool,
        {**POOL, "tags": {"environment": "prod", "more": {"aws:team": "x"}}},
        ["gpu.tags.aws:team = x: AWS reserves names that begin with aws:"],
    ),
}


@pytest.mark.parametrize(("component", "args", "messages"), BAD_TYPES.values(), ids=BAD_TYPES)
def test_arguments_of_a_wrong_type_are_all_reported(component: Any, args: Any, messages: list[str]) -> None:
    with pytest.raises(ArgumentError) as error:
        declare(lambda opts: component("gpu", cast("Any", args), opts))
    found = [str(problem) for problem in error.value.problems]
    assert len(found) == len(messages), found
    for text, message in zip(found, messages, strict=True):
        assert text.startswith(message)


def loaded(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(*(m for m in sys.modules if m.startswith('pulumi_') and '.' not in m))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    ("module", "sdk"),
    [("aws", "pulumi_aws"), ("gcp", "pulumi_gcp"), ("azure", "pulumi_azure_native"), ("dns", "")],
)
def test_a_component_loads_the_sdk_of_its_own_cloud_only(module: str, sdk: str) -> None:
    sdks = {"pulumi_aws", "pulumi_gcp", "pulumi_azure_native", "pulumi_kubernetes"}
    assert loaded(f"import novacron_infra.multi_language.{module}") & sdks == {sdk} - {""}


def test_what_is_offered_is_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multi_language, "find_spec", lambda name: name == "pulumi_aws" or None)
    assert [item.__name__ for item in multi_language.components()] == ["GlobalEndpoint", "EksGpuPool", "AwsGpuRegion"]


def test_a_plugin_for_aws_only_loads_no_other_cloud() -> None:
    one_cloud = (
        "import novacron_infra.multi_language as i; find = i.find_spec;"
        " i.find_spec = lambda name: find(name) if name == 'pulumi_aws' else None;"
        " from novacron_infra.multi_language.provider import Provider, NAME; Provider(i.components(), NAME)"
    )
    assert loaded(one_cloud) & {"pulumi_gcp", "pulumi_azure_native", "pulumi_kubernetes"} == set()
