"""Clusters that exist: they are checked, get node pools and the serving stack, and are not managed resources."""

from __future__ import annotations

import json
from typing import Any

import pytest
from novacron_infra.errors import ConfigurationError
from novacron_infra.gcp import region_cluster

from tests.unit.config.environments import change, find_problems
from tests.unit.existing_things import AWS, AZURE, GCP, HUB, answer, find_missing
from tests.unit.simulated_stack import Deployment, Resource, deploy
from tests.unit.test_existing_databases import SERVING

PROJECT, SUBSCRIPTION = GCP["accounts"]["google_project"], AZURE["accounts"]["azure_subscription_id"]
GKE = f"projects/{PROJECT}/locations/us-central1/clusters/acme"
AKS = f"{HUB}/providers/Microsoft.ContainerService/managedClusters/acme"
AWS_STACK = change(AWS, {"accounts": {"aws_account_id": "123456789012"}, **SERVING})
GCP_STACK, AZURE_STACK = change(GCP, SERVING), change(AZURE, SERVING)
WITHOUT = {"aws": AWS_STACK, "gcp": GCP_STACK, "azure": AZURE_STACK}
"""The same stacks with clusters of their own, in networks that exist."""
STACKS = {
    "aws": change(AWS_STACK, {"regions.0.existing.aws.cluster": "acme"}),
    "gcp": change(GCP_STACK, {"regions.0.existing.gcp.cluster": GKE}),
    "azure": change(
        AZURE_STACK,
        {
            "regions.0.existing.azure.cluster_id": AKS,
            "regions.0.existing.azure.network.api_server_subnet": None,
        },
    ),
}
FIRST = {cloud: f"{values['environment']}-{values['regions'][0]['name']}" for cloud, values in STACKS.items()}
MANAGED = {
    "aws": ("aws:eks/cluster:", "aws:eks/addon:", "aws:eks/accessEntry:", "aws:iam/openIdConnectProvider:"),
    "gcp": ("gcp:container/cluster:",),
    "azure": (
        "azure-native:containerservice:ManagedCluster",
        "azure-native:containerservice:MaintenanceConfiguration",
    ),
}
"""Types of the resources of a cluster that is created."""
POOLS = {
    "aws": ("aws:eks/nodeGroup:NodeGroup", "clusterName", "acme"),
    "gcp": ("gcp:container/nodePool:NodePool", "cluster", "acme"),
    "azure": ("azure-native:containerservice:AgentPool", "resourceName", "acme"),
}
"""Type of node pools, and how they name their cluster."""
DEFAULT_CLASSES = ("gp3", "general", "standard-rwo", "default")


@pytest.fixture(scope="module")
def deployments() -> dict[str, Deployment]:
    return {cloud: deploy(values) for cloud, values in STACKS.items()}


def _list_first(deployment: Deployment, cloud: str) -> list[Resource]:
    return [item for item in deployment.resources.values() if FIRST[cloud] in item.name]


@pytest.mark.parametrize("cloud", STACKS)
def test_nothing_of_the_cluster_is_a_resource(cloud: str, deployments: dict[str, Deployment]) -> None:
    own = [item.name for item in _list_first(deploy(WITHOUT[cloud]), cloud) if item.type.startswith(MANAGED[cloud])]
    assert own
    found = [item.name for item in _list_first(deployments[cloud], cloud) if item.type.startswith(MANAGED[cloud])]
    assert found == []
    assert not deploy(STACKS[cloud], deployments[cloud]).steps


@pytest.mark.parametrize("cloud", STACKS)
def test_its_node_pools_and_the_serving_stack_are(cloud: str, deployments: dict[str, Deployment]) -> None:
    resources = deployments[cloud].resources.values()
    token, key, name = POOLS[cloud]
    pools = [item.name for item in resources if item.type == token and item.inputs[key] == name]
    assert any("coordinators" in pool for pool in pools)
    assert any("workers" in pool for pool in pools)
    assert f"{FIRST[cloud]}-serving-llm-coordinator" in {item.name for item in resources}


