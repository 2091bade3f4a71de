"""The passphrase that encrypts a stack's secrets."""

from __future__ import annotations

import os

from novacron_rehearsal import find_passphrase, resolve_passphrase

from novacron_ops.errors import OpsError
from novacron_ops.project import ProjectStack


def read_passphrase(stack: ProjectStack) -> str:
    """Return the passphrase from the environment or the state's folder; make one for a stack without secrets.

    Raises:
        OpsError: if there is no passphrase, but the stack already has secrets that were encrypted with one.
    """
    if find_passphrase(os.environ, stack.state_dir) is None and _has_secrets(stack):
        raise OpsError(
            f"stack {stack.name!r} has encrypted secrets, but there is no passphrase: restore "
            f"{stack.state_dir / 'passphrase'}, or set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE"
        )
    return resolve_passphrase(os.environ, stack.state_dir)


def _has_secrets(stack: ProjectStack) -> bool:
    """Return whether the state or the configuration holds the salt of a passphrase; either file may be damaged."""
    return any(
        mark in file.read_bytes()
        for file, mark in ((stack.state_file, b"secrets_providers"), (stack.file, b"encryptionsalt"))
        if file.is_file()
    )
