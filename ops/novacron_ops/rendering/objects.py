"""The objects that a stack declares in its clusters: manifests, charts, and what keeps them from being written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from novacron_infra.workloads.names import SECRETS_HASH
from novacron_rehearsal import urn
from novacron_rehearsal.kubernetes.objects import (
    Kind,
    Object,
    find_object,
    find_objects,
    find_text,
    make_id,
    name_of,
    namespace_of,
    read_kind,
)
from novacron_rehearsal.kubernetes.properties import to_object
from novacron_rehearsal.state.ordering import sort_by_dependencies
from novacron_rehearsal.state.resource import ResourceState
from novacron_rehearsal.values import UNKNOWN, Secret, Value, without_secrets

from novacron_ops.clusters import name_cluster

_PACKAGE = "kubernetes:"
_RELEASE = "kubernetes:helm.sh/v3:Release"
_BARRIERS = frozenset(
    {
        "CustomResourceDefinition",
        "Namespace",
        "Release",
        "DaemonSet",
        "Deployment",
        "Job",
        "LeaderWorkerSet",
        "StatefulSet",
    }
)
"""Kinds that must be complete before the objects that depend on them are applied."""
_PULUMI = "pulumi.com/"


@dataclass(frozen=True, slots=True)
class Manifest:
    """An object to write."""

    wave: int
    """Number of objects that must be complete before it, on the longest way through the program's dependencies."""
    kind: Kind
    namespace: str
    name: str
    content: Object
    protected: bool
    """Whether it holds data of its own, which GitOps tools must not delete with the stack."""

    def __str__(self) -> str:
        return f"{self.kind.name} {make_id(self.namespace, self.name)}"


@dataclass(frozen=True, slots=True)
class Chart:
    """A Helm chart to install."""

    wave: int
    release: str
    namespace: str
    repository: str
    """URL of a Helm repository, or of a registry's folder if it starts with `oci://`."""
    chart: str
    version: str
    values: Object


@dataclass(frozen=True, slots=True)
class UserSecret:
    """A Secret that is not written, because its values would be in plain text: the user creates it."""

    namespace: str
    name: str
    keys: tuple[str, ...]

    def describe_creation(self) -> str:
        """Return a shell command that creates it from variables, without its values in the arguments of a process."""
        lines = "".join(f"{key}=%s\\n" for key in self.keys)
        values = " ".join(f'"${_variable(key)}"' for key in self.keys)
        return (
            f"printf '{lines}' {values} | kubectl create secret generic {self.name} --namespace {self.namespace} "
            "--from-env-file=/dev/stdin"
        )


@dataclass(slots=True)
class ClusterObjects:
    """Everything that a stack declares in one cluster."""

    name: str
    manifests: list[Manifest] = field(default_factory=list[Manifest])
    charts: list[Chart] = field(default_factory=list[Chart])
    secrets: list[UserSecret] = field(default_factory=list[UserSecret])
    problems: list[str] = field(default_factory=list[str])
    """Values that are unknown before `up`, and secret values outside Secrets: a line for each."""


def collect(declared: Sequence[ResourceState]) -> list[ClusterObjects]:
    """Return the objects of each cluster, sorted.

    Args:
        declared: every resource that the program declares.
    """
    by_urn = {state.urn: state for state in declared}
    waves = _find_waves(declared)
    clusters: dict[str, ClusterObjects] = {}
    for state in declared:
        if not state.type.startswith(_PACKAGE) or state.external:
            continue
        name = name_cluster(state.provider.rpartition("::")[0])
        cluster = clusters.setdefault(name, ClusterObjects(name))
        if find_text(state.inputs, "kind") == "Secret" and find_text(state.inputs, "apiVersion") == "v1":
            cluster.secrets.append(_describe_secret(state, declared))
            continue
        state = replace(state, inputs={key: _drop_hashes(value) for key, value in state.inputs.items()})  # noqa: PLW2901
        cluster.problems += _find_problems(state, by_urn)
        if state.type == _RELEASE:
            cluster.charts.append(_describe_chart(state, waves[state.urn]))
        else:
            cluster.manifests.append(_describe_object(state, waves[state.urn]))
    for cluster in clusters.values():
        cluster.manifests.sort(key=lambda one: (one.wave, one.namespace, one.kind.name, one.name, one.kind.group))
        cluster.charts.sort(key=lambda one: (one.wave, one.release))
        cluster.secrets.sort(key=lambda one: (one.namespace, one.name))
        cluster.problems.sort()
    return sorted(clusters.values(), key=lambda one: one.name)


