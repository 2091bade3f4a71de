"""Who can reach what."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from novacron_policy.properties import UNKNOWN, get, items, unknown

NARROWEST_OPEN_PREFIX = {4: 8, 6: 32}
"""By IP version: networks wider than this count as the internet; two halves of it are no better than the whole."""


def private_api_endpoint(resource_type: str, properties: Any) -> Iterator[str]:
    """The Kubernetes API is private, or open to named networks only."""
    if resource_type == "aws:eks/cluster:Cluster":
        public = get(properties, "vpcConfig.endpointPublicAccess")
        if public is UNKNOWN:
            yield unknown("vpcConfig.endpointPublicAccess")
        elif public is not False:  # EKS opens it unless told otherwise
            path = "vpcConfig.publicAccessCidrs"
            yield from _open_networks(path, items(get(properties, path)))
    elif resource_type == "gcp:container/cluster:Cluster":
        yield from _gke_endpoints(properties)
    elif resource_type == "azure-native:containerservice:ManagedCluster":
        private = get(properties, "apiServerAccessProfile.enablePrivateCluster")
        if private is UNKNOWN:
            yield unknown("apiServerAccessProfile.enablePrivateCluster")
        elif private is not True:
            path = "apiServerAccessProfile.authorizedIPRanges"
            yield from _open_networks(path, items(get(properties, path)))


def _gke_endpoints(properties: Any) -> Iterator[str]:
    # The DNS endpoint has no networks: it is closed to the outside, or open to everyone who can sign in.
    path = "controlPlaneEndpointsConfig.dnsEndpointConfig.allowExternalTraffic"
    external = get(properties, path)
    if external is UNKNOWN:
        yield unknown(path)
    elif external is True:
        yield f"{path} opens the Kubernetes API to the internet; leave it out"

    private = get(properties, "privateClusterConfig.enablePrivateEndpoint")
    by_address = get(properties, "controlPlaneEndpointsConfig.ipEndpointsConfig.enabled")
    if private is True or by_address is False:
        return
    if private is UNKNOWN:
        yield unknown("privateClusterConfig.enablePrivateEndpoint")
        return
    path = "masterAuthorizedNetworksConfig.cidrBlocks"
    blocks = items(get(properties, path))
    yield from _open_networks(path, [get(block, "cidrBlock") for block in blocks])
    path = "masterAuthorizedNetworksConfig.gcpPublicCidrsAccessEnabled"
    google = get(properties, path)
    if google is UNKNOWN:
        yield unknown(path)
    elif google is True:
        yield f"{path} opens the Kubernetes API to every machine in Google Cloud; set it to false"


def _open_networks(path: str, networks: list[Any]) -> Iterator[str]:
    if not networks:
        yield f"the Kubernetes API is open to everyone; make it private, or name the networks in {path}"
    for network in networks:
        if network is UNKNOWN:
            yield unknown(path)
            continue
        try:
            parsed = ipaddress.ip_network(str(network), strict=False)
        except ValueError:
            yield f"{path}: {network!r} is not a network such as 203.0.113.0/24"
        else:
            if parsed.prefixlen < NARROWEST_OPEN_PREFIX[parsed.version]:
                yield f"{path}: {network} is a large part of the internet; name your own networks"
