"""Checks of Kubernetes objects against their definitions: unknown and missing fields, types, enums and bounds.

Built-in kinds are checked against Kubernetes' OpenAPI document, custom resources against the CustomResourceDefinitions
of the controllers' Go modules, at pinned versions. `go mod download` keeps the modules in its own cache; without Go, a
check skips its test. No module carries the definitions of LeaderWorkerSet and TargetGroupBinding: `custom_resources/`
has reduced ones with the fields that this project uses.

Rules in CEL (`x-kubernetes-validations`) and of admission webhooks are not evaluated.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

REDUCED = Path(__file__).parent / "custom_resources"
FULL_DEFINITIONS = "NOVACRON_DEFINITIONS"
"""The variable that names a folder with full definitions, to compare the reduced ones with."""
_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_POD_TEMPLATE = "io.k8s.api.core.v1.PodTemplateSpec"
_INTEGER_OR_STRING = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
_LOOSE_TYPES = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"anyOf": [{"type": "number"}, {"type": "string"}]},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _INTEGER_OR_STRING,
}
"""Types that the OpenAPI document calls strings, and of which the API server accepts numbers as well."""
_EMBEDDED = {
    ("LeaderWorkerSet", "leaderTemplate"): _POD_TEMPLATE,
    ("LeaderWorkerSet", "workerTemplate"): _POD_TEMPLATE,
}
"""Fields of reduced definitions that hold a built-in type, by kind and name."""


@dataclass(frozen=True, slots=True)
class Module:
    """A Go module that carries definitions."""

    path: str
    version: str
    digest: str
    """The module's hash, as in go.sum."""
    folder: str
    """The folder or the file of the definitions, inside the module."""


KUBERNETES = Module(
    "k8s.io/kubernetes",
    "v1.36.3",
    "h1:qDQdoMiluAE2Eab6Fa52YV+WjiGz9mZFFoagEA6cI+o=",
    "api/openapi-spec/swagger.json",
)
MODULES = {
    "keda.sh": Module(
        "github.com/kedacore/keda/v2",
        "v2.20.2",
        "h1:SR60v8uIcelbveS8n/1jcl8tLdBBIbHMxmdOHw8tKqA=",
        "config/crd/bases/",
    ),
    "cert-manager.io": Module(
        "github.com/cert-manager/cert-manager",
        "v1.21.2",
        "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=",
        "deploy/crds/",
    ),
    "external-secrets.io": Module(
        "github.com/external-secrets/external-secrets",
        "v0.16.2",
        "h1:iNY+gIgSyL5higXTfnz+hdPCaiB/43UiHLqE7HBpj68=",
        "config/crds/bases/",
    ),
    "monitoring.coreos.com": Module(
        "github.com/prometheus-operator/prometheus-operator",
        "v0.85.0",
        "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        "example/prometheus-operator-crd/",
    ),
    "gateway.networking.k8s.io": Module(
        "sigs.k8s.io/gateway-api",
        "v1.6.3",
        "h1:lKpJa5bGlraC/QeACvCpsHLdmO6y0iKfzVl6gzaFEYc=",
        "config/crd/standard/",
    ),
}
"""The module of each group of custom resources."""


def check_object(item: Mapping[str, Any]) -> None:
    """Check an object, as it is sent to the API server.

    Raises:
        AssertionError: fields are wrong; the message has them all.
    """
    problems = find_problems(item)
    name = f"{item.get('kind')} {item.get('metadata', {}).get('name')}"
    assert not problems, f"{name} does not fit its definition:\n" + "\n".join(problems)


def find_problems(item: Mapping[str, Any]) -> list[str]:
    """Return the problems of an object: the field, and what is wrong. The test is skipped without Go."""
    api_version, kind = str(item.get("apiVersion")), str(item.get("kind"))
    definition = find_definition(api_version, kind)
    scope = () if definition is None else _check_scope(item, definition["spec"]["scope"])
    return [*scope, *_validate(item, find_schema(api_version, kind))]


def find_schema(api_version: str, kind: str) -> dict[str, Any]:
    """Return the JSON schema of a kind, in draft 4. The test is skipped without Go."""
    definition = find_definition(api_version, kind)
    if definition is None:
        schema: dict[str, Any] = {"$ref": f"#/definitions/{_find_built_in(api_version, kind)}"}
    else:
        schema = _prepare(_find_version(definition, api_version.rpartition("/")[2]), kind)
        schema["properties"] = schema["properties"] | {"metadata": {"$ref": f"#/definitions/{_OBJECT_META}"}}
    return {**schema, "definitions": _built_in_types()}


