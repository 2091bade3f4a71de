"""Kubernetes objects as plain JSON: access by path, kinds and ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, Union, cast

from novacron_rehearsal.errors import NotSupportedError, ProviderError
from novacron_rehearsal.urn import parse
from novacron_rehearsal.values import Secret

Json: TypeAlias = Union[bool, int, float, str, list["Json"], dict[str, "Json"], None]  # noqa: UP007 - see values.py
Object: TypeAlias = dict[str, Json]

AUTONAMED = "pulumi.com/autonamed"
SKIP_AWAIT = "pulumi.com/skipAwait"
TIMEOUT = "pulumi.com/timeoutSeconds"
PATCH_FORCE = "pulumi.com/patchForce"
PATCH_FIELD_MANAGER = "pulumi.com/patchFieldManager"
DELETION_PROPAGATION = "pulumi.com/deletionPropagationPolicy"
REPLACE_UNREADY = "pulumi.com/replaceUnready"
WAIT_FOR = "pulumi.com/waitFor"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_COMPONENT_MODULES = ("kustomize:", "kustomize/", "yaml:", "yaml/")


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind of a resource's object."""

    api_version: str
    """Group and version, as in a manifest: `apps/v1`, or `v1` for the core group."""
    name: str
    is_patch: bool = False
    """Whether the resource manages some fields of an object that others own (`StorageClassPatch`)."""

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def __str__(self) -> str:
        return f"{self.api_version}/{self.name}"


def read_kind(urn: str, inputs: Mapping[str, object]) -> Kind:
    """Return the kind of a resource from its type token and inputs.

    Raises:
        NotSupportedError: for resources that are not one object: YAML files, lists.
        ProviderError: for Helm charts.
    """
    token = parse(urn).type
    module, _, name = token.partition(":")[2].rpartition(":")
    if token.partition(":")[2].startswith("helm.sh/"):
        raise ProviderError(
            f"{token}: NovaCron's own Kubernetes provider does not install Helm charts. Install Pulumi's plug-in with "
            "`pulumi plugin install resource kubernetes`, write the stack for Argo CD or Flux with `novacron render`, "
            "or install the chart yourself and set its key below novacron:environment.add_ons to existing"
        )
    if token.partition(":")[2].startswith(_COMPONENT_MODULES):
        raise NotSupportedError(f"{token} (NovaCron's Kubernetes provider manages single objects only)")
    api_version = find_text(inputs, "apiVersion") or module.removeprefix("core/")
    kind = find_text(inputs, "kind") or name.removesuffix("Patch")
    if kind.endswith("List") and kind == name:
        raise NotSupportedError(f"{token} (create its items as resources of their own)")
    return Kind(api_version, kind, is_patch=name == f"{kind}Patch")


def find(value: object, *path: str) -> object:
    """Return the value at a path of an object, without the mark of a secret; `None` when there is none."""
    for key in path:
        if isinstance(value, Secret):
            value = value.value
        if not isinstance(value, Mapping):
            return None
        value = cast("Mapping[str, object]", value).get(key)
    return value.value if isinstance(value, Secret) else value


def find_text(value: object, *path: str) -> str:
    """Return the text at a path; empty when there is none."""
    found = find(value, *path)
    return found if isinstance(found, str) else ""


def find_number(value: object, *path: str, default: int = 0) -> int:
    """Return the whole number at a path; the default when there is none."""
    found = find(value, *path)
    return int(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else default


def find_object(value: object, *path: str) -> Object:
    """Return the object at a path; empty when there is none."""
    found = find(value, *path)
    return cast("Object", found) if isinstance(found, dict) else {}


def find_objects(value: object, *path: str) -> list[Object]:
    """Return the objects in the list at a path; none when there is no list."""
    found = find(value, *path)
    items = cast("list[object]", found) if isinstance(found, list) else []
    return [cast("Object", item) for item in items if isinstance(item, dict)]


def find_condition(value: object, type_: str) -> Object:
    """Return a condition of an object's status; empty when it has not been set yet."""
    conditions = find_objects(value, "status", "conditions")
    return next((item for item in conditions if item.get("type") == type_), {})


def name_of(value: object) -> str:
    """Return the object's name."""
    return find_text(value, "metadata", "name")


def namespace_of(value: object) -> str:
    """Return the object's namespace; empty when it has none."""
    return find_text(value, "metadata", "namespace")


def annotation(value: object, key: str) -> str:
    """Return an annotation; empty when it is not set."""
    return find_text(value, "metadata", "annotations", key)


def is_annotated(value: object, key: str) -> bool:
    """Return whether an annotation is `true`."""
    return annotation(value, key).lower() == "true"


def describe(value: object) -> str:
    """Return an object's kind and id as messages write it: `Deployment novacron/coordinator`."""
    return f"{find_text(value, 'kind')} {make_id(namespace_of(value), name_of(value))}".strip()


def make_id(namespace: str, name: str) -> str:
    """Return the id of a resource, as Pulumi's provider makes it."""
    return f"{namespace}/{name}" if namespace else name


def split_id(id_: str) -> tuple[str, str]:
    """Split an id into namespace and name."""
    namespace, _, name = id_.rpartition("/")
    return namespace, name


def is_owned_by(value: object, owner: object) -> bool:
    """Return whether an object's controller is the owner."""
    uid = find_text(owner, "metadata", "uid")
    return any(item.get("uid") == uid for item in find_objects(value, "metadata", "ownerReferences"))
