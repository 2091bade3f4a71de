"""`novacron setup`."""

from __future__ import annotations

from typing import Annotated

import typer

from novacron_ops.console import say
from novacron_ops.errors import Exit, OpsError


def setup(pulumi: Annotated[bool, typer.Option("--pulumi", help="Install the official Pulumi CLI.")] = False) -> None:
    """Install optional tools.

    \b
    Examples:
      novacron setup --pulumi
    """
    if not pulumi:
        raise OpsError("nothing to install; name a tool: novacron setup --pulumi", Exit.BAD_INPUT)
    from pulumi.automation import PulumiCommand

    try:
        command = PulumiCommand.install()
    except Exception as error:  # the Automation API passes on whatever its installer raises
        raise OpsError(f"the Pulumi CLI cannot be installed, its download needs the internet: {error}") from error
    say(f"Installed {command.command}, version {command.version}. Put its folder on PATH.")
