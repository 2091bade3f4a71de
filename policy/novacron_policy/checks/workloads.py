"""The privileges and images of containers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from novacron_policy.pods import find_pod_specs, list_containers
from novacron_policy.properties import UNKNOWN, Value, describe_unknown, get, list_items

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_PRIVILEGED_CAPABILITIES = ("ALL", "SYS_ADMIN")


def check_no_privileged_pod(resource_type: str, properties: Value) -> Iterator[str]:
    """No container is privileged or may gain privileges."""
    for spec in find_pod_specs(resource_type, properties):
        if spec is UNKNOWN:
            yield describe_unknown("the pod template")
            continue
        for container in list_containers(spec):
            name = get(container, "name")
            for field in ("privileged", "allowPrivilegeEscalation"):
                value = get(container, f"securityContext.{field}")
                if value is UNKNOWN:
                    yield describe_unknown(f"securityContext.{field}")
                elif value is True:
                    yield (
                        f"container {name!r}: securityContext.{field} is true. Remove it: the device plugin gives "
                        "access to GPUs"
                    )
            for capability in list_items(get(container, "securityContext.capabilities.add")):
                if capability is UNKNOWN:
                    yield describe_unknown("securityContext.capabilities.add")
                elif str(capability).upper().removeprefix("CAP_") in _PRIVILEGED_CAPABILITIES:
                    yield f"container {name!r}: the capability {capability} makes it privileged. Remove it"


def check_digest_pinned_image(resource_type: str, properties: Value) -> Iterator[str]:
    """Every image is named by its digest, so the tested image is the one that runs."""
    for spec in find_pod_specs(resource_type, properties):
        if spec is UNKNOWN:
            yield describe_unknown("the pod template")
            continue
        images = [("container", container, "image") for container in list_containers(spec)]
        images += [("volume", volume, "image.reference") for volume in list_items(get(spec, "volumes"))]
        for what, holder, path in images:
            image = get(holder, path)
            if image is UNKNOWN:
                yield describe_unknown(f"the image of a {what}")
            # Volumes and patches may omit the image; the API server requires it of a pod.
            elif image is not None and not _DIGEST.search(str(image)) and not _is_loaded(holder, str(image)):
                name = get(holder, "name")
                yield f"{what} {name!r}: image {image!r} is not pinned. End it with @sha256: and its digest"


def _is_loaded(container: Value, image: str) -> bool:
    """Return whether an image is in no registry and is never pulled, so that it has no digest to be named by."""
    return image.startswith("localhost/") and get(container, "imagePullPolicy") == "Never"
