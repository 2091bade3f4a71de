"""The typed description of an environment, and reading it from a stack's configuration.

What the environment takes is in `novacron_infra.plan`.
"""

from novacron_infra.config.environment import CloudEnvironment, EnvironmentSecrets
from novacron_infra.config.loading import EnvironmentConfig, load
from novacron_infra.config.local import (
    CoordinatorConfig,
    Device,
    LocalEnvironment,
    LocalQuantization,
    ModelConfig,
    WorkersConfig,
)
from novacron_infra.config.reading import load_stack
from novacron_infra.config.sections import Platform

__all__ = [
    "CloudEnvironment",
    "CoordinatorConfig",
    "Device",
    "EnvironmentConfig",
    "EnvironmentSecrets",
    "LocalEnvironment",
    "LocalQuantization",
    "ModelConfig",
    "Platform",
    "WorkersConfig",
    "load",
    "load_stack",
]
