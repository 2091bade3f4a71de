"""Mistakes that only a real API server, its controllers and its scheduler find.

Each error names the object, the reason and a fix, and the next `up` continues from the recorded state. Mistakes that a
simulated API server finds as well are in tests/rehearsal/kubernetes, images and probes in tests/node.
"""

from __future__ import annotations

import json

from tests.cluster.test_own_provider import web
from tests.rehearsal.kubernetes.lab import ClusterLab
from tools.cluster.cluster import Cluster

CLAIM = """
spec = {"storageClassName": "CLASS", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
metadata = Meta(name="claim", annotations={"pulumi.com/timeoutSeconds": "5"})
k8s.core.v1.PersistentVolumeClaim("claim", metadata=metadata, spec=spec, opts=on)
"""
LATE = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "late-binding"},
    "provisioner": "example.com/none",
    "volumeBindingMode": "WaitForFirstConsumer",
}


def test_a_namespace_that_is_terminating(plane: Cluster, lab: ClusterLab) -> None:
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "finalizers": ["example.com/held"]}}
    plane.kubectl("create", "namespace", "leaving")
    plane.kubectl("create", "-n", "leaving", "-f", "-", given=held)
    plane.kubectl("delete", "namespace", "leaving", "--wait=false")
    program = """
    k8s.core.v1.ConfigMap("settings", metadata=Meta(name="settings", namespace="leaving"), data={"a": "1"}, opts=on)
    """
    refused = lab.up(program)
    assert "cannot apply ConfigMap leaving/settings" in refused.errors
    assert "namespace leaving because it is being terminated. Run the command again once" in refused.errors
    plane.kubectl("patch", "configmap", "held", "-n", "leaving", "--type=merge", "-p", '{"metadata":{"finalizers":[]}}')
    plane.kubectl("wait", "--for=delete", "namespace/leaving", "--timeout=60s")
    plane.kubectl("create", "namespace", "leaving")
    again = lab.up()
    assert again.succeeded, again.errors
    assert lab.run("destroy").succeeded


def test_a_definition_that_is_missing(plane: Cluster, lab: ClusterLab) -> None:
    result = lab.up("""
    k8s.apiextensions.CustomResource("scaler", api_version="keda.sh/v1alpha1", kind="ScaledObject",
        metadata=Meta(name="scaler", namespace="default"), spec={}, opts=on)
    """)
    assert "the cluster has no kind ScaledObject of keda.sh/v1alpha1. Install what defines it first" in result.errors
    assert lab.run("destroy").succeeded


def test_a_storage_class_that_does_not_exist(plane: Cluster, lab: ClusterLab) -> None:
    refused = lab.up(CLAIM.replace("CLASS", "late-binding"))
    assert "PersistentVolumeClaim default/claim is not ready after 5 s" in refused.errors
    assert "no storage class 'late-binding'; `kubectl get storageclass` lists those that it has" in refused.errors
    plane.kubectl("create", "-f", "-", given=LATE)
    again = lab.up()
    assert again.succeeded, again.errors
    assert lab.run("destroy").succeeded


def test_nodes_whose_taint_no_pod_tolerates(plane: Cluster, lab: ClusterLab) -> None:
    plane.kubectl("taint", "nodes", "--all", "example.com/reserved=gpu:NoSchedule")
    try:
        refused = lab.up(web(name="tainted", timeout_s=5))
    finally:
        plane.kubectl("taint", "nodes", "--all", "example.com/reserved-")
    assert "Deployment default/tainted is not ready after 5 s" in refused.errors
    assert "it cannot be scheduled: 0/2 nodes are available: 2 node(s) had untolerated taint" in refused.errors
    assert "the pod's requests or tolerations; `kubectl describe nodes` shows taints" in refused.errors
    again = lab.up(web(name="tainted"))
    assert again.succeeded, again.errors
    assert lab.run("destroy").succeeded


def test_a_quota_that_is_used_up(plane: Cluster, lab: ClusterLab) -> None:
    plane.kubectl("create", "namespace", "limited")
    plane.kubectl("create", "quota", "pods", "-n", "limited", "--hard=pods=0")
    refused = lab.up(web("limited", timeout_s=5))
    assert "pods cannot be created: " in refused.errors
    assert "exceeded quota: pods, requested: pods=1, used: pods=0, limited: pods=0" in refused.errors
    assert lab.run("destroy").succeeded


def test_a_service_whose_selector_matches_no_pod(plane: Cluster, lab: ClusterLab) -> None:
    refused = lab.up("""
    k8s.core.v1.Service("empty", metadata=Meta(name="empty", annotations={"pulumi.com/timeoutSeconds": "5"}),
        spec={"selector": {"app": "none"}, "ports": [{"port": 80}]}, opts=on)
    """)
    assert "Service default/empty is not ready after 5 s: waiting for pods of the Service" in refused.errors
    assert "no pod has the labels of spec.selector: app=none" in refused.errors
    assert lab.run("destroy").succeeded


def test_a_node_whose_disk_is_full(plane: Cluster, lab: ClusterLab) -> None:
    condition = {"type": "DiskPressure", "status": "True", "reason": "KubeletHasDiskPressure"}
    patch = json.dumps({"status": {"conditions": [condition]}})
    for name in ("node-0", "node-1"):
        plane.kubectl("patch", "node", name, "--subresource=status", "-p", patch)
    try:
        refused = lab.up(web(name="full", timeout_s=5))
    finally:
        for name in ("node-0", "node-1"):
            plane.kubectl("patch", "node", name, "--subresource=status", "-p", patch.replace("True", "False"))
    assert "it cannot be scheduled: 0/2 nodes are available: 2 node(s) had untolerated taint" in refused.errors
    assert "node node-0: its disk is nearly full (DiskPressure)" in refused.errors
    again = lab.up(web(name="full"))
    assert again.succeeded, again.errors
    assert lab.run("destroy").succeeded
