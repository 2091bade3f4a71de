"""An AKS cluster: who may reach its API, who may sign in, and the system pool that AKS itself needs.

Not for other nodes (`node_pool`): a pool inside the cluster is neither added nor changed without touching all of them
(pulumi-azure-native issues 2719 and 4264).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network

import pulumi
from pulumi_azure_native import authorization, containerservice, managedidentity, monitor

from novacron_infra.azure.checks import check_name, check_region, check_tags
from novacron_infra.azure.iam import Role, declare_identity, grant
from novacron_infra.azure.keys import CustomerKey
from novacron_infra.azure.kubeconfig import from_given
from novacron_infra.azure.logs import AzureLogsArgs, collect_container_logs, send_logs
from novacron_infra.azure.maintenance import MaintenanceWindow, check_window, describe_window
from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.limits.identities import check_admins
from novacron_infra.limits.region_networks import check_internet_networks
from novacron_infra.limits.versions import check_version
from novacron_infra.limits.zones import check_zones, list_zones
from novacron_infra.networks import POD_NETWORK, SERVICE_NETWORK, check_api_networks
from novacron_infra.resource_outputs import require_output
from novacron_infra.tags import Tags
from novacron_infra.upgrades import guard_kubernetes

LOG_CATEGORIES = (
    "kube-apiserver",
    "kube-audit",
    "kube-controller-manager",
    "kube-scheduler",
    "cluster-autoscaler",
    "cloud-controller-manager",
    "guard",
    "csi-azuredisk-controller",
    "csi-azurefile-controller",
    "csi-snapshot-controller",
)
"""All of the control plane's, once: kube-audit-admin is a part of kube-audit."""
SYSTEM_POOL = "system"
_MAINTENANCE = {"node-images": "aksManagedNodeOSUpgradeSchedule", "patches": "aksManagedAutoUpgradeSchedule"}
_DNS_ADDRESS = 10
_MAX_PREFIX_LENGTH = 28


