"""Options that several commands share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Engine(str, Enum):
    """Values of `--engine`."""

    AUTO = "auto"
    CLI = "cli"
    REHEARSAL = "rehearsal"


class Layout(str, Enum):
    """Values of `--layout`: what applies rendered manifests."""

    PLAIN = "plain"
    """`kubectl apply`, one numbered folder after the other."""
    ARGO_CD = "argo-cd"
    """Argo CD: an Application for each cluster and each chart, sync waves on the objects."""
    FLUX = "flux"
    """Flux: a Kustomization for each numbered folder, HelmReleases for charts."""


def complete_stack(incomplete: str) -> list[str]:
    """Return the stacks of the current folder's project whose names start with what is typed, for shell completion."""
    names = (file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in Path.cwd().glob("Pulumi.*.yaml"))
    return sorted(name for name in names if name.startswith(incomplete))


StackOption = Annotated[
    str,
    typer.Option(
        "--stack",
        "-s",
        metavar="NAME",
        help="Name of the stack; Pulumi.<name>.yaml configures it.",
        autocompletion=complete_stack,
    ),
]
EngineOption = Annotated[
    Engine,
    typer.Option(
        "--engine",
        help="What runs the stack: the Pulumi CLI or this project's rehearsal engine. auto: the CLI if it is on PATH.",
    ),
]
WithoutRegionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--without-region", metavar="REGION", help="Leave an unreachable region as it is. Repeat for several regions."
    ),
]
WithoutClusterObjectsOption = Annotated[
    bool,
    typer.Option(
        "--without-cluster-objects",
        help="Leave the objects in Kubernetes clusters as they are, for a machine that does not reach the clusters.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
