"""The public surface: the packages of the Python reference, their exports, and the programs that use them."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import novacron_infra
import pytest

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")
PACKAGES = re.findall(r"^::: (\S+)$", REFERENCE, re.MULTILINE)
PROGRAMS = [ROOT / "__main__.py", *sorted((ROOT / "examples").glob("*/__main__.py"))]
CLOUD_SDKS = ("pulumi_aws", "pulumi_gcp", "pulumi_azure_native", "pulumi_kubernetes")


def import_public(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_the_python_reference_documents_every_public_package() -> None:
    clouds = {f"novacron_infra.{package}" for package in ("aws", "gcp", "azure", "dns", "workloads")}
    assert {"novacron_infra", *clouds} <= set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_exported_name_exists_and_has_a_docstring(package: str) -> None:
    module = import_public(package)
    exported: list[str] = module.__all__
    assert len(exported) == len(set(exported))
    undocumented = [
        name
        for name in exported
        if inspect.isclass(found := getattr(module, name)) or inspect.isfunction(found)
        if not (found.__doc__ or "").strip()
    ]
    assert undocumented == []


def test_a_name_that_is_not_exported_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Machine'"):
        novacron_infra.Machine  # noqa: B018
    assert "Machine" not in dir(novacron_infra)


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_importing_the_package_loads_neither_pulumi_nor_pydantic() -> None:
    loaded = run_python("import sys, novacron_infra; print(*sys.modules)").split()
    assert not {"pulumi", "pydantic", "yaml", *CLOUD_SDKS} & set(loaded)


def test_no_exported_name_loads_the_sdk_of_a_cloud() -> None:
    loaded = run_python("import sys; from novacron_infra import *; print(*sys.modules)").split()
    assert not set(CLOUD_SDKS) & set(loaded)
    assert "novacron_infra.environment" in loaded


def test_the_python_program_of_a_cloud_loads_only_its_sdk() -> None:
    loaded = run_python("import sys, novacron_infra.gcp; print(*sys.modules)").split()
    assert "pulumi_gcp" in loaded
    assert not {"pulumi_aws", "pulumi_azure_native"} & set(loaded)


def list_imports(program: Path) -> list[tuple[str, str]]:
    """Return the modules and names that a program imports from this project."""
    found: list[tuple[str, str]] = []
    for node in ast.walk(ast.parse(program.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("novacron"):
            found += [(str(node.module), alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            assert not [alias.name for alias in node.names if alias.name.startswith("novacron")], program
    return found


@pytest.mark.parametrize("program", PROGRAMS, ids=[program.parent.name for program in PROGRAMS])
def test_programs_import_only_exported_names_of_public_packages(program: Path) -> None:
    imports = list_imports(program)
    assert imports
    for module, name in imports:
        assert module in PACKAGES, f"{module} is private"
        assert name in import_public(module).__all__, f"{module} does not export {name}"


def test_exported_names_are_those_of_their_modules() -> None:
    """Static imports and lazy ones agree: every name below `if TYPE_CHECKING` is exported, and the other way round."""
    source = Path(str(novacron_infra.__file__)).read_text(encoding="utf-8")
    declared = {
        alias.name: str(node.module)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("novacron_infra.")
        for alias in node.names
    }
    assert sorted(declared) == sorted(novacron_infra.__all__)
    for name, module in declared.items():
        assert getattr(novacron_infra, name) is getattr(importlib.import_module(module), name)
