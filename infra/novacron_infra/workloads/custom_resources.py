"""Custom resources with typed specifications.

A specification is a frozen dataclass of the fields that NovaCron sets. Its field names are those of the definition in
snake case, so `min_replica_count` becomes `minReplicaCount`. Tests check the objects against the definitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

KEY = "key"
"""Metadata of a field with a key other than its name in camel case."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomKind:
    """The API version and kind of custom resources."""

    api_version: str
    """Group and version, such as `keda.sh/v1alpha1`."""
    kind: str


def declare_custom_resource(
    resource: str,
    kind: CustomKind,
    metadata: k8s.meta.v1.ObjectMetaArgs,
    spec: object,
    opts: pulumi.ResourceOptions,
) -> k8s.apiextensions.CustomResource:
    """Declare a custom resource. Its definition must be in the cluster first.

    Args:
        resource: name of the Pulumi resource.
        kind: its API version and kind.
        metadata: its name, namespace, labels and annotations.
        spec: its specification, a dataclass.
        opts: Pulumi's options.
    """
    return k8s.apiextensions.CustomResource(
        resource,
        api_version=kind.api_version,
        kind=kind.kind,
        metadata=metadata,
        spec=to_properties(spec),
        opts=opts,
    )


def to_properties(value: object) -> Any:
    """Return a value with dataclasses as properties in camel case, without the fields that are None.

    Keys of mappings are kept as they are: they are data, such as labels. Pulumi's arguments and outputs are kept too.
    """
    if is_dataclass(value) and not isinstance(value, type):
        named = {
            field.metadata.get(KEY) or _to_camel_case(field.name): getattr(value, field.name) for field in fields(value)
        }
        return {name: to_properties(item) for name, item in named.items() if item is not None}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: to_properties(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_properties(item) for item in value]
    return value


def _to_camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
