"""Options that several commands share."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer


class Engine(str, Enum):
    """Values of `--engine`."""

    AUTO = "auto"
    CLI = "cli"
    REHEARSAL = "rehearsal"


StackOption = Annotated[
    str, typer.Option("--stack", "-s", metavar="NAME", help="Name of the stack; Pulumi.<name>.yaml configures it.")
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
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