@pytest.mark.parametrize("cloud", STACKS)
def test_its_default_storage_class_stays(cloud: str, deployments: dict[str, Deployment]) -> None:
    resources = _list_first(deployments[cloud], cloud)
    classes = [item for item in resources if item.type.startswith("kubernetes:storage.k8s.io/v1:StorageClass")]
    names = {json.loads(json.dumps(item.inputs))["metadata"]["name"] for item in classes}
    assert "fast-ssd" in names
    assert names.isdisjoint(DEFAULT_CLASSES)


@pytest.mark.parametrize("cloud", STACKS)
def test_no_key_for_its_secrets_is_created(cloud: str, deployments: dict[str, Deployment]) -> None:
    types = ("aws:kms/key:Key", "gcp:kms/cryptoKey:CryptoKey", "azure-native:keyvault:Key")
    keys = [item.name for item in _list_first(deployments[cloud], cloud) if item.type in types]
    assert f"{FIRST[cloud]}-storage" in keys
    assert f"{FIRST[cloud]}-cluster" not in keys


def test_nodes_on_eks_have_the_version_of_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, {EKS: {"version": "1.36"}})
    resources = _list_first(deploy(STACKS["aws"]), "aws")
    assert {str(item.inputs["version"]) for item in resources if item.type == POOLS["aws"][0]} == {"1.36"}


def test_nodes_on_aks_have_the_version_of_the_control_plane(deployments: dict[str, Deployment]) -> None:
    pools = [item for item in _list_first(deployments["azure"], "azure") if item.type == POOLS["azure"][0]]
    assert [item.inputs.get("orchestratorVersion") for item in pools] == [None] * len(pools)
    assert {str(item.inputs["resourceGroupName"]) for item in pools} == {"hub"}


def test_nodes_on_gke_have_a_service_account_of_the_region(deployments: dict[str, Deployment]) -> None:
    resources = _list_first(deployments["gcp"], "gcp")
    assert [item.name for item in resources if item.name == "prod-us-central1-nodes"] == ["prod-us-central1-nodes"]


def test_an_aks_cluster_pulls_from_a_registry_that_exists_by_its_own_right() -> None:
    registry = f"{HUB}/providers/Microsoft.ContainerRegistry/registries/acmeimages"
    with_registry = {"regions.0.existing.azure.registry": registry}
    names = {item.name for item in deploy(change(STACKS["azure"], with_registry)).resources.values()}
    assert "prod-westus2-images-pull" not in names
    names = {item.name for item in deploy(change(AZURE_STACK, with_registry)).resources.values()}
    assert "prod-westus2-images-pull" in names


@pytest.mark.parametrize(("choice", "plugins"), [("existing", 0), ("none", 1)])
def test_an_eks_cluster_with_a_gpu_operator_gets_no_device_plugin(choice: str, plugins: int) -> None:
    resources = deploy(change(STACKS["aws"], {"add_ons": {"gpu_stack": choice}})).resources.values()
    assert [item.name for item in resources].count("dev-us-west-2-add-ons-nvidia-device-plugin") == plugins


def test_the_add_ons_setting_decides_about_controllers() -> None:
    choices = {"cert_manager": "existing", "load_balancer_controller": "existing"}
    names = {item.name for item in deploy(change(STACKS["aws"], {"add_ons": choices})).resources.values()}
    assert not any("cert-manager" in name or name.endswith("aws-load-balancer-controller") for name in names)
    assert "dev-us-west-2-target-group" in names


def test_guard_duty_gets_no_agent_in_it() -> None:
    settings = {"security": {"threat_detection": {"aws": "managed"}}}
    agents = "aws:eks/addon:Addon"
    own = deploy(change(AWS_STACK, settings)).resources.values()
    assert any(item.type == agents and "guardduty" in item.name for item in own)
    assert not [item for item in deploy(change(STACKS["aws"], settings)).resources.values() if item.type == agents]


