"""Azure's built-in roles, and their assignment to an identity."""

from __future__ import annotations

from enum import Enum

import pulumi
from pulumi_azure_native import authorization, managedidentity


class Role(str, Enum):
    """Built-in roles by the id that they have in every tenant (Azure RBAC documentation, read on 2026-11-25)."""

    CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
    READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
    NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"
    MANAGED_IDENTITY_OPERATOR = "f1a07417-d97a-45cb-824c-7a7467783830"
    KEY_VAULT_CONTRIBUTOR = "f25e0fa2-a7c8-4377-a976-54943a77a395"
    KEY_VAULT_CRYPTO_USER = "12338af0-0e69-4776-bea7-57ae8d297424"
    KEY_VAULT_CRYPTO_SERVICE_ENCRYPTION_USER = "e147488a-f6f5-4113-8e2d-b22465e65bf6"
    KEY_VAULT_SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
    DNS_ZONE_CONTRIBUTOR = "befefa01-2a29-4197-83a8-272ff33ce314"
    STORAGE_BLOB_DATA_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
    STORAGE_BLOB_DATA_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
    ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"


def make_role_definition_id(scope: str, role: Role) -> str:
    """The role's id as Azure gives it back: under the subscription of the scope."""
    _, _, subscription, *_ = scope.split("/")
    return f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role.value}"


def grant(
    name: str,
    scope: pulumi.Input[str],
    role: Role,
    principal_id: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> authorization.RoleAssignment:
    """Gives an identity a role on one thing and what is in it."""
    place = pulumi.Output.from_input(scope)
    return authorization.RoleAssignment(
        name,
        scope=place,
        role_definition_id=place.apply(lambda known: make_role_definition_id(known, role)),
        principal_id=principal_id,
        # Stated, Azure does not look the identity up, which a new one would fail.
        principal_type=authorization.PrincipalType.SERVICE_PRINCIPAL,
        opts=opts,
    )


def declare_identity(
    name: str, resource_group: pulumi.Input[str], region: str, tags: dict[str, str], opts: pulumi.ResourceOptions
) -> managedidentity.UserAssignedIdentity:
    """An identity that exists before what uses it, so that its roles do as well."""
    return managedidentity.UserAssignedIdentity(
        name, resource_group_name=resource_group, location=region, tags=tags, opts=opts
    )
