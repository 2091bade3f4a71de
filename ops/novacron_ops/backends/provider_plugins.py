"""Whether the provider plugins of a cloud stack are installed, before its program runs for half a minute."""

from __future__ import annotations

import os
from pathlib import Path

from novacron_infra.config import KubernetesEnvironment, LocalEnvironment, load
from novacron_infra.errors import ConfigurationError
from novacron_rehearsal.errors import ProviderError
from novacron_rehearsal.project import load_project
from novacron_rehearsal.providers.launch import KUBERNETES_PACKAGE, RANDOM_PACKAGE, Plugins

from novacron_ops.errors import Exit, OpsError
from novacron_ops.project import ProjectStack

_PACKAGES = {"aws": "aws", "gcp": "gcp", "azure": "azure-native", "kubernetes": KUBERNETES_PACKAGE}
"""The Pulumi package of each platform."""
_OWN_KUBERNETES = (
    "NovaCron's own Kubernetes provider needs no plugin but the Python client of Kubernetes, which is not installed: "
    "`pip install 'novacron[kubernetes]'`, or in a clone of the repository `make up STACK={stack}`."
)


def check_plugins(stack: ProjectStack) -> None:
    """Refuse to run a cloud stack with the rehearsal engine if a provider plugin is missing.

    A configuration with problems is left to the program, which reports them all.

    Raises:
        OpsError: if a plugin is missing; the message names the alternatives.
    """
    if not stack.is_cloud():
        return
    try:
        environment = load(stack.read_environment())
    except ConfigurationError:
        return
    if isinstance(environment, LocalEnvironment):
        return
    is_cluster = isinstance(environment, KubernetesEnvironment)
    platforms = [environment.platform] if is_cluster else environment.platforms
    packages = [*(_PACKAGES[platform.value] for platform in platforms), RANDOM_PACKAGE]
    missing = [package for package in packages if not _has(package, stack)]
    if missing:
        own = f"{_OWN_KUBERNETES.format(stack=stack.name)} " if KUBERNETES_PACKAGE in missing else ""
        raise OpsError(
            f"stack {stack.name!r} needs the provider plugin{'s' if len(missing) > 1 else ''} of "
            f"{', '.join(missing)}, and the rehearsal engine does not install plugins. {own}To deploy the stack to "
            f"simulated clouds, run `novacron rehearse -s {stack.name}`. To deploy it to real clouds, install the "
            "Pulumi CLI, which installs plugins by itself: `novacron setup --pulumi`",
            Exit.BAD_INPUT,
        )


def _has(package: str, stack: ProjectStack) -> bool:
    """Return whether the engine finds the provider of a package: attached, in Pulumi.yaml, installed, or NovaCron's."""
    attached = [entry.partition(":")[0] for entry in os.environ.get("PULUMI_DEBUG_PROVIDERS", "").split(",")]
    if package in attached:
        return True
    project = load_project(stack.folder)
    plugins = Plugins(project.python, stack.folder, socket_dir=Path(os.devnull), paths=project.plugin_paths)
    if package == RANDOM_PACKAGE and plugins.uses_own(package, ""):
        return True
    try:
        plugins.command(package, "")
    except ProviderError:
        return False
    return True
