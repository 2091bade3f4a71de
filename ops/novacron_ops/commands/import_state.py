"""`novacron import`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from novacron_ops.console import console
from novacron_ops.errors import Exit, OpsError
from novacron_ops.options import Engine, EngineOption, StackOption


def import_state(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file written by `novacron export` or `pulumi stack export`.")
    ],
    stack: StackOption = "local",
    engine: EngineOption = Engine.AUTO,
) -> None:
    """Replace a stack's state with an exported one.

    \b
    Examples:
      novacron import state.json -s dev
    """
    from novacron_ops.backends import open_backend
    from novacron_ops.project import find_stack

    try:
        exported: object = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise OpsError(f"{file} cannot be read: {error.strerror}", Exit.BAD_INPUT) from error
    except (ValueError, RecursionError) as error:
        raise OpsError(f"{file} is not JSON: {error}", Exit.BAD_INPUT) from error
    if not isinstance(exported, dict):
        raise OpsError(f"{file} is not an exported state: it must be a JSON object", Exit.BAD_INPUT)
    open_backend(engine, find_stack(stack), console).import_state(exported)
