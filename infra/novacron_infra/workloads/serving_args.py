"""Arguments of ServingStack that are more than one value: GPU workers, identities, the model store and secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from novacron_infra.plan.serving import WorkerGroup


@dataclass(frozen=True, kw_only=True, slots=True)
class NfsMount:
    """A file system that pods mount over NFS, read only: EFS, Filestore, Azure Files or a server of your own."""

    server: pulumi.Input[str]
    """Name or address, such as `fs-0123.efs.us-west-2.amazonaws.com`."""
    path: pulumi.Input[str] = "/"
    """The folder that the server exports."""
    url: pulumi.Input[str]
    """URL of that folder, with which the URLs of its models begin: `efs://fs-0123` or `nfs://server/export`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelStoreAccess:
    """The store that workers download models from."""

    url: pulumi.Input[str]
    """URL of the models with their prefix, as the output `model_store` of a region: `s3://bucket/models`."""
    mount: NfsMount | None = None
    """The mount of a store that is a file system. None: an object store, which workers read over HTTPS."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuWorkers:
    """Workers with TensorRT-LLM on GPUs, as the plan of a region decides."""

    groups: tuple[WorkerGroup, ...]
    store: ModelStoreAccess


@dataclass(frozen=True, kw_only=True, slots=True)
class PodIdentity:
    """How the pods of a service account sign in to their cloud."""

    annotations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """Annotations of the service account: the role on AWS, the account on Google Cloud, the client on Azure."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the service account and of its pods: `azure.workload.identity/use` on Azure."""
    metadata_server: bool = False
    """Whether pods get their credentials from a link-local address of the node: GKE, and EKS Pod Identity."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identities:
    """The identities of the two service accounts. By default they have none."""

    coordinators: PodIdentity = field(default_factory=PodIdentity)
    workers: PodIdentity = field(default_factory=PodIdentity)


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretKey:
    """A value in a Secret of the coordinators' namespace that something else creates, such as external-secrets.

    Coordinators wait for it. They are not restarted when it changes.
    """

    secret: pulumi.Input[str]
    """Name of the Secret."""
    key: str
    port: int
    """Port of the service that the value leads to, which the network policies open."""
