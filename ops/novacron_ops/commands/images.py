"""`novacron images`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from novacron_ops.console import say, write_lines
from novacron_ops.images import Builder, Destination, Image


class Action(str, Enum):
    """Values of the argument `action`."""

    BUILD = "build"
    PUSH = "push"
    LOAD = "load"
    SBOM = "sbom"


def images(
    action: Annotated[
        Action, typer.Argument(help="Build images, push them, load them into a cluster here, or list their packages.")
    ],
    names: Annotated[
        list[Image] | None,
        typer.Argument(metavar="[IMAGE]...", help="coordinator, worker-cpu, worker-gpu. [default: the first two]"),
    ] = None,
    registry: Annotated[str, typer.Option(metavar="NAME", help="Registry and path of the images.")] = "localhost",
    tag: Annotated[str, typer.Option(help="Tag of the images.")] = "trial",
    base: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="Base image, in place of the Dockerfile's own.")
    ] = None,
    builder: Annotated[Builder | None, typer.Option(help="Program to use. [default: the one that is on PATH]")] = None,
    into: Annotated[Destination, typer.Option(help="Kind of cluster that `load` brings images to.")] = Destination.NODE,
    cluster: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of that cluster. [default: the kind]")
    ] = None,
    build_option: Annotated[
        list[str] | None, typer.Option(metavar="OPTION", help="Another option of `buildah build` or `docker build`.")
    ] = None,
) -> None:
    """Build the container images of the serving stack, and push or load them.

    `sbom` needs syft, and writes a file novacron-IMAGE.spdx.json with all packages of an image.

    \b
    Examples:
      novacron images build
      novacron images push --registry registry.example.com/novacron --tag v1
      novacron images load --into kind
    """
    from novacron_ops.images import ImageBuilder, choose_builder
    from novacron_ops.project import find_project

    used = ImageBuilder(find_project(Path.cwd()), choose_builder(builder), registry, tag)
    for image in names or (Image.COORDINATOR, Image.WORKER_CPU):
        if action is Action.BUILD:
            used.build(image, base=base, options=build_option or ())
            say(f"built {used.reference(image)}")
        elif action is Action.PUSH:
            write_lines([used.push(image)])
        elif action is Action.SBOM:
            file = Path(f"novacron-{image.value}.spdx.json")
            used.write_sbom(image, file)
            say(f"wrote {file}")
        else:
            used.load(image, into, cluster or into.value)
            say(f"loaded {used.reference(image)} into {into.value} {cluster or into.value}")
