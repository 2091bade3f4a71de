"""Ingress of a region: a public address in all zones for the coordinators' Kubernetes service.

The service names it: `service.beta.kubernetes.io/azure-pip-name` and `…/azure-load-balancer-resource-group`. The load
balancer that AKS puts behind it passes TCP on; TLS ends at the coordinators. Not for names (`dns`).
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network

from novacron_infra.azure.checks import check_name, check_region, check_tags
from novacron_infra.azure.iam import Role, grant
from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.limits.zones import check_zones, list_zones
from novacron_infra.resource_outputs import require_output, resolve_after
from novacron_infra.tags import Tags


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureIngressArgs:
    """An address."""

    region: str
    resource_group: pulumi.Input[str]
    control_principal_id: pulumi.Input[str]
    """Identity of the cluster's control plane, which attaches the address to its load balancer."""
    tags: Tags
    zones: tuple[str, ...] | None = None
    """None: all zones of the region, if it has any. The address survives the loss of any of them."""
    protect: bool = True
    """Whether destroying the stack stops at it: records of others may name it."""


class AzureIngress(pulumi.ComponentResource):
    """A static public IPv4 address that outlives the service behind it."""

    name: pulumi.Output[str]
    """Value of the service's annotation. Resolves after the cluster has its permission for the address."""
    address: pulumi.Output[str]
    """IPv4."""

    def __init__(self, name: str, args: AzureIngressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(
            [
                *check_name(name),
                *check_tags(name, args.tags),
                *check_region(f"{name}.region", args.region),
                *_check_args(name, args),
            ]
        )
        super().__init__("novacron:index:AzureIngress", name, None, opts)
        zones = list_zones(Cloud.AZURE, args.region) if args.zones is None else args.zones
        address = network.PublicIPAddress(
            f"{name}-address",
            resource_group_name=args.resource_group,
            location=args.region,
            sku=network.PublicIPAddressSkuArgs(name=network.PublicIPAddressSkuName.STANDARD),
            public_ip_address_version=network.IPVersion.I_PV4,
            public_ip_allocation_method=network.IPAllocationMethod.STATIC,
            zones=list(zones) or None,
            tags=args.tags.of("ingress"),
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        # It looks the name up in the group's list of addresses. AKS's documentation gives it Network Contributor on the
        # whole group; that reading the group is enough has not been tried on an account.
        scopes = {"group": (address.id.apply(_group), Role.READER), "address": (address.id, Role.NETWORK_CONTRIBUTOR)}
        may_take = [
            grant(f"{name}-{what}", scope, role, args.control_principal_id, pulumi.ResourceOptions(parent=self)).id
            for what, (scope, role) in scopes.items()
        ]
        self.name = resolve_after(address.name, *may_take)
        self.address = address.ip_address.apply(_require_address)
        self.register_outputs({"name": self.name, "address": self.address})


def _group(address_id: str) -> str:
    return address_id.partition("/providers/")[0]


def _require_address(address: str | None) -> str:
    return require_output(address, "PublicIPAddress.ip_address")


def _check_args(name: str, args: AzureIngressArgs) -> list[Problem]:
    return list(check_zones(f"{name}.zones", args.zones or (), Cloud.AZURE, args.region))