@dataclass(frozen=True, kw_only=True, slots=True)
class AksClusterArgs:
    """A cluster."""

    region: str
    resource_group: pulumi.Input[str]
    kubernetes_version: str
    """Minor version, such as 1.35; AKS installs its patches in the maintenance window."""
    network_cidr: IPv4Network
    """The virtual network's addresses."""
    nodes_subnet_id: pulumi.Input[str]
    api_server_subnet_id: pulumi.Input[str]
    """Delegated to AKS: from there the control plane reaches the private vault."""
    secrets_key: CustomerKey
    disk_encryption_set_id: pulumi.Input[str]
    workspace_id: pulumi.Input[str]
    admin_group_ids: tuple[str, ...]
    """Object ids of the Entra ID groups whose members administrate it. There are no local accounts."""
    tags: Tags
    public_cidrs: tuple[IPv4Network, ...] = ()
    """Networks that reach the API over the internet. None: the API is private."""
    service_cidr: IPv4Network = SERVICE_NETWORK
    pod_cidr: IPv4Network = POD_NETWORK
    """Network of the pods' overlay. Other clusters may use the same."""
    maintenance: MaintenanceWindow = field(default_factory=MaintenanceWindow)
    system_size: str = "Standard_D8ds_v5"
    """VM size of the nodes for AKS's system pods; it needs a local disk for the operating system."""
    system_nodes: int = 3
    system_zones: tuple[str, ...] | None = None
    """Zones of these nodes. None: all zones of the region, if it has any."""
    container_logs: bool = False
    """Whether the logs of containers go to the workspace."""
    defender: bool = False
    """Whether Microsoft Defender's sensor runs on the nodes. The subscription needs its plan for containers."""
    admission_policies: bool = True
    """Whether the add-on of Azure Policy enforces the subscription's policies in the cluster."""
    protect: bool = True
    """Whether destroying the stack stops at it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AksClusterResources:
    """Resources of `AksCluster`."""

    cluster: containerservice.ManagedCluster
    control_identity: managedidentity.UserAssignedIdentity
    kubelet_identity: managedidentity.UserAssignedIdentity
    maintenance: dict[str, containerservice.MaintenanceConfiguration]
    logs: monitor.DiagnosticSetting


class AksCluster(pulumi.ComponentResource):
    """A cluster with a private API, encrypted secrets and disks, all its logs, and Entra ID instead of accounts.

    Raises:
        ArgumentError: if the API would be open to the internet, no one could sign in, or networks overlap.
    """

    resources: AksClusterResources
    name: pulumi.Output[str]
    oidc_issuer: pulumi.Output[str]
    """OIDC issuer that federated identities of pods trust."""
    control_principal_id: pulumi.Output[str]
    """Identity of the control plane, which creates the nodes."""
    kubelet_principal_id: pulumi.Output[str]
    """Identity of kubelet, which pulls images."""
    kubeconfig: pulumi.Output[str]
    """JSON; signs in through kubelogin and the Azure CLI and holds no secret."""

    def __init__(self, name: str, args: AksClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(
            [
                *check_name(name),
                *check_tags(name, args.tags),
                *check_region(f"{name}.region", args.region),
                *_check_args(name, args),
            ]
        )
        super().__init__("novacron:index:AksCluster", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        self._tags = args.tags.of("cluster")
        control = declare_identity(f"{name}-control", args.resource_group, args.region, self._tags, self._child)
        kubelet = declare_identity(f"{name}-kubelet", args.resource_group, args.region, self._tags, self._child)
        cluster = self._cluster(control, kubelet, self._grants(control, kubelet))
        self.resources = AksClusterResources(
            cluster=cluster,
            control_identity=control,
            kubelet_identity=kubelet,
            maintenance={what: self._maintenance(cluster, what, config) for what, config in _MAINTENANCE.items()},
            logs=send_logs(f"{name}-control", cluster.id, args.workspace_id, LOG_CATEGORIES, self._child),
        )
        if args.container_logs:
            logs = AzureLogsArgs(region=args.region, resource_group=args.resource_group, tags=args.tags)
            collect_container_logs(name, logs, cluster.id, args.workspace_id, self._child)
        self.name = cluster.name
        self.oidc_issuer = cluster.oidc_issuer_profile.apply(_issuer)
        self.control_principal_id = control.principal_id
        self.kubelet_principal_id = kubelet.principal_id
        credentials = containerservice.list_managed_cluster_user_credentials_output(
            resource_group_name=args.resource_group,
            resource_name=cluster.name,
            opts=pulumi.InvokeOutputOptions(parent=self),
        )
        self.kubeconfig = pulumi.Output.all(name=cluster.name, given=credentials.kubeconfigs[0].value).apply(from_given)
        self.register_outputs(
            {
                "name": self.name,
                "oidc_issuer": self.oidc_issuer,
                "control_principal_id": self.control_principal_id,
                "kubelet_principal_id": self.kubelet_principal_id,
                "kubeconfig": self.kubeconfig,
            }
        )

    def _grants(
        self, control: managedidentity.UserAssignedIdentity, kubelet: managedidentity.UserAssignedIdentity
    ) -> list[authorization.RoleAssignment]:
        args = self._args
        # The vault twice: once to encrypt, once to connect the control plane to a private vault.
        roles: dict[str, tuple[pulumi.Input[str], Role]] = {
            "nodes-subnet": (args.nodes_subnet_id, Role.NETWORK_CONTRIBUTOR),
            "api-server-subnet": (args.api_server_subnet_id, Role.NETWORK_CONTRIBUTOR),
            "kubelet": (kubelet.id, Role.MANAGED_IDENTITY_OPERATOR),
            "secrets-key": (args.secrets_key.scope, Role.KEY_VAULT_CRYPTO_USER),
            "vault": (args.secrets_key.vault_id, Role.KEY_VAULT_CONTRIBUTOR),
            "disks": (args.disk_encryption_set_id, Role.READER),
        }
        return [
            grant(f"{self._name}-{what}", scope, role, control.principal_id, self._child)
            for what, (scope, role) in roles.items()
        ]

    def _cluster(
        self,
        control: managedidentity.UserAssignedIdentity,
        kubelet: managedidentity.UserAssignedIdentity,
        grants: list[authorization.RoleAssignment],
    ) -> containerservice.ManagedCluster:
        args = self._args
        return containerservice.ManagedCluster(
            f"{self._name}-cluster",
            resource_name_=self._name,
            resource_group_name=args.resource_group,
            location=args.region,
            dns_prefix=self._name,
            kubernetes_version=args.kubernetes_version,
            sku=containerservice.ManagedClusterSKUArgs(
                name=containerservice.ManagedClusterSKUName.BASE, tier=containerservice.ManagedClusterSKUTier.STANDARD
            ),
            identity=containerservice.ManagedClusterIdentityArgs(
                type=containerservice.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[control.id]
            ),
            identity_profile={
                "kubeletidentity": containerservice.UserAssignedIdentityArgs(
                    resource_id=kubelet.id, client_id=kubelet.client_id, object_id=kubelet.principal_id
                )
            },
            disable_local_accounts=True,
            enable_rbac=True,
            aad_profile=containerservice.ManagedClusterAADProfileArgs(
                managed=True, enable_azure_rbac=True, admin_group_object_ids=sorted(args.admin_group_ids)
            ),
            oidc_issuer_profile=containerservice.ManagedClusterOIDCIssuerProfileArgs(enabled=True),
            api_server_access_profile=_api_access(args),
            security_profile=containerservice.ManagedClusterSecurityProfileArgs(
                azure_key_vault_kms=containerservice.AzureKeyVaultKmsArgs(
                    enabled=True,
                    key_id=args.secrets_key.versioned_uri,
                    key_vault_network_access=containerservice.KeyVaultNetworkAccessTypes.PRIVATE,
                    key_vault_resource_id=args.secrets_key.vault_id,
                ),
                workload_identity=containerservice.ManagedClusterSecurityProfileWorkloadIdentityArgs(enabled=True),
                image_cleaner=containerservice.ManagedClusterSecurityProfileImageCleanerArgs(
                    enabled=True, interval_hours=168
                ),
                defender=_defender(args),
            ),
            addon_profiles=_addons(args),
            disk_encryption_set_id=args.disk_encryption_set_id,
            network_profile=_network_profile(args),
            storage_profile=containerservice.ManagedClusterStorageProfileArgs(
                disk_csi_driver=containerservice.ManagedClusterStorageProfileDiskCSIDriverArgs(enabled=True),
                file_csi_driver=containerservice.ManagedClusterStorageProfileFileCSIDriverArgs(enabled=True),
                blob_csi_driver=containerservice.ManagedClusterStorageProfileBlobCSIDriverArgs(enabled=True),
                snapshot_controller=containerservice.ManagedClusterStorageProfileSnapshotControllerArgs(enabled=True),
            ),
            # Patches only: the minor version is this program's to change.
            auto_upgrade_profile=containerservice.ManagedClusterAutoUpgradeProfileArgs(
                upgrade_channel=containerservice.UpgradeChannel.PATCH,
                node_os_upgrade_channel=containerservice.NodeOSUpgradeChannel.NODE_IMAGE,
            ),
            agent_pool_profiles=[_system_pool(args)],
            tags=self._tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=grants,
                protect=args.protect,
                hooks=guard_kubernetes(self._name, "kubernetesVersion", "currentKubernetesVersion"),
            ),
        )

    def _maintenance(
        self, cluster: containerservice.ManagedCluster, what: str, config: str
    ) -> containerservice.MaintenanceConfiguration:
        return containerservice.MaintenanceConfiguration(
            f"{self._name}-{what}",
            config_name=config,
            resource_group_name=self._args.resource_group,
            resource_name_=cluster.name,
            maintenance_window=describe_window(self._args.maintenance),
            opts=self._child,
        )


def _addons(args: AksClusterArgs) -> dict[str, containerservice.ManagedClusterAddonProfileArgs] | None:
    found: dict[str, containerservice.ManagedClusterAddonProfileArgs] = {}
    if args.container_logs:
        # The workspace takes no shared keys, so the collector signs in with its own identity.
        config = {"logAnalyticsWorkspaceResourceID": args.workspace_id, "useAADAuth": "true"}
        found["omsagent"] = containerservice.ManagedClusterAddonProfileArgs(enabled=True, config=config)
    if args.admission_policies:
        found["azurepolicy"] = containerservice.ManagedClusterAddonProfileArgs(enabled=True)
    return found or None


def _defender(args: AksClusterArgs) -> containerservice.ManagedClusterSecurityProfileDefenderArgs | None:
    if not args.defender:
        return None
    return containerservice.ManagedClusterSecurityProfileDefenderArgs(
        log_analytics_workspace_resource_id=args.workspace_id,
        security_monitoring=containerservice.ManagedClusterSecurityProfileDefenderSecurityMonitoringArgs(enabled=True),
    )


def _api_access(args: AksClusterArgs) -> containerservice.ManagedClusterAPIServerAccessProfileArgs:
    private = not args.public_cidrs
    return containerservice.ManagedClusterAPIServerAccessProfileArgs(
        enable_private_cluster=private,
        enable_private_cluster_public_fqdn=False if private else None,
        private_dns_zone="system" if private else None,
        authorized_ip_ranges=[str(network) for network in args.public_cidrs] or None,
        # Commands through Azure's own API would pass by the network.
        disable_run_command=True,
        enable_vnet_integration=True,
        subnet_id=args.api_server_subnet_id,
    )


def _network_profile(args: AksClusterArgs) -> containerservice.ContainerServiceNetworkProfileArgs:
    return containerservice.ContainerServiceNetworkProfileArgs(
        network_plugin=containerservice.NetworkPlugin.AZURE,
        network_plugin_mode=containerservice.NetworkPluginMode.OVERLAY,
        network_dataplane=containerservice.NetworkDataplane.CILIUM,
        network_policy=containerservice.NetworkPolicy.CILIUM,
        pod_cidr=str(args.pod_cidr),
        service_cidr=str(args.service_cidr),
        dns_service_ip=str(args.service_cidr[_DNS_ADDRESS]),
        outbound_type=containerservice.OutboundType.USER_ASSIGNED_NAT_GATEWAY,
        load_balancer_sku=containerservice.LoadBalancerSku.STANDARD,
    )


def _system_pool(args: AksClusterArgs) -> containerservice.ManagedClusterAgentPoolProfileArgs:
    zones = list_zones(Cloud.AZURE, args.region) if args.system_zones is None else args.system_zones
    return containerservice.ManagedClusterAgentPoolProfileArgs(
        name=SYSTEM_POOL,
        mode=containerservice.AgentPoolMode.SYSTEM,
        type=containerservice.AgentPoolType.VIRTUAL_MACHINE_SCALE_SETS,
        vm_size=args.system_size,
        count=args.system_nodes,
        availability_zones=list(zones) or None,
        vnet_subnet_id=args.nodes_subnet_id,
        orchestrator_version=args.kubernetes_version,
        os_type=containerservice.OSType.LINUX,
        os_sku=containerservice.OSSKU.UBUNTU,
        os_disk_type=containerservice.OSDiskType.EPHEMERAL,
        enable_encryption_at_host=True,
        enable_node_public_ip=False,
        security_profile=containerservice.AgentPoolSecurityProfileArgs(
            ssh_access=containerservice.AgentPoolSSHAccess.DISABLED
        ),
        node_taints=["CriticalAddonsOnly=true:NoSchedule"],
        upgrade_settings=containerservice.AgentPoolUpgradeSettingsArgs(max_surge="33%", max_unavailable="0"),
        tags=args.tags.of("system"),
    )


def _check_args(name: str, args: AksClusterArgs) -> list[Problem]:
    found = list(check_version(f"{name}.kubernetes_version", args.kubernetes_version, Cloud.AZURE))
    found += check_api_networks(f"{name}.public_cidrs", args.public_cidrs)
    found += check_internet_networks(f"{name}.public_cidrs", args.public_cidrs, Cloud.AZURE)
    if not args.admin_group_ids:
        rule = "no one could sign in, because there are no local accounts"
        found.append(Problem(f"{name}.admin_group_ids", "none", rule, "Name a group"))
    found += check_admins(f"{name}.admin_group_ids", args.admin_group_ids, Cloud.AZURE)
    found += check_zones(f"{name}.system_zones", args.system_zones or (), Cloud.AZURE, args.region)
    if args.system_nodes < 1:
        rule = "AKS needs a node for its own pods"
        found.append(Problem(f"{name}.system_nodes", str(args.system_nodes), rule, "Use 1 or more"))
    return found + check_window(f"{name}.maintenance", args.maintenance) + _check_overlaps(name, args)


def _check_overlaps(name: str, args: AksClusterArgs) -> list[Problem]:
    """Each network against those before it."""
    found: list[Problem] = []
    before: dict[str, IPv4Network] = {}
    for key, cidr in {
        "network_cidr": args.network_cidr,
        "service_cidr": args.service_cidr,
        "pod_cidr": args.pod_cidr,
    }.items():
        if cidr.prefixlen > _MAX_PREFIX_LENGTH:
            rule = "it has fewer than 16 addresses"
            found.append(Problem(f"{name}.{key}", str(cidr), rule, "Write it as 172.20.0.0/16"))
            continue
        found += [
            Problem(f"{name}.{key}", str(cidr), f"it overlaps {other} {taken}", "Use addresses that nothing else has")
            for other, taken in before.items()
            if cidr.overlaps(taken)
        ]
        before[key] = cidr
    return found


def _issuer(profile: containerservice.outputs.ManagedClusterOIDCIssuerProfileResponse | None) -> str:
    return require_output(profile, "ManagedCluster.oidc_issuer_profile").issuer_url
