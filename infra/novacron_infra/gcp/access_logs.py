"""Audit logs of Cloud Storage: who read or wrote which object of the project.

The setting belongs to the project and not to a bucket: one environment of a project declares it. Cloud Logging keeps
the logs as long as the project's bucket _Default says, 30 days unless changed.
"""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp


def declare_access_logs(name: str, project: str, opts: pulumi.ResourceOptions) -> gcp.projects.IAMAuditConfig:
    """Turn on the logs of reads and writes of objects in all buckets of a project."""
    return gcp.projects.IAMAuditConfig(
        f"{name}-storage-access",
        project=project,
        service="storage.googleapis.com",
        audit_log_configs=[
            gcp.projects.IAMAuditConfigAuditLogConfigArgs(log_type=kind) for kind in ("DATA_READ", "DATA_WRITE")
        ],
        opts=opts,
    )
