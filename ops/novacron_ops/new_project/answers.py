"""The answers to the questions of `novacron init`."""

from __future__ import annotations

from dataclasses import dataclass

from novacron_infra.config import Platform


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The answers so far. None, or an empty tuple, is a question that has no answer yet."""

    project: str
    """Name of the Pulumi project."""
    platform: Platform
    """Where the environment runs."""
    stack: str | None = None
    """Name of the stack, which is also the name of an environment in a cloud."""
    model: str | None = None
    """In a cloud a model of the catalogue, in a cluster a folder in a store, on this machine a folder."""
    machine: str | None = None
    """GPU machine of the workers in a cloud."""
    gpus: int | None = None
    """GPUs of each worker."""
    regions: tuple[str, ...] = ()
    """Regions of the cloud, the primary first."""
    admins: tuple[str, ...] = ()
    """Administrators of the clusters, as the cloud names them."""
    account: str | None = None
    """Project of Google Cloud, or subscription of Azure."""
    domain: str | None = None
    """Domain name that clients use."""
    alarm_receiver: str | None = None
    """Receiver of the alarms of a production environment, as the cloud names it."""
    coordinator_image: str | None = None
    """Image of the coordinators, in a cluster of your own."""
    worker_image: str | None = None
    """Image of the workers, in a cluster of your own."""
