"""The regions of the stack `prod` on simulated nodes: their plan, their clusters, and the program that deploys to them.

Not here: the cloud's own resources, whose outputs are fixed texts, and the charts of controllers, of which only the
definitions and the namespaces exist.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import yaml
from novacron_infra import load
from novacron_infra.aws.cluster_add_ons import list_device_plugins, list_volume_classes
from novacron_infra.config import CloudEnvironment, Platform
from novacron_infra.plan import EnvironmentPlan, plan_environment
from novacron_infra.regions import RegionSpec, build_region_specs
from novacron_infra.tags import Tags
from novacron_infra.workloads.cert_manager import CERT_MANAGER
from novacron_infra.workloads.cloud_services import CloudServices, ManagedDatabase, ManagedRedis, TargetGroup
from novacron_infra.workloads.cluster_add_ons import ClusterAddOns, ClusterAddOnsArgs
from novacron_infra.workloads.external_secrets import AwsSecretsManager
from novacron_infra.workloads.provider import declare_provider
from novacron_infra.workloads.region_serving import declare_region_serving
from novacron_infra.workloads.serving_args import ClusterTrust, Identities, ModelStoreAccess, PodIdentity, PortRange

from tests.cluster.leader_worker_sets import LeaderWorkerSetStandIn
from tests.definitions import find_definition
from tests.rehearsal.clouds.test_region_serving import serving
from tools.cluster.cluster import Cluster
from tools.cluster.planned_nodes import PlannedNode

ROOT = Path(__file__).parents[2]
ACCOUNT = "123456789012"
DEFINITIONS = (
    ("cert-manager.io/v1", "Certificate"),
    ("cert-manager.io/v1", "ClusterIssuer"),
    ("cert-manager.io/v1", "Issuer"),
    ("elbv2.k8s.aws/v1beta1", "TargetGroupBinding"),
    ("external-secrets.io/v1", "ExternalSecret"),
    ("external-secrets.io/v1", "SecretStore"),
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet"),
    ("monitoring.coreos.com/v1", "PodMonitor"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
)
"""The kinds of custom resources in a region."""
NAMESPACES = (CERT_MANAGER, "monitoring")
"""Namespaces of charts that get objects of the stack."""


def plan_production() -> EnvironmentPlan:
    """Return the plan of `prod` with the serving stack."""
    return _plan(_read_production())


def plan_ceiling(workers: int) -> EnvironmentPlan:
    """Return the plan of `prod` with these workers in its first region, a replica over two nodes, and warm capacity."""
    values = _read_production()
    values["regions"] = values["regions"][:1]
    del values["traffic"]["rto_target_s"]  # there is no other region
    values["workers"] |= {"count": workers, "maximum": workers, "warm_replicas": 1}
    # One of each, because the weights in use are bounded.
    for profile in values["model"]["profiles"][:2]:
        profile["minimum_replicas"] = 1
    return _plan(values)


def _read_production() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())["config"]["novacron:environment"]


def _plan(values: dict[str, Any]) -> EnvironmentPlan:
    config = load(serving(values))
    assert isinstance(config, CloudEnvironment)
    return plan_environment(config)


@contextmanager
def region_cluster(cluster: Cluster, nodes: Iterable[PlannedNode]) -> Generator[Cluster]:
    """Prepare a running control plane for a region: nodes, definitions, namespaces, and the stand-in."""
    definitions = [find_definition(*kind) for kind in DEFINITIONS]
    assert all(definitions)
    namespaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES]
    content = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [*definitions, *namespaces, *(node.make_object() for node in nodes)],
    }
    cluster.kubectl("apply", "--server-side", "-f", "-", given=content)
    cluster.kubectl("wait", "--for=condition=Established", "--all", "customresourcedefinitions")
    stand_in = LeaderWorkerSetStandIn(cluster.kubeconfig)
    stand_in.start()
    try:
        yield cluster
    finally:
        stand_in.stop()
        cluster.kubectl("delete", "--wait=false", "--ignore-not-found", "-f", "-", given=content)


def declare_regions(plan: EnvironmentPlan, kubeconfigs: Mapping[str, str]) -> None:
    """Declare what each region has in its cluster. Called in the program of a stack.

    Args:
        plan: the plan of the environment.
        kubeconfigs: content of the kubeconfig of each region's cluster, by the region's name.
    """
    specs = build_region_specs(plan, Platform.AWS, Tags(environment="prod"))
    for region, kubeconfig in kubeconfigs.items():
        _declare_region(specs[region], kubeconfig)


def _declare_region(spec: RegionSpec, kubeconfig: str) -> None:
    assert spec.serving is not None
    name = f"prod-{spec.region}"
    in_cluster = pulumi.ResourceOptions(providers=[declare_provider(f"{name}-kubernetes", kubeconfig)])
    pinned = f"registry.example.com/a:v1@sha256:{'0' * 64}"
    add_ons = ClusterAddOns(
        f"{name}-add-ons",
        ClusterAddOnsArgs(
            volume_classes=list_volume_classes(f"arn:aws:kms:{spec.region}:{ACCOUNT}:key/1"),
            device_plugins=list_device_plugins(spec.pools.values(), pinned, pinned),
        ),
        in_cluster,
    )
    prepared = pulumi.ResourceOptions.merge(in_cluster, pulumi.ResourceOptions(depends_on=[add_ons]))
    # A certificate of Let's Encrypt needs an account there, which `up` waits for.
    self_signed = replace(spec.serving, domain=None, regional_name=None)
    declare_region_serving(name, self_signed, _describe_services(spec), prepared)


def _describe_services(spec: RegionSpec) -> CloudServices:
    secret = f"arn:aws:secretsmanager:{spec.region}:{ACCOUNT}:secret"
    balancer = f"arn:aws:elasticloadbalancing:{spec.region}:{ACCOUNT}:targetgroup/api/1"
    role = {"eks.amazonaws.com/role-arn": f"arn:aws:iam::{ACCOUNT}:role/llm-coordinators"}
    return CloudServices(
        trust=ClusterTrust(issuer="https://oidc.example.com/1"),
        identities=Identities(coordinators=PodIdentity(annotations=role), workers=PodIdentity(metadata_server=True)),
        secrets=AwsSecretsManager(region=spec.region),
        database=ManagedDatabase(endpoint="postgres.example.com:5432", port=5432, login=f"{secret}:postgres"),
        redis=ManagedRedis(
            endpoint="redis.example.com:6379",
            ports=(PortRange(first=6379),),
            cluster=spec.redis.clustered,
            login=f"{secret}:redis",
        ),
        registry=f"{ACCOUNT}.dkr.ecr.{spec.region}.amazonaws.com/prod",
        store=ModelStoreAccess(url="s3://novacron-prod-models/models"),
        ingress=TargetGroup(arn=balancer, address="api.elb.example.com"),
    )
