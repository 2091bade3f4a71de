"""Size limits of the coordinator's classes and packages, so that each stays readable in one sitting."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from novacron_serving import coordinator

FOLDER = Path(coordinator.__file__).parent
MAX_ATTRIBUTES = MAX_MODULES = 15


def classes() -> Iterator[ast.ClassDef]:
    """Return the classes with behaviour: records have as many fields as their data."""
    for file in sorted(FOLDER.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and not is_record(node):
                yield node


def is_record(node: ast.ClassDef) -> bool:
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return True
    return any(ast.unparse(base) in ("BaseModel", "TypedDict", "NamedTuple", "str, Enum") for base in node.bases)


def attributes(node: ast.ClassDef) -> set[str]:
    stored = {
        part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store) and ast.unparse(part.value) == "self"
    }
    inherited = {"url", "headers", "expect_100_continue"} if node.name == "HttpProtocol" else set[str]()
    return stored - inherited


@pytest.mark.parametrize("node", list(classes()), ids=lambda node: node.name)
def test_class_has_few_attributes(node: ast.ClassDef) -> None:
    assert len(attributes(node)) <= MAX_ATTRIBUTES, sorted(attributes(node))


@pytest.mark.parametrize(
    "folder", [FOLDER, *(one for one in FOLDER.iterdir() if one.is_dir())], ids=lambda one: one.name
)
def test_package_has_few_modules(folder: Path) -> None:
    assert len([file for file in folder.glob("*.py") if not file.name.startswith("__")]) <= MAX_MODULES


def test_no_module_is_longer_than_its_readers_like() -> None:
    assert [file.name for file in FOLDER.rglob("*.py") if len(file.read_text().splitlines()) > 400] == []
