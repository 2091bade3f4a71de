"""`novacron export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from novacron_ops.console import console, write_lines
from novacron_ops.files import check_writable, write_private
from novacron_ops.options import Engine, EngineOption, StackOption


def export_state(
    stack: StackOption = "local",
    engine: EngineOption = Engine.AUTO,
    file: Annotated[
        Path | None, typer.Option(help="Write to this file, readable by you alone, instead of standard output.")
    ] = None,
    show_secrets: Annotated[
        bool, typer.Option("--show-secrets", help="Write secrets in plain text, to import under another passphrase.")
    ] = False,
) -> None:
    """Write a stack's state in the format of `pulumi stack export`.

    \b
    Examples:
      novacron export > state.json
      novacron export --show-secrets --file state.json
    """
    from novacron_ops.backends import open_backend
    from novacron_ops.project import find_stack

    if file is not None:
        check_writable("--file", file)
    exported = open_backend(engine, find_stack(stack), console).export_state(show_secrets=show_secrets)
    text = json.dumps(exported, indent=4)
    if file is None:
        write_lines([text])
    else:
        write_private("--file", file, text + "\n")
