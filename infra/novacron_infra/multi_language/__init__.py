"""Components for programs in any Pulumi language, with arguments that cross a wire: texts, numbers, lists, maps.

Each is a thin cover of a component of this package, which checks and makes everything. Python programs may take either;
the plugin (`infra/__main__.py`) offers these. The files here have no `from __future__ import annotations`: Pulumi reads
the annotations of the classes themselves.
"""

from importlib import import_module
from importlib.util import find_spec

import pulumi

_BY_SDK = {
    "pulumi_aws": ("novacron_infra.multi_language.aws", ("EksGpuPool", "AwsGpuRegion")),
    "pulumi_gcp": ("novacron_infra.multi_language.gcp", ("GkeGpuPool",)),
    "pulumi_azure_native": ("novacron_infra.multi_language.azure", ("AksGpuPool",)),
}
"""The module and its components that need an SDK."""


def components() -> list[type[pulumi.ComponentResource]]:
    """Those whose cloud's SDK is installed (the extras `aws`, `gcp`, `azure`). The others' are not looked at."""
    found = [("novacron_infra.multi_language.dns", "GlobalEndpoint")]
    for sdk, (module, names) in _BY_SDK.items():
        if find_spec(sdk) is not None:
            found += [(module, name) for name in names]
    return [getattr(import_module(module), name) for module, name in found]
