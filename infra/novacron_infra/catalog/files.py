"""The YAML files of a catalogue: those of this package, and those of a project's own.

A project adds entries in a folder `catalog` next to its Pulumi.yaml. Its files have the names and the schemas of the
files here: `machines.yaml`, or several such as `machines-ours.yaml`, are lists of machines.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from novacron_infra.catalog.errors import suggest_names
from novacron_infra.catalog.models import Model
from novacron_infra.catalog.types import Entry, Gpu, Machine, OfferList, PriceList, RegionList
from novacron_infra.errors import Problem
from novacron_infra.field_rules import Location, describe_field, describe_rule, find_model_at
from novacron_infra.shown_values import SHOWN_CHARACTERS, show_key, show_value
from novacron_infra.user_files import UserFileError, parse_yaml, read_text

PACKAGE = Path(__file__).parent
"""The folder of the catalogue that comes with this package."""
OWN_FOLDER = "catalog"
"""The folder of a project's own entries, next to its Pulumi.yaml."""
FILE_NAMES: Mapping[type[Entry], str] = {
    Gpu: "gpus",
    Machine: "machines",
    Model: "models",
    PriceList: "prices",
    OfferList: "regions",
    RegionList: "region_names",
}
"""The beginning of the names of the files with each type of entries, before `.yaml` or a hyphen."""
_EntryT = TypeVar("_EntryT", bound=Entry)
_PROJECT_FILES = ("Pulumi.yaml", "Pulumi.yml")


@dataclass(frozen=True)
class Located(Generic[_EntryT]):
    """An entry, and where it is written."""

    entry: _EntryT
    path: str
    """File and name, such as `catalog/machines.yaml[g9.48xlarge]`."""

    def problem(self, field: str, value: object, rule: str, fix: str) -> Problem:
        """Return a problem with a field of the entry."""
        return Problem(f"{self.path}.{field}", show_value(value), rule, fix)


def find_own_folder() -> Path | None:
    """Return the folder of a project's own entries, or None without one.

    The project is that of the nearest folder with a Pulumi.yaml, from the current one upwards, as for Pulumi.
    """
    current = Path.cwd()
    for folder in (current, *current.parents):
        if any((folder / name).is_file() for name in _PROJECT_FILES):
            own = folder / OWN_FOLDER
            return own if own.is_dir() else None
    return None


def read_entries(folder: Path, kind: type[_EntryT], problems: list[Problem]) -> Iterator[Located[_EntryT]]:
    """Yield the valid entries of one type in a folder, and add the problems of the others to `problems`."""
    adapter = TypeAdapter(kind)
    for file in list_files(folder, kind):
        shown = f"{folder.name}/{file.name}"
        for index, value in enumerate(_read_list(file, shown, problems)):
            path = f"{shown}[{_name_item(value, index)}]"
            try:
                entry = adapter.validate_json(json.dumps(value, default=str))
            except ValidationError as error:
                problems += _describe_errors(kind, path, error.errors(include_url=False))
            else:
                yield Located(entry, path)


def list_files(folder: Path, kind: type[Entry]) -> list[Path]:
    """Return the files with one type of entries in a folder, in the order of their names."""
    return sorted(file for file in folder.glob("*.yaml") if file.stem.partition("-")[0] == FILE_NAMES[kind])


def list_own_files(folder: Path) -> list[Path]:
    """Return all files of a project's own entries."""
    return [file for kind in FILE_NAMES for file in list_files(folder, kind)]


def check_file_names(folder: Path) -> Iterator[Problem]:
    """Yield a problem for each YAML file whose name does not tell its type of entries: it would be ignored."""
    names = list(FILE_NAMES.values())
    for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        name = file.stem.partition("-")[0]
        if file.suffix == ".yml":
            rule, fix = "files of a catalogue end with .yaml", f"Rename it to {file.stem}.yaml"
        elif name not in names:
            rule = "the name does not tell which entries the file has"
            fix = suggest_names(f"{name}.yaml", [f"{item}.yaml" for item in names])
        else:
            continue
        yield Problem(f"{folder.name}/{file.name}", file.name, rule, fix)


def read_package_file(name: str) -> Any:
    """Return the value of a file of this package. They are trusted, and read with the fast loader."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((PACKAGE / name).read_bytes(), Loader=loader)  # noqa: S506 - a safe loader


def _read_list(file: Path, shown: str, problems: list[Problem]) -> Sequence[object]:
    """Return the list in a file; an empty one if there is a problem."""
    try:
        values = read_package_file(file.name) if file.parent == PACKAGE else parse_yaml(read_text(file), shown)
    except UserFileError as error:
        rule = str(error).replace(str(file), "it").replace(shown, "it")
        problems.append(Problem(shown, "(not shown)", rule, "Correct the file"))
        return ()
    if values is None:
        return ()
    if not isinstance(values, list):
        problems.append(Problem(shown, show_value(values), "it must be a list", "Write each entry after a dash"))
        return ()
    return cast("list[object]", values)


def _name_item(value: object, index: int) -> str:
    name = cast("Mapping[str, object]", value).get("name") if isinstance(value, Mapping) else None
    return (
        name
        if isinstance(name, str) and name.isprintable() and 0 < len(name) <= SHOWN_CHARACTERS
        else f"item {index + 1}"
    )


def _describe_errors(kind: type[Entry], path: str, details: Sequence[ErrorDetails]) -> Iterator[Problem]:
    missing = [detail["loc"] for detail in details if detail["type"] == "missing"]
    unknown = [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
    suggested = {location: _suggest_key(kind, location) for location in unknown}
    misspelt = {(*location[:-1], key) for location, key in suggested.items()}
    for detail in details:
        location = detail["loc"]
        where = ".".join([path, *(show_key(step) if isinstance(step, str) else str(step) for step in location)])
        if location in missing and location in misspelt:
            continue  # the misspelt key is reported
        if location in missing:
            rule, fix = "this key is required", f"Add it{describe_field(kind, location)}"
            yield Problem(where, None, rule, fix)
        elif detail["type"] == "extra_forbidden":
            near, known = suggested[location], ", ".join(_list_keys(kind, location))
            fix = f"Did you mean {near}?" if near else f"Use one of {known}"
            yield Problem(where, show_value(detail["input"]), "it is an unknown key", fix)
        else:
            rule, fix = describe_rule(kind, detail)
            yield Problem(where, show_value(detail["input"]), rule, f"{fix}{describe_field(kind, location)}")


def _suggest_key(kind: type[Entry], location: Location) -> str | None:
    """Return the key that the unknown key at `location` may stand for."""
    return next(iter(difflib.get_close_matches(str(location[-1]), _list_keys(kind, location), n=1)), None)


def _list_keys(kind: type[Entry], location: Location) -> list[str]:
    """Return the keys that are known next to the one at `location`."""
    owner = find_model_at(kind, location[:-1])
    return sorted(owner.model_fields) if owner else []
