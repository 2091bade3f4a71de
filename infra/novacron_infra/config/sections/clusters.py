"""`clusters`: the Kubernetes cluster of each region."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from novacron_infra.config.sections.base import Name, Section


class Clusters(Section):
    """The Kubernetes clusters, one in each region. Their API is private unless `public_networks` says for whom not."""

    version: Annotated[str, Field(pattern=r"^1\.\d{2}$")] = "1.34"
    """Minor version of Kubernetes."""
    admins: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Who administrates them, as the cloud names them: ARNs of IAM roles or users on AWS, `group:` or `user:` and an
    address on Google Cloud, object ids of Entra groups on Azure."""
    public_networks: tuple[Name, ...] = ()
    """IPv4 networks from which the API is reached over the internet; none: from nowhere."""
    add_ons: bool = False
    """Whether storage classes and device plugins are made in the clusters. `up` then has to reach each API: run it in
    the network, or from one of `public_networks`. Off: all that is outside of the clusters is made, and no GPU is
    counted on AWS until a device plugin is there."""
