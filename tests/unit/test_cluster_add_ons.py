"""Cluster add-ons: storage classes and device plugins of each cloud."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pulumi
import pytest
from kubernetes.client import ApiClient
from novacron_infra.aws import cluster_add_ons as on_aws
from novacron_infra.azure import cluster_add_ons as on_azure
from novacron_infra.catalog import FabricKind
from novacron_infra.gcp import cluster_add_ons as on_gcp
from novacron_infra.pools import NodePoolShape, NodeRole
from novacron_infra.workloads.cluster_add_ons import (
    FAST,
    ClusterAddOnsArgs,
    DevicePlugin,
    VolumeClass,
    declare_cluster_add_ons,
)
from novacron_policy.rules import RULES
from pulumi.runtime import mocks

KEY = "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-0000-0000-000000000000"
PINNED = "registry.example/plugin:v1@sha256:" + "0" * 64
STORAGE_CLASS, DAEMON_SET = "kubernetes:storage.k8s.io/v1:StorageClass", "kubernetes:apps/v1:DaemonSet"
PATCH = "kubernetes:storage.k8s.io/v1:StorageClassPatch"
WORKERS = NodePoolShape(
    role=NodeRole.WORKER, machine="p5.48xlarge", nodes=4, zones=("us-west-2a",), fabric=FabricKind.EFA
)
COORDINATORS = NodePoolShape(
    role=NodeRole.COORDINATOR, machine="c6i.8xlarge", nodes=3, zones=("us-west-2a", "us-west-2b")
)


@dataclass
class Cluster(mocks.Mocks):
    """Resources that a program created in the cluster."""

    made: list[mocks.MockResourceArgs] = field(default_factory=list)

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.made.append(args)
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: mocks.MockCallArgs) -> Any:
        raise AssertionError(args.token)

    def of(self, type_: str) -> dict[str, mocks.MockResourceArgs]:
        return {made.inputs["metadata"]["name"]: made for made in self.made if made.typ == type_}


def declared(
    volume_classes: Sequence[VolumeClass],
    device_plugins: Sequence[DevicePlugin] = (),
    former_default: str | None = None,
) -> Cluster:
    cluster = Cluster()
    pulumi.runtime.set_mocks(cluster, "novacron", "test")

    @pulumi.runtime.test
    def run() -> pulumi.Output[str]:
        args = ClusterAddOnsArgs(
            volume_classes=volume_classes, device_plugins=device_plugins, former_default=former_default
        )
        region = pulumi.ComponentResource("novacron:index:AwsRegion", "prod-us-west-2")
        return declare_cluster_add_ons("prod-us-west-2", "{}", args, region, depends_on=[]).add_ons.urn

    run()
    return cluster


def declare_on_aws(*pools: NodePoolShape) -> Cluster:
    return declared(on_aws.list_volume_classes(KEY), on_aws.list_device_plugins(pools, PINNED, PINNED))


def declare_on_google_cloud(machine: str) -> Cluster:
    shape = replace(WORKERS, machine=machine, fabric=None)
    return declared(on_gcp.list_volume_classes([COORDINATORS, shape], "key"), former_default=on_gcp.FORMER_DEFAULT)


def declare_on_azure(zones: tuple[str, ...]) -> Cluster:
    shape = replace(WORKERS, zones=zones)
    return declared(on_azure.list_volume_classes([COORDINATORS, shape], "set"), former_default=on_azure.FORMER_DEFAULT)


CLOUDS = {
    "aws": lambda: declare_on_aws(WORKERS, COORDINATORS),
    "gcp": lambda: declare_on_google_cloud("a3-highgpu-8g"),
    "azure": lambda: declare_on_azure(()),
}


@pytest.mark.parametrize("make", CLOUDS.values(), ids=CLOUDS)
def test_every_cloud_has_the_fast_storage_class_and_one_default_class(make: Callable[[], Cluster]) -> None:
    classes = make().of(STORAGE_CLASS)
    assert len(classes) == 2
    assert FAST in classes
    defaults = [
        name
        for name, made in classes.items()
        if made.inputs["metadata"].get("annotations") == {"storageclass.kubernetes.io/is-default-class": "true"}
    ]
    assert len(defaults) == 1
    assert defaults != [FAST]
    for made in classes.values():
        inputs = made.inputs
        assert (inputs["volumeBindingMode"], inputs["allowVolumeExpansion"]) == ("WaitForFirstConsumer", True)
        assert all(isinstance(value, str) for value in inputs["parameters"].values())  # or the API server refuses it


def test_every_add_on_has_the_clusters_own_provider_and_the_regions_name() -> None:
    cluster = declare_on_aws(WORKERS)
    in_cluster = [made for made in cluster.made if made.typ.startswith("kubernetes:")]
    assert len(in_cluster) == 4
    assert all("prod-us-west-2-kubernetes" in (made.provider or "") for made in in_cluster)
    assert all(made.name.startswith("prod-us-west-2") for made in cluster.made)


def test_volumes_on_aws_are_fast_and_encrypted_with_the_regions_key() -> None:
    parameters = declare_on_aws(WORKERS).of(STORAGE_CLASS)["fast-ssd"].inputs["parameters"]
    assert parameters == {
        "type": "gp3", "iops": "20000", "throughput": "1000", "encrypted": "true", "kmsKeyId": KEY,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("machine", "disk"),
    [
        ("a3-ultragpu-8g", "hyperdisk-balanced"),
        ("a3-highgpu-8g", "hyperdisk-balanced"),
        ("a2-ultragpu-8g", "pd-ssd"),
        ("g2-standard-48", "pd-ssd"),
    ],
)
def test_the_fast_disk_on_google_cloud_attaches_to_the_workers(machine: str, disk: str) -> None:
    parameters = declare_on_google_cloud(machine).of(STORAGE_CLASS)["fast-ssd"].inputs["parameters"]
    assert (parameters["type"], parameters["disk-encryption-kms-key"]) == (disk, "key")
    assert ("provisioned-iops-on-create" in parameters) is (disk == "hyperdisk-balanced")


@pytest.mark.parametrize(("zones", "disk"), [(("1",), "PremiumV2_LRS"), ((), "Premium_LRS")])
def test_premium_ssd_v2_on_azure_is_for_workers_in_a_zone(zones: tuple[str, ...], disk: str) -> None:
    parameters = declare_on_azure(zones).of(STORAGE_CLASS)["fast-ssd"].inputs["parameters"]
    assert (parameters["skuName"], parameters["diskEncryptionSetID"]) == (disk, "set")
    assert parameters.get("cachingMode") == ("None" if zones else None)


@pytest.mark.parametrize(("cloud", "former"), [("aws", None), ("gcp", "standard-rwo"), ("azure", "default")])
def test_the_clouds_own_storage_class_is_no_longer_the_default(cloud: str, former: str | None) -> None:
    patches = CLOUDS[cloud]().of(PATCH)
    assert list(patches) == ([former] if former else [])
    for patch in patches.values():
        annotations = patch.inputs["metadata"]["annotations"]
        assert annotations["storageclass.kubernetes.io/is-default-class"] == "false"


def test_each_cluster_has_one_gpu_device_plugin() -> None:
    assert set(declare_on_aws(WORKERS).of(DAEMON_SET)) == {"nvidia-device-plugin", "aws-efa-k8s-device-plugin"}
    assert set(declare_on_aws(replace(WORKERS, fabric=None)).of(DAEMON_SET)) == {"nvidia-device-plugin"}
    assert declare_on_google_cloud("a3-highgpu-8g").of(DAEMON_SET) == {}  # GKE's own
    assert declare_on_azure(()).of(DAEMON_SET) == {}  # the GPU operator's


def test_device_plugins_run_on_gpu_nodes_and_the_efa_plugin_on_machines_with_efa() -> None:
    plugins = declare_on_aws(WORKERS, COORDINATORS).of(DAEMON_SET)
    gpus = {"key": "nvidia.com/gpu.count", "operator": "Exists"}
    efa = {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["p5.48xlarge"]}
    for name, wanted in (("nvidia-device-plugin", [gpus]), ("aws-efa-k8s-device-plugin", [gpus, efa])):
        pod = plugins[name].inputs["spec"]["template"]["spec"]
        required = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert required == {"nodeSelectorTerms": [{"matchExpressions": wanted}]}
        assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
        assert pod["priorityClassName"] == "system-node-critical"


@pytest.mark.parametrize("make", CLOUDS.values(), ids=CLOUDS)
def test_add_ons_violate_no_policy(make: Callable[[], Cluster]) -> None:
    found = [
        f"{rule.name}: {made.name}: {reason}"
        for made in make().made
        for rule in RULES
        for reason in rule.check(made.typ, made.inputs)
    ]
    assert found == []


def test_an_add_on_whose_image_has_no_digest_violates_a_policy() -> None:
    plugin = DevicePlugin(name="plugin", image="registry.example/plugin:v1")
    (made,) = declared((), [plugin]).of(DAEMON_SET).values()
    assert [rule.name for rule in RULES for _ in rule.check(made.typ, made.inputs)] == ["digest-pinned-image"]


MODELS = {STORAGE_CLASS: "V1StorageClass", DAEMON_SET: "V1DaemonSet"}


def as_kubernetes_reads(type_: str, inputs: dict[str, Any]) -> Any:
    """Return an object as Kubernetes' own client parses and prints it: without properties that the API does not have.

    Raises:
        ValueError: a property is missing that the API requires.
    """
    api = ApiClient()
    return api.sanitize_for_serialization(api.deserialize(json.dumps(inputs), MODELS[type_], "application/json"))


@pytest.mark.parametrize("make", CLOUDS.values(), ids=CLOUDS)
def test_the_kubernetes_api_has_every_property_of_an_add_on(make: Callable[[], Cluster]) -> None:
    objects = [made for made in make().made if made.typ in MODELS]
    assert objects
    for made in objects:
        assert as_kubernetes_reads(made.typ, made.inputs) == made.inputs


def test_the_kubernetes_client_drops_unknown_properties_and_misses_required_ones() -> None:
    (made,) = [made for made in declare_on_aws(WORKERS).made if made.name.endswith("-nvidia-device-plugin")]
    wrong = copy.deepcopy(made.inputs)
    wrong["spec"]["template"]["spec"]["priorityClass"] = "system-node-critical"
    assert as_kubernetes_reads(made.typ, wrong) == made.inputs
    del wrong["spec"]["selector"]
    with pytest.raises(ValueError, match="selector"):
        as_kubernetes_reads(made.typ, wrong)
