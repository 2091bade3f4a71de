"""`clusters`: the Kubernetes cluster of each region."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from novacron_infra.config.sections.base import Name, Section, TextPattern
from novacron_infra.config.sections.networks import PublicNetwork

KubernetesVersion = Annotated[
    str, TextPattern(r"1\.[0-9]{2}", "a Kubernetes version is written as its minor version", "1.35")
]


class Clusters(Section):
    """The Kubernetes clusters, one in each region. Their APIs are private unless `public_networks` is set."""

    version: KubernetesVersion = "1.35"
    """Minor version of Kubernetes, in quotes."""
    admins: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Administrators of the clusters, as the cloud names them.
    AWS: ARNs of IAM roles or users. Google Cloud: `group:` or `user:` and an address. Azure: object ids of Entra
    groups."""
    public_networks: tuple[PublicNetwork, ...] = ()
    """IPv4 networks that reach the clusters' APIs over the internet, such as 203.0.113.0/24.
    Without any, the APIs are private."""
    add_ons: bool = False
    """Whether to create storage classes and device plugins in the clusters, and to install `add_ons`.
    `novacron up` must then reach each API, so run it inside the network or from one of `public_networks`. Without
    add-ons, a cluster on AWS has no GPUs to schedule until you install a device plugin."""
    serving: bool = False
    """Whether to deploy the serving stack to the clusters: coordinators, workers and what they need.
    It needs `add_ons`, and for `novacron up` digests of the images."""
