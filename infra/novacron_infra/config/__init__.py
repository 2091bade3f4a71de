"""The typed description of an environment: what a user wants. What it takes is in `novacron_infra.plan`."""

from novacron_infra.config.environment import EnvironmentConfig, EnvironmentSecrets
from novacron_infra.config.errors import CONFIG_KEY, ConfigurationError, Problem
from novacron_infra.config.loading import load
from novacron_infra.config.sections import (
    Device,
    EnvironmentName,
    LocalPlatform,
    ModelServing,
    Platform,
    Profile,
    Region,
    Targets,
    Workers,
)
from novacron_infra.config.stack import from_stack

__all__ = [
    "CONFIG_KEY",
    "ConfigurationError",
    "Device",
    "EnvironmentConfig",
    "EnvironmentName",
    "EnvironmentSecrets",
    "LocalPlatform",
    "ModelServing",
    "Platform",
    "Problem",
    "Profile",
    "Region",
    "Targets",
    "Workers",
    "from_stack",
    "load",
]
