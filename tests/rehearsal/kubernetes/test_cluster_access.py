"""Messages when the cluster cannot be used, and previews without it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from novacron_rehearsal.values import UNKNOWN

from tests.rehearsal.kubernetes.conftest import KubeLab

CONFIG = 'made = k8s.core.v1.ConfigMap("settings", metadata=Meta(name="settings"), data={"a": "1"}, opts=on)\n'
SERVICE = 'made = k8s.core.v1.Service("api", metadata=Meta(name="api"), spec={"type": "ExternalName"}, opts=on)\n'
OUTPUTS = 'pulumi.export("uid", made.metadata.uid)\npulumi.export("status", made.status)\n'


def edit(kube: KubeLab, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the kubeconfig."""
    content = json.loads(kube.api.kubeconfig())
    change(content)
    (kube.folder / "kubeconfig").write_text(json.dumps(content))


def test_a_dry_run_makes_the_preview_and_changes_nothing(kube: KubeLab) -> None:
    preview = kube.run("preview", SERVICE + OUTPUTS)
    assert preview.succeeded, preview.errors
    assert preview.outputs == {"uid": UNKNOWN, "status": UNKNOWN}
    dry = [query for method, _, query in kube.api.requests if method == "PATCH"]
    assert [query["dryRun"] for query in dry] == ["All"]
    assert kube.api.objects == {}


def test_unknown_inputs_are_previewed_without_the_cluster(kube: KubeLab) -> None:
    program = f"""
{SERVICE}
k8s.core.v1.ConfigMap("settings", metadata=Meta(name="settings"), data={{"uid": made.metadata.uid}}, opts=on)
"""
    preview = kube.run("preview", program)
    assert preview.succeeded, preview.errors
    assert [path for method, path, _ in kube.api.requests if "configmaps" in path] == []


def test_a_cluster_that_does_not_answer_is_named(kube: KubeLab) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{unused.getsockname()[1]}"
        edit(kube, lambda content: content["clusters"][0]["cluster"].update(server=server))
        preview = kube.run("preview", CONFIG)
        assert preview.succeeded, preview.errors
        assert any(f"{server} cannot be reached" in text for text in kube.warnings(preview))
        result = kube.up()
    assert not result.succeeded
    assert f"the cluster's API server {server} cannot be reached" in result.errors


def test_resources_of_a_cluster_that_is_gone_are_forgotten_on_request(
    kube: KubeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kube.up(CONFIG).succeeded
    kube.api.stop()
    for operation in ("refresh", "destroy"):
        assert "cannot be reached" in kube.run(operation).errors
    monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
    removed = kube.run("destroy")
    assert removed.succeeded, removed.errors
    assert any("the state forgets it" in text for text in kube.warnings(removed))
    assert kube.workspace.snapshot().resources == []


@pytest.mark.parametrize("answer", ["24+", "none"])
def test_an_old_or_strange_server_is_refused(kube: KubeLab, answer: str) -> None:
    kube.api.minor = answer
    old = "runs Kubernetes 1.24; NovaCron's Kubernetes provider needs 1.27 or later"
    strange = "does not state a version of Kubernetes; is it the API server of a cluster?"
    assert (old if answer == "24+" else strange) in kube.up(CONFIG).errors


@pytest.mark.parametrize("operation", ["preview", "up"])
def test_a_missing_right_names_verb_resource_and_namespace(kube: KubeLab, operation: str) -> None:
    kube.api.denied.add(("patch", "configmaps"))
    result = kube.run(operation, CONFIG)
    text = "\n".join(kube.warnings(result)) if operation == "preview" else result.errors
    assert result.succeeded is (operation == "preview")
    assert "user 'me' may not patch configmaps in namespace 'default' (403)" in text
    assert "kubectl auth can-i patch configmaps --namespace default" in text


def test_rejected_credentials_are_named(kube: KubeLab) -> None:
    edit(kube, lambda content: content["users"][0]["user"].update(token="old"))
    assert "rejects the credentials of the kubeconfig (401 Unauthorized)" in kube.up(CONFIG).errors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.pop("current-context"), "kubeconfig has no current context; set `context`"),
        (
            lambda content: content.update({"current-context": "other"}),
            "kubeconfig has no context 'other'; its contexts: sim",
        ),
        (lambda content: content["clusters"][0]["cluster"].pop("server"), "the cluster of context 'sim' has no server"),
        (
            lambda content: content["users"][0].update(
                user={"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-command"}}
            ),
            "the user of context 'sim' cannot sign in",
        ),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_explained(
    kube: KubeLab, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit(kube, change)
    result = kube.up(CONFIG)
    assert message in result.errors
    assert kube.api.requests == []


def test_a_missing_kubeconfig_is_named(kube: KubeLab) -> None:
    program = 'k8s.core.v1.ConfigMap("x", opts=O(provider=k8s.Provider("other", kubeconfig="/nowhere/config")))'
    result = kube.up(program)
    assert "kubeconfig /nowhere/config does not exist; set `kubeconfig` of the Kubernetes provider" in result.errors


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("enable_server_side_apply=False", "enableServerSideApply: it must not be false"),
        ('render_yaml_to_directory="out"', "renderYamlToDirectory: NovaCron's Kubernetes provider does not render"),
    ],
)
def test_settings_of_pulumis_provider_alone_are_refused(kube: KubeLab, setting: str, message: str) -> None:
    assert message in kube.up(f'k8s.Provider("other", kubeconfig="{{}}", {setting})').errors


def test_namespaces_come_from_the_object_then_the_provider_then_the_context(kube: KubeLab) -> None:
    for name in ("of-provider", "of-context", "of-object"):
        path = f"/api/v1/namespaces/{name}"
        kube.api.put(path, {"kind": "Namespace", "metadata": {"name": name}, "status": {"phase": "Active"}})
    (kube.folder / "kubeconfig").write_text(kube.api.kubeconfig(namespace="of-context"))
    program = """
    k8s.core.v1.ConfigMap("a", metadata=Meta(name="a"), opts=on)
    other = O(provider=k8s.Provider("other", kubeconfig=config, namespace="of-provider"))
    k8s.core.v1.ConfigMap("b", metadata=Meta(name="b"), opts=other)
    k8s.core.v1.ConfigMap("c", metadata=Meta(name="c", namespace="of-object"), opts=other)
    """
    kube.started = True  # two configurations: each has a process of its own
    result = kube.up(program)
    assert result.succeeded, result.errors
    ids = [kube.state(name).id for name in ("a", "b", "c")]
    assert ids == ["of-context/a", "of-provider/b", "of-object/c"]


def test_another_server_replaces_every_object(kube: KubeLab) -> None:
    assert kube.up(CONFIG).succeeded
    edit(kube, lambda content: content["users"][0].update(name="me"))
    assert kube.steps(kube.up()) == []
    other = kube.api.address.replace("127.0.0.1", "localhost")
    edit(kube, lambda content: content["clusters"][0]["cluster"].update(server=other))
    preview = kube.run("preview")
    assert ("create-replacement", "settings") in kube.steps(preview), preview.errors


def test_a_busy_server_is_asked_again(kube: KubeLab) -> None:
    kube.api.busy = 3
    result = kube.up(CONFIG)
    assert result.succeeded, result.errors
