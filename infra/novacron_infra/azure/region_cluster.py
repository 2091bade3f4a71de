"""Cluster of a region, created or existing. The rest of the region uses either in the same way."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import containerservice

from novacron_infra.azure.cluster import AksCluster, AksClusterArgs
from novacron_infra.azure.iam import Role, grant
from novacron_infra.azure.keys import AzureKeys, KeyUse
from novacron_infra.azure.kubeconfig import from_given
from novacron_infra.azure.logs import AzureLogs
from novacron_infra.azure.network import AzureNetworkIds, SubnetUse
from novacron_infra.azure.region_parts import find_existing
from novacron_infra.azure.resource_ids import ResourceId
from novacron_infra.regions import RegionSpec
from novacron_infra.resource_outputs import require_output, resolve_after


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionCluster:
    """Cluster of a region on Azure."""

    name: pulumi.Output[str]
    resource_group: pulumi.Output[str]
    """Resource group of the cluster, where its node pools are."""
    oidc_issuer: pulumi.Output[str]
    """OIDC issuer that federated identities of pods trust."""
    control_principal_id: pulumi.Output[str]
    """Identity of the control plane. Resolves when it may attach encrypted disks."""
    kubelet_principal_id: pulumi.Output[str]
    """Identity of kubelet, which pulls images."""
    kubeconfig: pulumi.Output[str]
    """JSON; signs in through kubelogin and the Azure CLI and holds no secret."""
    kubernetes_version: str | None
    """Minor version of the nodes. None: they get the version of the control plane."""
    created: AksCluster | None
    """None: the cluster exists, with administrators, logs and maintenance windows of its own."""


def declare_cluster(
    name: str,
    spec: RegionSpec,
    resource_group: pulumi.Output[str],
    network: AzureNetworkIds,
    keys: AzureKeys,
    logs: AzureLogs,
    opts: pulumi.ResourceOptions,
) -> RegionCluster:
    """Declare the region's cluster. For one that exists, only its right to the key of new disks is declared."""
    existing = find_existing(spec).cluster_id
    if existing is not None:
        return _find_cluster(name, existing, keys, opts)
    args = AksClusterArgs(
        region=spec.region,
        resource_group=resource_group,
        kubernetes_version=spec.kubernetes_version,
        network_cidr=spec.network,
        nodes_subnet_id=network.subnet_ids[SubnetUse.NODES],
        api_server_subnet_id=network.subnet_ids[SubnetUse.API_SERVER],
        secrets_key=keys.find_key(KeyUse.CLUSTER),
        disk_encryption_set_id=keys.disk_encryption_set_id,
        workspace_id=logs.workspace_id,
        admin_group_ids=spec.admins,
        public_cidrs=spec.public_networks,
        tags=spec.tags,
        container_logs=spec.cloud_logs,
        admission_policies=spec.admission_policies,
        defender=spec.threat_detection is not None,
        protect=spec.protect,
    )
    cluster = AksCluster(name, args, opts)
    return RegionCluster(
        name=cluster.name,
        resource_group=resource_group,
        oidc_issuer=cluster.oidc_issuer,
        control_principal_id=cluster.control_principal_id,
        kubelet_principal_id=cluster.kubelet_principal_id,
        kubeconfig=cluster.kubeconfig,
        kubernetes_version=spec.kubernetes_version,
        created=cluster,
    )


def _find_cluster(name: str, cluster_id: str, keys: AzureKeys, opts: pulumi.ResourceOptions) -> RegionCluster:
    invoke = pulumi.InvokeOptions(parent=opts.parent)
    id_ = ResourceId.parse(cluster_id)
    group, cluster = id_.group, id_.name
    found = containerservice.get_managed_cluster(resource_group_name=group, resource_name=cluster, opts=invoke)
    given = containerservice.list_managed_cluster_user_credentials(
        resource_group_name=group, resource_name=cluster, opts=invoke
    )
    control, kubelet = find_principals(found)
    # The disks of volumes are encrypted with the region's keys, and the control plane attaches them.
    may_attach = grant(
        f"{name}-control-disks",
        keys.disk_encryption_set_id,
        Role.READER,
        require_output(control, "ManagedCluster.identity"),
        opts,
    )
    issuer = require_output(found.oidc_issuer_profile, "ManagedCluster.oidc_issuer_profile").issuer_url
    return RegionCluster(
        name=pulumi.Output.from_input(cluster),
        resource_group=pulumi.Output.from_input(group),
        oidc_issuer=pulumi.Output.from_input(issuer),
        control_principal_id=resolve_after(may_attach.principal_id, may_attach.id),
        kubelet_principal_id=pulumi.Output.from_input(
            require_output(kubelet, "ManagedCluster.identity_profile.kubeletidentity")
        ),
        kubeconfig=pulumi.Output.from_input(from_given({"name": cluster, "given": given.kubeconfigs[0].value})),
        # A minor version means its newest patch, and nodes may not be newer than a control plane.
        kubernetes_version=None,
        created=None,
    )


def find_principals(cluster: containerservice.GetManagedClusterResult) -> tuple[str | None, str | None]:
    """Return the object ids of the identities of a cluster's control plane and of its kubelets, if it has them."""
    control = None
    if cluster.identity is not None:
        assigned = list((cluster.identity.user_assigned_identities or {}).values())
        control = assigned[0].principal_id if assigned else cluster.identity.principal_id
    kubelet = (cluster.identity_profile or {}).get("kubeletidentity")
    return control, kubelet.object_id if kubelet is not None else None
