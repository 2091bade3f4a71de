"""AWS Load Balancer Controller registers the coordinators' pods with the region's load balancer.

The load balancer is a resource of the region. The controller handles TargetGroupBindings and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from novacron_infra.workloads.add_ons.charts import Chart, Release, Values
from novacron_infra.workloads.add_ons.common_values import Switch

RELEASE = "aws-load-balancer-controller"
NAMESPACE = "kube-system"
SERVICE_ACCOUNT = "aws-load-balancer-controller"
"""The service account that needs the rights of the controller's IAM policy."""
CHART = Chart(
    repository="https://aws.github.io/eks-charts",
    name="aws-load-balancer-controller",
    version="3.5.0",
    digest="sha256:45051f634b33e10baccb3354d0681b7de787c60445e599fa276e0c9aedd4ccd5",
    as_of="2026-08-03",
    source="github.com/aws/eks-charts, index.yaml of the branch gh-pages",
)


@dataclass(frozen=True, kw_only=True)
class ServiceAccount(Values):
    """The controller's service account. The cloud's pod identity grants its rights."""

    create: bool = True
    name: str = SERVICE_ACCOUNT


@dataclass(frozen=True, kw_only=True)
class IngressClassParams(Values):
    """Parameters of an ingress class."""

    create: bool = False


@dataclass(frozen=True, kw_only=True)
class LoadBalancerControllerValues(Values):
    """The values that this project sets."""

    cluster_name: pulumi.Input[str]
    region: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    service_account: ServiceAccount = ServiceAccount()
    create_ingress_class_resource: bool = False
    ingress_class_params: IngressClassParams = IngressClassParams()
    # Otherwise no Service can be created while the controller is down.
    enable_service_mutator_webhook: bool = False
    enable_shield: bool = False
    enable_waf: bool = False
    enable_wafv2: bool = False
    service_monitor: Switch = Switch(enabled=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsCluster:
    """The EKS cluster that the controller is in."""

    name: pulumi.Input[str]
    region: pulumi.Input[str]
    vpc_id: pulumi.Input[str]


def describe_release(cluster: AwsCluster, *, service_monitors: bool) -> Release:
    """Return the release.

    Args:
        cluster: the cluster that the controller is in.
        service_monitors: whether the cluster has the definition of ServiceMonitors.
    """
    values = LoadBalancerControllerValues(
        cluster_name=cluster.name,
        region=cluster.region,
        vpc_id=cluster.vpc_id,
        service_monitor=Switch(enabled=service_monitors),
    )
    return Release(name=RELEASE, namespace=NAMESPACE, chart=CHART, values=values)