EKS, EKS_ADD_ON = "aws:eks/getCluster:getCluster", "aws:eks/getAddon:getAddon"
PROVIDER = "aws:iam/getOpenIdConnectProvider:getOpenIdConnectProvider"
RULES, RULE = "aws:vpc/getSecurityGroupRules:getSecurityGroupRules", "aws:vpc/getSecurityGroupRule:getSecurityGroupRule"
GKE_TOKEN, AKS_TOKEN = "gcp:container/getCluster:getCluster", "azure-native:containerservice:getManagedCluster"
GROUP = "sg-0123456789abcdef0"


def _vpc_config(**values: Any) -> dict[str, Any]:
    return {EKS: {"vpcConfig": {"clusterSecurityGroupId": GROUP, **values}}}


def _gke(**values: Any) -> dict[str, Any]:
    return {GKE_TOKEN: values}


def _aks(**values: Any) -> dict[str, Any]:
    return {AKS_TOKEN: values}


LACKING: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "eks: not there": ("aws", {EKS: None}, "no such cluster in us-west-2", "aws eks list-clusters"),
    "eks: being created": ("aws", {EKS: {"status": "CREATING"}}, "its status is CREATING", "Wait"),
    "eks: old": ("aws", {EKS: {"version": "1.29"}}, "its Kubernetes version is 1.29", "Upgrade it to 1.34"),
    "eks: newer": ("aws", {EKS: {"version": "1.41"}}, "its Kubernetes version is 1.41", "kubernetes_versions.yaml"),
    "eks: other VPC": ("aws", _vpc_config(vpcId="vpc-ffffffff"), "it is in vpc-ffffffff", "existing.aws.network"),
    "eks: public only": (
        "aws",
        _vpc_config(endpointPrivateAccess=False),
        "no private endpoint",
        "--resources-vpc-config endpointPrivateAccess=true",
    ),
    "eks: IPv6": ("aws", {EKS: {"kubernetesNetworkConfigs": [{"ipFamily": "ipv6"}]}}, "addresses of ipv6", "IPv4"),
    "eks: config map": (
        "aws",
        {EKS: {"accessConfigs": [{"authenticationMode": "CONFIG_MAP"}]}},
        "its authentication mode is CONFIG_MAP",
        "authenticationMode=API_AND_CONFIG_MAP",
    ),
    "eks: no OIDC provider": ("aws", {PROVIDER: None}, "no OIDC provider", "associate-iam-oidc-provider"),
    "eks: other audience": ("aws", {PROVIDER: {"clientIdLists": ["other"]}}, "lacks the audience", "--client-id sts"),
    "eks: closed group": (
        "aws",
        {**_vpc_config(), RULES: {"ids": ["sgr-1"]}, RULE: {"isEgress": True, "ipProtocol": "-1"}},
        f"its security group {GROUP} does not admit its own members",
        f"--source-group {GROUP}",
    ),
    "eks: no pod identity": ("aws", {EKS_ADD_ON: None}, "eks-pod-identity-agent", "aws eks create-addon"),
    "gke: not there": ("gcp", {GKE_TOKEN: None}, "no such cluster", "gcloud container clusters list"),
    "gke: Autopilot": ("gcp", _gke(enableAutopilot=True), "Autopilot", "Name a Standard cluster"),
    "gke: old": ("gcp", _gke(masterVersion="1.28.3-gke.100"), "version is 1.28", "Upgrade it to 1.33"),
    "gke: other network": (
        "gcp",
        _gke(network="projects/acme-host/global/networks/other"),
        "it is in projects/acme-host/global/networks/other",
        "existing.gcp.network",
    ),
    "gke: other subnet": (
        "gcp",
        _gke(subnetwork="https://www.googleapis.com/compute/v1/projects/acme-host/regions/us-central1/subnetworks/x"),
        "its nodes are in projects/acme-host/regions/us-central1/subnetworks/x",
        "existing.gcp.network.subnet",
    ),
    "gke: other range": (
        "gcp",
        _gke(ipAllocationPolicies=[{"clusterSecondaryRangeName": "pods"}]),
        "its pods have the range pods, and not gke-pods",
        "pods_range",
    ),
    "gke: public nodes": (
        "gcp",
        _gke(privateClusterConfigs=[{"privateEndpoint": "10.0.0.2", "enablePrivateNodes": False}]),
        "public addresses",
        "private nodes",
    ),
    "gke: no identities": ("gcp", _gke(workloadIdentityConfigs=[]), "no workload identity", "--workload-pool="),
    "gke: DNS only": (
        "gcp",
        _gke(controlPlaneEndpointsConfigs=[{"ipEndpointsConfigs": [{"enabled": False}]}]),
        "no IP endpoint",
        "--enable-ip-access",
    ),
    "gke: no Dataplane V2": ("gcp", _gke(datapathProvider="LEGACY_DATAPATH"), "LEGACY_DATAPATH", "Dataplane V2"),
    "gke: no multi-networking": ("gcp", _gke(enableMultiNetworking=False), "multi-networking is off", "created with"),
    "gke: no disks": (
        "gcp",
        _gke(addonsConfigs=[{"gcePersistentDiskCsiDriverConfigs": [{"enabled": False}]}]),
        "the CSI driver of persistent disks is off",
        "GcePersistentDiskCsiDriver=ENABLED",
    ),
    "aks: not there": ("azure", {AKS_TOKEN: None}, "no such cluster", "az aks list"),
    "aks: elsewhere": ("azure", _aks(location="eastus2"), "it is in eastus2", "Name a cluster in westus2"),
    "aks: stopped": ("azure", _aks(powerState={"code": "Stopped"}), "it is Stopped", "az aks start"),
    "aks: old": ("azure", _aks(currentKubernetesVersion="1.30.4"), "version is 1.30", "Upgrade it to 1.34"),
    "aks: other subnet": (
        "azure",
        _aks(agentPoolProfiles=[{"name": "system", "vnetSubnetID": f"{HUB}/x/subnets/other"}]),
        "none of its node pools is in",
        "existing.azure.network.nodes_subnet",
    ),
    "aks: no way out": ("azure", _aks(networkProfile={"outboundType": "none"}), "outbound type is none", "--outbound"),
    "aks: basic": ("azure", _aks(networkProfile={"loadBalancerSku": "Basic"}), "are Basic", "standard"),
    "aks: service principal": ("azure", _aks(identity=None), "no managed identity", "--enable-managed-identity"),
    "aks: no issuer": ("azure", _aks(oidcIssuerProfile={"enabled": False}), "no OIDC issuer", "--enable-oidc-issuer"),
    "aks: no identities": ("azure", _aks(securityProfile=None), "workload identity is off", "--enable-workload"),
    "aks: accounts": ("azure", _aks(aadProfile=None), "no sign-in through Entra ID", "--enable-aad"),
    "aks: no disks": (
        "azure",
        _aks(storageProfile={"diskCSIDriver": {"enabled": False}}),
        "the CSI driver of disks is off",
        "--enable-disk-driver",
    ),
}


