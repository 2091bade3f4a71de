"""The networks that reach the Kubernetes API."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from novacron_infra.networks import MIN_PREFIX_LENGTH

from novacron_policy.properties import UNKNOWN, Value, describe_unknown, get, list_items


def check_private_api_endpoint(resource_type: str, properties: Value) -> Iterator[str]:
    """The Kubernetes API is private, or only open to named networks."""
    if resource_type == "aws:eks/cluster:Cluster":
        public = get(properties, "vpcConfig.endpointPublicAccess")
        if public is UNKNOWN:
            yield describe_unknown("vpcConfig.endpointPublicAccess")
        elif public is not False:  # EKS opens it by default
            path = "vpcConfig.publicAccessCidrs"
            yield from _check_networks(path, list_items(get(properties, path)))
    elif resource_type == "gcp:container/cluster:Cluster":
        yield from _check_gke_endpoints(properties)
    elif resource_type == "azure-native:containerservice:ManagedCluster":
        private = get(properties, "apiServerAccessProfile.enablePrivateCluster")
        if private is UNKNOWN:
            yield describe_unknown("apiServerAccessProfile.enablePrivateCluster")
        elif private is not True:
            path = "apiServerAccessProfile.authorizedIPRanges"
            yield from _check_networks(path, list_items(get(properties, path)))


def _check_gke_endpoints(properties: Value) -> Iterator[str]:
    # The DNS endpoint has no list of networks: it is closed to the internet, or open to every authenticated client.
    path = "controlPlaneEndpointsConfig.dnsEndpointConfig.allowExternalTraffic"
    external = get(properties, path)
    if external is UNKNOWN:
        yield describe_unknown(path)
    elif external is True:
        yield f"{path} opens the Kubernetes API to the internet. Remove it"

    private = get(properties, "privateClusterConfig.enablePrivateEndpoint")
    by_address = get(properties, "controlPlaneEndpointsConfig.ipEndpointsConfig.enabled")
    if private is True or by_address is False:
        return
    if private is UNKNOWN:
        yield describe_unknown("privateClusterConfig.enablePrivateEndpoint")
        return
    path = "masterAuthorizedNetworksConfig.cidrBlocks"
    blocks = list_items(get(properties, path))
    yield from _check_networks(path, [get(block, "cidrBlock") for block in blocks])
    path = "masterAuthorizedNetworksConfig.gcpPublicCidrsAccessEnabled"
    google = get(properties, path)
    if google is UNKNOWN:
        yield describe_unknown(path)
    elif google is True:
        yield f"{path} opens the Kubernetes API to every machine in Google Cloud. Set it to false"


def _check_networks(path: str, networks: list[Value]) -> Iterator[str]:
    if not networks:
        yield f"the Kubernetes API is open to the internet. Make it private, or name the networks in {path}"
    for network in networks:
        if network is UNKNOWN:
            yield describe_unknown(path)
            continue
        try:
            parsed = ipaddress.ip_network(str(network), strict=False)
        except ValueError:
            yield f"{path}: {network!r} is not a network. Write it like 203.0.113.0/24"
        else:
            if parsed.prefixlen < MIN_PREFIX_LENGTH[parsed.version]:
                yield f"{path}: {network} is a large part of the internet. Name your own networks"
