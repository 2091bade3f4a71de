"""Pulumi's checkpoint, version 3: the JSON that the CLI stores, exports and imports."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version as installed_version
from typing import Any

from novacron_rehearsal import urn
from novacron_rehearsal.errors import RehearsalError, quote
from novacron_rehearsal.state.codec import (
    Decrypt,
    Encrypt,
    format_time,
    pending_from_state,
    pending_to_state,
    resource_from_state,
    resource_to_state,
)
from novacron_rehearsal.state.resource import Snapshot, now

VERSION = 3


def snapshot_to_deployment(snapshot: Snapshot, encrypt: Encrypt | None) -> dict[str, Any]:
    """Return the snapshot as `apitype.DeploymentV3` JSON. Without `encrypt`, its secrets are in plain text."""
    version = f"v{installed_version('pulumi')}"
    deployment: dict[str, Any] = {
        "manifest": {
            "time": format_time(now()),
            "magic": hashlib.sha256(version.encode()).hexdigest(),
            "version": version,
        },
        "resources": [resource_to_state(state, encrypt) for state in snapshot.resources],
        "metadata": snapshot.metadata,
    }
    if snapshot.pending_operations:
        deployment["pending_operations"] = [pending_to_state(item, encrypt) for item in snapshot.pending_operations]
    # After the resources, because the first secret that is encrypted creates a new stack's salt.
    if snapshot.secrets_providers:
        deployment["secrets_providers"] = snapshot.secrets_providers
    return deployment


def snapshot_from_deployment(
    deployment: Mapping[str, Any], version: int, decrypt: Decrypt, where: str, fix: str
) -> Snapshot:
    """Read a snapshot from `apitype.DeploymentV3` JSON.

    Args:
        deployment: the JSON.
        version: version of the format.
        decrypt: decrypts its secrets.
        where: the file, for errors.
        fix: a sentence without its full stop: what to do about a damaged file.

    Raises:
        RehearsalError: for another version, or content that is not a deployment.
    """
    if version != VERSION:
        raise RehearsalError(
            f"{where}: the deployment has version {version}; only version {VERSION} is supported. A newer Pulumi wrote "
            "it: use that, or upgrade novacron"
        )
    for unsupported in ("snippets", "extensions"):
        if deployment.get(unsupported):
            raise RehearsalError(f"{where}: has {unsupported}, which only the Pulumi CLI supports; use the CLI")
    try:
        snapshot = Snapshot(
            resources=[resource_from_state(item, decrypt) for item in _list(deployment, "resources")],
            pending_operations=[pending_from_state(item, decrypt) for item in _list(deployment, "pending_operations")],
            secrets_providers=deployment.get("secrets_providers"),
            metadata=dict(deployment.get("metadata") or {}),
        )
        _check_urns(snapshot)
        return snapshot
    except ValueError as error:
        raise RehearsalError(f"{where} is not a Pulumi deployment: {error}. {fix}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise RehearsalError(
            f"{where} is not a Pulumi deployment: a value in it is missing or malformed. {fix}"
        ) from error


def _list(deployment: Mapping[str, Any], key: str) -> list[Any]:
    items = deployment.get(key) or []
    if not isinstance(items, list):
        raise ValueError(f"{key} is {quote(items)}; it must be a list")
    return items


def _check_urns(snapshot: Snapshot) -> None:
    """Raise `ValueError` for a resource whose own URN, or a URN that it refers to, is not one."""
    states = [*snapshot.resources, *(operation.resource for operation in snapshot.pending_operations)]
    for state in states:
        provider = state.provider.rpartition("::")[0]
        if state.provider and not provider:
            raise ValueError(
                f"the provider of {state.urn} is {quote(state.provider)}; it must be the URN and the id of a provider"
            )
        for text in (state.urn, *filter(None, (state.parent, provider, *state.dependencies))):
            urn.parse(text)
