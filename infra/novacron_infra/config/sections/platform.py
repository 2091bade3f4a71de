"""`environment` and `platform`: the environments, and the clouds they run in."""

from __future__ import annotations

from enum import Enum


class EnvironmentName(str, Enum):
    """The environments that run in a cloud."""

    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"


class Platform(str, Enum):
    """Where an environment runs."""

    LOCAL = "local"
    AWS = "aws"
    GCP = "gcp"
    AZURE = "azure"
