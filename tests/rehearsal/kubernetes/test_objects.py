"""The engine deploys objects to a cluster with NovaCron's own provider: created, changed, replaced, read, deleted."""

from __future__ import annotations

import json

import pytest
from novacron_rehearsal import Severity
from novacron_rehearsal.values import Secret

from tests.rehearsal.kubernetes.conftest import KubeLab

CONFIG = 'k8s.core.v1.ConfigMap("settings", metadata=Meta(name="settings"), data={"a": "1"}, opts=on)'


def test_an_object_is_created_kept_and_deleted(kube: KubeLab) -> None:
    kube.started = True
    first = kube.up(CONFIG)
    assert first.succeeded, first.errors
    assert first.started_plugins == {"kubernetes"}
    assert kube.steps(first) == [("create", "settings")]
    made = kube.api.find("ConfigMap", "settings")
    assert made is not None
    assert made["data"] == {"a": "1"}
    assert made["metadata"]["namespace"] == "default"
    (managed,) = made["metadata"]["managedFields"]
    state = kube.state("settings")
    assert state.id == "default/settings"
    assert managed["manager"] == state.outputs["__fieldManager"]
    assert managed["manager"].startswith("pulumi-kubernetes-")
    assert state.outputs["__initialApiVersion"] == "v1"
    assert state.outputs["__inputs"] == state.inputs
    assert kube.steps(kube.up()) == []
    removed = kube.run("destroy")
    assert removed.succeeded, removed.errors
    assert kube.api.objects == {}


def test_the_user_sees_which_provider_manages_the_cluster(kube: KubeLab) -> None:
    shown = [item.message for item in kube.up(CONFIG).diagnostics if item.severity is Severity.INFO]
    assert any("NovaCron's own provider manages the cluster at http://127.0.0.1" in text for text in shown)


def test_a_name_is_generated_and_kept(kube: KubeLab) -> None:
    program = 'k8s.apps.v1.Deployment("web", spec={spec}, opts=O(provider=cluster))'
    spec = '{"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {"containers": []}}}'
    kube.api.controllers["Deployment"] = lambda one: one.update(status={"observedGeneration": 99})
    assert kube.up(program.replace("{spec}", spec)).succeeded
    name = kube.state("web").outputs["metadata"]["name"]  # type: ignore[index,call-overload]
    assert isinstance(name, str)
    assert name.startswith("web-")
    assert len(name) == len("web-") + 8
    changed = kube.up(program.replace("{spec}", spec.replace('"replicas": 0', '"replicas": 0, "minReadySeconds": 3')))
    assert kube.steps(changed) == [("update", "web")]
    assert kube.state("web").id == f"default/{name}"


def test_a_field_that_the_program_no_longer_sets_goes(kube: KubeLab) -> None:
    program = 'k8s.core.v1.Service("api", metadata=Meta(name="api"), spec={"clusterIP": "None"%s}, opts=on)'
    assert kube.up(program % ', "sessionAffinity": "ClientIP"').succeeded
    assert kube.steps(kube.up(program % "")) == [("update", "api")]
    assert kube.api.find("Service", "api")["spec"] == {"clusterIP": "None"}  # type: ignore[index]


def test_what_cannot_be_changed_is_replaced_first_deleted_then_created(kube: KubeLab) -> None:
    assert kube.up(CONFIG).succeeded
    before = kube.api.find("ConfigMap", "settings")
    changed = kube.up(CONFIG.replace('"1"', '"2"'))
    assert changed.succeeded, changed.errors
    assert [operation for operation, _ in kube.steps(changed)] == ["delete-replaced", "replace", "create-replacement"]
    after = kube.api.find("ConfigMap", "settings")
    assert after is not None
    assert before is not None
    assert after["data"] == {"a": "2"}
    assert after["metadata"]["uid"] != before["metadata"]["uid"]


def test_data_of_a_secret_stays_secret_in_the_state(kube: KubeLab) -> None:
    program = """
    made = k8s.core.v1.Secret("keys", metadata=Meta(name="keys"), string_data={"key": "hunter2"}, opts=on)
    pulumi.export("data", made.data)
    """
    result = kube.up(program)
    assert result.succeeded, result.errors
    assert isinstance(kube.state("keys").inputs["data"], Secret)
    assert isinstance(result.outputs["data"], Secret)
    assert "hunter2" not in json.dumps(kube.workspace.export())


