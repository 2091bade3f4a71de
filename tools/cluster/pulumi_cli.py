"""The Pulumi CLI and Pulumi's own Kubernetes provider, built from their Go modules.

The CLI finds the language host for Python in `tools/language_host`, because Pulumi's is not published as a module.
"""

from __future__ import annotations

import os
from pathlib import Path

from tools.cluster.binaries import Program

VERSION = "3.274.1"
PROGRAMS = (
    Program(
        "pulumi",
        "pulumi",
        "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{VERSION}",
    ),
    Program("pulumi-resource-kubernetes", "pulumi-kubernetes", "."),
)
_LANGUAGE_HOST = Path(__file__).parents[1] / "language_host" / "bin"


def search_path() -> str:
    """Return the folders to put in front of PATH: of the built programs, and of the language host."""
    return os.pathsep.join(map(str, [*(program.path.parent for program in PROGRAMS), _LANGUAGE_HOST]))
