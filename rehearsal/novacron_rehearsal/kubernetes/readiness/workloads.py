"""Readiness of controllers of pods: Deployment, StatefulSet, DaemonSet, ReplicaSet, Job and LeaderWorkerSet."""

from __future__ import annotations

from novacron_rehearsal.kubernetes.objects import (
    Object,
    find_condition,
    find_number,
    find_object,
    find_objects,
    find_text,
    is_owned_by,
)
from novacron_rehearsal.kubernetes.readiness.pods import explain_pods
from novacron_rehearsal.kubernetes.readiness.verdict import READY, Related, Verdict

_REVISION = "deployment.kubernetes.io/revision"
_NOT_OBSERVED = "waiting for its controller"
_LEADER_WORKER_SET = "leaderworkerset.sigs.k8s.io/name"
"""Label of the pods of a LeaderWorkerSet."""


def judge_deployment(deployment: Object, related: Related) -> Verdict:
    """Decide about a Deployment: all pods are of the new revision and available, and no old pods are left."""
    if not _is_observed(deployment):
        return Verdict(ready=False, progress=_NOT_OBSERVED)
    if find_object(deployment, "spec").get("paused") is True:
        return READY  # its rollout is stopped on purpose
    replicas = find_number(deployment, "spec", "replicas", default=1)
    updated, available, total = (
        find_number(deployment, "status", key) for key in ("updatedReplicas", "availableReplicas", "replicas")
    )
    reasons = explain_pods(_newest_pods(deployment, related))
    failure = find_condition(deployment, "ReplicaFailure")
    if failure.get("status") == "True":
        reasons.insert(0, f"pods cannot be created: {find_text(failure, 'message')}")
    progressing = find_condition(deployment, "Progressing")
    if progressing.get("status") == "False":
        text = f"{find_text(progressing, 'reason')}: {find_text(progressing, 'message')}"
        return Verdict(ready=False, reasons=[f"its rollout has failed: {text}", *reasons], failed=True)
    if updated < replicas:
        return _waiting(f"waiting for new pods ({updated} of {replicas})", reasons)
    if available < updated:
        return _waiting(f"waiting for pods to be available ({available} of {replicas})", reasons)
    if total > updated:
        return _waiting(f"waiting for {total - updated} old pods to end", reasons)
    return READY


def judge_stateful_set(stateful_set: Object, related: Related) -> Verdict:
    """Decide about a StatefulSet: all pods are ready and of the new revision, except those that a partition keeps."""
    if not _is_observed(stateful_set):
        return Verdict(ready=False, progress=_NOT_OBSERVED)
    replicas = find_number(stateful_set, "spec", "replicas", default=1)
    status = find_object(stateful_set, "status")
    ready = find_number(status, "readyReplicas")
    available = find_number(status, "availableReplicas", default=ready)
    strategy = find_object(stateful_set, "spec", "updateStrategy")
    reasons = explain_pods([pod for pod in related.pods if is_owned_by(pod, stateful_set)])
    rolls = find_text(status, "updateRevision") != find_text(status, "currentRevision")
    if rolls and find_text(strategy, "type") != "OnDelete":
        partition = find_number(strategy, "rollingUpdate", "partition")
        updated, wanted = find_number(status, "updatedReplicas"), max(replicas - partition, 0)
        if updated < wanted or not partition:
            return _waiting(f"waiting for pods of the new revision ({updated} of {wanted} created)", reasons)
    if min(ready, available) < replicas:
        return _waiting(f"waiting for pods to be ready ({min(ready, available)} of {replicas})", reasons)
    if find_number(status, "replicas") > replicas:
        return _waiting(f"waiting for {find_number(status, 'replicas') - replicas} pods to end", reasons)
    return READY


def judge_leader_worker_set(leader_worker_set: Object, related: Related) -> Verdict:
    """Decide about a LeaderWorkerSet: all groups are ready and new, except those that a partition keeps.

    A group is ready when all its pods are.
    """
    if not _is_observed(leader_worker_set):
        return Verdict(ready=False, progress=f"{_NOT_OBSERVED}: is LeaderWorkerSet installed in the cluster?")
    replicas = find_number(leader_worker_set, "spec", "replicas", default=1)
    partition = find_number(leader_worker_set, "spec", "rolloutStrategy", "rollingUpdateConfiguration", "partition")
    status = find_object(leader_worker_set, "status")
    updated, ready, total = (find_number(status, key) for key in ("updatedReplicas", "readyReplicas", "replicas"))
    reasons = explain_pods(related.pods)
    wanted = max(replicas - partition, 0)
    if updated < wanted:
        return _waiting(f"waiting for groups of the new revision ({updated} of {wanted})", reasons)
    if ready < replicas:
        return _waiting(f"waiting for groups to be ready ({ready} of {replicas})", reasons)
    if total > replicas:
        return _waiting(f"waiting for {total - replicas} groups to end", reasons)
    return READY


