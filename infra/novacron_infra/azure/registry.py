"""Container registry of one region: images that are encrypted and that the cluster's nodes pull from inside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

import pulumi
from pulumi_azure_native import containerregistry

from novacron_infra.azure.checks import check_name, check_region, check_tags
from novacron_infra.azure.iam import Role, grant
from novacron_infra.azure.keys import CustomerKey
from novacron_infra.azure.logs import send_logs
from novacron_infra.azure.private_link import PrivateService, declare_private_endpoint
from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.limits.zones import list_zones
from novacron_infra.resource_outputs import resolve_after
from novacron_infra.tags import Tags

LOG_CATEGORIES = ("ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents")
_REGISTRY = re.compile(r"[a-z0-9]{5,50}")
_UNTAGGED_DAYS = (0, 365)


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureRegistryArgs:
    """A registry."""

    region: str
    resource_group: pulumi.Input[str]
    registry: str
    """Its name, unique in all of Azure: 5 to 50 of a-z and 0-9."""
    key: CustomerKey
    endpoint_subnet_id: pulumi.Input[str]
    registry_zone_id: pulumi.Input[str]
    pull_principal_id: pulumi.Input[str]
    """Identity that the nodes pull images with, the only one with a role on the registry."""
    workspace_id: pulumi.Input[str]
    tags: Tags
    repositories: tuple[str, ...] = ("novacron/coordinator", "novacron/worker")
    """Azure makes each with the first image that is pushed to it."""
    untagged_days: int = 14
    """How long an image stays that no tag names any more: 0 to 365."""
    protect: bool = True


class AzureRegistry(pulumi.ComponentResource):
    """Azure Container Registry, without accounts of its own, in all zones of the region, if it has any.

    Images are pushed from inside the network. That a tag means one image for ever has to be asked of Azure for each
    image (`az acr repository update --write-enabled false`): a registry has no such setting. The key's vault is
    private and lets trusted services in; the documentation of 2022 let a registry in with another kind of identity
    only, that of 2023 ("Enable a customer-managed key") with this one. Not verified against an account.

    Raises:
        ArgumentError: a name or figure that Azure does not take.
    """

    registry: containerregistry.Registry
    server: pulumi.Output[str]
    """Its host; there only when its name resolves and nodes may pull."""
    urls: dict[str, pulumi.Output[str]]
    """By repository, without tag."""

    def __init__(self, name: str, args: AzureRegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(
            [
                *check_name(name),
                *check_tags(name, args.tags),
                *check_region(f"{name}.region", args.region),
                *_check_args(name, args),
            ]
        )
        super().__init__("novacron:index:AzureRegistry", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.tags.of("registry")
        redundancy = containerregistry.ZoneRedundancy
        self.registry = containerregistry.Registry(
            f"{name}-registry",
            registry_name=args.registry,
            resource_group_name=args.resource_group,
            location=args.region,
            # The only one with private endpoints and customer keys.
            sku=containerregistry.SkuArgs(name=containerregistry.SkuName.PREMIUM),
            admin_user_enabled=False,
            anonymous_pull_enabled=False,
            public_network_access=containerregistry.PublicNetworkAccess.DISABLED,
            # What scans images is one of them.
            network_rule_bypass_options=containerregistry.NetworkRuleBypassOptions.AZURE_SERVICES,
            zone_redundancy=redundancy.ENABLED if list_zones(Cloud.AZURE, args.region) else redundancy.DISABLED,
            identity=containerregistry.IdentityPropertiesArgs(
                type=containerregistry.ResourceIdentityType.USER_ASSIGNED,
                user_assigned_identities=pulumi.Output.from_input(args.key.identity_id).apply(_identities),
            ),
            encryption=containerregistry.EncryptionPropertyArgs(
                status=containerregistry.EncryptionStatus.ENABLED,
                key_vault_properties=containerregistry.KeyVaultPropertiesArgs(
                    identity=args.key.identity_client_id, key_identifier=args.key.uri
                ),
            ),
            policies=containerregistry.PoliciesArgs(
                export_policy=containerregistry.ExportPolicyArgs(status=containerregistry.ExportPolicyStatus.DISABLED),
                retention_policy=containerregistry.RetentionPolicyArgs(
                    status=containerregistry.PolicyStatus.ENABLED, days=args.untagged_days
                ),
            ),
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        may_pull = grant(f"{name}-pull", self.registry.id, Role.ACR_PULL, args.pull_principal_id, child)
        send_logs(f"{name}-logs", self.registry.id, args.workspace_id, LOG_CATEGORIES, child)
        private_endpoint = declare_private_endpoint(
            f"{name}-endpoint",
            PrivateService.REGISTRY,
            self.registry.id,
            args.endpoint_subnet_id,
            args.registry_zone_id,
            args.resource_group,
            args.region,
            tags,
            child,
        )
        self.server = resolve_after(self.registry.login_server, private_endpoint.id, may_pull.id)
        self.urls = {path: self.server.apply(partial(_url, path)) for path in args.repositories}
        self.register_outputs({"server": self.server, "urls": self.urls})


def _identities(identity_id: str) -> dict[str, containerregistry.UserIdentityPropertiesArgs]:
    return {identity_id: containerregistry.UserIdentityPropertiesArgs()}


def _url(path: str, server: str) -> str:
    return f"{server}/{path}"


def _check_args(name: str, args: AzureRegistryArgs) -> list[Problem]:
    found: list[Problem] = []
    if not _REGISTRY.fullmatch(args.registry):
        rule = "no registry has such a name"
        found.append(Problem(f"{name}.registry", args.registry, rule, "Use 5 to 50 of a-z and 0-9"))
    low, high = _UNTAGGED_DAYS
    if not low <= args.untagged_days <= high:
        rule = f"Azure keeps untagged images {low} to {high} days"
        found.append(Problem(f"{name}.untagged_days", str(args.untagged_days), rule, "Stay within"))
    return found