def test_conflicts_name_the_field_its_owner_and_the_way_out(kube: KubeLab) -> None:
    assert kube.up(CONFIG).succeeded
    owned = {"manager": "operator", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:team": {}}}}}
    stored = kube.api.find("ConfigMap", "settings")
    assert stored is not None
    stored["metadata"]["labels"] = {"team": "theirs"}
    stored["metadata"]["managedFields"].append(owned)
    labelled = CONFIG.replace('name="settings"', 'name="settings", labels={"team": "ours"}%s')
    for operation in ("preview", "up"):
        refused = kube.run(operation, labelled % "")
        assert not refused.succeeded
        assert ".metadata.labels.team is owned by operator" in refused.errors
        assert "pulumi.com/patchForce" in refused.errors
    forced = kube.up(labelled % ', annotations={"pulumi.com/patchForce": "true"}')
    assert forced.succeeded, forced.errors
    assert kube.api.find("ConfigMap", "settings")["metadata"]["labels"] == {"team": "ours"}  # type: ignore[index]


def test_fields_of_ignore_changes_are_left_to_their_owner(kube: KubeLab) -> None:
    program = """
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {"nodeName": "%s"}}}
    k8s.apps.v1.Deployment(
        "web", metadata=Meta(name="web"), spec=spec, opts=O(provider=cluster, ignore_changes=["spec.replicas"])
    )
    """
    kube.api.controllers["Deployment"] = lambda one: one.update(
        status={"observedGeneration": 99, "updatedReplicas": 7, "availableReplicas": 7, "replicas": 7}
    )
    assert kube.up(program % "one").succeeded
    stored = kube.api.find("Deployment", "web")
    assert stored is not None
    stored["spec"]["replicas"] = 7
    own = stored["metadata"]["managedFields"][0]
    del own["fieldsV1"]["f:spec"]["f:replicas"]
    stored["metadata"]["managedFields"].append(
        {"manager": "autoscaler", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    )
    changed = kube.up(program % "two")
    assert changed.succeeded, changed.errors
    assert kube.api.find("Deployment", "web")["spec"]["replicas"] == 7  # type: ignore[index]


def test_a_refresh_finds_drift_of_what_the_program_sets_and_nothing_else(kube: KubeLab) -> None:
    assert kube.up(CONFIG).succeeded
    stored = kube.api.find("ConfigMap", "settings")
    assert stored is not None
    stored["data"]["theirs"] = "kept"
    stored["metadata"]["annotations"] = {"added": "by something else"}
    kube.run("refresh")
    assert kube.steps(kube.up()) == []
    stored["data"]["a"] = "drifted"
    refreshed = kube.run("refresh")
    assert refreshed.succeeded, refreshed.errors
    assert kube.state("settings").inputs["data"] == {"a": "drifted"}
    assert ("create-replacement", "settings") in kube.steps(kube.up())
    assert kube.api.find("ConfigMap", "settings")["data"] == {"a": "1"}  # type: ignore[index]


def test_a_refresh_forgets_what_is_gone_and_the_next_run_creates_it_again(kube: KubeLab) -> None:
    assert kube.up(CONFIG).succeeded
    kube.api.objects.clear()
    assert kube.run("refresh").succeeded
    assert kube.steps(kube.up()) == [("create", "settings")]


def test_an_object_that_exists_already_is_not_taken_over_unasked(kube: KubeLab) -> None:
    existing = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "default"}}
    kube.api.put("/api/v1/namespaces/default/configmaps/settings", {**existing, "data": {"a": "1"}})
    preview = kube.run("preview", CONFIG)
    assert preview.succeeded
    assert any("exists already" in text for text in kube.warnings(preview))
    refused = kube.up()
    assert "ConfigMap default/settings exists already, and this stack does not manage it" in refused.errors
    imported = kube.up(CONFIG.replace("opts=on", 'opts=O(provider=cluster, import_="default/settings")'))
    assert imported.succeeded, imported.errors
    assert kube.state("settings").inputs["data"] == {"a": "1"}
    assert kube.steps(kube.up(CONFIG)) == []


def test_a_patch_resource_changes_fields_and_gives_them_back(kube: KubeLab) -> None:
    program = """
    k8s.storage.v1.StorageClassPatch("standard", metadata=k8s.meta.v1.ObjectMetaPatchArgs(
        name="standard", annotations={"default": "false", "pulumi.com/patchForce": "true"}), opts=on)
    """
    missing = kube.up(program)
    assert "StorageClass standard does not exist; a Patch resource changes an object" in missing.errors
    path = "/apis/storage.k8s.io/v1/storageclasses/standard"
    kube.api.put(path, {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "standard"}})
    patched = kube.up()
    assert patched.succeeded, patched.errors
    assert kube.api.objects[path]["metadata"]["annotations"]["default"] == "false"
    assert kube.state("standard").id == "standard"
    removed = kube.run("destroy")
    assert removed.succeeded, removed.errors
    assert kube.api.objects[path]["metadata"]["annotations"] == {}


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ('k8s.yaml.ConfigFile("manifest", file="x.yaml", opts=on)', "single objects only"),
        ('k8s.helm.v3.Release("chart", chart="x", opts=on)', "pulumi plugin install resource kubernetes"),
        (
            'k8s.core.v1.ConfigMap("settings", metadata=Meta(generate_name="x-"), opts=on)',
            "metadata.generateName: server-side apply does not support it",
        ),
    ],
)
def test_what_is_out_of_scope_is_refused_before_anything_changes(kube: KubeLab, program: str, message: str) -> None:
    manifest = kube.folder / "x.yaml"
    manifest.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    result = kube.up(program.replace("x.yaml", str(manifest)))
    assert not result.succeeded
    assert message in result.errors
    assert kube.api.writes() == []


def test_a_rehearsal_never_starts_it(kube: KubeLab) -> None:
    kube.started = True
    result = kube.up(CONFIG, simulated_only=True)
    assert "a rehearsal starts no real provider" in result.errors
    assert result.started_plugins == frozenset()
    assert kube.api.requests == []