def find_definition(api_version: str, kind: str) -> dict[str, Any] | None:
    """Return the definition of a custom resource; None for a built-in kind. The test is skipped without Go."""
    group = api_version.rpartition("/")[0]
    return find_reduced(group, kind) or (_find_in_module(MODULES[group], kind) if group in MODULES else None)


def find_reduced(group: str, kind: str) -> dict[str, Any] | None:
    """Return our reduced definition of a kind."""
    return next(
        (
            item
            for item in reduced_definitions()
            if (item["spec"]["group"], item["spec"]["names"]["kind"]) == (group, kind)
        ),
        None,
    )


@functools.cache
def reduced_definitions() -> tuple[dict[str, Any], ...]:
    """Return the reduced definitions. They are complete CustomResourceDefinitions, which an API server accepts."""
    return tuple(_read_yaml(file.read_bytes()) for file in sorted(REDUCED.glob("*.yaml")))


def compare(reduced: Mapping[str, Any], full: Mapping[str, Any]) -> list[str]:
    """Return where a reduced definition contradicts the full one."""
    found = [
        f"{key}: {reduced['spec'][key]!r}, not {full['spec'][key]!r}"
        for key in ("group", "scope")
        if reduced["spec"][key] != full["spec"][key]
    ]
    for version in reduced["spec"]["versions"]:
        ours = version["schema"]["openAPIV3Schema"]
        found += _compare_schemas("", ours, _find_version(full, version["name"]))
        others = next(item for item in full["spec"]["versions"] if item["name"] == version["name"])
        if version.get("subresources") != others.get("subresources"):
            found.append(f"subresources: {version.get('subresources')}, not {others.get('subresources')}")
    return found


def read_full(folder: Path, group: str, kind: str) -> dict[str, Any] | None:
    """Return the definition of a kind from a folder of definitions."""
    return _pick((file.read_bytes for file in sorted(folder.glob(f"{group}_*.yaml"))), kind)


def read_definitions(group: str) -> list[dict[str, Any]]:
    """Return all definitions of the module of a group. The test is skipped without Go."""
    return read_module(MODULES[group], MODULES[group].folder)


def read_module(module: Module, folder: str) -> list[dict[str, Any]]:
    """Return the objects in the YAML files of a module's folder, or in one file. The test is skipped without Go."""
    start = f"{module.path}@{module.version}/{folder}"
    with open_module(module) as archive:
        names = [name for name in archive.namelist() if name.startswith(start) and name.endswith(".yaml")]
        return [item for name in names for item in yaml.safe_load_all(archive.read(name)) if item]


def open_module(module: Module) -> zipfile.ZipFile:
    """Return the archive of a module. The test is skipped without Go, or if the module cannot be downloaded."""
    return zipfile.ZipFile(_download(module))


def _find_version(definition: Mapping[str, Any], version: str) -> dict[str, Any]:
    names = {item["name"]: item for item in definition["spec"]["versions"] if item["served"]}
    assert version in names, f"{definition['metadata']['name']} serves {', '.join(names)}, not {version}"
    return names[version]["schema"]["openAPIV3Schema"]


def _check_scope(item: Mapping[str, Any], scope: str) -> Iterator[str]:
    has_namespace = "namespace" in item.get("metadata", {})
    if has_namespace != (scope == "Namespaced"):
        yield f"metadata.namespace: it must {'' if scope == 'Namespaced' else 'not '}be set"


def _validate(item: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    validator = _Validator(schema)
    errors = sorted(validator.iter_errors(item), key=lambda error: [str(step) for step in error.absolute_path])
    return [f"{_write_path(error.absolute_path)}: {error.message}" for error in errors]


def _write_path(steps: Any) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".") or "the object"


def _prepare(schema: Any, kind: str | None = None) -> dict[str, Any]:
    """Return a schema as a JSON schema in which a field that is not described is an error."""
    result = dict(schema)
    if "properties" in result:
        result["properties"] = {
            name: {"$ref": f"#/definitions/{_EMBEDDED[kind, name]}"}
            if kind is not None and (kind, name) in _EMBEDDED
            else _prepare(value, kind)
            for name, value in result["properties"].items()
        }
        # The API server fills in defaults before it looks for missing fields.
        defaults = {name for name, value in result["properties"].items() if "default" in value}
        if required := [name for name in result.pop("required", ()) if name not in defaults]:
            result["required"] = required
        if not result.get("x-kubernetes-preserve-unknown-fields"):
            result["additionalProperties"] = False
    if isinstance(result.get("items"), dict):
        result["items"] = _prepare(result["items"], kind)
    if isinstance(result.get("additionalProperties"), dict):
        result["additionalProperties"] = _prepare(result["additionalProperties"], kind)
    if result.get("x-kubernetes-int-or-string"):
        result |= _INTEGER_OR_STRING
    if result.get("nullable") and "type" in result:
        result["type"] = [result["type"], "null"]
    return result


