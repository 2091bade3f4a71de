"""The Pulumi SDK of each platform, which is installed only where a stack needs it."""

from __future__ import annotations

import shlex
import sys
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec

from novacron_infra.config.sections.platform import Platform

_MODULES = {
    Platform.AWS: "pulumi_aws",
    Platform.GCP: "pulumi_gcp",
    Platform.AZURE: "pulumi_azure_native",
    Platform.KUBERNETES: "pulumi_kubernetes",
}
"""The module of each SDK. The extra of novacron-infra with the platform's name installs it."""


def find_missing_sdk(platform: Platform) -> str | None:
    """Return the command that installs the SDK of a platform, or None if it is installed or none is needed."""
    module = _MODULES.get(platform)
    if module is None or find_spec(module) is not None:
        return None
    try:
        stated = requires("novacron-infra") or []
    except PackageNotFoundError:  # a copy of the package on PYTHONPATH
        stated = []
    extras = [text.partition(";") for text in stated]
    needed = [name.strip() for name, _, marker in extras if f"extra=='{platform.value}'" in _normalize(marker)]
    # The interpreter that lacks it: the `pip` on PATH may be another one's.
    return shlex.join([sys.executable, "-m", "pip", "install", *(needed or [module.replace("_", "-")])])


def _normalize(marker: str) -> str:
    return marker.replace(" ", "").replace('"', "'")
