"""Why pods are not ready: images, crashes, probes, and places to run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from novacron_rehearsal.kubernetes.objects import (
    Object,
    find,
    find_condition,
    find_number,
    find_objects,
    find_text,
    name_of,
)
from novacron_rehearsal.kubernetes.readiness.verdict import READY, Related, Verdict

_MAX_PODS = 3
"""Pods whose reasons a message lists."""
_STARTING = frozenset({"", "ContainerCreating", "PodInitializing"})
_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"})
_HOW_TO_PLACE = (
    "Add nodes, or change the pod's requests or tolerations; `kubectl describe nodes` shows taints and what is free"
)
_EVICTED = "Evicted"
"""The reason of a pod that its node ended to free its disk or memory. Its logs are gone."""
_RUNTIME_NOISE = re.compile(r"^rpc error: code = \w+ desc = ")


def judge_pod(pod: Object, related: Related) -> Verdict:
    """Decide about a pod that the program creates itself."""
    del related
    phase = find_text(pod, "status", "phase")
    if is_ready(pod) or phase == "Succeeded":
        return READY
    reasons = explain_pod(pod)
    if phase == "Failed":
        return Verdict(ready=False, reasons=reasons or ["it has failed"], failed=True)
    return Verdict(
        ready=False, progress=f"waiting for the pod to be ready (phase {phase or 'unknown'})", reasons=reasons
    )


def is_ready(pod: Object) -> bool:
    """Return whether a pod passes its readiness probes."""
    return find_condition(pod, "Ready").get("status") == "True"


def is_unplaced(pod: Object) -> bool:
    """Return whether the scheduler finds no node for a pod."""
    return find_condition(pod, "PodScheduled").get("status") == "False"


def explain_pods(pods: Sequence[Object]) -> list[str]:
    """Return why pods are not ready: the first pods, each reason once."""
    reasons: list[str] = []
    unready = [pod for pod in pods if not is_ready(pod) and find(pod, "metadata", "deletionTimestamp") is None]
    for pod in unready[:_MAX_PODS]:
        reasons += [f"pod {name_of(pod)}: {reason}" for reason in explain_pod(pod)]
    if len(unready) > _MAX_PODS:
        reasons.append(f"{len(unready) - _MAX_PODS} more pods are not ready")
    return reasons


def explain_pod(pod: Object) -> list[str]:
    """Return why a pod is not ready; nothing while it starts as it should."""
    if is_unplaced(pod):
        scheduled = find_condition(pod, "PodScheduled")
        message = find_text(scheduled, "message") or find_text(scheduled, "reason")
        return [f"it cannot be scheduled: {message.rstrip('.')}. {_HOW_TO_PLACE}"]
    if find_text(pod, "status", "reason") == _EVICTED:
        return [f"its node evicted it: {find_text(pod, 'status', 'message').strip().rstrip('.')}"]
    reasons = [reason for container in _containers(pod) for reason in _explain_container(container)]
    if find_text(pod, "status", "phase") == "Failed" and not reasons:
        reasons.append(
            ": ".join(filter(None, [find_text(pod, "status", "reason"), find_text(pod, "status", "message")]))
        )
    if not reasons and find_text(pod, "status", "phase") == "Running":
        reasons += [
            _explain_probe(item)
            for item in find_objects(pod, "status", "containerStatuses")
            if item.get("ready") is False and find(item, "state", "running") is not None
        ]
    if find_text(pod, "status", "phase") == "Pending" and not any(_containers(pod)):
        node = find_text(pod, "spec", "nodeName")
        reasons.append(f"node {node} has not started it yet" if node else "the scheduler has not placed it yet")
    return [reason for reason in reasons if reason]


def find_crashed(pods: Sequence[Object]) -> list[tuple[str, str]]:
    """Return pod and container of the containers that ended with an error, whose last log line explains why."""
    return [
        (name_of(pod), find_text(container, "name"))
        for pod in pods
        if find_text(pod, "status", "reason") != _EVICTED
        for container in _containers(pod)
        if _ended(container) is not None
    ]


def find_restarted(pods: Sequence[Object]) -> list[Object]:
    """Return the pods that are not ready and one of whose containers was started more than once."""
    return [
        pod
        for pod in pods
        if not is_ready(pod) and any(find_number(container, "restartCount") for container in _containers(pod))
    ]


def _containers(pod: Object) -> Iterator[Object]:
    yield from find_objects(pod, "status", "initContainerStatuses")
    yield from find_objects(pod, "status", "containerStatuses")


def _explain_container(status: Object) -> Iterator[str]:
    if status.get("ready") is True:
        return
    name, waiting = find_text(status, "name"), find_text(status, "state", "waiting", "reason")
    message = _RUNTIME_NOISE.sub("", find_text(status, "state", "waiting", "message"))
    ended = _ended(status)
    if waiting in _IMAGE:
        failure = f"image {find_text(status, 'image')} cannot be pulled ({waiting}): {message.rstrip('.')}"
        yield f"container {name}: {failure}. {_find_fix(waiting)}"
    elif ended is not None:
        code = find_number(ended, "exitCode")
        restarts = find_number(status, "restartCount")
        times = f" after {restarts} restart{'s' if restarts != 1 else ''}" if restarts else ""
        text = find_text(ended, "message").strip()
        reason = find_text(ended, "reason")
        killed = " for exceeding its memory limit" if reason == "OOMKilled" else ""
        what = "keeps crashing" if waiting == "CrashLoopBackOff" else "ended"
        yield f"container {name} {what}: exit code {code}{killed}{times}" + (f": {text}" if text else "")
    elif waiting not in _STARTING:
        yield f"container {name}: {waiting}" + (f": {message}" if message else "")


def _explain_probe(status: Object) -> str:
    name, restarts = find_text(status, "name"), find_number(status, "restartCount")
    if not restarts:
        return f"container {name} runs and does not pass its readiness or startup probe yet"
    times = f"{restarts} restart{'s' if restarts != 1 else ''}"
    return (
        f"container {name} runs again after {times} and does not pass its readiness or startup probe yet. If it starts "
        "slowly, its startup probe must allow more time"
    )


def _find_fix(waiting: str) -> str:
    if waiting == "ErrImageNeverPull":
        return "Load the image onto every node; the pod then starts by itself"
    return "Check the image's name and digest, and whether the nodes reach its registry and may read from it"


def _ended(status: Object) -> Object | None:
    """Return how a container ended with an error; `None` when it runs, waits for its first start, or succeeded."""
    if status.get("ready") is True:
        return None
    for state in ("state", "lastState"):
        terminated = find(status, state, "terminated")
        if isinstance(terminated, dict) and find_number(terminated, "exitCode"):
            return terminated
    return None
