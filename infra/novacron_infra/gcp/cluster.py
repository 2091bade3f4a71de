"""A GKE cluster: access to its API, its logs, and the identity of its nodes.

Not for nodes (`node_pool`). Who may sign in is the project's IAM: GKE has no list of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network

import pulumi
import pulumi_gcp as gcp

from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.gcp.checks import build_labels, check_labels, check_name, make_account_id
from novacron_infra.gcp.network import PODS_RANGE, SERVICES_RANGE
from novacron_infra.known_args import check_known_args
from novacron_infra.kubeconfig import render_kubeconfig
from novacron_infra.limits.region_networks import check_internet_networks
from novacron_infra.limits.versions import check_version
from novacron_infra.limits.zones import check_zones
from novacron_infra.networks import check_api_networks, is_private
from novacron_infra.resource_outputs import require_output, resolve_after
from novacron_infra.tags import Tags
from novacron_infra.upgrades import guard_kubernetes

# All of the control plane's that every version has: the KCP_ ones came later.
LOG_COMPONENTS = ("SYSTEM_COMPONENTS", "WORKLOADS", "APISERVER", "SCHEDULER", "CONTROLLER_MANAGER")
METRIC_COMPONENTS = (
    "SYSTEM_COMPONENTS",
    "APISERVER",
    "SCHEDULER",
    "CONTROLLER_MANAGER",
    "STORAGE",
    "HPA",
    "POD",
    "DAEMONSET",
    "DEPLOYMENT",
    "STATEFULSET",
    "CADVISOR",
    "KUBELET",
    "DCGM",
)
"""Monitored components. The last one is GKE's GPU metrics exporter, which needs GKE's drivers and no GPU operator."""
_NODE_ROLES = ("roles/container.defaultNodeServiceAccount", "roles/artifactregistry.reader")
_GROUP = re.compile(r"gke-security-groups@[a-z0-9.-]+\.[a-z]+")


class ReleaseChannel(str, Enum):
    """How early GKE's versions arrive."""

    RAPID = "RAPID"
    REGULAR = "REGULAR"
    STABLE = "STABLE"
    EXTENDED = "EXTENDED"