def judge_daemon_set(daemon_set: Object, related: Related) -> Verdict:
    """Decide about a DaemonSet: every node that should run it does."""
    if not _is_observed(daemon_set):
        return Verdict(ready=False, progress=_NOT_OBSERVED)
    status = find_object(daemon_set, "status")
    desired = find_number(status, "desiredNumberScheduled")
    updated, available = find_number(status, "updatedNumberScheduled"), find_number(status, "numberAvailable")
    reasons = explain_pods([pod for pod in related.pods if is_owned_by(pod, daemon_set)])
    if find_text(daemon_set, "spec", "updateStrategy", "type") != "OnDelete" and updated < desired:
        return _waiting(f"waiting for new pods ({updated} of {desired} nodes)", reasons)
    if available < desired:
        return _waiting(f"waiting for pods to be available ({available} of {desired} nodes)", reasons)
    return READY


def judge_replica_set(replica_set: Object, related: Related) -> Verdict:
    """Decide about a ReplicaSet that the program creates itself."""
    if not _is_observed(replica_set):
        return Verdict(ready=False, progress=_NOT_OBSERVED)
    replicas = find_number(replica_set, "spec", "replicas", default=1)
    available = find_number(replica_set, "status", "availableReplicas")
    if available >= replicas:
        return READY
    reasons = explain_pods([pod for pod in related.pods if is_owned_by(pod, replica_set)])
    return _waiting(f"waiting for pods to be available ({available} of {replicas})", reasons)


def judge_job(job: Object, related: Related) -> Verdict:
    """Decide about a Job: it has completed. A suspended Job is ready as it is."""
    if find_condition(job, "Complete").get("status") == "True" or find_object(job, "spec").get("suspend") is True:
        return READY
    reasons = explain_pods([pod for pod in related.pods if is_owned_by(pod, job)])
    failed = find_condition(job, "Failed")
    if failed.get("status") == "True":
        text = f"{find_text(failed, 'reason')}: {find_text(failed, 'message')}"
        return Verdict(ready=False, reasons=[f"the job has failed: {text}", *reasons], failed=True)
    counts = ", ".join(f"{find_number(job, 'status', key)} {key}" for key in ("active", "succeeded", "failed"))
    return _waiting(f"waiting for the job to complete ({counts} pods)", reasons)


def _waiting(progress: str, reasons: list[str]) -> Verdict:
    return Verdict(ready=False, progress=progress, reasons=reasons)


def _is_observed(value: Object) -> bool:
    """Return whether the status is of the object as it was applied last."""
    return find_number(value, "status", "observedGeneration", default=-1) >= find_number(
        value, "metadata", "generation"
    )


def _newest_pods(deployment: Object, related: Related) -> list[Object]:
    """Return the pods of the revision that is rolled out; those of older revisions are not of interest."""
    revision = find_text(deployment, "metadata", "annotations", _REVISION)
    newest = [
        item
        for item in related.replica_sets
        if is_owned_by(item, deployment) and find_text(item, "metadata", "annotations", _REVISION) == revision
    ]
    return [pod for pod in related.pods if any(is_owned_by(pod, item) for item in newest)]


def select_group_pods(leader_worker_set: Object) -> dict[str, str]:
    """Return the labels of the pods of all groups of a LeaderWorkerSet."""
    return {_LEADER_WORKER_SET: find_text(leader_worker_set, "metadata", "name")}


def pod_selector(workload: Object) -> dict[str, str]:
    """Return the labels of a workload's pods. Expressions are left out: they only narrow the selection."""
    labels = find_object(workload, "spec", "selector", "matchLabels")
    if not labels and find_objects(workload, "spec", "selector", "matchExpressions"):
        labels = find_object(workload, "spec", "template", "metadata", "labels")
    return {key: value for key, value in labels.items() if isinstance(value, str)}
