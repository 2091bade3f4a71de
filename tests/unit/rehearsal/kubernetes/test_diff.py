"""Changes of inputs: nothing happens, the object changes in place, or it is replaced."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from novacron_rehearsal.events import DiffKind
from novacron_rehearsal.kubernetes.diff import compare_inputs
from novacron_rehearsal.kubernetes.inputs import complete_inputs
from novacron_rehearsal.kubernetes.objects import Kind, read_kind
from novacron_rehearsal.kubernetes.provider import compare_configurations
from novacron_rehearsal.kubernetes.settings import Settings
from novacron_rehearsal.providers.client import DiffResult
from novacron_rehearsal.values import UNKNOWN, Secret

URN = "urn:pulumi:dev::lab::kubernetes:{}::web"
SEED = bytes.fromhex("0123456789abcdef")


def change(
    kind: str,
    path: str,
    old: Any,
    new: Any,
    *,
    settings: Settings | None = None,
    ignored: tuple[str, ...] = (),
    **more: Any,
) -> DiffResult:
    """Compare inputs that differ in one property; `None` leaves it out."""

    def make(value: Any) -> dict[str, Any]:
        made: dict[str, Any] = {"metadata": {"name": "web", "namespace": "mine"}, **deepcopy(more)}
        *keys, last = path.split(".")
        below = made
        for key in keys:
            below = below.setdefault(key, {})
        if value is not None:
            below[last] = value
        return made

    api_version, _, name = kind.rpartition("/")
    found = Kind(api_version, name.removesuffix("Patch"), is_patch=name.endswith("Patch"))
    live = {"metadata": {"name": "web", "namespace": "mine"}}
    return compare_inputs(
        found, make(old), make(new), live, default_namespace="default", settings=settings or Settings(), ignored=ignored
    )


@pytest.mark.parametrize(
    ("kind", "path", "old", "new", "replaces"),
    [
        ("apps/v1/Deployment", "spec.replicas", 1, 2, False),
        ("apps/v1/Deployment", "spec.selector.matchLabels", {"app": "a"}, {"app": "b"}, True),
        ("apps/v1/Deployment", "spec.template.spec.containers", [{"image": "a"}], [{"image": "b"}], False),
        ("apps/v1/StatefulSet", "spec.volumeClaimTemplates", [{"spec": {"a": 1}}], [{"spec": {"a": 2}}], True),
        ("apps/v1/StatefulSet", "spec.serviceName", "a", "b", True),
        ("apps/v1/StatefulSet", "spec.podManagementPolicy", "OrderedReady", "Parallel", True),
        ("apps/v1/StatefulSet", "spec.podManagementPolicy", "OrderedReady", None, False),
        ("apps/v1/StatefulSet", "spec.updateStrategy", {"type": "OnDelete"}, {"type": "RollingUpdate"}, False),
        ("batch/v1/Job", "spec.template.spec.containers", [{"image": "a"}], [{"image": "b"}], True),
        ("batch/v1/Job", "spec.parallelism", 1, 2, False),
        ("batch/v1/Job", "spec.ttlSecondsAfterFinished", 1, 2, False),
        ("v1/Service", "spec.clusterIP", "10.0.0.1", "None", True),
        ("v1/Service", "spec.clusterIP", "10.0.0.1", None, False),
        ("v1/Service", "spec.type", "ClusterIP", "LoadBalancer", False),
        ("v1/Pod", "spec.nodeName", "a", "b", True),
        ("v1/Pod", "spec.tolerations", [], [{"key": "a"}], False),
        ("v1/PersistentVolumeClaim", "spec.accessModes", ["ReadWriteOnce"], ["ReadWriteMany"], True),
        (
            "v1/PersistentVolumeClaim",
            "spec.resources",
            {"requests": {"storage": "1Gi"}},
            {"requests": {"storage": "2Gi"}},
            False,
        ),
        ("v1/ConfigMap", "data", {"a": "1"}, {"a": "2"}, True),
        ("v1/Secret", "data", Secret({"a": "MQ=="}), Secret({"a": "Mg=="}), True),
        ("storage.k8s.io/v1/StorageClass", "parameters", {"type": "gp2"}, {"type": "gp3"}, True),
        ("storage.k8s.io/v1/StorageClass", "allowVolumeExpansion", False, True, False),
        ("storage.k8s.io/v1/StorageClassPatch", "parameters", {"type": "gp2"}, {"type": "gp3"}, False),
        ("rbac.authorization.k8s.io/v1/RoleBinding", "roleRef.name", "a", "b", True),
        ("example.com/v1/Service", "spec.clusterIP", "a", "b", False),
        ("v1/Service", "metadata.labels", {"a": "1"}, {"a": "2"}, False),
    ],
)
def test_changes_that_replace(kind: str, path: str, old: Any, new: Any, replaces: bool) -> None:
    found = change(kind, path, old, new)
    assert found.changes
    assert bool(found.replaces) is replaces
    assert all(entry.kind.value.endswith("-replace") is replaces for entry in found.detailed.values())
    assert found.delete_before_replace is replaces


@pytest.mark.parametrize(
    ("kind", "settings", "immutable", "replaces"),
    [
        ("v1/ConfigMap", Settings(mutable_config_maps=True), False, False),
        ("v1/ConfigMap", Settings(mutable_config_maps=True), True, True),
        ("v1/Secret", Settings(mutable_secrets=True), False, False),
        ("v1/Secret", Settings(mutable_secrets=True), True, True),
        ("v1/Secret", Settings(mutable_config_maps=True), False, True),
    ],
)
def test_data_changes_in_place_where_the_provider_allows_it(
    kind: str, settings: Settings, immutable: bool, replaces: bool
) -> None:
    found = change(kind, "data", {"a": "1"}, {"a": "2"}, settings=settings, immutable=immutable)
    assert bool(found.replaces) is replaces


def test_equal_inputs_change_nothing() -> None:
    found = change("v1/Service", "spec.type", "ClusterIP", "ClusterIP")
    assert (found.changes, found.replaces, found.detailed) == (False, [], {})


def test_unknown_values_are_changes_of_the_preview() -> None:
    found = change("apps/v1/Deployment", "spec.replicas", 1, UNKNOWN)
    assert found.detailed["spec.replicas"].kind is DiffKind.UPDATE
    assert change("v1/ConfigMap", "data.a", "1", UNKNOWN).replaces == ["data.a"]


def test_ignored_changes_are_left_out() -> None:
    assert not change("apps/v1/Deployment", "spec.replicas", 1, 2, ignored=("spec.replicas",)).changes


@pytest.mark.parametrize(
    ("old", "new", "live", "replaces"),
    [
        (None, "default", "default", False),
        ("default", None, "default", False),
        ("mine", "yours", "mine", True),
        (None, None, "mine", True),
        ("mine", "yours", None, False),
    ],
)
def test_namespaces_are_compared_where_the_object_has_one(
    old: str | None, new: str | None, live: str | None, replaces: bool
) -> None:
    def named(namespace: str | None) -> dict[str, Any]:
        return {"metadata": {"name": "web"} | ({"namespace": namespace} if namespace else {})}

    found = compare_inputs(
        Kind("v1", "Service"), named(old), named(new), named(live), default_namespace="default", settings=Settings()
    )
    assert found.replaces == (["metadata.namespace"] if replaces else [])
    assert not found.delete_before_replace


def test_a_generated_name_lets_both_objects_exist() -> None:
    def made(value: str) -> dict[str, Any]:
        news: Any = {"data": {"a": value}}
        return complete_inputs(URN.format("core/v1:ConfigMap"), Kind("v1", "ConfigMap"), {}, news, SEED)[0]

    found = compare_inputs(
        Kind("v1", "ConfigMap"), made("1"), made("2"), made("1"), default_namespace="default", settings=Settings()
    )
    assert found.replaces == ["data.a"]
    assert not found.delete_before_replace


@pytest.mark.parametrize(
    ("token", "inputs", "kind"),
    [
        ("core/v1:Service", {}, Kind("v1", "Service")),
        ("apps/v1:Deployment", {"apiVersion": "apps/v1", "kind": "Deployment"}, Kind("apps/v1", "Deployment")),
        ("storage.k8s.io/v1:StorageClassPatch", {}, Kind("storage.k8s.io/v1", "StorageClass", is_patch=True)),
        ("example.com/v1:Widget", {"apiVersion": "example.com/v1", "kind": "Widget"}, Kind("example.com/v1", "Widget")),
        (
            "example.com/v1:OwnPatch",
            {"apiVersion": "example.com/v1", "kind": "OwnPatch"},
            Kind("example.com/v1", "OwnPatch"),
        ),
    ],
)
def test_kinds_of_resources(token: str, inputs: dict[str, str], kind: Kind) -> None:
    assert read_kind(URN.format(token), inputs) == kind


def test_inputs_are_completed() -> None:
    kind, urn = Kind("apps/v1", "Deployment"), URN.format("apps/v1:Deployment")
    inputs, failures = complete_inputs(urn, kind, {}, {"spec": {}}, SEED)
    metadata: Any = {"name": "web-01234567", "annotations": {"pulumi.com/autonamed": "true"}}
    assert not failures
    assert inputs == {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {}, "metadata": metadata}
    assert complete_inputs(urn, kind, inputs, {"spec": {}}, b"\xff" * 8) == (inputs, [])
    named, _ = complete_inputs(urn, kind, inputs, {"metadata": {"name": "mine"}}, SEED)
    assert named["metadata"] == {"name": "mine"}
    unknown, _ = complete_inputs(urn, kind, {}, {"metadata": {"name": UNKNOWN}}, SEED)
    assert unknown["metadata"] == {"name": UNKNOWN}
    labelled: Any = {"metadata": {"name": "mine", "labels": {"app.kubernetes.io/managed-by": "pulumi"}}}
    assert (
        complete_inputs(urn, kind, labelled, {"metadata": {"name": "mine"}}, SEED)[0]["metadata"]
        == labelled["metadata"]
    )


def test_data_of_secrets_is_secret_in_the_inputs() -> None:
    urn, kind = URN.format("core/v1:Secret"), Kind("v1", "Secret")
    inputs, _ = complete_inputs(urn, kind, {}, {"metadata": {"name": "a"}, "data": {"b": "MQ=="}}, SEED)
    assert inputs["data"] == Secret({"b": "MQ=="})


def test_a_patch_must_name_its_object() -> None:
    kind = Kind("storage.k8s.io/v1", "StorageClass", is_patch=True)
    _, failures = complete_inputs(URN.format("storage.k8s.io/v1:StorageClassPatch"), kind, {}, {}, SEED)
    assert [failure.property for failure in failures] == ["metadata.name"]


def config(server: str, token: str = "a") -> str:  # noqa: S107
    return f"""