@pytest.mark.parametrize("case", LACKING)
def test_what_a_cluster_lacks_is_a_problem(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud, answers, rule, fix = LACKING[case]
    answer(monkeypatch, answers)
    found = find_missing(STACKS[cloud])[f"{cloud}.{'cluster_id' if cloud == 'azure' else 'cluster'}"]
    assert rule in found.rule
    assert fix in found.fix
    assert found.value == {"aws": "acme", "gcp": GKE, "azure": AKS}[cloud]


LOGS = {"gcp": {"loggingConfigs": [{"enableComponents": ["SYSTEM_COMPONENTS"]}]}, "azure": {"addonProfiles": {}}}


@pytest.mark.parametrize("cloud", LOGS)
def test_a_cluster_sends_logs_where_the_configuration_says(cloud: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, {GKE_TOKEN if cloud == "gcp" else AKS_TOKEN: LOGS[cloud]})
    values = change(STACKS[cloud], {"monitoring": {"logs": {"destination": "cloud"}}})
    key = f"{cloud}.{'cluster_id' if cloud == 'azure' else 'cluster'}"
    assert "does not send the logs of containers" in find_missing(values)[key].rule


PUBLIC = "203.0.113.0/24"
APIS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "aws": (
        _vpc_config(endpointPrivateAccess=True, endpointPublicAccess=False),
        _vpc_config(endpointPublicAccess=True, publicAccessCidrs=["198.51.100.0/24"]),
        _vpc_config(endpointPublicAccess=True, publicAccessCidrs=["203.0.0.0/16"]),
    ),
    "gcp": (
        _gke(privateClusterConfigs=[{"privateEndpoint": "10.0.0.2", "enablePrivateEndpoint": True}]),
        _gke(
            privateClusterConfigs=[{"privateEndpoint": "10.0.0.2", "enablePrivateEndpoint": False}],
            masterAuthorizedNetworksConfigs=[{"cidrBlocks": [{"cidrBlock": "198.51.100.0/24"}]}],
        ),
        _gke(privateClusterConfigs=[{"privateEndpoint": "10.0.0.2", "enablePrivateEndpoint": False}]),
    ),
    "azure": (
        _aks(apiServerAccessProfile={"enablePrivateCluster": True}),
        _aks(apiServerAccessProfile={"authorizedIPRanges": ["198.51.100.0/24"]}),
        _aks(apiServerAccessProfile={"authorizedIPRanges": [PUBLIC]}),
    ),
}
"""A private API, one that admits another network, and one that admits the network of the deployer."""


