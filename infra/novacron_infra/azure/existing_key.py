"""A key of Key Vault that exists: lookups of what it and its vault must have. Nothing here declares a resource."""

from __future__ import annotations

from pulumi_azure_native import keyvault

from novacron_infra.azure.resource_ids import ResourceId
from novacron_infra.existing import Lookups, differs, is_reported

_KEY = "key_id"
_TYPES = ("RSA", "RSA-HSM")
_SMALLEST_BITS = 2048


def check_key(lookups: Lookups, key_id: str, region: str) -> None:
    """Look up a key and its vault, and add a problem for everything that they lack."""
    id_ = ResourceId.parse(key_id)
    group, vault, name = id_.group, id_.parent, id_.name
    found = lookups.find(
        _KEY,
        key_id,
        "key",
        f"az keyvault key list --vault-name {vault} --query [].kid",
        lambda: keyvault.get_key(key_name=name, vault_name=vault, resource_group_name=group, opts=lookups.opts),
    )
    if found is None:
        return
    options = f"--vault-name {vault} --name {name}"
    if is_reported(found.kty):
        rule = f"it is {found.kty} of {found.key_size} bits, and services encrypt with RSA of {_SMALLEST_BITS} or more"
        holds = found.kty in _TYPES and (found.key_size or 0) >= _SMALLEST_BITS
        lookups.require(holds, _KEY, key_id, rule, "Name an RSA key")
    attributes = found.attributes
    if attributes is not None:
        rule, fix = "it is disabled", f"Run `az keyvault key set-attributes {options} --enabled true`"
        lookups.require(attributes.enabled is not False, _KEY, key_id, rule, fix)
        rule = "it expires, and what is encrypted with an expired version cannot be read"
        lookups.require(attributes.expires is None, _KEY, key_id, rule, "Name a key without an expiry date")
    if is_reported(found.kty) and not (found.rotation_policy and found.rotation_policy.lifetime_actions):
        command = f"az keyvault key rotation-policy update {options} --value POLICY"
        lookups.warn(_KEY, key_id, f"it is not rotated. `{command}` rotates it")
    _check_vault(lookups, key_id, group, vault, region)


def _check_vault(lookups: Lookups, key_id: str, group: str, vault: str, region: str) -> None:
    found = keyvault.get_vault(vault_name=vault, resource_group_name=group, opts=lookups.opts)
    rule = f"its vault is in {found.location}, and the region is {region}"
    lookups.require(not differs(found.location, region), _KEY, key_id, rule, f"Name a key of a vault in {region}")
    properties, update = found.properties, f"az keyvault update --resource-group {group} --name {vault}"
    if not is_reported(properties):
        return
    check_role_assignments(
        lookups, _KEY, key_id, properties, "identities of the region get their rights by role assignments"
    )
    rule = "its vault has no purge protection, without which storage and disks refuse a key"
    holds = properties.enable_purge_protection is True
    lookups.require(holds, _KEY, key_id, rule, f"Run `{update} --enable-purge-protection true`")
    acls = properties.network_acls
    closed = properties.public_network_access == "Disabled" or (acls is not None and acls.default_action == "Deny")
    rule = "its vault is closed to trusted services, by which storage and disks reach it"
    holds = not closed or (acls is not None and acls.bypass == "AzureServices")
    lookups.require(holds, _KEY, key_id, rule, f"Run `{update} --bypass AzureServices`")


def check_role_assignments(
    lookups: Lookups, key: str, id_: str, properties: keyvault.outputs.VaultPropertiesResponse, who: str
) -> None:
    """Check that the vault of a key or a secret grants rights by role assignments.

    Args:
        lookups: receives the problem.
        key: the key below the section.
        id_: the key or the secret, as the user typed it.
        properties: those of its vault.
        who: who gets rights by them, as a clause.
    """
    vault = ResourceId.parse(id_)
    rule = f"its vault has access policies, and {who}"
    command = f"az keyvault update --resource-group {vault.group} --name {vault.parent}"
    holds = properties.enable_rbac_authorization is True
    lookups.require(holds, key, id_, rule, f"Run `{command} --enable-rbac-authorization true`")
