"""Parameters of Azure Database for PostgreSQL: connections over TLS only, and what the server logs."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import dbforpostgresql

from novacron_infra.config import DatabaseStatements
from novacron_infra.postgres_logs import list_log_parameters


def declare_parameters(
    name: str,
    server_name: pulumi.Input[str],
    resource_group: pulumi.Input[str],
    statements: DatabaseStatements,
    parent: pulumi.Resource,
) -> dbforpostgresql.Configuration:
    """Declare the parameters of a server, one after the other, because it takes one change at a time.

    Args:
        name: beginning of the resources' names.
        server_name: name of the server.
        resource_group: the server's resource group.
        statements: the statements that pgAudit logs.
        parent: the component that declares the server.

    Returns:
        The last one, for what has to wait.
    """
    tls, *others = {
        "require_secure_transport": "on",
        # Azure's default, and pgAudit. A server loads it when it next starts.
        "shared_preload_libraries": "pg_cron,pg_stat_statements,pgaudit",
        "azure.extensions": "PGAUDIT",
        **list_log_parameters(statements),
    }.items()
    last = _declare(f"{name}-tls", tls, server_name, resource_group, pulumi.ResourceOptions(parent=parent))
    for parameter in others:
        suffix = parameter[0].replace(".", "-").replace("_", "-")
        opts = pulumi.ResourceOptions(parent=parent, depends_on=[last])
        last = _declare(f"{name}-{suffix}", parameter, server_name, resource_group, opts)
    return last


def _declare(
    resource: str,
    parameter: tuple[str, str],
    server_name: pulumi.Input[str],
    resource_group: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> dbforpostgresql.Configuration:
    name, value = parameter
    return dbforpostgresql.Configuration(
        resource,
        configuration_name=name,
        server_name=server_name,
        resource_group_name=resource_group,
        source="user-override",
        value=value,
        opts=opts,
    )