@pytest.mark.parametrize("cloud", APIS)
def test_the_api_admits_the_networks_of_the_deployer(cloud: str, monkeypatch: pytest.MonkeyPatch) -> None:
    private, closed, open_ = APIS[cloud]
    values = change(STACKS[cloud], {"clusters.public_networks": [PUBLIC]})
    key = f"{cloud}.{'cluster_id' if cloud == 'azure' else 'cluster'}"
    answer(monkeypatch, private)
    assert find_missing(values)[key].rule == f"its API is private, and clusters.public_networks has {PUBLIC}"
    answer(monkeypatch, closed)
    found = find_missing(values)[key]
    assert found.rule == f"its API does not admit {PUBLIC} of clusters.public_networks"
    assert PUBLIC in found.fix
    answer(monkeypatch, open_)
    deploy(values)


@pytest.mark.parametrize(("networks", "server"), [([], "10.255.0."), ([PUBLIC], "203.0.113.")])
def test_the_deployer_reaches_gke_at_the_address_for_its_network(
    networks: list[str], server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoints: list[str] = []

    def build_kubeconfig(known: dict[str, str]) -> str:
        endpoints.append(known["endpoint"])
        return "{}"

    monkeypatch.setattr(region_cluster, "build_kubeconfig", build_kubeconfig)
    deploy(change(STACKS["gcp"], {"clusters.public_networks": networks}))
    assert [endpoint.startswith(server) for endpoint in endpoints] == [True]


def test_all_problems_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = {EKS: {"version": "1.29", "accessConfigs": [{"authenticationMode": "CONFIG_MAP"}]}, PROVIDER: None}
    answer(monkeypatch, lacking)
    with pytest.raises(ConfigurationError) as caught:
        deploy(STACKS["aws"])
    rules = [item.rule for item in caught.value.problems]
    assert len(rules) == 3


WARNINGS: dict[str, tuple[str, dict[str, Any], str]] = {
    "eks: open": ("aws", _vpc_config(endpointPublicAccess=True, publicAccessCidrs=["0.0.0.0/0"]), "open to the whole"),
    "eks: deployer": ("aws", {"aws:eks/getAccessEntry:getAccessEntry": None}, "has no access entry"),
    "eks: policies": ("aws", {EKS_ADD_ON: {"configurationValues": "{}"}}, "does not enforce network policies"),
    "eks: last days": ("aws", {EKS: {"version": "1.34"}}, "standard support of EKS ends on 2026-12-02"),
    "gke: extended": (
        "gcp",
        _gke(masterVersion="1.33.9-gke.1"),
        "standard support of version 1.33 ended on 2026-08-03",
    ),
    "gke: pods": ("gcp", _gke(defaultMaxPodsPerNode=110), "up to 110 pods"),
    "aks: policies": ("azure", _aks(networkProfile={"networkPolicy": "none"}), "does not enforce network policies"),
}


LAST_LACK = {"aws": {PROVIDER: None}, "gcp": _gke(enableAutopilot=True), "azure": _aks(aadProfile=None)}
"""Ends the run after the lookups, so that nothing is declared."""


@pytest.mark.parametrize("case", WARNINGS)
def test_what_may_be_wrong_is_a_warning(
    case: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cloud, answers, text = WARNINGS[case]
    lacks = {token: (answers.get(token) or {}) | (given or {}) for token, given in LAST_LACK[cloud].items() if given}
    answer(monkeypatch, {**LAST_LACK[cloud], **answers, **lacks})
    assert len(find_missing(STACKS[cloud])) == 1
    assert text in caplog.text


AWS_PATH, GCP_PATH = "regions[us-west-2]", "regions[us-central1].existing.gcp"
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "eks: no network": (
        AWS,
        {"regions.0.existing.aws": {"cluster": "acme"}},
        f"{AWS_PATH}.existing.aws.network",
        "is in a network that exists",
    ),
    "eks: control plane": (
        STACKS["aws"],
        {"regions.0.control_plane_zones": ["us-west-2a", "us-west-2b"]},
        f"{AWS_PATH}.control_plane_zones",
        "no control plane of its own",
    ),
    "eks: an ARN": (
        AWS,
        {"regions.0.existing.aws.cluster": "arn:aws:eks:us-west-2:123456789012:cluster/acme"},
        f"{AWS_PATH}.existing.aws.cluster",
        "a cluster is written as its name",
    ),
    "gke: no network": (
        GCP,
        {"regions.0.existing.gcp": {"cluster": GKE}},
        f"{GCP_PATH}.network",
        "is in a network that",
    ),
    "gke: zone": (
        GCP,
        {"regions.0.existing.gcp.cluster": GKE.replace("us-central1", "us-central1-a")},
        f"{GCP_PATH}.cluster",
        "it is in us-central1-a",
    ),
    "gke: project": (
        GCP,
        {"regions.0.existing.gcp.cluster": GKE.replace(PROJECT, "other")},
        f"{GCP_PATH}.cluster",
        "it is in the project other",
    ),
    "gke: a name": (GCP, {"regions.0.existing.gcp.cluster": "acme"}, f"{GCP_PATH}.cluster", "a GKE cluster is written"),
    "aks: no network": (
        AZURE,
        {"regions.0.existing.azure": {"cluster_id": AKS}},
        "regions[westus2].existing.azure.network",
        "is in a network that exists",
    ),
    "aks: subscription": (
        STACKS["azure"],
        {"regions.0.existing.azure.cluster_id": AKS.replace(SUBSCRIPTION, "22222222-2222-2222-2222-222222222222")},
        "regions[westus2].existing.azure.cluster_id",
        "it is in the subscription 22222222",
    ),
    "aks: API server": (
        AZURE,
        {"regions.0.existing.azure.cluster_id": AKS},
        "regions[westus2].existing.azure.network.api_server_subnet",
        "but a cluster that exists",
    ),
    "aks: no API server": (
        AZURE,
        {"regions.0.existing.azure.network.api_server_subnet": None},
        "regions[westus2].existing.azure.network.api_server_subnet",
        "of the cluster that is created needs a subnet",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_configuration_refuses_a_cluster(case: str) -> None:
    base, changes, path, rule = REFUSED[case]
    assert rule in find_problems(change(base, changes))[path].rule
