"""NovaCron's own Kubernetes provider against a real API server, controllers and scheduler."""

from __future__ import annotations

import json

import pytest

from tests.rehearsal.kubernetes.lab import ClusterLab
from tools.cluster.cluster import Cluster

STACK = """
space = k8s.core.v1.Namespace("space", metadata=Meta(name="NAMESPACE"), opts=on)
inside = O(provider=cluster, depends_on=[space])

def meta(name):
    return Meta(name=name, namespace="NAMESPACE")

settings = k8s.core.v1.ConfigMap(
    "settings", metadata=Meta(namespace="NAMESPACE"), data={"a": "DATA"}, opts=inside
)
keys = k8s.core.v1.Secret("keys", metadata=meta("keys"), string_data={"key": "hunter2"}, opts=inside)
container = {
    "name": "server",
    "image": "registry.example/server:TAG",
    "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"memory": "1024Mi"}},
    "ports": [{"containerPort": 8080, "name": "http"}],
    "envFrom": [{"configMapRef": {"name": settings.metadata.name}}],
}

def workload(name):
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}
    return {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}

web = k8s.apps.v1.Deployment("web", metadata=meta("web"), spec=workload("web"), opts=inside)
ports = [{"port": 80, "targetPort": "http"}]
behind = O(provider=cluster, depends_on=[web])
k8s.core.v1.Service("web-service", metadata=meta("web"), spec={"selector": {"app": "web"}, "ports": ports}, opts=behind)
headless = {"clusterIP": "None", "selector": {"app": "workers"}}
k8s.core.v1.Service("workers-service", metadata=meta("workers"), spec=headless, opts=inside)
spec = workload("workers") | {"serviceName": "workers", "podManagementPolicy": "Parallel"}
k8s.apps.v1.StatefulSet("workers", metadata=meta("workers"), spec=spec, opts=inside)
budget = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}
k8s.policy.v1.PodDisruptionBudget("budget", metadata=meta("web"), spec=budget, opts=inside)
closed = {"podSelector": {}, "policyTypes": ["Ingress"]}
k8s.networking.v1.NetworkPolicy("closed", metadata=meta("closed"), spec=closed, opts=inside)
rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
k8s.rbac.v1.Role("reader", metadata=meta("reader"), rules=rules, opts=inside)
pulumi.export("available", web.status.available_replicas)
"""


def stack(namespace: str, *, tag: str = "1", data: str = "1") -> str:
    """A program with what a serving stack has."""
    return STACK.replace("NAMESPACE", namespace).replace("TAG", tag).replace("DATA", data)


def test_a_stack_comes_up_stays_changes_and_goes(plane: Cluster, lab: ClusterLab) -> None:
    lab.started = True
    preview = lab.run("preview", stack("whole"))
    assert preview.succeeded, preview.errors
    first = lab.up()
    assert first.succeeded, first.errors
    assert lab.warnings(first) == []
    assert first.outputs["available"] == 2
    assert plane.get("deployment", "web", "-n", "whole")["status"]["availableReplicas"] == 2
    again = lab.run("preview")
    assert lab.steps(again) == [], again.errors
    refreshed = lab.run("refresh")
    assert refreshed.succeeded, refreshed.errors
    assert lab.steps(lab.run("preview")) == []  # `1000m` and `1024Mi` are written differently by the server
    rolled = lab.up(stack("whole", tag="2", data="2"))
    assert rolled.succeeded, rolled.errors
    changed = {name for operation, name in lab.steps(rolled) if operation in ("update", "create-replacement")}
    assert changed == {"settings", "web", "workers"}
    assert {pod["spec"]["containers"][0]["image"] for pod in plane.get("pods", "-n", "whole")["items"]} == {
        "registry.example/server:2"
    }
    removed = lab.run("destroy")
    assert removed.succeeded, removed.errors
    assert plane.kubectl("get", "namespace", "whole", check=False) == ""


def web(namespace: str = "default", name: str = "web", timeout_s: int = 90, **pod: object) -> str:
    """A program with a Deployment of one pod."""
    spec = {"containers": [{"name": "server", "image": "registry.example/server:1", **pod}]}
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    deployment = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    annotations = {"pulumi.com/timeoutSeconds": str(timeout_s)}
    return f"""
k8s.apps.v1.Deployment("{name}", metadata=Meta(name="{name}", namespace="{namespace}", annotations={annotations}),
    spec={deployment}, opts=on)
"""


def test_a_pod_that_fits_nowhere_is_explained_by_the_scheduler(plane: Cluster, lab: ClusterLab) -> None:
    result = lab.up(web(name="huge", timeout_s=5, resources={"requests": {"cpu": "4000"}}))
    assert "Deployment default/huge is not ready after 5 s: waiting for pods to be available (0 of 1)" in result.errors
    assert "it cannot be scheduled: 0/2 nodes are available" in result.errors
    repaired = lab.up(web(name="huge", resources={"requests": {"cpu": "1"}}))
    assert repaired.succeeded, repaired.errors + plane.kubectl("get", "all", "-o", "yaml")
    assert lab.run("destroy").succeeded


def test_pods_that_pod_security_refuses_are_explained(plane: Cluster, lab: ClusterLab) -> None:
    plane.kubectl("create", "namespace", "restricted")
    plane.kubectl("label", "namespace", "restricted", "pod-security.kubernetes.io/enforce=restricted")
    result = lab.up(web("restricted", timeout_s=5))
    assert "pods cannot be created" in result.errors
    assert "violates PodSecurity" in result.errors
    assert lab.run("destroy").succeeded


