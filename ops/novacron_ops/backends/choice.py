"""Choosing the backend of a stack."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from types import MappingProxyType

from rich.console import Console

from novacron_ops.backends.backend import Backend
from novacron_ops.backends.pulumi_cli import PulumiCli
from novacron_ops.backends.rehearsal_engine import RehearsalEngine
from novacron_ops.errors import Exit, OpsError
from novacron_ops.options import Engine
from novacron_ops.project import ProjectStack


def open_backend(
    engine: Engine, stack: ProjectStack, console: Console, provider_env: Mapping[str, str] = MappingProxyType({})
) -> Backend:
    """Return the backend that runs a stack.

    Args:
        engine: the user's choice.
        stack: the stack.
        console: where the rehearsal engine shows its progress.
        provider_env: more environment variables for the providers.

    Raises:
        OpsError: if the Pulumi CLI is requested but is not on PATH.
    """
    executable = shutil.which("pulumi")
    if engine is Engine.CLI and executable is None:
        raise OpsError(
            "--engine cli: there is no `pulumi` on PATH; install it with `novacron setup --pulumi`, or leave the "
            "option out to use the rehearsal engine",
            Exit.BAD_INPUT,
        )
    if executable is not None and engine is not Engine.REHEARSAL:
        return PulumiCli(executable, stack, provider_env)
    return RehearsalEngine(stack, console, provider_env)
