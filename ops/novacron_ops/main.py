"""The `novacron` command, assembled from `commands/`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import version
from typing import Annotated, NoReturn, Protocol

import typer
from rich.console import Console
from typer.core import TyperGroup

from novacron_ops.commands.catalog import catalog
from novacron_ops.commands.down import down
from novacron_ops.commands.drain import drain
from novacron_ops.commands.export_state import export_state
from novacron_ops.commands.images import images
from novacron_ops.commands.import_state import import_state
from novacron_ops.commands.init import init
from novacron_ops.commands.key import key
from novacron_ops.commands.logs import logs
from novacron_ops.commands.plan import plan
from novacron_ops.commands.preview import preview
from novacron_ops.commands.quality import measure_quality
from novacron_ops.commands.rehearse import rehearse
from novacron_ops.commands.render import render
from novacron_ops.commands.setup import setup
from novacron_ops.commands.status import status
from novacron_ops.commands.up import up
from novacron_ops.errors import Exit, OpsError

SECTIONS: dict[str, dict[str, Callable[..., None]]] = {
    "Deploy a stack": {"preview": preview, "up": up, "down": down, "render": render},
    "Operate a stack": {"status": status, "logs": logs, "drain": drain, "key": key},
    "Plan and rehearse": {
        "init": init,
        "plan": plan,
        "rehearse": rehearse,
        "quality": measure_quality,
        "catalog": catalog,
    },
    "State and tools": {"export": export_state, "import": import_state, "images": images, "setup": setup},
}
"""The commands by name, in the sections and the order of `novacron --help`."""


_WHOLE_SENTENCE = 1000
"""Characters of a command's summary; the help formatter wraps it."""


class _HelpFormatter(Protocol):
    """The part of Typer's help formatter that the list of commands uses."""

    def section(self, name: str) -> AbstractContextManager[None]: ...

    def write_dl(self, rows: Sequence[tuple[str, str]]) -> None: ...


class _SectionedGroup(TyperGroup):
    """A group that lists its commands in sections."""

    def format_commands(self, ctx: object, formatter: _HelpFormatter) -> None:
        """Write each section with the first sentence of every command's help."""
        del ctx
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name, self.commands[name].get_short_help_str(_WHOLE_SENTENCE)) for name in commands]
                )


app = typer.Typer(
    cls=_SectionedGroup,
    help="Deploy, inspect and rehearse GPU clusters and LLM serving stacks from one typed description.",
    epilog=(
        "`novacron COMMAND --help` describes a command. "
        "Exit status: 0 success, 1 failure, 2 bad input, 130 interrupted."
    ),
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # an unexpected error is a traceback without the values of variables
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _commands in SECTIONS.values():
    for _name, _function in _commands.items():
        app.command(name=_name)(_function)


@app.callback(invoke_without_command=True)
def _novacron(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if show_version:
        typer.echo(f"novacron {version('novacron')}")
        raise typer.Exit(Exit.OK)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command. A known error is printed as one message and sets the exit status; see `Exit`."""
    try:
        # Without standalone mode, `typer.Exit` is returned as its status.
        returned = app(standalone_mode=False)
    except OpsError as error:
        _fail(str(error), error.exit_status)
    except typer.Abort:  # a question without an answer
        _fail("interrupted", Exit.INTERRUPTED)
    except Exception as error:
        if _is_known(error):
            _fail(str(error), Exit.BAD_INPUT if _is_bad_input(error) else Exit.FAILED)
        if (format_message := getattr(error, "format_message", None)) is None:
            raise
        context = getattr(error, "ctx", None)
        hint = f" (see `{context.command_path} --help`)" if context is not None else ""
        message = str(format_message()).replace("Value error, ", "")  # Typer's prefix for a wrong choice
        _fail(f"{message.rstrip('.')}{hint}", Exit.BAD_INPUT)
    if returned == Exit.INTERRUPTED:  # Ctrl-C where no command has more to say
        _fail("interrupted", Exit.INTERRUPTED)
    sys.exit(returned if isinstance(returned, int) else Exit.OK)


def _is_known(error: Exception) -> bool:
    """Return whether an error is one of the engine or of the components. They are imported only once one is raised."""
    from novacron_infra.errors import NovaCronError
    from novacron_rehearsal import RehearsalError

    return isinstance(error, (NovaCronError, RehearsalError))


def _is_bad_input(error: Exception) -> bool:
    """Return whether an error is about a file or variable that the user provides."""
    from novacron_rehearsal.errors import InputError

    return isinstance(error, InputError)


def _fail(message: str, status: Exit) -> NoReturn:
    console = Console(stderr=True)
    console.print(f"error: {message}", style="red", highlight=False, markup=False, soft_wrap=True)
    sys.exit(status)
