"""`environment` and `platform`: the name of an environment, and where it runs."""

from __future__ import annotations

from enum import Enum


class EnvironmentName(str, Enum):
    """The environments that run in a cloud."""

    DEV = "dev"
    """For development."""
    STAGING = "staging"
    """For tests before a release."""
    PROD = "prod"
    """For production."""


class Platform(str, Enum):
    """Where an environment or a region runs."""

    LOCAL = "local"
    """Processes on this machine."""
    AWS = "aws"
    """Amazon Web Services."""
    GCP = "gcp"
    """Google Cloud."""
    AZURE = "azure"
    """Microsoft Azure."""
    KUBERNETES = "kubernetes"
    """A Kubernetes cluster of your own."""
