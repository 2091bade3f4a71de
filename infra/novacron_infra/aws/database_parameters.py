"""Parameters of Postgres on RDS: connections over TLS only, and what the server logs."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from novacron_infra.config import DatabaseStatements
from novacron_infra.postgres_logs import list_log_parameters

_NEEDS_RESTART = "rds.force_ssl", "shared_preload_libraries"


def declare_parameters(
    name: str, version: str, statements: DatabaseStatements, tags: dict[str, str], opts: pulumi.ResourceOptions
) -> aws.rds.ParameterGroup:
    """Declare the parameter group of a server.

    Args:
        name: name of the resource.
        version: version of Postgres, such as 17 or 17.4.
        statements: the statements that pgAudit logs.
        tags: tags of the group.
        opts: Pulumi's options.
    """
    values = {
        **list_log_parameters(statements, on="1", off="0"),
        "rds.force_ssl": "1",
        # AWS's default, and pgAudit.
        "shared_preload_libraries": "pg_stat_statements,pgaudit",
    }
    return aws.rds.ParameterGroup(
        name,
        family=f"postgres{version.partition('.')[0]}",
        description="TLS only; logs of connections, lock waits, slow statements and schema changes",
        parameters=[
            aws.rds.ParameterGroupParameterArgs(
                name=key, value=value, apply_method="pending-reboot" if key in _NEEDS_RESTART else "immediate"
            )
            for key, value in sorted(values.items())
        ],
        tags=tags,
        opts=opts,
    )