@dataclass(frozen=True, kw_only=True, slots=True)
class GkeClusterArgs:
    """A cluster."""

    region: str
    zones: tuple[str, ...]
    """Zones of the control plane's replicas, and of nodes whose pool has no zones."""
    kubernetes_version: str
    """Minor version, such as 1.35; the release channel brings patches and later ones."""
    network_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    """Subnet of the nodes, with the two ranges below."""
    secrets_key_id: pulumi.Input[str]
    tags: Tags
    release_channel: ReleaseChannel = ReleaseChannel.REGULAR
    public_cidrs: tuple[IPv4Network, ...] = ()
    """Networks that reach the API over the internet. None: the API is private."""
    private_cidrs: tuple[IPv4Network, ...] = ()
    """Networks, in addition to the nodes', that reach the API over VPN or peering."""
    security_group: str | None = None
    """Group whose member groups can be used in RBAC: `gke-security-groups@` and the domain."""
    max_pods_per_node: int = 64
    """Each node takes twice as many addresses of the pods' range, rounded up to a power of two."""
    managed_lustre: bool = False
    """Whether nodes can mount Managed Lustre."""
    filestore: bool = False
    """Whether nodes can mount Filestore."""
    pods_range: str = PODS_RANGE
    """Name of the subnet's secondary range for pods."""
    services_range: str = SERVICES_RANGE
    """Name of the subnet's secondary range for Kubernetes services."""
    admission_policies: bool = True
    """Whether the project's policy of Binary Authorization is enforced. It admits every image unless you change it."""
    protect: bool = True
    """Whether the provider refuses to delete it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GkeClusterResources:
    """Resources of `GkeCluster`."""

    cluster: gcp.container.Cluster
    node_account: gcp.serviceaccount.Account


class GkeCluster(pulumi.ComponentResource):
    """A regional cluster with a private API, encrypted secrets, all its logs, and no node pool of its own.

    Its name is the project's only one: the account of its nodes has the name too, and accounts have no region.

    Raises:
        ArgumentError: the API would be open to the internet, or a value is none that GKE takes.
    """

    resources: GkeClusterResources
    name: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    """The API's address without a scheme: the private one unless networks outside may reach it."""
    node_account_email: pulumi.Output[str]
    """Email of the nodes' service account. Resolves after its IAM grants exist."""
    workload_pool: pulumi.Output[str]
    """Domain of the identities that pods have: `<project>.svc.id.goog`."""
    kubeconfig: pulumi.Output[str]
    """JSON; signs in through gke-gcloud-auth-plugin and holds no secret."""

    def __init__(self, name: str, args: GkeClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_labels(name, args.tags), *_check_args(name, args)])
        super().__init__("novacron:index:GkeCluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        project = gcp.organizations.get_project_output(opts=pulumi.InvokeOutputOptions(parent=self)).project_id
        workload_pool = pulumi.Output.format("{0}.svc.id.goog", project)
        cluster = gcp.container.Cluster(
            f"{name}-cluster",
            name=name,
            location=args.region,
            node_locations=sorted(args.zones),  # a set: without this, another order looks like a change
            min_master_version=args.kubernetes_version,
            release_channel=gcp.container.ClusterReleaseChannelArgs(channel=args.release_channel.value),
            network=args.network_id,
            subnetwork=args.subnet_id,
            networking_mode="VPC_NATIVE",
            ip_allocation_policy=gcp.container.ClusterIpAllocationPolicyArgs(
                cluster_secondary_range_name=args.pods_range, services_secondary_range_name=args.services_range
            ),
            default_max_pods_per_node=args.max_pods_per_node,
            # Dataplane V2 enforces network policies; only a cluster made with both can have fabric networks later.
            datapath_provider="ADVANCED_DATAPATH",
            enable_multi_networking=True,
            # The API insists on a first pool; the provider removes it before anything can run there.
            remove_default_node_pool=True,
            initial_node_count=1,
            private_cluster_config=gcp.container.ClusterPrivateClusterConfigArgs(
                enable_private_nodes=True, enable_private_endpoint=not args.public_cidrs
            ),
            master_authorized_networks_config=gcp.container.ClusterMasterAuthorizedNetworksConfigArgs(
                cidr_blocks=[
                    gcp.container.ClusterMasterAuthorizedNetworksConfigCidrBlockArgs(cidr_block=str(cidr))
                    for cidr in (*args.public_cidrs, *args.private_cidrs)
                ],
                gcp_public_cidrs_access_enabled=False,
                private_endpoint_enforcement_enabled=True,
            ),
            control_plane_endpoints_config=gcp.container.ClusterControlPlaneEndpointsConfigArgs(
                dns_endpoint_config=gcp.container.ClusterControlPlaneEndpointsConfigDnsEndpointConfigArgs(
                    allow_external_traffic=False
                )
            ),
            authenticator_groups_config=gcp.container.ClusterAuthenticatorGroupsConfigArgs(
                security_group=args.security_group
            )
            if args.security_group is not None
            else None,
            database_encryption=gcp.container.ClusterDatabaseEncryptionArgs(
                state="ENCRYPTED", key_name=args.secrets_key_id
            ),
            workload_identity_config=gcp.container.ClusterWorkloadIdentityConfigArgs(workload_pool=workload_pool),
            logging_config=gcp.container.ClusterLoggingConfigArgs(enable_components=list(LOG_COMPONENTS)),
            monitoring_config=gcp.container.ClusterMonitoringConfigArgs(
                enable_components=list(METRIC_COMPONENTS),
                managed_prometheus=gcp.container.ClusterMonitoringConfigManagedPrometheusArgs(enabled=True),
            ),
            addons_config=gcp.container.ClusterAddonsConfigArgs(
                gce_persistent_disk_csi_driver_config=(
                    gcp.container.ClusterAddonsConfigGcePersistentDiskCsiDriverConfigArgs(enabled=True)
                ),
                gcs_fuse_csi_driver_config=gcp.container.ClusterAddonsConfigGcsFuseCsiDriverConfigArgs(enabled=True),
                gcp_filestore_csi_driver_config=gcp.container.ClusterAddonsConfigGcpFilestoreCsiDriverConfigArgs(
                    enabled=args.filestore
                ),
                lustre_csi_driver_config=gcp.container.ClusterAddonsConfigLustreCsiDriverConfigArgs(
                    enabled=args.managed_lustre
                ),
            ),
            security_posture_config=gcp.container.ClusterSecurityPostureConfigArgs(mode="BASIC"),
            cost_management_config=gcp.container.ClusterCostManagementConfigArgs(enabled=True),
            enable_shielded_nodes=True,
            binary_authorization=gcp.container.ClusterBinaryAuthorizationArgs(
                evaluation_mode="PROJECT_SINGLETON_POLICY_ENFORCE" if args.admission_policies else "DISABLED"
            ),
            enable_legacy_abac=False,
            deletion_protection=args.protect,
            resource_labels=build_labels(args.tags, "cluster"),
            opts=pulumi.ResourceOptions(parent=self, hooks=guard_kubernetes(name, "minMasterVersion", "masterVersion")),
        )
        account = declare_node_account(name, project, child)
        self.resources = GkeClusterResources(cluster=cluster, node_account=account.account)
        self.name = cluster.name
        self.endpoint = cluster.endpoint
        # The workload identity pool exists once the project has a cluster: identities in it have to wait.
        self.workload_pool = resolve_after(workload_pool, cluster.id)
        self.node_account_email = account.email
        self.kubeconfig = pulumi.Output.all(
            name=cluster.name, endpoint=cluster.endpoint, authority=cluster.master_auth.apply(_authority)
        ).apply(build_kubeconfig)
        self.register_outputs(
            {
                "name": self.name,
                "endpoint": self.endpoint,
                "node_account_email": self.node_account_email,
                "workload_pool": self.workload_pool,
                "kubeconfig": self.kubeconfig,
            }
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeAccount:
    """Service account of a cluster's nodes."""

    account: gcp.serviceaccount.Account
    email: pulumi.Output[str]
    """Resolves after its IAM grants exist."""


def declare_node_account(name: str, project: pulumi.Input[str], opts: pulumi.ResourceOptions) -> NodeAccount:
    """Declare the service account of nodes, with the roles that nodes need in the project.

    Args:
        name: name of the cluster's component, which the names of the resources begin with.
        project: id of the project.
        opts: Pulumi's options.
    """
    account = gcp.serviceaccount.Account(
        f"{name}-nodes",
        account_id=make_account_id(f"{name}-nodes"),
        display_name=f"Nodes of cluster {name}",
        opts=opts,
    )
    grants = [
        gcp.projects.IAMMember(
            f"{name}-{role.partition('/')[2].replace('.', '-')}",
            project=project,
            role=role,
            member=account.member,
            opts=opts,
        )
        for role in _NODE_ROLES
    ]
    return NodeAccount(account=account, email=resolve_after(account.email, *(grant.role for grant in grants)))


def build_kubeconfig(known: Mapping[str, str]) -> str:
    """Return a kubeconfig, for `name`, `endpoint` and `authority` of a cluster."""
    sign_in = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "gke-gcloud-auth-plugin",
        "installHint": "Install it with: gcloud components install gke-gcloud-auth-plugin",
        "provideClusterInfo": True,
        "interactiveMode": "Never",
    }
    return render_kubeconfig(known["name"], f"https://{known['endpoint']}", known["authority"], sign_in)


def _check_args(name: str, args: GkeClusterArgs) -> list[Problem]:
    found = list(check_zones(f"{name}.zones", args.zones, Cloud.GCP, args.region))
    if not args.zones:
        found.append(Problem(f"{name}.zones", "none", "a cluster has at least one zone", "Name the zones"))
    found += check_version(f"{name}.kubernetes_version", args.kubernetes_version, Cloud.GCP)
    if not 8 <= args.max_pods_per_node <= 256:
        value, rule = str(args.max_pods_per_node), "GKE runs 8 to 256 pods on a node"
        found.append(Problem(f"{name}.max_pods_per_node", value, rule, "Stay within"))
    if args.security_group is not None and not _GROUP.fullmatch(args.security_group):
        rule = "GKE reads one group only, of this name in each domain"
        fix = "Write it as gke-security-groups@example.com"
        found.append(Problem(f"{name}.security_group", args.security_group, rule, fix))
    found += check_api_networks(f"{name}.public_cidrs", args.public_cidrs)
    found += check_internet_networks(f"{name}.public_cidrs", args.public_cidrs, Cloud.GCP)
    found += check_api_networks(f"{name}.private_cidrs", args.private_cidrs)
    found += [
        Problem(f"{name}.private_cidrs.{index}", str(cidr), "it is a public network", "Name it in public_cidrs")
        for index, cidr in enumerate(args.private_cidrs)
        if not is_private(cidr)
    ]
    return found


def _authority(auth: gcp.container.outputs.ClusterMasterAuth) -> str:
    return require_output(auth.cluster_ca_certificate, "Cluster.master_auth.cluster_ca_certificate")
