"""Reads Pulumi.yaml and Pulumi.<stack>.yaml: the program and its configuration."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from novacron_rehearsal.errors import InputError, RehearsalError
from novacron_rehearsal.state.codec import Decrypt
from novacron_rehearsal.state.stack_secrets import StackSecrets
from novacron_rehearsal.yaml_files import read_yaml_mapping


@dataclass(frozen=True, slots=True)
class Project:
    """The settings of Pulumi.yaml."""

    name: str
    folder: Path
    """The program's folder (`main`)."""
    python: str
    plugin_paths: Mapping[str, Path]
    config_defaults: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StackConfig:
    """The configuration of Pulumi.<stack>.yaml. Every value is text, objects are JSON, as programs read them."""

    values: dict[str, str] = field(default_factory=dict[str, str])
    secret_keys: tuple[str, ...] = ()
    made_up: Mapping[str, str] = field(default_factory=dict[str, str])
    """Keys whose secret value could not be decrypted and was made up, each with the reason."""

    def find_made_up_keys(self, text: str) -> list[str]:
        """Return the keys whose made-up value, or whose quoted name, is in a text."""
        return [
            key
            for key in self.made_up
            if f"'{key}'" in text or any(value in text for value in _MADE_UP.findall(self.values[key]))
        ]


def load_project(folder: Path) -> Project:
    """Read Pulumi.yaml. Raises `RehearsalError` when it does not describe a Python program."""
    path = folder / "Pulumi.yaml"
    content = read_yaml_mapping(path)
    name = content.get("name")
    if not isinstance(name, str) or not name:
        raise InputError(f"{path}: name is missing; give the project a name")
    runtime = content.get("runtime")
    options: Mapping[str, Any] = {}
    if isinstance(runtime, dict):
        options = runtime.get("options") or {}
        runtime = runtime.get("name")
    if runtime != "python":
        raise InputError(f"{path}: runtime is {runtime!r}; the rehearsal engine supports only python")
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


def load_stack_config(
    folder: Path, project: Project, stack: str, secrets: StackSecrets, *, make_up_secrets: bool = False
) -> StackConfig:
    """Read Pulumi.<stack>.yaml over the project's defaults, and decrypt its `secure` values.

    Args:
        folder: the project's folder.
        project: its Pulumi.yaml.
        stack: name of the stack.
        secrets: decrypts the values. Takes over the file's salt.
        make_up_secrets: use a made-up value where one cannot be decrypted.

    Raises:
        RehearsalError: for a file that cannot be read or has invalid content.
        WrongPassphraseError: when a secure value needs another passphrase.
    """
    path = folder / f"Pulumi.{stack}.yaml"
    content = read_yaml_mapping(path) if path.exists() else {}
    unknown = set(content) - {"config", "encryptionsalt", "secretsprovider", "encryptedkey", "environment"}
    if unknown:
        raise InputError(f"{path}: unknown key {min(unknown)!r}; put configuration under config")
    if content.get("environment"):
        raise InputError(f"{path}: only the Pulumi CLI supports ESC environments; put the values under config")
    if salt := content.get("encryptionsalt"):
        secrets.salt = str(salt)
    values: dict[str, str] = {}
    secret_keys: list[str] = []
    made_up: dict[str, str] = {}
    for key, default in project.config_defaults.items():
        if (value := read_default(default)) is not None:
            values[qualify_key(key, project.name)] = _text(value)
    for key, value in (content.get("config") or {}).items():
        name = qualify_key(str(key), project.name)
        decryption = _Decryption(secrets.cache.decrypt, make_up_secrets, content.get("secretsprovider"))
        values[name] = _text(decryption.reveal(value))
        if decryption.secret:
            secret_keys.append(name)
        if decryption.problem:
            made_up[name] = decryption.problem
    return StackConfig(values, tuple(secret_keys), made_up)


def qualify_key(key: str, project: str) -> str:
    """Return a configuration key with its namespace. A key without one belongs to the project."""
    return key if ":" in key else f"{project}:{key}"


def read_default(default: Any) -> Any:
    """Return the value of a project default, which may be written as `{value: …}` or `{default: …}`."""
    return default.get("value", default.get("default")) if isinstance(default, dict) else default


@dataclass(slots=True)
class _Decryption:
    """Decrypts one configuration value."""

    decrypt: Decrypt
    make_up_secrets: bool
    secrets_provider: object
    secret: bool = False
    """Whether any part of the value is secret."""
    problem: str = ""
    """Why a part of the value is made up; empty when none is."""

    def reveal(self, value: Any) -> Any:
        """Return the value with each `{secure: …}` in it decrypted."""
        if isinstance(value, list):
            return [self.reveal(item) for item in value]
        if not isinstance(value, dict):
            return value
        if set(value) != {"secure"} or not isinstance(value["secure"], str):
            return {key: self.reveal(item) for key, item in value.items()}
        self.secret = True
        try:
            if self.secrets_provider not in (None, "passphrase"):
                scheme = str(self.secrets_provider).partition("://")[0]
                raise RehearsalError(
                    f"secrets are encrypted with {scheme!r}; the rehearsal engine decrypts only with a passphrase. Use "
                    "the Pulumi CLI, or change the stack's secrets provider with it"
                )
            return self.decrypt(value["secure"])
        except RehearsalError as error:
            if not self.make_up_secrets:
                raise
            self.problem = str(error)
            return _made_up_secret(value["secure"])


_MADE_UP = re.compile(r"rehearsal-[A-Za-z0-9_-]{33}")


def _made_up_secret(ciphertext: str) -> str:
    """Return 43 of A-Z, a-z, 0-9, - and _: a text that passwords and HTTP headers can hold, the same in every run."""
    digest = hashlib.sha256(ciphertext.encode()).digest()
    return ("rehearsal-" + base64.urlsafe_b64encode(digest).decode())[:43]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), default=str)
