"""The provider's configuration, as the SDK's `Provider` and the stack's `kubernetes:` keys pass it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from novacron_rehearsal.providers.client import CheckFailure
from novacron_rehearsal.values import UNKNOWN, PropertyMap, without_secrets

_TIMEOUT_S = 30.0
_UNSUPPORTED = {
    "renderYamlToDirectory": "NovaCron's Kubernetes provider does not render YAML; remove it, or run the stack with "
    "the Pulumi CLI",
    "skipUpdateUnreachable": "NovaCron's Kubernetes provider reports a cluster that does not answer as an error; "
    "remove it, or run the stack with the Pulumi CLI",
    "cluster": "NovaCron's Kubernetes provider takes the cluster from the context; set `context` instead",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration of one provider."""

    kubeconfig: str = ""
    """Content of a kubeconfig, or paths of kubeconfig files joined by `:`. Empty: `KUBECONFIG` or `~/.kube/config`."""
    context: str = ""
    """Context of the kubeconfig; empty for the current one."""
    namespace: str = ""
    """Namespace of objects that name none; empty for the context's."""
    timeout_s: float = _TIMEOUT_S
    """Timeout of a request."""
    patch_force: bool = False
    """Take over fields that other managers own."""
    upsert: bool = False
    """Let a creation change an object that exists already."""
    mutable_secrets: bool = False
    mutable_config_maps: bool = False
    """Change the data of ConfigMaps in place instead of replacing them. `mutable_secrets` is the same for Secrets."""
    delete_unreachable: bool = False
    """Forget resources of a cluster that does not answer."""


def read_settings(inputs: PropertyMap, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the configuration. The inputs come first, then `PULUMI_K8S_*` in the environment."""
    plain = {key: without_secrets(value) for key, value in inputs.items()}

    def text(key: str) -> str:
        value = plain.get(key)
        return value if isinstance(value, str) else "" if value is None else json.dumps(value)

    def flag(key: str, variable: str) -> bool:
        return (text(key) or environment.get(f"PULUMI_K8S_{variable}", "")).lower() == "true"

    return Settings(
        kubeconfig=text("kubeconfig") or environment.get("KUBECONFIG", ""),
        context=text("context"),
        namespace=text("namespace"),
        timeout_s=_read_timeout(text("kubeClientSettings")),
        patch_force=flag("enablePatchForce", "ENABLE_PATCH_FORCE"),
        upsert=flag("upsertExistingObjects", "UPSERT_EXISTING_OBJECTS"),
        mutable_secrets=flag("enableSecretMutable", "ENABLE_SECRET_MUTABLE"),
        mutable_config_maps=flag("enableConfigMapMutable", "ENABLE_CONFIGMAP_MUTABLE"),
        delete_unreachable=flag("deleteUnreachable", "DELETE_UNREACHABLE"),
    )


def check_settings(inputs: PropertyMap) -> list[CheckFailure]:
    """Return the keys that this provider does not support."""
    plain = {key: without_secrets(value) for key, value in inputs.items()}
    failures = [
        CheckFailure(key, reason)
        for key, reason in _UNSUPPORTED.items()
        if plain.get(key) not in (None, "", False, "false", UNKNOWN)
    ]
    if plain.get("enableServerSideApply") in (False, "false"):
        reason = "it must not be false: NovaCron's Kubernetes provider only has server-side apply"
        failures.append(CheckFailure("enableServerSideApply", reason))
    return failures


def _read_timeout(client_settings: str) -> float:
    try:
        found = json.loads(client_settings or "{}")
        return float(found.get("timeout") or _TIMEOUT_S)
    except (AttributeError, TypeError, ValueError):
        return _TIMEOUT_S