def test_fields_of_others_are_reported_and_left_with_ignore_changes(plane: Cluster, lab: ClusterLab) -> None:
    scaled = web(name="scaled")
    assert lab.up(scaled).succeeded
    plane.kubectl("scale", "deployment", "scaled", "--replicas=2")
    lab.run("refresh")
    refused = lab.up()
    assert ".spec.replicas is owned by kubectl" in refused.errors
    left = lab.up(scaled.replace("opts=on", "opts=O(provider=cluster, ignore_changes=['spec.replicas'])"))
    assert left.succeeded, left.errors
    assert plane.get("deployment", "scaled")["spec"]["replicas"] == 2
    assert lab.run("destroy").succeeded


def test_a_definition_and_its_objects_come_in_one_run(plane: Cluster, lab: ClusterLab) -> None:
    program = """
    schema = {"type": "object", "x_kubernetes_preserve_unknown_fields": True}
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    definition = k8s.apiextensions.v1.CustomResourceDefinition(
        "widgets",
        metadata=Meta(name="widgets.example.com"),
        spec={"group": "example.com", "scope": "Cluster", "names": names, "versions": [version]},
        opts=on,
    )
    k8s.apiextensions.CustomResource(
        "one", api_version="example.com/v1", kind="Widget", metadata=Meta(name="one"), spec={"size": 3},
        opts=O(provider=cluster, depends_on=[definition]),
    )
    """
    preview = lab.run("preview", program)
    assert preview.succeeded, preview.errors
    result = lab.up()
    assert result.succeeded, result.errors
    assert lab.state("one").id == "one"
    assert plane.get("widget", "one")["spec"] == {"size": 3}
    assert lab.steps(lab.run("preview")) == []
    assert lab.run("destroy").succeeded


def test_a_claim_whose_class_waits_for_a_pod_is_ready_and_a_dry_run_checks_its_changes(lab: ClusterLab) -> None:
    program = """
    k8s.storage.v1.StorageClass("late", metadata=Meta(name="late"), provisioner="example.com/none",
        volume_binding_mode="WaitForFirstConsumer", opts=on)
    k8s.core.v1.PersistentVolumeClaim("claim", metadata=Meta(name="claim"), opts=on, spec={
        "storageClassName": "late", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}})
    """
    result = lab.up(program)
    assert result.succeeded, result.errors
    grown = lab.run("preview", program.replace("1024Mi", "2Gi"))
    assert "cannot apply PersistentVolumeClaim default/claim" in grown.errors
    assert "spec: Forbidden: spec is immutable after creation" in grown.errors
    assert lab.run("destroy").succeeded


def test_a_patch_resource_changes_one_annotation_and_gives_it_back(plane: Cluster, lab: ClusterLab) -> None:
    default = "storageclass.kubernetes.io/is-default-class"
    metadata = {"name": "theirs", "annotations": {default: "true"}}
    content = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": metadata, "provisioner": "x"}
    plane.kubectl("create", "-f", "-", given=content)
    program = f"""
    k8s.storage.v1.StorageClassPatch("theirs", metadata=k8s.meta.v1.ObjectMetaPatchArgs(
        name="theirs", annotations={{"{default}": "false", "pulumi.com/patchForce": "true"}}), opts=on)
    """
    result = lab.up(program)
    assert result.succeeded, result.errors
    assert plane.get("storageclass", "theirs")["metadata"]["annotations"][default] == "false"
    assert lab.run("destroy").succeeded
    assert default not in plane.get("storageclass", "theirs")["metadata"].get("annotations", {})
    plane.kubectl("delete", "storageclass", "theirs")


def test_objects_that_pulumis_provider_created_lose_fields_that_the_program_drops(
    plane: Cluster, lab: ClusterLab
) -> None:
    content = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "old"}}
    content["spec"] = {"type": "ExternalName", "externalName": "a.example.com", "publishNotReadyAddresses": True}
    plane.kubectl("create", "--field-manager=pulumi-kubernetes", "-f", "-", given=content)
    program = """
    spec = {"type": "ExternalName", "externalName": "a.example.com"}
    imported = O(provider=cluster, import_="default/old")
    k8s.core.v1.Service("old", metadata=Meta(name="old"), spec=spec, opts=imported)
    """
    result = lab.up(program)
    assert result.succeeded, result.errors
    assert "publishNotReadyAddresses" not in plane.get("service", "old")["spec"]
    assert lab.run("destroy").succeeded


@pytest.mark.parametrize("operation", ["preview", "up"])
def test_a_user_without_rights_reads_which_one_is_missing(plane: Cluster, lab: ClusterLab, operation: str) -> None:
    plane.kubectl("create", "serviceaccount", "limited", check=False)
    token = plane.kubectl("create", "token", "limited").strip()
    admin = json.loads(plane.kubectl("config", "view", "--raw", "--flatten", "-o", "json"))
    admin["users"][0]["user"] = {"token": token}
    (lab.folder / "kubeconfig").write_text(json.dumps(admin))
    result = lab.run(operation, web(name="denied"))
    text = "\n".join([result.errors, *lab.warnings(result)])
    assert "user 'system:serviceaccount:default:limited' may not get deployments.apps in namespace 'default'" in text
    assert result.succeeded is (operation == "preview")
