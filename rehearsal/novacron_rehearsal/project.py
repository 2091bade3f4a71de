"""Pulumi.yaml and Pulumi.<stack>.yaml: what is run, with which configuration."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.store import StackSecrets
from novacron_rehearsal.yaml_files import read_yaml_mapping


@dataclass(frozen=True, slots=True)
class Project:
    """What Pulumi.yaml says."""

    name: str
    folder: Path
    """Where the program is (`main`)."""
    python: str
    plugin_paths: Mapping[str, Path]
    config_defaults: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StackConfig:
    """What Pulumi.<stack>.yaml says: values as texts, objects as JSON, as programs read them."""

    values: dict[str, str] = field(default_factory=dict[str, str])
    secret_keys: tuple[str, ...] = ()


def load_project(folder: Path) -> Project:
    """Read Pulumi.yaml. Raises `RehearsalError` when it names no Python program."""
    path = folder / "Pulumi.yaml"
    content = read_yaml_mapping(path)
    name = content.get("name")
    if not isinstance(name, str) or not name:
        raise RehearsalError(f"{path}: `name` is missing; give the project a name")
    runtime = content.get("runtime")
    options: Mapping[str, Any] = {}
    if isinstance(runtime, dict):
        options = runtime.get("options") or {}
        runtime = runtime.get("name")
    if runtime != "python":
        raise RehearsalError(f"{path}: runtime {runtime!r} is not run by the rehearsal engine; only python is")
    plugins = (content.get("plugins") or {}).get("providers") or []
    return Project(
        name=name,
        folder=(folder / str(content.get("main") or ".")).resolve(),
        python=_interpreter(folder, options.get("virtualenv")),
        plugin_paths={plugin["name"]: (folder / plugin["path"]).resolve() for plugin in plugins},
        config_defaults=content.get("config") or {},
    )


def _interpreter(folder: Path, virtualenv: object) -> str:
    if isinstance(virtualenv, str):
        candidate = folder / virtualenv / "bin" / "python"
        if candidate.is_file():
            return str(candidate)
    return sys.executable


def load_stack_config(folder: Path, project: Project, stack: str, secrets: StackSecrets) -> StackConfig:
    """Read Pulumi.<stack>.yaml over the project's defaults, decrypting what is `secure`.

    Raises:
        RehearsalError: for a file that is not what it should be.
        WrongPassphraseError: when a secure value needs another passphrase.
    """
    path = folder / f"Pulumi.{stack}.yaml"
    content = read_yaml_mapping(path) if path.exists() else {}
    unknown = set(content) - {"config", "encryptionsalt", "secretsprovider", "encryptedkey", "environment"}
    if unknown:
        raise RehearsalError(f"{path}: unknown key {min(unknown)!r}; configuration stands under `config`")
    if content.get("environment"):
        raise RehearsalError(f"{path}: Pulumi ESC environments need the Pulumi CLI; write the values under `config`")
    if salt := content.get("encryptionsalt"):
        secrets.salt = salt
    values: dict[str, str] = {}
    secret_keys: list[str] = []
    for key, default in project.config_defaults.items():
        value = default.get("value", default.get("default")) if isinstance(default, dict) else default
        if value is not None:
            values[_qualified(key, project.name)] = _text(value)
    for key, value in (content.get("config") or {}).items():
        name = _qualified(str(key), project.name)
        plain, secret = _reveal(value, secrets)
        values[name] = _text(plain)
        if secret:
            secret_keys.append(name)
    return StackConfig(values, tuple(secret_keys))


def _qualified(key: str, project: str) -> str:
    return key if ":" in key else f"{project}:{key}"


def _reveal(value: Any, secrets: StackSecrets) -> tuple[Any, bool]:
    if isinstance(value, dict):
        if set(value) == {"secure"} and isinstance(value["secure"], str):
            return secrets.cache.decrypt(value["secure"]), True
        revealed = {key: _reveal(item, secrets) for key, item in value.items()}
        return {key: item for key, (item, _) in revealed.items()}, any(secret for _, secret in revealed.values())
    if isinstance(value, list):
        items = [_reveal(item, secrets) for item in value]
        return [item for item, _ in items], any(secret for _, secret in items)
    return value, False


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), default=str)
