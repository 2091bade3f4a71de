"""Finds the class of the installed Pulumi SDK for a type token. `schema.py` reads the class's properties.

SDKs are imported on first use, one module at a time: a program that uses only AWS never loads the others.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import json
import re
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from novacron_rehearsal.errors import RehearsalError

PROVIDER = "pulumi:providers"
"""The module of the tokens of providers themselves."""

IMPORTING = threading.RLock()
"""Held while SDK modules are imported: their lazy loader is not thread-safe."""


class UnknownTypeError(RehearsalError):
    """The SDK has no resource of this type."""


@cache
def list_distributions() -> Mapping[str, str]:
    """Return the distribution of each installed SDK by package, sorted: the packages that can be simulated.

    The `pulumi-plugin.json` in an SDK names its package.
    """
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"].lower().replace("_", "-")
        if not name.startswith("pulumi"):
            continue
        path = Path(str(distribution.locate_file(f"{name.replace('-', '_')}/pulumi-plugin.json")))
        try:
            described = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if described.get("resource"):
            found[described.get("name") or name.removeprefix("pulumi-")] = name
    return dict(sorted(found.items()))


def find_distribution(package: str) -> str:
    """Return the distribution of a package's SDK, for example `pulumi-aws`.

    Raises:
        RehearsalError: when it is not installed.
    """
    known = list_distributions()
    if package not in known:
        raise RehearsalError(
            f"package {package!r} is not simulated: the simulation needs its SDK. Install it where this runs: "
            f"{sys.executable} -m pip install pulumi-{package}. SDKs installed here: {', '.join(known) or 'none'}"
        )
    return known[package]


@cache
def find_version(package: str) -> str:
    """Return the version of a package's SDK. Raises `RehearsalError` when it is not installed."""
    return importlib.metadata.version(find_distribution(package))


def package_of(token: str) -> str:
    """Return the package of a token."""
    if token.startswith(f"{PROVIDER}:"):
        return token.rpartition(":")[2]
    package = token.partition(":")[0]
    return "azure-native" if package.startswith("azure-native_") else package


def normalize_token(token: str) -> str:
    """Return the token under which the SDK registers the class.

    A token of azure-native may have an API version (`azure-native:network/v20240501:Subnet`) or be in a package
    of one version (`azure-native_network_v20240501:network:Subnet`). The SDK has one version of each resource, which
    serves for all.
    """
    token = re.sub(r"^azure-native_[^:]*:", "azure-native:", token)
    return re.sub(r"^(azure-native:[^:/]+)/v\d+[a-z]*\d*:", r"\1:", token)


def is_custom_resource(token: str) -> bool:
    """Return whether a token is of a Kubernetes group that the SDK lacks: a custom resource, without a schema."""
    return package_of(token) == "kubernetes" and _module(token) not in _tables("kubernetes")


def _module(token: str) -> str:
    return token.partition(":")[2].rpartition(":")[0]


def find_class(token: str) -> type[Any]:
    """Return the SDK's class for a type token.

    Raises:
        UnknownTypeError: when the SDK has none; names the closest one.
        RehearsalError: when the SDK is not installed.
    """
    package, wanted = package_of(token), normalize_token(token)
    if token == f"{PROVIDER}:{package}":
        find_version(package)
        with IMPORTING:
            return importlib.import_module(_module_name(package)).Provider
    where, classes = _tables(package).get(_module(wanted), ("", {}))
    if wanted not in classes:
        near = difflib.get_close_matches(wanted, list_tokens(package), n=1, cutoff=0.5)
        raise UnknownTypeError(
            f"{token} is not a resource type of {find_distribution(package)} {find_version(package)}"
            + (f"; did you mean {near[0]}?" if near else "")
        )
    with IMPORTING:
        return getattr(importlib.import_module(where), classes[wanted])


def list_tokens(package: str) -> list[str]:
    """Return the tokens of all resources of a package, sorted."""
    return sorted(token for _, classes in _tables(package).values() for token in classes)


def _module_name(package: str) -> str:
    return find_distribution(package).replace("-", "_")


@cache
def _tables(package: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Return what the SDK registers: for each module of tokens, the Python module, and class names by token."""
    find_version(package)
    with IMPORTING:
        importlib.import_module(_module_name(package))
        # The SDK finds the class of a resource reference in this registry, which has no public listing.
        registry: dict[str, list[Any]] = importlib.import_module("pulumi.runtime.rpc")._RESOURCE_MODULES  # noqa: SLF001
    return {
        module.mod_info["mod"]: (module.mod_info["fqn"], module.mod_info["classes"])
        for versions in registry.values()
        for module in versions
        if module.mod_info["pkg"] == package
    }
