"""Chooses the decision for an object's kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from novacron_rehearsal.kubernetes.objects import Kind, Object, find_condition, find_object, find_text
from novacron_rehearsal.kubernetes.readiness import pods, services, workloads
from novacron_rehearsal.kubernetes.readiness.verdict import READY, Needs, Related, Verdict

Judge = Callable[[Object, Related], Verdict]

_LEADER_WORKER_SET = ("leaderworkerset.x-k8s.io", "LeaderWorkerSet")
_JUDGES: Mapping[tuple[str, str], Judge] = {
    ("", "Namespace"): services.judge_namespace,
    ("", "PersistentVolume"): services.judge_volume,
    ("", "PersistentVolumeClaim"): services.judge_claim,
    ("", "Pod"): pods.judge_pod,
    ("", "Service"): services.judge_service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): services.judge_definition,
    ("apps", "DaemonSet"): workloads.judge_daemon_set,
    ("apps", "Deployment"): workloads.judge_deployment,
    ("apps", "ReplicaSet"): workloads.judge_replica_set,
    ("apps", "StatefulSet"): workloads.judge_stateful_set,
    ("batch", "Job"): workloads.judge_job,
    _LEADER_WORKER_SET: workloads.judge_leader_worker_set,
    ("networking.k8s.io", "Ingress"): services.judge_ingress,
}
_CONDITION = "condition="


def judge(kind: Kind, live: Object, related: Related, wait_for: str = "") -> Verdict:
    """Decide whether an object is ready. Kinds without a decision of their own are ready once they exist.

    Args:
        kind: kind of the object.
        live: the object.
        related: the objects that `find_needs` asks for.
        wait_for: value of the annotation `pulumi.com/waitFor`: `condition=Ready` or `condition=Ready=False`.
    """
    if kind.is_patch:
        return READY
    if wait_for.startswith(_CONDITION):
        return _judge_condition(live, wait_for)
    decide = _JUDGES.get((kind.group, kind.name))
    return READY if decide is None else decide(live, related)


def find_needs(kind: Kind, live: Object) -> Needs:
    """Return what the decision about an object needs in addition to it."""
    key = (kind.group, kind.name)
    if key in (("apps", "Deployment"), ("apps", "DaemonSet"), ("apps", "ReplicaSet"), ("apps", "StatefulSet")):
        return Needs(workloads.pod_selector(live), replica_sets=kind.name == "Deployment")
    if key == _LEADER_WORKER_SET:
        return Needs(workloads.select_group_pods(live))
    if key == ("batch", "Job"):
        return Needs(workloads.pod_selector(live))
    if key == ("", "Service"):
        return Needs(endpoint_slices=bool(find_object(live, "spec", "selector")))
    if key == ("", "PersistentVolumeClaim"):
        return Needs(storage_class=find_text(live, "spec", "storageClassName"))
    return Needs()


def can_wait_for(wait_for: str) -> bool:
    """Return whether a value of `pulumi.com/waitFor` is supported."""
    return not wait_for or wait_for.startswith(_CONDITION)


def _judge_condition(live: Object, wait_for: str) -> Verdict:
    type_, _, wanted = wait_for.removeprefix(_CONDITION).partition("=")
    wanted = (wanted or "True").strip('"')
    condition = find_condition(live, type_)
    status = find_text(condition, "status")
    if status.lower() == wanted.lower():
        return READY
    text = find_text(condition, "message")
    progress = f"waiting for condition {type_} to be {wanted} (it is {status or 'not set'})"
    return Verdict(ready=False, progress=progress, reasons=[text] if text else [progress])
