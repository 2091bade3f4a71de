"""Cluster of a region, created or existing. The rest of the region uses either in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from novacron_infra.gcp.cluster import GkeCluster, GkeClusterArgs, build_kubeconfig, declare_node_account
from novacron_infra.gcp.keys import KeyUse
from novacron_infra.gcp.network import GcpNetworkIds
from novacron_infra.gcp.region_parts import find_existing
from novacron_infra.regions import RegionSpec
from novacron_infra.stores import ManagedNfsStore


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionCluster:
    """Cluster of a region on Google Cloud."""

    name: pulumi.Output[str]
    node_account_email: pulumi.Output[str]
    """Email of the service account of the region's nodes. Resolves after its IAM grants exist."""
    workload_pool: pulumi.Output[str]
    """Domain of the identities that pods have: `<project>.svc.id.goog`."""
    kubeconfig: pulumi.Output[str]
    """JSON; signs in through gke-gcloud-auth-plugin and holds no secret."""
    created: GkeCluster | None
    """None: the cluster exists, with administrators of its own."""


def declare_cluster(
    name: str,
    spec: RegionSpec,
    network: GcpNetworkIds,
    keys: Mapping[KeyUse, pulumi.Output[str]],
    project: str,
    opts: pulumi.ResourceOptions,
) -> RegionCluster:
    """Declare the region's cluster. For one that exists, only the service account of the region's nodes is declared."""
    existing = find_existing(spec).cluster
    if existing is not None:
        return _find_cluster(name, spec, existing, project, opts)
    args = GkeClusterArgs(
        region=spec.region,
        zones=spec.zones,
        kubernetes_version=spec.kubernetes_version,
        network_id=network.network_id,
        subnet_id=network.subnet_id,
        secrets_key_id=keys[KeyUse.CLUSTER],
        public_cidrs=spec.public_networks,
        filestore=isinstance(spec.store, ManagedNfsStore),
        pods_range=network.pods_range,
        services_range=network.services_range,
        admission_policies=spec.admission_policies,
        tags=spec.tags,
        protect=spec.protect,
    )
    cluster = GkeCluster(name, args, opts)
    return RegionCluster(
        name=cluster.name,
        node_account_email=cluster.node_account_email,
        workload_pool=cluster.workload_pool,
        kubeconfig=cluster.kubeconfig,
        created=cluster,
    )


def _find_cluster(
    name: str, spec: RegionSpec, cluster: str, project: str, opts: pulumi.ResourceOptions
) -> RegionCluster:
    invoke = pulumi.InvokeOptions(parent=opts.parent)
    found = gcp.container.get_cluster(
        name=cluster.rpartition("/")[2], location=spec.region, project=project, opts=invoke
    )
    # `endpoint` is the public address of a cluster that has one. Without public networks, `up` runs in the network.
    private = None if spec.public_networks else found.private_cluster_configs[0].private_endpoint
    known = {
        "name": found.name,
        "endpoint": private or found.endpoint,
        "authority": found.master_auths[0].cluster_ca_certificate,
    }
    return RegionCluster(
        name=pulumi.Output.from_input(found.name),
        node_account_email=declare_node_account(name, project, opts).email,
        workload_pool=pulumi.Output.from_input(found.workload_identity_configs[0].workload_pool),
        kubeconfig=pulumi.Output.from_input(build_kubeconfig(known)),
        created=None,
    )
