"""Every type of resource that a component declares holds data or none."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import novacron_infra
import pulumi
from novacron_infra.held_data import HELD_DATA, HOLDS_NONE

_GENERATED_SECRETS = "random:index/randomPassword:RandomPassword"
"""Declared by its token: no SDK of the provider is installed."""


def find_declared_types() -> Iterator[str]:
    """Yield the type of each resource class that the components' code names."""
    for info in pkgutil.walk_packages(novacron_infra.__path__, "novacron_infra."):
        if info.name.startswith("novacron_infra.multi_language."):
            continue  # the SDK's server, which it imports, clashes with OpenTelemetry's messages of another test
        module = importlib.import_module(info.name)
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                found = _find(module, ast.unparse(node).split("."))
                if isinstance(found, type) and issubclass(found, pulumi.CustomResource):
                    yield getattr(found, "pulumi_type", "")


def _find(found: object, names: list[str]) -> object:
    for name in names:
        found = getattr(found, name, None)
    return found


def test_every_type_that_a_component_declares_holds_data_or_none() -> None:
    providers = ("pulumi:providers:", "pulumi:pulumi:")
    declared = {token for token in find_declared_types() if token and not token.startswith(providers)}
    assert len(declared) > 150
    listed = HELD_DATA.keys() | HOLDS_NONE
    assert declared - listed == set(), "add them to HELD_DATA or to HOLDS_NONE in infra/novacron_infra/held_data.py"
    assert listed - declared == {_GENERATED_SECRETS}, "no component declares them any more: remove them"


def test_no_type_holds_data_and_none() -> None:
    assert not HELD_DATA.keys() & HOLDS_NONE
