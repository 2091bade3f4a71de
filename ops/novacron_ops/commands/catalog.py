"""`novacron catalog`."""

from __future__ import annotations

import json
from enum import Enum
from typing import Annotated

import typer

from novacron_ops.console import write_lines
from novacron_ops.errors import Exit, OpsError
from novacron_ops.options import JsonOption


class Action(str, Enum):
    """Values of the argument `action`."""

    LIST = "list"
    SHOW = "show"
    CHECK = "check"


class CloudName(str, Enum):
    """Values of `--cloud`."""

    AWS = "aws"
    GCP = "gcp"
    AZURE = "azure"


def catalog(
    action: Annotated[Action, typer.Argument(help="List entries, show one, or check the project's own files.")],
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="For list: machines, gpus or models. [default: machines] For show: an entry."
        ),
    ] = None,
    cloud: Annotated[CloudName | None, typer.Option(help="List only machines of this cloud.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List, show or check the machines, GPUs and models that plans are made from.

    The catalogue is that of this version and of the project's own files, in the folder `catalog` next to Pulumi.yaml.

    \b
    Examples:
      novacron catalog list --cloud aws
      novacron catalog list gpus
      novacron catalog show p5.48xlarge
      novacron catalog check
    """
    from dataclasses import asdict

    from novacron_infra.catalog import CatalogFilesError

    from novacron_ops.catalog_report import check_own_files, list_entries, show_entry

    try:
        if action is Action.LIST:
            report = list_entries(name or "machines", cloud.value if cloud else None)
        elif action is Action.CHECK:
            report = check_own_files()
        elif name is not None:
            report = show_entry(name)
        else:
            raise OpsError("show needs the name of an entry; `novacron catalog list` shows the names", Exit.BAD_INPUT)
    except CatalogFilesError as error:
        if not as_json:
            raise OpsError(str(error), Exit.BAD_INPUT) from error
        problems = [asdict(problem) for problem in error.problems]
        write_lines([json.dumps({"problems": problems}, ensure_ascii=False)])
        raise typer.Exit(Exit.BAD_INPUT) from error
    write_lines([json.dumps(report.values, indent=1, ensure_ascii=False)] if as_json else report.lines)
