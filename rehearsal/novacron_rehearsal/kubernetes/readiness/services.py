"""Readiness of objects without pods of their own: Service, Ingress, volumes, namespaces and definitions."""

from __future__ import annotations

from novacron_rehearsal.kubernetes.objects import Object, find, find_condition, find_object, find_objects, find_text
from novacron_rehearsal.kubernetes.readiness.verdict import READY, Related, Verdict

_SETTLED_S = 10.0
"""Time after which a Service without any pod counts as ready, as with Pulumi's provider."""


def judge_service(service: Object, related: Related) -> Verdict:
    """Decide about a Service: it has an address, and all pods behind it are ready."""
    spec = find_object(service, "spec")
    type_ = find_text(spec, "type")
    if type_ == "ExternalName":
        return READY
    if find_object(spec, "selector") and find_text(spec, "clusterIP") != "None":
        endpoints = [item for one in related.endpoint_slices for item in find_objects(one, "endpoints")]
        ready = [item for item in endpoints if find(item, "conditions", "ready") is not False]
        if len(ready) < len(endpoints):
            progress = f"waiting for the pods of the Service to be ready ({len(ready)} of {len(endpoints)})"
            return Verdict(ready=False, progress=progress, reasons=[_unready(len(endpoints) - len(ready))])
        if not endpoints and related.waited_s < _SETTLED_S:
            return Verdict(
                ready=False, progress="waiting for pods of the Service", reasons=[_describe_selector(service)]
            )
    if type_ == "LoadBalancer" and not find_objects(service, "status", "loadBalancer", "ingress"):
        return Verdict(ready=False, progress="waiting for an address of the load balancer", reasons=[_NO_BALANCER])
    return READY


def judge_ingress(ingress: Object, related: Related) -> Verdict:
    """Decide about an Ingress: its controller has given it an address."""
    del related
    if find_objects(ingress, "status", "loadBalancer", "ingress"):
        return READY
    return Verdict(ready=False, progress="waiting for an address of the Ingress", reasons=[_NO_CONTROLLER])


def judge_claim(claim: Object, related: Related) -> Verdict:
    """Decide about a PersistentVolumeClaim: it is bound, or its class waits for the first pod."""
    phase = find_text(claim, "status", "phase")
    if phase == "Bound":
        return READY
    if phase == "Lost":
        return Verdict(ready=False, reasons=["its volume does not exist any more"], failed=True)
    if phase == "Pending" and find_text(related.storage_class, "volumeBindingMode") == "WaitForFirstConsumer":
        return READY
    class_name = find_text(claim, "spec", "storageClassName")
    if not class_name:
        reason = "it names no storage class, and the cluster has no default one"
    elif not related.storage_class:
        reason = f"the cluster has no storage class {class_name!r}; `kubectl get storageclass` lists those that it has"
    else:
        reason = f"storage class {class_name!r} has provided no volume yet"
    return Verdict(ready=False, progress=f"waiting for a volume (phase {phase or 'unknown'})", reasons=[reason])


def judge_volume(volume: Object, related: Related) -> Verdict:
    """Decide about a PersistentVolume."""
    del related
    phase = find_text(volume, "status", "phase")
    if phase in ("Available", "Bound"):
        return READY
    failed = phase == "Failed"
    reasons = [find_text(volume, "status", "message") or "it has failed"] if failed else []
    return Verdict(
        ready=False, progress=f"waiting for the volume (phase {phase or 'unknown'})", reasons=reasons, failed=failed
    )


def judge_namespace(namespace: Object, related: Related) -> Verdict:
    """Decide about a Namespace: it takes new objects."""
    del related
    phase = find_text(namespace, "status", "phase")
    if phase == "Active":
        return READY
    reasons = explain_termination(namespace)
    return Verdict(ready=False, progress=f"waiting for the namespace (phase {phase or 'unknown'})", reasons=reasons)


def judge_definition(definition: Object, related: Related) -> Verdict:
    """Decide about a CustomResourceDefinition: its kind can be used."""
    del related
    if find_condition(definition, "Established").get("status") == "True":
        return READY
    rejected = find_condition(definition, "NamesAccepted")
    if rejected.get("status") == "False":
        return Verdict(ready=False, reasons=[f"its names are taken: {find_text(rejected, 'message')}"], failed=True)
    return Verdict(ready=False, progress="waiting for the kind to be served")


def explain_termination(live: Object) -> list[str]:
    """Return what keeps an object from being deleted: contents of a namespace that remain, and finalizers."""
    reasons = [
        find_text(item, "message")
        for item in find_objects(live, "status", "conditions")
        if item.get("status") == "True" and find_text(item, "type").startswith("Namespace")
    ]
    finalizers = find(live, "metadata", "finalizers")
    if isinstance(finalizers, list) and finalizers:
        reasons.append(f"finalizers remain: {', '.join(str(item) for item in finalizers)}")
    return [reason for reason in reasons if reason]


def _describe_selector(service: Object) -> str:
    labels = ", ".join(f"{key}={value}" for key, value in find_object(service, "spec", "selector").items())
    return f"no pod has the labels of spec.selector: {labels}"


def _unready(count: int) -> str:
    return f"{count} pod{'s' if count != 1 else ''} of the Service {'are' if count != 1 else 'is'} not ready"


_NO_BALANCER = "the cluster has assigned no address; does it have load balancers?"
_NO_CONTROLLER = "no ingress controller has assigned an address; is one installed for the Ingress's class?"
