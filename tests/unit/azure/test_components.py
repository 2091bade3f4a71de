"""The resources of logs, keys, network and cluster, with the settings that users rely on."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from dataclasses import replace
from ipaddress import IPv4Network

import pytest
from novacron_infra.azure import AksCluster, AzureNetwork, SubnetUse
from novacron_infra.azure.cluster import LOG_CATEGORIES
from novacron_infra.azure.iam import Role
from novacron_infra.azure.network import plan_subnets
from novacron_infra.azure.private_link import ZONES

from tests.unit.azure import samples
from tests.unit.azure.graph import declare, resource_id
from tests.unit.graph import Graph


def test_everything_uses_the_given_provider_and_has_its_component_as_parent(region: Graph) -> None:
    assert {item.provider.split("::")[-2] for item in region.custom} == {"explicit"}
    assert {provider.split("::")[-2] for _, provider in region.invokes} == {"explicit"}
    components = {item.name for item in region.resources if item.type.startswith("novacron:")}
    assert {item.parent for item in region.custom} == components
    assert all(item.name.startswith(f"{item.parent}-") for item in region.custom)


NO_TAGS = {
    "authorization:RoleAssignment",
    "containerservice:MaintenanceConfiguration",
    "dbforpostgresql:Configuration",
    "dbforpostgresql:Database",
    "managedidentity:FederatedIdentityCredential",
    "monitor:DataCollectionRuleAssociation",
    "monitor:DiagnosticSetting",
    "network:PrivateDnsZoneGroup",
    "network:Subnet",
    "redisenterprise:Database",
    "storage:BlobContainer",
    "storage:BlobServiceProperties",
    "storage:FileShare",
    "storage:ManagementPolicy",
    "storage:ObjectReplicationPolicy",
}


def test_everything_that_takes_tags_has_them(region: Graph) -> None:
    untagged = [
        item.name
        for item in region.custom
        if item.type.removeprefix("azure-native:") not in NO_TAGS
        and not {"Environment", "Project", "Component"} <= set(item.inputs.get("tags") or {})
    ]
    assert untagged == []


def test_everything_with_a_place_is_in_the_region(region: Graph) -> None:
    places = {item.inputs["location"] for item in region.custom if "location" in item.inputs}
    assert places == {samples.REGION, "global"}
    assert {item.type for item in region.custom if item.inputs.get("location") == "global"} == {
        "azure-native:monitor:MetricAlert",
        "azure-native:privatedns:PrivateZone",
        "azure-native:privatedns:VirtualNetworkLink",
    }


def test_the_vault_is_private_cannot_be_purged_and_is_audited(region: Graph) -> None:
    vault = region.one("keyvault:Vault")
    properties = vault.inputs["properties"]
    assert vault.protect
    assert properties["publicNetworkAccess"] == "Disabled"
    assert properties["networkAcls"] == {"bypass": "AzureServices", "defaultAction": "Deny"}
    assert properties["enablePurgeProtection"]
    assert properties["enableRbacAuthorization"]
    assert properties["softDeleteRetentionInDays"] == 90
    assert vault.ignore_changes == ("properties.softDeleteRetentionInDays",)
    assert "accessPolicies" not in properties
    logs = region.one("monitor:DiagnosticSetting", "keys-vault").inputs
    assert logs["logs"] == [{"category": "AuditEvent", "enabled": True}]
    assert logs["resourceUri"] == resource_id("keyvault:Vault", "keys-vault")


def test_keys_rotate_every_30_days_and_never_expire(region: Graph) -> None:
    keys = region.of("keyvault:Key")
    assert {key.name for key in keys} == {"keys-cluster", "keys-storage"}
    for key in keys:
        assert key.protect
        policy = key.inputs["properties"]["rotationPolicy"]
        assert policy == {"lifetimeActions": [{"action": {"type": "rotate"}, "trigger": {"timeAfterCreate": "P30D"}}]}


def test_disks_take_each_new_version_of_the_key_with_an_identity_that_may_already_use_it(region: Graph) -> None:
    disks = region.one("compute:DiskEncryptionSet")
    assert disks.inputs["rotationToLatestKeyVersionEnabled"] is True
    assert disks.inputs["encryptionType"] == "EncryptionAtRestWithCustomerKey"
    assert "/keys/keys-storage/" in disks.inputs["activeKey"]["keyUrl"]
    assert "authorization:RoleAssignment keys-storage" in disks.typed_dependencies


def granted(region: Graph) -> dict[str, tuple[str, str, str]]:
    """By name: who, what, on which."""
    roles = {role.value: role.name for role in Role}
    found = {}
    for item in region.of("authorization:RoleAssignment"):
        role = roles[item.inputs["roleDefinitionId"].rpartition("/")[2]]
        found[item.name] = (item.inputs["principalId"], role, item.inputs["scope"].partition("/providers/")[2])
    return found


def test_each_identity_has_the_roles_that_it_needs_and_no_other(region: Graph) -> None:
    control = "principal-prod-control"
    found = granted(region)
    assert found == {
        "keys-storage": (
            "principal-keys-storage",
            "KEY_VAULT_CRYPTO_SERVICE_ENCRYPTION_USER",
            "keyvault/Vault/keys-vault",
        ),
        "network-flow-logs": (
            "principal-network-flow-logs",
            "STORAGE_BLOB_DATA_CONTRIBUTOR",
            "storage/StorageAccount/network-flow-logs",
        ),
        "prod-nodes-subnet": (control, "NETWORK_CONTRIBUTOR", "network/Subnet/network-nodes"),
        "prod-api-server-subnet": (control, "NETWORK_CONTRIBUTOR", "network/Subnet/network-api-server"),
        "prod-kubelet": (
            control,
            "MANAGED_IDENTITY_OPERATOR",
            "managedidentity/UserAssignedIdentity/prod-kubelet",
        ),
        "prod-secrets-key": (control, "KEY_VAULT_CRYPTO_USER", "keyvault/Vault/keys-vault"),
        "prod-vault": (control, "KEY_VAULT_CONTRIBUTOR", "keyvault/Vault/keys-vault"),
        "prod-disks": (control, "READER", "compute/DiskEncryptionSet/keys-disks"),
        "door-group": (control, "READER", ""),
        "door-address": (control, "NETWORK_CONTRIBUTOR", "network/PublicIPAddress/door-address"),
        "images-pull": ("principal-prod-kubelet", "ACR_PULL", "containerregistry/Registry/images-registry"),
        "workers-identity": (
            "principal-workers-identity",
            "STORAGE_BLOB_DATA_READER",
            "storage/BlobContainer/models-models",
        ),
        "reserved-reservation": (
            control,
            "CONTRIBUTOR",
            "Microsoft.Compute/capacityReservationGroups/h100",
        ),
    }
    assert {item.inputs["principalType"] for item in region.of("authorization:RoleAssignment")} == {"ServicePrincipal"}


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "10.8.0.0/20"])
def test_subnets_are_in_the_network_and_do_not_overlap(cidr: str) -> None:
    plan = plan_subnets(IPv4Network(cidr))
    assert set(plan) == set(SubnetUse)
    subnets = list(plan.values())
    assert all(subnet.subnet_of(IPv4Network(cidr)) for subnet in subnets)
    assert not any(a.overlaps(b) for index, a in enumerate(subnets) for b in subnets[:index])
    assert plan[SubnetUse.NODES].num_addresses >= 2048


def test_only_nodes_reach_the_internet_and_only_through_the_gateway(region: Graph) -> None:
    subnets = {item.inputs["subnetName"]: item.inputs for item in region.of("network:Subnet")}
    assert not any(inputs["defaultOutboundAccess"] for inputs in subnets.values())
    assert {name for name, inputs in subnets.items() if "natGateway" in inputs} == {"nodes"}
    assert {name for name, inputs in subnets.items() if "networkSecurityGroup" not in inputs} == {"api-server"}
    (delegation,) = subnets["api-server"]["delegations"]
    assert delegation["serviceName"] == "Microsoft.ContainerService/managedClusters"


def test_subnets_are_made_one_after_the_other(region: Graph) -> None:
    subnets = region.of("network:Subnet")
    waits = sorted(len([it for it in item.typed_dependencies if it.startswith("network:Subnet ")]) for item in subnets)
    assert waits == [0, 1, 2, 3]


def test_network_admits_no_inbound_traffic_without_public_ports(region: Graph) -> None:
    assert all(group.inputs["securityRules"] == [] for group in region.of("network:NetworkSecurityGroup"))
    args = replace(samples.NETWORK, public_ports=(443, 8443))
    graph = declare(lambda opts: AzureNetwork("net", args, opts).subnet_ids[SubnetUse.NODES])
    groups = {item.name: item.inputs["securityRules"] for item in graph.of("network:NetworkSecurityGroup")}
    assert [(rule["destinationPortRange"], rule["priority"]) for rule in groups.pop("net-nodes")] == [
        ("443", 100),
        ("8443", 101),
    ]
    assert all(rules == [] for rules in groups.values())


def test_private_names_resolve_in_the_network_and_the_cluster_waits_for_the_vaults(region: Graph) -> None:
    zones = {item.inputs["privateZoneName"] for item in region.of("privatedns:PrivateZone")}
    linked = {item.inputs["privateZoneName"] for item in region.of("privatedns:VirtualNetworkLink")}
    assert zones == set(ZONES.values())
    assert len(linked) == len(zones)
    endpoint = region.one("network:PrivateEndpoint", "network-vault").inputs
    (connection,) = endpoint["privateLinkServiceConnections"]
    assert (connection["groupIds"], connection["privateLinkServiceId"]) == (
        ["vault"],
        resource_id("keyvault:Vault", "keys-vault"),
    )
    cluster = region.one("containerservice:ManagedCluster")
    assert "network:PrivateDnsZoneGroup network-vault" in cluster.typed_dependencies
    assert "network:PrivateDnsZoneGroup network-vault" not in region.one("network:FlowLog").typed_dependencies


def test_all_traffic_is_logged_encrypted_and_kept_for_a_while(region: Graph) -> None:
    log = region.one("network:FlowLog")
    assert log.inputs["enabled"] is True
    assert log.inputs["targetResourceId"] == resource_id("network:VirtualNetwork", "network-vnet")
    assert log.inputs["retentionPolicy"] == {"enabled": True, "days": 90}
    assert (log.inputs["resourceGroupName"], log.inputs["networkWatcherName"]) == (
        "NetworkWatcherRG",
        "NetworkWatcher_westus2",
    )
    assert "authorization:RoleAssignment network-flow-logs" in log.typed_dependencies


def test_every_storage_account_is_private_and_for_identities_only(region: Graph) -> None:
    for account in region.of("storage:StorageAccount"):
        inputs = account.inputs
        assert inputs["publicNetworkAccess"] == "Disabled"
        assert inputs["networkRuleSet"]["defaultAction"] == "Deny"
        assert inputs["minimumTlsVersion"] == "TLS1_2"
        assert not inputs["allowBlobPublicAccess"]
        assert not inputs["allowSharedKeyAccess"]
        encryption = inputs["encryption"]
        assert encryption["keySource"] == "Microsoft.Keyvault"
        assert encryption["keyVaultProperties"]["keyName"] == "keys-storage"
        assert "keyVersion" not in encryption["keyVaultProperties"]  # so storage takes each new one


def test_the_cluster_is_private_encrypted_and_without_accounts(region: Graph) -> None:
    cluster = region.one("containerservice:ManagedCluster")
    inputs = cluster.inputs
    access = inputs["apiServerAccessProfile"]
    assert access["enablePrivateCluster"] is True
    assert access["enablePrivateClusterPublicFQDN"] is False
    assert access["disableRunCommand"] is True
    assert "authorizedIPRanges" not in access
    assert cluster.protect
    assert inputs["disableLocalAccounts"] is True
    assert inputs["aadProfile"] == {
        "managed": True,
        "enableAzureRBAC": True,
        "adminGroupObjectIDs": list(samples.CLUSTER.admin_group_ids),
    }
    kms = inputs["securityProfile"]["azureKeyVaultKms"]
    assert kms["enabled"] is True
    assert "/keys/keys-cluster/" in kms["keyId"]
    # A private vault is reached from the control plane's own subnet only.
    assert kms["keyVaultNetworkAccess"] == "Private"
    assert access["enableVnetIntegration"] is True
    assert access["subnetId"] == resource_id("network:Subnet", "network-api-server")
    assert inputs["oidcIssuerProfile"]["enabled"]
    assert inputs["securityProfile"]["workloadIdentity"]["enabled"]
    assert region.result["issuer"].startswith("https://")


def test_the_cluster_waits_for_its_roles(region: Graph) -> None:
    cluster = region.one("containerservice:ManagedCluster")
    roles = {f"authorization:RoleAssignment {name}" for name in granted(region) if name.startswith("prod-")}
    assert len(roles) == 6
    assert roles <= set(cluster.typed_dependencies)


def test_the_cluster_is_open_to_the_named_networks_only() -> None:
    args = replace(samples.CLUSTER, public_cidrs=(IPv4Network("203.0.113.0/24"),))
    graph = declare(lambda opts: AksCluster("prod", args, opts).name)
    access = graph.one("containerservice:ManagedCluster").inputs["apiServerAccessProfile"]
    assert (access["enablePrivateCluster"], access["authorizedIPRanges"]) == (False, ["203.0.113.0/24"])
    assert not {"enablePrivateClusterPublicFQDN", "privateDNSZone"} & set(access)


def test_only_the_system_pool_is_inside_the_cluster(region: Graph) -> None:
    (pool,) = region.one("containerservice:ManagedCluster").inputs["agentPoolProfiles"]
    assert (pool["mode"], pool["count"], pool["availabilityZones"]) == ("System", 3, ["1", "2", "3"])
    assert pool["nodeTaints"] == ["CriticalAddonsOnly=true:NoSchedule"]
    assert pool["enableEncryptionAtHost"] is True


def test_pods_have_an_overlay_with_policies(region: Graph) -> None:
    profile = region.one("containerservice:ManagedCluster").inputs["networkProfile"]
    assert (profile["networkPluginMode"], profile["networkDataplane"]) == ("overlay", "cilium")
    assert profile["networkPolicy"] == "cilium"
    assert ipaddress.ip_address(profile["dnsServiceIP"]) in ipaddress.ip_network(profile["serviceCidr"])
    assert profile["outboundType"] == "userAssignedNATGateway"


def test_aks_changes_nodes_in_the_window_only(region: Graph) -> None:
    upgrades = region.one("containerservice:ManagedCluster").inputs["autoUpgradeProfile"]
    assert upgrades == {"upgradeChannel": "patch", "nodeOSUpgradeChannel": "NodeImage"}
    windows = {
        item.inputs["configName"]: item.inputs for item in region.of("containerservice:MaintenanceConfiguration")
    }
    assert set(windows) == {"aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule"}
    for window in windows.values():
        assert window["maintenanceWindow"] == {
            "schedule": {"weekly": {"dayOfWeek": "Sunday", "intervalWeeks": 1}},
            "startTime": "02:00",
            "durationHours": 6,
            "utcOffset": "+00:00",
        }


def test_all_logs_of_the_control_plane_go_to_the_workspace(region: Graph) -> None:
    setting = region.one("monitor:DiagnosticSetting", "prod-control").inputs
    assert [item["category"] for item in setting["logs"]] == list(LOG_CATEGORIES)
    assert {"kube-apiserver", "kube-audit", "guard"} <= set(LOG_CATEGORIES)
    assert setting["workspaceId"] == resource_id("operationalinsights:Workspace", "logs-workspace")


def test_the_kubeconfig_holds_no_secret(region: Graph) -> None:
    text = region.result["kubeconfig"]
    assert "secret-of-the-given-one" not in text
    config = json.loads(text)
    assert config["users"][0]["user"]["exec"]["command"] == "kubelogin"
    assert config["clusters"][0]["cluster"] == {
        "server": "https://prod.privatelink.westus2",
        "certificate-authority-data": "Q0E=",
    }


def test_a_program_loads_the_sdk_of_azure_only() -> None:
    code = "import novacron_infra.azure, sys; print(*(m for m in sys.modules if m.startswith('pulumi_')))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert loaded == {"pulumi_azure_native"}
