"""Cluster of a region, created or existing. The rest of the region uses either in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.cluster import EksCluster, EksClusterArgs, build_kubeconfig
from novacron_infra.aws.keys import KeyUse
from novacron_infra.aws.network import AwsNetworkIds
from novacron_infra.aws.region_parts import find_existing
from novacron_infra.regions import RegionSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionCluster:
    """Cluster of a region on AWS."""

    name: pulumi.Output[str]
    """Name of the cluster. Resolves when nodes can join it."""
    security_group_id: pulumi.Output[str]
    """Security group of the control plane and of every node."""
    oidc_provider_arn: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]
    """JSON; signs in through the AWS CLI and holds no secret."""
    kubernetes_version: str
    """Minor version, which its nodes get."""
    created: EksCluster | None
    """None: the cluster exists, with add-ons and administrators of its own."""


def declare_cluster(
    name: str,
    spec: RegionSpec,
    network: AwsNetworkIds,
    keys: Mapping[KeyUse, pulumi.Output[str]],
    account_id: str | None,
    opts: pulumi.ResourceOptions,
) -> RegionCluster:
    """Declare the region's cluster. For one that exists, nothing is declared."""
    existing = find_existing(spec).cluster
    if existing is not None:
        return _find_cluster(existing, spec.region, opts)
    args = EksClusterArgs(
        region=spec.region,
        kubernetes_version=spec.kubernetes_version,
        network_cidr=spec.network,
        subnet_ids=[
            subnet
            for zone, subnet in network.private_subnet_ids.items()
            if zone in (spec.control_plane_zones or spec.zones)
        ],
        secrets_key_arn=keys[KeyUse.CLUSTER],
        logs_key_arn=keys[KeyUse.LOGS],
        admin_principal_arns=spec.admins,
        public_cidrs=spec.public_networks,
        tags=spec.tags,
        account_id=account_id,
        protect=spec.protect,
    )
    cluster = EksCluster(name, args, opts)
    return RegionCluster(
        name=cluster.name,
        security_group_id=cluster.security_group_id,
        oidc_provider_arn=cluster.oidc_provider_arn,
        kubeconfig=cluster.kubeconfig,
        kubernetes_version=spec.kubernetes_version,
        created=cluster,
    )


def _find_cluster(name: str, region: str, opts: pulumi.ResourceOptions) -> RegionCluster:
    # Plain invokes: arguments of node pools are checked before they are declared, and the version is one of them.
    invoke = pulumi.InvokeOptions(parent=opts.parent)
    found = aws.eks.get_cluster(name=name, opts=invoke)
    provider = aws.iam.get_open_id_connect_provider(url=find_issuer_url(found), opts=invoke)
    authority = found.certificate_authorities[0].data
    kubeconfig = build_kubeconfig({"name": name, "endpoint": found.endpoint, "authority": authority, "region": region})
    return RegionCluster(
        name=pulumi.Output.from_input(name),
        security_group_id=pulumi.Output.from_input(found.vpc_config.cluster_security_group_id),
        oidc_provider_arn=pulumi.Output.from_input(provider.arn),
        kubeconfig=pulumi.Output.from_input(kubeconfig),
        kubernetes_version=found.version,
        created=None,
    )


def find_issuer_url(cluster: aws.eks.GetClusterResult) -> str:
    """Return the URL of a cluster's OIDC issuer."""
    return cluster.identities[0].oidcs[0].issuer
