"""Azure permissions of pods: an identity for one service account, by Entra workload identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_azure_native import managedidentity

from novacron_infra.azure.checks import check_name, check_region, check_tags
from novacron_infra.azure.iam import Role, declare_identity, grant
from novacron_infra.errors import raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.resource_outputs import resolve_after
from novacron_infra.tags import Tags

AUDIENCE = "api://AzureADTokenExchange"
"""Audience of the tokens that AKS gives to pods (AKS documentation of workload identity)."""
_LONGEST_NAME = 60
"""Characters. Only an identity is named after it, and identities allow 128."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AksPodIdentityArgs:
    """Arguments of a pod identity."""

    region: str
    resource_group: pulumi.Input[str]
    oidc_issuer: pulumi.Input[str]
    """OIDC issuer of the cluster."""
    namespace: str
    service_account: str
    tags: Tags
    role: Role | None = None
    """None: it may nothing yet."""
    scope: pulumi.Input[str] | None = None
    """The id of what the role is for."""
    more_scopes: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """Ids of other things that the role is for, by a short name."""


class AksPodIdentity(pulumi.ComponentResource):
    """An identity of one service account, without a secret; nodes' own are out of its pods' reach.

    The service account carries its client id as `azure.workload.identity/client-id`, and its pods the label
    `azure.workload.identity/use: "true"`.
    """

    client_id: pulumi.Output[str]
    """Resolves after the identity has its roles."""

    def __init__(self, name: str, args: AksPodIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(
            [
                *check_name(name, _LONGEST_NAME),
                *check_tags(name, args.tags),
                *check_region(f"{name}.region", args.region),
            ]
        )
        super().__init__("novacron:index:AksPodIdentity", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        own = declare_identity(f"{name}-identity", args.resource_group, args.region, args.tags.of("identity"), child)
        trust = managedidentity.FederatedIdentityCredential(
            f"{name}-identity",
            federated_identity_credential_resource_name=args.service_account,
            resource_name_=own.name,
            resource_group_name=args.resource_group,
            issuer=args.oidc_issuer,
            subject=f"system:serviceaccount:{args.namespace}:{args.service_account}",
            audiences=[AUDIENCE],
            opts=child,
        )
        needed: list[pulumi.Output[str]] = [trust.id]
        if args.role is not None and args.scope is not None:
            needed.append(grant(f"{name}-identity", args.scope, args.role, own.principal_id, child).id)
            needed += [
                grant(f"{name}-{what}", scope, args.role, own.principal_id, child).id
                for what, scope in args.more_scopes.items()
            ]
        self.client_id = resolve_after(own.client_id, *needed)
        self.register_outputs({"client_id": self.client_id})
