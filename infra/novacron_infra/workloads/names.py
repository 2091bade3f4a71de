"""Names of the serving stack in a cluster. Clouds grant rights to these service accounts."""

from __future__ import annotations

NAMESPACE = "novacron-llm"
"""Namespace of the coordinators, and of workers without GPUs."""
GPU_NAMESPACE = "novacron-workers"
"""Namespace of workers with GPUs."""
WORKER_SERVICE_ACCOUNT = "llm-workers"
"""Service account of the workers, which may read models."""
COORDINATOR_SERVICE_ACCOUNT = "llm-coordinators"
"""Service account of the coordinators, which may sign in to Postgres and Redis."""
COORDINATORS = "llm-coordinator"
"""The coordinators' Deployment, and the label of their pods."""
WORKERS = "llm-workers"
"""The workers' StatefulSet and headless Service, and the label of their pods."""
RANKS = "llm-worker-ranks"
"""The label of the pods of a replica that only compute. Its leader has the label of workers."""
POSTGRES, REDIS = "llm-postgres", "llm-redis"
"""StatefulSets and Services of the databases in a cluster of your own, and the labels of their pods."""
PROFILE_LABEL = "novacron.io/profile"
"""Label of GPU workers with the profile of their replicas."""
CONFIGURATION_HASH, SECRETS_HASH = "novacron.io/configuration-hash", "novacron.io/secrets-hash"
"""Annotations of pods with the hashes of what they read from ConfigMaps and Secrets. Another hash replaces the pods."""
MODEL_STORE = "llm-model-store"
"""Volume of a model store that is a file system, and the claim of it."""
WARM_CAPACITY = "llm-warm-capacity"
"""The Deployment that keeps nodes for new replicas, and the label of its pods."""
SERVING_PRIORITY = "novacron-serving"
"""Priority class of coordinators and workers."""
WARM_PRIORITY = "novacron-warm-capacity"
"""Priority class of the pods that any other pod may displace."""
API_SERVICE = "llm-api"
"""Service for clients."""
REGISTRATION_SERVICE = "llm-coordinators"
"""Headless Service with the address of every coordinator, ready or not, for the workers."""
PART_OF = "novacron"
"""The label `app.kubernetes.io/part-of` of all objects."""


def find_worker_namespace(serving: bool) -> str:
    """Return the namespace of the workers' identity in a region, with or without the serving stack.

    Without it, the namespace is that of earlier versions: another one would replace the identity of existing stacks.
    """
    return GPU_NAMESPACE if serving else NAMESPACE
