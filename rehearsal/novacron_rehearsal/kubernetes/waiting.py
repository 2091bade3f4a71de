"""Waits until an object is ready or gone: reads it again and again, and reports the progress."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from novacron_rehearsal.errors import ProviderError
from novacron_rehearsal.kubernetes.cluster import Cluster
from novacron_rehearsal.kubernetes.messages import ApiError, UnreachableError
from novacron_rehearsal.kubernetes.objects import (
    TIMEOUT,
    WAIT_FOR,
    Kind,
    Object,
    annotation,
    describe,
    find_text,
    name_of,
    namespace_of,
)
from novacron_rehearsal.kubernetes.readiness import Related, Verdict, find_needs, judge
from novacron_rehearsal.kubernetes.readiness.nodes import explain_nodes
from novacron_rehearsal.kubernetes.readiness.pods import find_crashed, find_restarted, is_unplaced
from novacron_rehearsal.kubernetes.readiness.services import explain_termination

DEFAULT_TIMEOUT_S = 600.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 3.0
_MAX_CRASHED = 2
"""Containers whose last log line a message shows, and pods whose events it shows."""
_MAX_EVENTS = 3
_POD = Kind("v1", "Pod")
_NODE = Kind("v1", "Node")
_REPLICA_SET = Kind("apps/v1", "ReplicaSet")
_ENDPOINT_SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice")
_STORAGE_CLASS = Kind("storage.k8s.io/v1", "StorageClass")
_EVENT = Kind("v1", "Event")


class NotReadyError(ProviderError):
    """An object exists but did not become ready, or was not deleted in time. Has the object as it was last."""

    def __init__(self, live: Object, reasons: Sequence[str]) -> None:
        super().__init__("\n".join(reasons))
        self.live = live
        self.reasons = list(reasons)


@dataclass(frozen=True, slots=True)
class Waiter:
    """Waits for the objects of one cluster."""

    cluster: Cluster
    cancelled: threading.Event
    report: Callable[[str, str], None]
    """Called with a URN and its progress; an empty progress ends the report."""
    clock: Callable[[], float] = time.monotonic

    def wait_until_ready(self, urn: str, kind: Kind, live: Object, timeout_s: float) -> Object:
        """Wait until an object is ready. Returns it as it is then.

        Raises:
            NotReadyError: when it fails, is not ready in time, is deleted, or the run is cancelled.
        """
        began = self.clock()
        pause, unreachable = _FIRST_PAUSE_S, ""
        verdict = Verdict(ready=False)
        try:
            while True:
                waited = self.clock() - began
                try:
                    related = self._read_related(kind, live, waited)
                    verdict = judge(kind, live, related, annotation(live, WAIT_FOR))
                    unreachable = ""
                except UnreachableError as error:
                    related, unreachable = Related(), str(error)
                if verdict.ready:
                    return live
                if verdict.failed:
                    raise NotReadyError(live, self._explain(live, verdict, related))
                if waited >= timeout_s:
                    first = unreachable or f"{describe(live)} is not ready after {timeout_s:g} s: {verdict.progress}"
                    raise NotReadyError(live, [first, *self._explain(live, verdict, related)])
                self.report(urn, unreachable or _summarize(verdict))
                if self.cancelled.wait(min(pause, max(timeout_s - waited, 0.01))):
                    first = f"cancelled while {verdict.progress or 'waiting'}"
                    raise NotReadyError(live, [first, *verdict.reasons])
                pause = min(pause * 1.5, _LONGEST_PAUSE_S)
                live = self._read_again(kind, live)
        finally:
            self.report(urn, "")

    def explain_unready(self, kind: Kind, live: Object) -> list[str]:
        """Return why an object is not ready now; nothing when it is."""
        related = self._read_related(kind, live, DEFAULT_TIMEOUT_S)
        verdict = judge(kind, live, related, annotation(live, WAIT_FOR))
        return [] if verdict.ready else self._explain(live, verdict, related) or [verdict.progress]

    def wait_until_gone(self, urn: str, kind: Kind, live: Object, timeout_s: float) -> None:
        """Wait until an object does not exist any more.

        Raises:
            NotReadyError: when it is not gone in time, or the run is cancelled.
        """
        began = self.clock()
        uid = find_text(live, "metadata", "uid")
        pause = _FIRST_PAUSE_S
        try:
            while True:
                found = self.cluster.get(kind, namespace_of(live), name_of(live))
                if found is None or find_text(found, "metadata", "uid") != uid:
                    return
                reasons = explain_termination(found)
                if self.clock() - began >= timeout_s:
                    first = f"{describe(live)} still exists {timeout_s:g} s after its deletion was requested"
                    raise NotReadyError(found, [first, *reasons])
                self.report(urn, "; ".join(["waiting for the deletion", *reasons]))
                if self.cancelled.wait(pause):
                    raise NotReadyError(found, ["cancelled while waiting for the deletion", *reasons])
                pause = min(pause * 1.5, _LONGEST_PAUSE_S)
        finally:
            self.report(urn, "")

    def pause(self, seconds: float) -> None:
        """Wait before another attempt. Raises `ProviderError` when the run is cancelled meanwhile."""
        if self.cancelled.wait(seconds):
            raise ProviderError("cancelled")

    def _read_again(self, kind: Kind, live: Object) -> Object:
        try:
            found = self.cluster.get(kind, namespace_of(live), name_of(live))
        except UnreachableError:
            return live
        if found is None or find_text(found, "metadata", "uid") != find_text(live, "metadata", "uid"):
            raise NotReadyError(live, [f"{describe(live)} was deleted while it was waited for"])
        return found

    def _read_related(self, kind: Kind, live: Object, waited_s: float) -> Related:
        needs, namespace = find_needs(kind, live), namespace_of(live)
        related = Related(waited_s=waited_s)
        if needs.selector:
            selector = ",".join(f"{key}={value}" for key, value in needs.selector.items())
            related = replace(related, pods=self._list(_POD, namespace, labelSelector=selector))
            if needs.replica_sets:
                sets = self._list(_REPLICA_SET, namespace, labelSelector=selector)
                related = replace(related, replica_sets=sets)
        if needs.endpoint_slices:
            selector = f"kubernetes.io/service-name={name_of(live)}"
            slices = self._list(_ENDPOINT_SLICE, namespace, labelSelector=selector)
            related = replace(related, endpoint_slices=slices)
        if needs.storage_class:
            selector = f"metadata.name={needs.storage_class}"
            found = self._list(_STORAGE_CLASS, "", fieldSelector=selector)
            related = replace(related, storage_class=found[0] if found else {})
        return related

    def _list(self, kind: Kind, namespace: str, **query: str) -> list[Object]:
        """Return the objects that explain another one; none where the user may not read them."""
        try:
            return self.cluster.list(kind, namespace, **query)
        except ApiError as error:
            if error.code != 403:
                raise
            return []

    def _explain(self, live: Object, verdict: Verdict, related: Related) -> list[str]:
        """Return the reasons of a verdict, with those of nodes, the last log lines of crashed containers and events."""
        reasons = list(verdict.reasons)
        try:
            if any(map(is_unplaced, related.pods)):
                reasons += explain_nodes(self._list(_NODE, ""))
            for pod, container in find_crashed(related.pods)[:_MAX_CRASHED]:
                line = self.cluster.read_last_log_line(namespace_of(live), pod, container)
                if line:
                    reasons.append(f"pod {pod}: the last log line of container {container}: {line}")
            for pod in find_restarted(related.pods)[:_MAX_CRASHED]:
                reasons += [f"pod {name_of(pod)}: {warning}" for warning in self._read_warnings(pod)]
            reasons += self._read_warnings(live)
        except ProviderError:
            pass  # the reasons so far are worth more than an error about events
        return list(dict.fromkeys(reasons))

    def _read_warnings(self, live: Object) -> list[str]:
        selector = f"involvedObject.uid={find_text(live, 'metadata', 'uid')},type=Warning"
        events = self.cluster.list(_EVENT, namespace_of(live) or "default", fieldSelector=selector)
        texts = [f"event {find_text(item, 'reason')}: {find_text(item, 'message')}" for item in events]
        return list(dict.fromkeys(texts))[-_MAX_EVENTS:]


def read_timeout(custom_s: float, inputs: object) -> float:
    """Return how long to wait: the resource's custom timeout, else its annotation, else ten minutes."""
    if custom_s:
        return custom_s
    try:
        return float(annotation(inputs, TIMEOUT) or DEFAULT_TIMEOUT_S)
    except ValueError:
        return DEFAULT_TIMEOUT_S


def _summarize(verdict: Verdict) -> str:
    return f"{verdict.progress}: {verdict.reasons[0]}" if verdict.reasons else verdict.progress