def _find_waves(declared: Sequence[ResourceState]) -> dict[str, int]:
    waves: dict[str, int] = {}
    barriers: set[str] = set()
    for state in sort_by_dependencies(declared):
        needed = [one for one in state.needs() if one in waves]
        waves[state.urn] = max((waves[one] + (one in barriers) for one in needed), default=0)
        if state.type.startswith(_PACKAGE) and state.type.rpartition(":")[2] in _BARRIERS:
            barriers.add(state.urn)
    return waves


def _describe_object(state: ResourceState, wave: int) -> Manifest:
    content = {key: value for key, value in to_object(state.inputs).items() if key != "status"}
    metadata = dict(find_object(content, "metadata"))
    annotations = {
        key: value for key, value in find_object(metadata, "annotations").items() if not key.startswith(_PULUMI)
    }
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    content["metadata"] = metadata
    return Manifest(
        wave, read_kind(state.urn, state.inputs), namespace_of(content), name_of(content), content, state.protect
    )


def _describe_chart(state: ResourceState, wave: int) -> Chart:
    inputs = to_object(state.inputs)
    chart, repository = find_text(inputs, "chart"), find_text(inputs, "repositoryOpts", "repo")
    if not repository:
        repository, _, chart = chart.rpartition("/")
    return Chart(
        wave,
        find_text(inputs, "name") or urn.parse(state.urn).name,
        find_text(inputs, "namespace") or "default",
        repository,
        chart,
        find_text(inputs, "version"),
        find_object(inputs, "values"),
    )


def _describe_secret(state: ResourceState, declared: Sequence[ResourceState]) -> UserSecret:
    namespace, name = namespace_of(state.inputs), name_of(state.inputs)
    keys = {*find_object(state.inputs, "data"), *find_object(state.inputs, "stringData")}
    if not keys:
        # All values are unknown, and so are their keys. The pods that read them name both.
        keys = {key for one in declared for key in _find_references(without_secrets(dict(one.inputs)), name)}
    return UserSecret(namespace, name, tuple(sorted(keys)))


def _find_references(value: object, secret: str) -> Iterator[str]:
    """Yield the keys that a value refers to in a Secret."""
    if isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _find_references(item, secret)
    if not isinstance(value, Mapping):
        return
    for key, item in cast("Mapping[str, object]", value).items():
        if key == "secretKeyRef" and find_text(item, "name") == secret:
            yield find_text(item, "key")
        elif key == "secret" and find_text(item, "name") == secret:
            yield from (find_text(one, "key") for one in find_objects(item, "items"))
        else:
            yield from _find_references(item, secret)


def _drop_hashes(value: Value) -> Value:
    """Return a value without the annotations of pods with the hash of a Secret, which the user creates."""
    if isinstance(value, list):
        return [_drop_hashes(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _drop_hashes(item) for key, item in value.items() if key != SECRETS_HASH}


def _find_problems(state: ResourceState, by_urn: Mapping[str, ResourceState]) -> Iterator[str]:
    where = f"{state.type.rpartition(':')[2]} {make_id(namespace_of(state.inputs), name_of(state.inputs))}".strip()
    for key, value in state.inputs.items():
        for path, is_secret in _find_unwritable(value, key):
            if is_secret:
                yield f"{where}: {path} is secret, and only a Secret may hold it"
                continue
            sources = [
                f"{by_urn[one].type} {urn.parse(one).name}"
                for one in state.property_dependencies.get(key) or state.dependencies
                if one in by_urn and not by_urn[one].type.startswith(_PACKAGE) and not by_urn[one].id
            ]
            yield f"{where}: {path} is known only after `novacron up`" + (
                f" has created {' or '.join(sources)}" if sources else ""
            )


def _find_unwritable(value: object, path: str) -> Iterator[tuple[str, bool]]:
    """Yield the path of each part that is unknown or secret, and whether it is secret."""
    if isinstance(value, Secret):
        yield path, value.value is not UNKNOWN
    elif value is UNKNOWN:
        yield path, False
    elif isinstance(value, Mapping):
        for key, item in cast("Mapping[str, object]", value).items():
            yield from _find_unwritable(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[object]", value)):
            yield from _find_unwritable(item, f"{path}[{index}]")


def _variable(key: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in key)
