"""Names and identities of the serving stack in a cluster. Clouds grant rights to these service accounts."""

from __future__ import annotations

NAMESPACE = "novacron-llm"
"""Namespace of the coordinators and workers."""
WORKER_SERVICE_ACCOUNT = "llm-workers"
"""Service account of the workers, which may read models."""
COORDINATOR_SERVICE_ACCOUNT = "llm-coordinators"
"""Service account of the coordinators, which may sign in to Postgres and Redis."""