current-context: c
contexts: [{{name: c, context: {{cluster: k, user: u}}}}]
clusters: [{{name: k, cluster: {{server: {server}}}}}]
users: [{{name: u, user: {{token: {token}}}}}]
"""


@pytest.mark.parametrize(
    ("old", "new", "replaces"),
    [
        ({"kubeconfig": config("https://a")}, {"kubeconfig": config("https://a", "b")}, []),
        ({"kubeconfig": Secret(config("https://a"))}, {"kubeconfig": Secret(config("https://b"))}, ["kubeconfig"]),
        ({"kubeconfig": "/gone"}, {"kubeconfig": config("https://b")}, []),
        (
            {"kubeconfig": config("https://a"), "clusterIdentifier": "one"},
            {"kubeconfig": config("https://b"), "clusterIdentifier": "one"},
            [],
        ),
        (
            {"kubeconfig": config("https://a"), "clusterIdentifier": "one"},
            {"kubeconfig": config("https://a"), "clusterIdentifier": "two"},
            ["clusterIdentifier"],
        ),
        ({"namespace": "a"}, {"namespace": "b"}, []),
    ],
)
def test_only_another_cluster_replaces_the_provider(old: Any, new: Any, replaces: list[str]) -> None:
    found = compare_configurations(old, new)
    assert found.changes
    assert found.replaces == replaces


def test_equal_quantities_do_not_differ() -> None:
    def limits(value: str) -> Any:
        return [{"name": "a", "resources": {"limits": {"memory": value}}, "env": [{"name": "B", "value": value}]}]

    found = change("apps/v1:Deployment", "spec.template.spec.containers", limits("1024Mi"), limits("1Gi"))
    assert list(found.detailed) == ["spec.template.spec.containers[0].env[0].value"]
    assert not change("core/v1:ResourceQuota", "spec.hard", {"cpu": "1000m"}, {"cpu": "1"}).changes
