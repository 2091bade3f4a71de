"""Postgres and Redis that exist: lookups of what they must have. Nothing here declares a resource."""

from __future__ import annotations

from pulumi_azure_native import dbforpostgresql, keyvault, redisenterprise

from novacron_infra.azure.existing_key import check_role_assignments
from novacron_infra.azure.resource_ids import ResourceId
from novacron_infra.config import ExistingAzurePostgres, ExistingAzureRedis
from novacron_infra.existing import Lookups, differs, is_reported
from novacron_infra.limits.databases import OLDEST_POSTGRES, is_supported

_POLICIES = {True: "OSSCluster", False: "EnterpriseCluster"}
"""Clustering policy of a Redis, by `clustered`."""


def check_postgres(lookups: Lookups, existing: ExistingAzurePostgres, region: str) -> None:
    """Look up Postgres and its login, and add a problem for everything that they lack."""
    key, server_id, require = "postgres.server_id", existing.server_id, lookups.require
    id_ = ResourceId.parse(server_id)
    group, name = id_.group, id_.name
    found = lookups.find(
        key,
        server_id,
        "flexible server",
        f"az postgres flexible-server list --resource-group {group} --query [].id",
        lambda: dbforpostgresql.get_server(server_name=name, resource_group_name=group, opts=lookups.opts),
    )
    _check_secret(lookups, "postgres.secret_id", existing.secret_id)
    if found is None:
        return
    rule, fix = f"it is in {found.location}, and the region is {region}", f"Name one in {region}"
    require(not differs(found.location, region), key, server_id, rule, fix)
    if is_reported(found.version):
        rule = f"its version is {found.version}, and coordinators need {OLDEST_POSTGRES} or newer"
        holds = is_supported(found.version or "", OLDEST_POSTGRES)
        require(holds, key, server_id, rule, "Upgrade it, or name another one")
    injected = found.network.delegated_subnet_resource_id if found.network is not None else None
    rule = f"it is in the subnet {injected}, and the region connects to a server by a private endpoint"
    require(not injected, key, server_id, rule, "Name a server without VNet integration")
    if found.auth_config is not None:
        rule = "it has no sign-in with passwords, which coordinators use"
        holds = not differs(found.auth_config.password_auth, "Enabled")
        command = f"az postgres flexible-server update --resource-group {group} --name {name} --password-auth Enabled"
        require(holds, key, server_id, rule, f"Run `{command}`")


def check_redis(lookups: Lookups, existing: ExistingAzureRedis, region: str) -> None:
    """Look up Redis and its login, and add a problem for everything that they lack."""
    key, cluster_id, require = "redis.cluster_id", existing.cluster_id, lookups.require
    id_ = ResourceId.parse(cluster_id)
    group, name = id_.group, id_.name
    options = f"--resource-group {group} --cluster-name {name}"
    found = lookups.find(
        key,
        cluster_id,
        "Azure Managed Redis",
        f"az redisenterprise list --resource-group {group} --query [].id",
        lambda: redisenterprise.get_redis_enterprise(cluster_name=name, resource_group_name=group, opts=lookups.opts),
    )
    _check_secret(lookups, "redis.secret_id", existing.secret_id)
    if found is None:
        return
    rule, fix = f"it is in {found.location}, and the region is {region}", f"Name one in {region}"
    require(not differs(found.location, region), key, cluster_id, rule, fix)
    if is_reported(found.sku):
        rule = f"it is {found.sku.name}, a size of Azure Cache for Redis Enterprise, which Azure retires on 2027-03-31"
        require(not found.sku.name.startswith("Enterprise"), key, cluster_id, rule, "Name an Azure Managed Redis")
    database = lookups.find(
        key,
        cluster_id,
        "database default of Azure Managed Redis",
        f"az redisenterprise database list {options}",
        lambda: redisenterprise.get_database(
            cluster_name=name, database_name="default", resource_group_name=group, opts=lookups.opts
        ),
    )
    if database is None:
        return
    update = f"az redisenterprise database update {options}"
    rule = "it takes connections without TLS, which coordinators do not make"
    holds = not differs(database.client_protocol, "Encrypted")
    require(holds, key, cluster_id, rule, f"Run `{update} --client-protocol Encrypted`")
    rule = "it has no access keys, which coordinators sign in with"
    holds = not differs(database.access_keys_authentication, "Enabled")
    require(holds, key, cluster_id, rule, f"Run `{update} --access-keys-auth Enabled`")
    if is_reported(database.clustering_policy):
        rule = f"its clustering policy is {database.clustering_policy}"
        holds = database.clustering_policy == _POLICIES[existing.clustered]
        value, fix = str(existing.clustered).lower(), f"Write {str(not existing.clustered).lower()}"
        require(holds, "redis.clustered", value, rule, fix)


def _check_secret(lookups: Lookups, key: str, secret_id: str) -> None:
    id_ = ResourceId.parse(secret_id)
    group, vault, name = id_.group, id_.parent, id_.name
    found = lookups.find(
        key,
        secret_id,
        "secret",
        f"az keyvault secret list --vault-name {vault} --query [].name",
        lambda: keyvault.get_secret(secret_name=name, vault_name=vault, resource_group_name=group, opts=lookups.opts),
    )
    if found is None:
        return
    properties = keyvault.get_vault(vault_name=vault, resource_group_name=group, opts=lookups.opts).properties
    if is_reported(properties):
        who = "the coordinators' identity gets its right by a role assignment"
        check_role_assignments(lookups, key, secret_id, properties, who)
