"""The typed description of an environment, and reading it from a stack's configuration."""

from novacron_infra.config.environment import (
    CoordinatorConfig,
    Device,
    EnvironmentConfig,
    ModelConfig,
    Platform,
    WorkersConfig,
)
from novacron_infra.config.reading import load, load_stack

__all__ = [
    "CoordinatorConfig",
    "Device",
    "EnvironmentConfig",
    "ModelConfig",
    "Platform",
    "WorkersConfig",
    "load",
    "load_stack",
]
