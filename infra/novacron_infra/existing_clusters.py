"""Clusters that exist: the checks that are alike in every cloud. Each cloud's `existing_cluster` has its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network

from novacron_infra.catalog import Cloud
from novacron_infra.clock import read_today
from novacron_infra.existing import Lookups
from novacron_infra.limits.versions import describe_end_of_support, find_ended_support, list_versions


def check_cluster_version(lookups: Lookups, key: str, cluster: str, version: str, cloud: Cloud) -> str:
    """Check the version of a cluster: the catalogue lists it. Warn if its standard support ends or has ended.

    Args:
        lookups: where problems are added.
        key: the key of the cluster below the section.
        cluster: the cluster, as the user typed it.
        version: the version that the cloud reports, with or without a patch.
        cloud: the cloud.

    Returns:
        The minor version, such as 1.35.
    """
    minor, listed = find_minor_version(version), list_versions(cloud)
    rule = f"its Kubernetes version is {minor}, and {listed[0]} to {listed[-1]} are supported"
    older = _count(minor) < _count(listed[0])
    fix = (
        f"Upgrade it to {listed[0]}, minor by minor" if older else "Add it to kubernetes_versions.yaml of the catalogue"
    )
    lookups.require(minor in listed, key, cluster, rule, fix)
    today = read_today()
    ended = find_ended_support(minor, cloud, today)
    if ended is not None:
        lookups.warn(key, cluster, f"the standard support of version {minor} ended on {ended}: the cloud bills more")
    elif warning := describe_end_of_support("version", minor, cloud, today):
        lookups.warn(key, cluster, warning)
    return minor


def find_minor_version(version: str) -> str:
    """Return the minor version of a version: 1.35 of 1.35.2-gke.1001000."""
    return ".".join(version.split(".")[:2])


def check_public_access(
    lookups: Lookups,
    key: str,
    cluster: str,
    networks: Sequence[IPv4Network],
    admitted: Sequence[str] | None,
    fix: str,
) -> None:
    """Check that the API admits the networks of `clusters.public_networks`.

    Args:
        lookups: where problems are added.
        key: the key of the cluster below the section.
        cluster: the cluster, as the user typed it.
        networks: `clusters.public_networks`. None: the API is reached inside the network.
        admitted: networks that the API admits from the internet. None: the API is private.
        fix: what to do; `{networks}` stands for the networks that it has to admit, with commas.
    """
    if admitted is None:
        missing = list(networks)
        rule = f"its API is private, and clusters.public_networks has {_join(missing)}"
    else:
        known = [IPv4Network(cidr) for cidr in admitted if ":" not in cidr]
        missing = [network for network in networks if not any(map(network.subnet_of, known))]
        rule = f"its API does not admit {_join(missing)} of clusters.public_networks"
        if any(network.prefixlen == 0 for network in known):
            lookups.warn(key, cluster, "its API is open to the whole internet")
    lookups.require(not missing, key, cluster, rule, fix.format(networks=_join(missing, ",")))


def _join(networks: Iterable[IPv4Network], separator: str = ", ") -> str:
    return separator.join(map(str, networks))


def _count(version: str) -> int:
    minor = version.partition(".")[2]
    return int(minor) if minor.isdigit() else 0
