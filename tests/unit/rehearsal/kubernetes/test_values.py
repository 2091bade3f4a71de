"""Objects and property values: drift, secrets, quantities, ownership, messages and credentials."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from novacron_rehearsal.errors import ProviderError
from novacron_rehearsal.kubernetes import ownership
from novacron_rehearsal.kubernetes.kubeconfig import load_access
from novacron_rehearsal.kubernetes.messages import make_error
from novacron_rehearsal.kubernetes.objects import name_of, namespace_of
from novacron_rehearsal.kubernetes.properties import (
    imported_inputs,
    make_preview_outputs,
    move_string_data,
    prune,
    to_object,
    to_outputs,
)
from novacron_rehearsal.kubernetes.quantities import same_quantity
from novacron_rehearsal.kubernetes.settings import Settings, read_settings
from novacron_rehearsal.values import UNKNOWN, Secret

LIVE: Any = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "web",
        "namespace": "mine",
        "uid": "u",
        "resourceVersion": "7",
        "generation": 2,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{"manager": "a"}],
        "annotations": {
            "deployment.kubernetes.io/revision": "1",
            "kubectl.kubernetes.io/last-applied-configuration": '{"password": "hunter2"}',
        },
    },
    "spec": {
        "replicas": 2,
        "template": {
            "spec": {
                "containers": [
                    {"name": "sidecar", "image": "injected"},
                    {"name": "web", "image": "web:1", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}},
                ],
                "restartPolicy": "Always",
            }
        },
    },
    "status": {"replicas": 2},
}


def inputs(**container: Any) -> Any:
    limits = {"cpu": "1000m", "memory": "1024Mi"}
    web = {"name": "web", "image": "web:1", "env": [], "resources": {"limits": limits}, **container}
    return {
        "metadata": {"name": "web", "labels": {}},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [web]}}},
    }


def test_values_that_the_server_adds_or_writes_differently_are_not_drift() -> None:
    assert prune(LIVE, inputs()) == inputs()


def test_drift_shows_as_the_value_that_the_object_has() -> None:
    assert prune(LIVE, inputs(image="web:2")) == inputs(image="web:1")
    removed = inputs()
    removed["metadata"]["labels"] = {"team": "mine"}
    assert prune(LIVE, removed)["metadata"] == {"name": "web"}
    gone = inputs(name="gone")
    assert prune(LIVE, gone)["spec"]["template"] == {"spec": {"containers": []}}  # type: ignore[index,call-overload]


def test_the_text_of_a_secret_is_compared_with_its_data() -> None:
    wanted: Any = {"stringData": {"key": "hunter2", "lost": "x"}}
    live: Any = {"data": {"key": base64.b64encode(b"hunter2").decode()}}
    assert prune(live, wanted) == {"stringData": {"key": "hunter2", "lost": None}}


def test_the_text_of_a_secret_moves_into_its_data() -> None:
    wanted: Any = {"kind": "Secret", "data": {"old": "MQ=="}, "stringData": {"key": Secret("hunter2")}}
    moved = {"kind": "Secret", "data": Secret({"old": "MQ==", "key": base64.b64encode(b"hunter2").decode()})}
    assert move_string_data(wanted) == moved
    assert move_string_data({**wanted, "kind": "Other"})["stringData"] == wanted["stringData"]
    unknown = {**wanted, "stringData": {"key": UNKNOWN}}
    assert move_string_data(unknown) == unknown


def test_an_import_takes_all_but_what_the_server_sets() -> None:
    imported = imported_inputs(LIVE)
    assert imported["metadata"] == {"name": "web", "namespace": "mine"}
    assert imported["spec"] == LIVE["spec"]
    assert "status" not in imported


def test_outputs_are_those_of_pulumis_provider_without_copies_of_secrets() -> None:
    outputs: Any = to_outputs(LIVE, {"spec": {"replicas": Secret(2)}}, "pulumi-kubernetes-1")
    assert outputs["__fieldManager"] == "pulumi-kubernetes-1"
    assert outputs["__initialApiVersion"] == "apps/v1"
    assert outputs["__inputs"] == {"spec": {"replicas": Secret(2)}}
    assert outputs["spec"]["replicas"] == Secret(2)
    assert "hunter2" not in str(outputs)
    assert "managedFields" not in outputs["metadata"]


def test_the_data_that_the_server_makes_of_a_secrets_text_is_secret() -> None:
    live: Any = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"k": "aHVudGVyMg=="}}
    outputs: Any = to_outputs(live, {"kind": "Secret", "stringData": {"k": "hunter2"}}, "m")
    assert outputs["data"] == Secret({"k": "aHVudGVyMg=="})


def test_metadata_may_be_secret() -> None:
    outputs = {"metadata": Secret({"name": "web", "namespace": Secret("mine")})}
    assert (name_of(outputs), namespace_of(outputs)) == ("web", "mine")


def test_what_the_cluster_assigns_is_unknown_in_a_preview() -> None:
    service: Any = {"kind": "Service", "metadata": {"name": "a"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
    planned: Any = {
        **service,
        "metadata": {"name": "a", "uid": "dry", "resourceVersion": "1"},
        "spec": {"type": "NodePort", "clusterIP": "10.0.0.7", "ports": [{"port": 80, "nodePort": 31000}]},
        "status": {},
    }
    outputs: Any = make_preview_outputs(service, planned)
    assert outputs["metadata"]["uid"] is UNKNOWN
    assert outputs["spec"]["clusterIP"] is UNKNOWN
    assert outputs["spec"]["ports"] == [{"port": 80, "nodePort": UNKNOWN}]
    assert outputs["status"] is UNKNOWN
    assert make_preview_outputs(service)["status"] is UNKNOWN


def test_fields_of_schemas_have_dashes_in_the_cluster_and_none_in_the_state() -> None:
    schema: Any = {"spec": {"x_kubernetes_preserve_unknown_fields": Secret(value=True)}, "__provider": "x"}
    assert to_object(schema) == {"spec": {"x-kubernetes-preserve-unknown-fields": True}}
    live: Any = {"apiVersion": "v1", "metadata": {}, "x-kubernetes-int-or-string": True}
    assert to_outputs(live, {}, "m")["x_kubernetes_int_or_string"] is True


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1000m", "1", True),
        ("1024Mi", "1Gi", True),
        ("0.5", "500m", True),
        (1, "1", True),
        ("1e3", "1k", True),
        ("1G", "1Gi", False),
        ("web:1", "web:2", False),
        (True, 1, False),
        (None, None, False),
    ],
)
def test_quantities(one: object, other: object, same: bool) -> None:
    assert same_quantity(one, other) is same


def managed(manager: str, fields: Any, operation: str = "Apply", **more: str) -> Any:
    return {"manager": manager, "operation": operation, "fieldsV1": fields, **more}


def test_fields_of_kubectl_and_of_managers_without_server_side_apply_are_taken_over() -> None:
    scale = managed("autoscaler", {"f:spec": {"f:replicas": {}}}, "Update")
    status = managed("pulumi-kubernetes", {"f:status": {}}, "Update", subresource="status")
    former = managed("pulumi-kubernetes", {"f:data": {"f:a": {}}}, "Update")
    patched = managed("kubectl-patch", {"f:data": {"f:c": {}}}, "Update")
    own = managed("pulumi-kubernetes-1", {"f:data": {"f:b": {}}})
    live: Any = {"metadata": {"resourceVersion": "7", "managedFields": [scale, status, former, patched, own]}}
    replaced, version = ownership.take_over_former_fields(live, "pulumi-kubernetes-1")
    taken = managed("pulumi-kubernetes-1", {"f:data": {"f:a": {}, "f:b": {}, "f:c": {}}})
    assert replaced == {"op": "replace", "path": "/metadata/managedFields", "value": [scale, status, taken]}
    assert version == {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}
    live["metadata"]["managedFields"] = [scale, own]
    assert ownership.take_over_former_fields(live, "pulumi-kubernetes-1") == []


def test_managers_come_from_the_annotation_then_the_state() -> None:
    annotated: Any = {"metadata": {"annotations": {"pulumi.com/patchFieldManager": "mine"}}}
    assert ownership.choose_manager({"__fieldManager": "old"}, annotated) == "mine"
    assert ownership.choose_manager({"__fieldManager": "old"}, {}) == "old"
    first, second = (ownership.choose_manager({}, {}) for _ in range(2))
    assert first.startswith("pulumi-kubernetes-")
    assert first != second


DENIED = (
    'deployments.apps "web" is forbidden: User "jane" cannot patch resource "deployments" in API group "apps" in the '
    'namespace "mine"'
)
POLICY = 'pods "web" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
CAUSES = [
    {
        "reason": "FieldManagerConflict",
        "message": 'conflict with "hpa" with subresource "scale" using apps/v1',
        "field": ".spec.replicas",
    },
    {
        "reason": "FieldManagerConflict",
        "message": 'conflict with "kubectl-edit" using apps/v1',
        "field": ".spec.paused",
    },
]
INVALID = [{"reason": "FieldValueInvalid", "message": "must be positive", "field": "spec.replicas"}]


@pytest.mark.parametrize(
    ("code", "status", "texts"),
    [
        (403, {"message": DENIED}, ["user 'jane' may not patch deployments.apps in namespace 'mine' (403)"]),
        (403, {"message": POLICY}, [POLICY]),
        (
            409,
            {"message": "Apply failed", "details": {"causes": CAUSES}},
            [
                '.spec.replicas is owned by hpa with subresource "scale"',
                ".spec.paused is owned by kubectl-edit",
                "patchForce",
            ],
        ),
        (422, {"message": "long", "details": {"causes": INVALID}}, ["  spec.replicas: must be positive"]),
        (500, {}, ["the API server returned HTTP status 500"]),
    ],
)
def test_messages(code: int, status: Any, texts: list[str]) -> None:
    message = str(make_error(code, status, "apply Deployment mine/web"))
    assert message.startswith("cannot apply Deployment mine/web: ")
    for text in texts:
        assert text in message


def kubeconfig(**user: Any) -> str:
    return json.dumps(
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "mine"}}],
            "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:1/"}}],
            "users": [{"name": "u", "user": user}],
        }
    )


def test_credentials_come_from_the_content_of_a_kubeconfig() -> None:
    access = load_access(Settings(kubeconfig=kubeconfig(token="t")))
    assert (access.server, access.namespace) == ("http://127.0.0.1:1", "mine")
    assert access.authorize() == "Bearer t"


def test_credentials_come_from_files_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of-file")
    (tmp_path / "config").write_text(kubeconfig(tokenFile="token"))
    assert load_access(Settings(kubeconfig=str(tmp_path / "config"))).authorize() == "Bearer of-file"


def test_a_command_prints_credentials(tmp_path: Path) -> None:
    command = tmp_path / "login"
    status = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "fresh"}}
    command.write_text(f"#!/bin/sh\ncat <<'E'\n{json.dumps(status)}\nE\n")
    command.chmod(0o700)
    login = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(command), "interactiveMode": "Never"}
    assert load_access(Settings(kubeconfig=kubeconfig(exec=login))).authorize() == "Bearer fresh"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "kubeconfig: the content is not valid YAML"),
        ("- a\n- b", "the content is not a kubeconfig; it must be an object"),
        (kubeconfig(), "'other'; its contexts: c"),
    ],
)
def test_a_kubeconfig_that_cannot_be_read_is_explained(content: str, message: str) -> None:
    with pytest.raises(ProviderError, match=message):
        load_access(Settings(kubeconfig=content, context="other"))


def test_an_empty_file_is_not_a_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("")
    with pytest.raises(ProviderError, match="cannot be read: Invalid kube-config"):
        load_access(Settings(kubeconfig=str(tmp_path / "config")))


def test_settings_come_from_inputs_then_the_environment() -> None:
    given: Any = {
        "kubeconfig": Secret("text"),
        "enablePatchForce": "true",
        "kubeClientSettings": '{"timeout": 7}',
        "deleteUnreachable": "false",
    }
    environment = {
        "KUBECONFIG": "/other",
        "PULUMI_K8S_DELETE_UNREACHABLE": "true",
        "PULUMI_K8S_ENABLE_SECRET_MUTABLE": "true",
    }
    settings = read_settings(given, environment)
    assert settings == Settings(kubeconfig="text", timeout_s=7, patch_force=True, mutable_secrets=True)
    assert read_settings({}, environment).kubeconfig == "/other"
