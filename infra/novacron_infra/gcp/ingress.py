"""Ingress of a region: a static address for the load balancer of the coordinators' Kubernetes service.

The cluster creates the load balancer, which passes TLS connections through to the coordinators.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from novacron_infra.errors import raise_problems
from novacron_infra.gcp.checks import build_labels, check_labels, check_name
from novacron_infra.known_args import check_known_args
from novacron_infra.tags import Tags


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpIngressArgs:
    """An address."""

    region: str
    tags: Tags
    protect: bool = True
    """Whether destroying the stack stops at it: another one has to reach every resolver first."""


class GcpIngress(pulumi.ComponentResource):
    """A regional external IPv4 address, for a service's `loadBalancerIP`."""

    name: pulumi.Output[str]
    """For the annotation `networking.gke.io/load-balancer-ip-addresses`, which takes it instead of the address."""
    address: pulumi.Output[str]

    def __init__(self, name: str, args: GcpIngressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_labels(name, args.tags)])
        super().__init__("novacron:index:GcpIngress", name, None, opts)
        reserved = gcp.compute.Address(
            f"{name}-ingress",
            region=args.region,
            address_type="EXTERNAL",
            # Premium: clients enter the provider's network close to them.
            network_tier="PREMIUM",
            labels=build_labels(args.tags, "ingress"),
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        self.name = reserved.name
        self.address = reserved.address
        self.register_outputs({"name": self.name, "address": self.address})
