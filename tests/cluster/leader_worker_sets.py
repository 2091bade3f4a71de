"""A stand-in for the controller of LeaderWorkerSets. `test_leader_worker_set` runs the real one, of an older version.

It makes and removes the pods of each group, with the labels and variables of the real one, replaces groups whose
template has changed, and reports the status. It is not the real controller: it knows neither restart policies nor
partitions, and it replaces all old groups at once.
"""

from __future__ import annotations

import copy
import hashlib
import json
import threading
from pathlib import Path
from typing import Any

from kubernetes import client, config

GROUP, VERSION, PLURAL = "leaderworkerset.x-k8s.io", "v1", "leaderworkersets"
_PREFIX = "leaderworkerset.sigs.k8s.io"
_PERIOD_S = 0.5


class LeaderWorkerSetStandIn:
    """Reconciles the LeaderWorkerSets of a cluster in a thread, from `start` to `stop`."""

    def __init__(self, kubeconfig: Path) -> None:
        api = config.new_client_from_config(config_file=str(kubeconfig))
        self._sets, self._core = client.CustomObjectsApi(api), client.CoreV1Api(api)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leader-worker-sets", daemon=True)
        self.error: Exception | None = None

    def start(self) -> None:
        """Start to reconcile."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and raise the error that ended the thread, if there was one."""
        self._stopped.set()
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        while not self._stopped.wait(_PERIOD_S):
            try:
                for item in self._sets.list_cluster_custom_object(GROUP, VERSION, PLURAL)["items"]:
                    if "deletionTimestamp" not in item["metadata"]:  # the garbage collector removes its pods
                        self._reconcile(item)
            except client.ApiException as error:
                # A quota is used up; the definition is not there yet; somebody else was faster.
                if error.status not in (403, 404, 409):
                    self.error = error
                    return

    def _reconcile(self, item: dict[str, Any]) -> None:
        name, namespace, spec = item["metadata"]["name"], item["metadata"]["namespace"], item["spec"]
        template = spec["leaderWorkerTemplate"]
        revision = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        wanted = {
            pod["metadata"]["name"]: pod
            for group in range(spec["replicas"])
            for pod in _list_pods(item, group, revision)
        }
        found = {
            pod.metadata.name: pod
            for pod in self._core.list_namespaced_pod(namespace, label_selector=f"{_PREFIX}/name={name}").items
        }
        for pod_name, pod in found.items():
            old = pod.metadata.labels[f"{_PREFIX}/template-revision-hash"] != revision
            if pod.metadata.deletion_timestamp is None and (pod_name not in wanted or old):
                self._core.delete_namespaced_pod(pod_name, namespace)
        for pod_name, pod in wanted.items():
            if pod_name not in found:
                self._core.create_namespaced_pod(namespace, pod)
        groups = {pod.metadata.labels[f"{_PREFIX}/group-index"] for pod in found.values()}
        ready = [group for group in groups if _is_ready(group, found.values(), template["size"])]
        status = {
            "observedGeneration": item["metadata"]["generation"],
            "replicas": len(groups),
            "updatedReplicas": len(groups),
            "readyReplicas": len(ready),
        }
        if item.get("status") != status:
            self._sets.patch_namespaced_custom_object_status(
                GROUP, VERSION, namespace, PLURAL, name, {"status": status}
            )


def _list_pods(item: dict[str, Any], group: int, revision: str) -> list[dict[str, Any]]:
    """Return the pods of a group: the leader, and the others."""
    name, template = item["metadata"]["name"], item["spec"]["leaderWorkerTemplate"]
    owner = {
        "apiVersion": item["apiVersion"],
        "kind": item["kind"],
        "name": name,
        "uid": item["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    pods: list[dict[str, Any]] = []
    for index in range(template["size"]):
        pod = copy.deepcopy(template["leaderTemplate"] if index == 0 else template["workerTemplate"])
        labels = {
            "name": name,
            "group-index": str(group),
            "worker-index": str(index),
            "template-revision-hash": revision,
        }
        pod["metadata"] = {
            **pod["metadata"],
            "name": f"{name}-{group}" if index == 0 else f"{name}-{group}-{index}",
            "labels": {**pod["metadata"]["labels"], **{f"{_PREFIX}/{key}": value for key, value in labels.items()}},
            "ownerReferences": [owner],
        }
        variables = {
            "LWS_LEADER_ADDRESS": f"{name}-{group}.{name}.{item['metadata']['namespace']}",
            "LWS_GROUP_SIZE": str(template["size"]),
            "LWS_WORKER_INDEX": str(index),
        }
        for container in pod["spec"]["containers"]:
            container["env"] = [
                *container.get("env", ()),
                *({"name": key, "value": value} for key, value in variables.items()),
            ]
        pods.append(pod)
    return pods


def _is_ready(group: str, pods: Any, size: int) -> bool:
    ready = [
        pod
        for pod in pods
        if pod.metadata.labels[f"{_PREFIX}/group-index"] == group
        and any(item.type == "Ready" and item.status == "True" for item in pod.status.conditions or ())
    ]
    return len(ready) == size