def _check_unique(_validator: Any, keys: list[str], items: Any, _schema: Any) -> Iterator[jsonschema.ValidationError]:
    seen: list[tuple[Any, ...]] = []
    for item in items if isinstance(items, list) else ():
        values = tuple(item.get(key) for key in keys)
        if values in seen:
            yield jsonschema.ValidationError(f"two items have the same {', '.join(keys)}: {values}")
        seen.append(values)


def _is_integer(_checker: Any, value: Any) -> bool:
    return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


# Draft 4 is the one whose `exclusiveMinimum` is a boolean, as in definitions. Pulumi's numbers are floats.
_Validator: Any = jsonschema.validators.extend(
    jsonschema.Draft4Validator,
    {"x-kubernetes-list-map-keys": _check_unique},
    type_checker=jsonschema.Draft4Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


@functools.cache
def _built_in_types() -> dict[str, Any]:
    with open_module(KUBERNETES) as archive:
        document = json.loads(archive.read(f"{KUBERNETES.path}@{KUBERNETES.version}/{KUBERNETES.folder}"))
    return {name: _prepare(value) for name, value in document["definitions"].items()} | _LOOSE_TYPES


@functools.cache
def _built_in_names() -> dict[tuple[str, str], str]:
    return {
        ("/".join(filter(None, (kind["group"], kind["version"]))), kind["kind"]): name
        for name, value in _built_in_types().items()
        for kind in value.get("x-kubernetes-group-version-kind", ())
    }


def _find_built_in(api_version: str, kind: str) -> str:
    name = _built_in_names().get((api_version, kind))
    assert name is not None, f"no definition of {kind} in {api_version}: add its module to tests/definitions.py"
    return name


@functools.cache
def _find_in_module(module: Module, kind: str) -> dict[str, Any] | None:
    folder = f"{module.path}@{module.version}/{module.folder}"
    with open_module(module) as archive:
        names = [name for name in archive.namelist() if name.startswith(folder) and name.endswith(".yaml")]
        return _pick((functools.partial(archive.read, name) for name in names), kind)


def _pick(files: Iterable[Callable[[], bytes]], kind: str) -> dict[str, Any] | None:
    """Return the definition of a kind. Files are large, so only the one that names the kind is parsed."""
    for read in files:
        content = read()
        if f"    kind: {kind}\n".encode() in content:
            return _read_yaml(content)
    return None


def _read_yaml(content: bytes) -> Any:
    return yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader


@functools.cache
def _download(module: Module) -> Path:
    go = shutil.which("go")
    if go is None:
        pytest.skip(f"go is not on PATH; it downloads the definitions of {module.path}")
    name = f"{module.path}@{module.version}"
    with tempfile.TemporaryDirectory() as outside_of_modules:
        done = subprocess.run(
            [go, "mod", "download", "-json", name],
            cwd=outside_of_modules,
            env=os.environ | {"GOTOOLCHAIN": "local"},
            capture_output=True,
            text=True,
            check=False,
        )
    result = json.loads(done.stdout or "{}")
    # A module that needs a newer Go is an error, but its archive is there.
    if "Zip" not in result:
        pytest.skip(f"{name} cannot be downloaded: {result.get('Error') or done.stderr.strip()}")
    assert result["Sum"] == module.digest, f"{name} has the hash {result['Sum']}, not {module.digest}"
    return Path(result["Zip"])


def _compare_schemas(path: str, ours: Mapping[str, Any], full: Mapping[str, Any]) -> Iterator[str]:
    for key in ("type", "enum", "default", "minimum", "maximum", "x-kubernetes-int-or-string"):
        if ours.get(key) != full.get(key):
            yield f"{path or 'the object'}: {key} is {ours.get(key)!r}, not {full.get(key)!r}"
    if missing := set(full.get("required", ())) - set(ours.get("required", ())):
        yield f"{path or 'the object'}: {', '.join(sorted(missing))} is required"
    for name, value in ours.get("properties", {}).items():
        theirs = full.get("properties", {}).get(name)
        if theirs is None:
            yield f"{path}.{name}: the full definition does not have it"
        else:
            yield from _compare_schemas(f"{path}.{name}", value, theirs)
    for key in ("items", "additionalProperties"):
        if isinstance(ours.get(key), dict):
            yield from _compare_schemas(f"{path}[]", ours[key], full.get(key, {}))
