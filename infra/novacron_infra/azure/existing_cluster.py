"""An AKS cluster that exists: lookups of what it must have. Nothing here declares a resource."""

from __future__ import annotations

from dataclasses import dataclass

from pulumi_azure_native import containerservice

from novacron_infra.azure.region_cluster import find_principals
from novacron_infra.azure.resource_ids import ResourceId
from novacron_infra.catalog import Cloud
from novacron_infra.config import ExistingAzureNetwork
from novacron_infra.existing import Lookups, differs, is_reported
from novacron_infra.existing_clusters import check_cluster_version, check_public_access
from novacron_infra.regions import RegionSpec

KEY = "cluster_id"
_NO_WAY_OUT = ("none", "block")
_EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureClusterCheck:
    """A cluster that exists, and what a region asks of it."""

    lookups: Lookups
    cluster_id: str
    network: ExistingAzureNetwork
    """Network of the region, which exists."""
    spec: RegionSpec

    def run(self) -> None:
        """Look up the cluster, and add a problem for everything that it lacks."""
        id_ = ResourceId.parse(self.cluster_id)
        group, name = id_.group, id_.name
        found = self.lookups.find(
            KEY,
            self.cluster_id,
            "cluster",
            f"az aks list --resource-group {group} --query [].id",
            lambda: containerservice.get_managed_cluster(
                resource_group_name=group, resource_name=name, opts=self.lookups.opts
            ),
        )
        if found is None:
            return
        command = f"az aks update --resource-group {group} --name {name}"
        region = self.spec.region
        rule = f"it is in {found.location}, and the region is {region}"
        self._require(not differs(found.location, region), rule, f"Name a cluster in {region}")
        state = found.power_state.code if is_reported(found.power_state) else None
        rule, fix = f"it is {state}", f"Run `az aks start --resource-group {group} --name {name}`"
        self._require(not differs(state, "Running"), rule, fix)
        check_cluster_version(self.lookups, KEY, self.cluster_id, found.current_kubernetes_version, Cloud.AZURE)
        self._check_network(found, command)
        self._check_identity(found, command)
        self._check_api(found, command)
        self._check_services(found, command)

    def _check_network(self, found: containerservice.GetManagedClusterResult, command: str) -> None:
        subnet_id = f"{self.network.vnet_id}/subnets/{self.network.nodes_subnet}"
        used = {pool.vnet_subnet_id.lower() for pool in found.agent_pool_profiles or () if pool.vnet_subnet_id}
        if found.agent_pool_profiles:
            rule = f"none of its node pools is in {subnet_id}, so its identity may have no rights there"
            fix = "Name the subnet of its node pools in existing.azure.network.nodes_subnet"
            self._require(subnet_id.lower() in used, rule, fix)
        profile = found.network_profile
        if profile is None:
            return
        rule = f"its outbound type is {profile.outbound_type}, and nodes pull images over the internet"
        fix = f"Run `{command} --outbound-type userAssignedNATGateway`"
        self._require(profile.outbound_type not in _NO_WAY_OUT, rule, fix)
        rule = f"its load balancers are {profile.load_balancer_sku}, and the region's address needs standard"
        holds = not differs((profile.load_balancer_sku or "standard").lower(), "standard")
        self._require(holds, rule, "Name a cluster with standard load balancers")
        if not profile.network_policy or profile.network_policy == "none":
            self.lookups.warn(KEY, self.cluster_id, "it does not enforce network policies")

    def _check_identity(self, found: containerservice.GetManagedClusterResult, command: str) -> None:
        control, kubelet = find_principals(found)
        rule = "it has no managed identity, and a service principal cannot get rights to the region's resources"
        self._require(bool(control and kubelet), rule, f"Run `{command} --enable-managed-identity`")
        issuer, security = found.oidc_issuer_profile, found.security_profile
        rule = "it has no OIDC issuer, which identities of coordinators and workers trust"
        self._require(issuer is not None and bool(issuer.issuer_url), rule, f"Run `{command} --enable-oidc-issuer`")
        workload = security.workload_identity if security is not None else None
        rule = "workload identity is off, by which coordinators and workers get their rights"
        holds = workload is not None and workload.enabled is True
        self._require(holds, rule, f"Run `{command} --enable-workload-identity`")
        rule = "it has no sign-in through Entra ID, which the deployer uses"
        holds = found.aad_profile is not None and found.aad_profile.managed is True
        self._require(holds, rule, f"Run `{command} --enable-aad --enable-azure-rbac`")

    def _check_api(self, found: containerservice.GetManagedClusterResult, command: str) -> None:
        access = found.api_server_access_profile
        if access is None:  # a public API without a list of networks
            return
        if access.enable_private_cluster:
            admitted, fix = None, "Name a cluster with a public API, or remove clusters.public_networks"
        else:
            admitted = access.authorized_ip_ranges or [_EVERYWHERE]
            fix = (
                f"Run `{command} --api-server-authorized-ip-ranges {{networks}}` with the networks that it has already"
            )
        check_public_access(self.lookups, KEY, self.cluster_id, self.spec.public_networks, admitted, fix)

    def _check_services(self, found: containerservice.GetManagedClusterResult, command: str) -> None:
        driver = found.storage_profile.disk_csi_driver if found.storage_profile is not None else None
        rule = "the CSI driver of disks is off, and volumes of the serving stack need it"
        holds = driver is None or driver.enabled is not False
        self._require(holds, rule, f"Run `{command} --enable-disk-driver`")
        if self.spec.cloud_logs:
            agent = (found.addon_profiles or {}).get("omsagent")
            rule = "it does not send the logs of containers to Azure Monitor, as monitoring.logs says"
            fix = f"Run `{command.replace(' update ', ' enable-addons ')} --addons monitoring`"
            self._require(agent is not None and agent.enabled, rule, fix)

    def _require(self, holds: bool, rule: str, fix: str) -> None:
        self.lookups.require(holds, KEY, self.cluster_id, rule, fix)
