"""Parameters of the log of every Postgres server, on any cloud.

`log_statement` stays off: pgAudit logs the same statements, and leaves the passwords of `ALTER ROLE` out. Host names
stay off too: the server would look each client up in DNS.
"""

from __future__ import annotations

from collections.abc import Mapping

from novacron_infra.config.sections.security import DatabaseStatements

SLOW_STATEMENT_MS = 1000
"""Statements that take longer are logged with their duration."""


def list_log_parameters(statements: DatabaseStatements, *, on: str = "on", off: str = "off") -> Mapping[str, str]:
    """Return the values of Postgres' parameters by their names, sorted.

    Args:
        statements: the statements that pgAudit logs.
        on: how the cloud writes that a parameter is on.
        off: how it writes that one is off.
    """
    values = {
        "log_checkpoints": on,
        "log_connections": on,
        "log_disconnections": on,
        "log_duration": off,
        "log_lock_waits": on,
        "log_min_duration_statement": str(SLOW_STATEMENT_MS),
        "log_min_error_statement": "error",
        "log_min_messages": "warning",
        "log_statement": "none",
        "pgaudit.log": statements.classes,
    }
    return dict(sorted(values.items()))
