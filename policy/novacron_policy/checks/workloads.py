"""What containers may do and what they run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from novacron_policy.pods import containers, pod_specs
from novacron_policy.properties import UNKNOWN, get, items, unknown

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_AS_GOOD_AS_PRIVILEGED = ("ALL", "SYS_ADMIN")


def no_privileged_pod(resource_type: str, properties: Any) -> Iterator[str]:
    """No container is privileged, none may become more than it is."""
    for spec in pod_specs(resource_type, properties):
        if spec is UNKNOWN:
            yield unknown("the pod template")
            continue
        for container in containers(spec):
            name = get(container, "name")
            for field in ("privileged", "allowPrivilegeEscalation"):
                value = get(container, f"securityContext.{field}")
                if value is UNKNOWN:
                    yield unknown(f"securityContext.{field}")
                elif value is True:
                    yield f"container {name!r}: securityContext.{field} is true; GPUs come from the device plugin"
            for capability in items(get(container, "securityContext.capabilities.add")):
                if capability is UNKNOWN:
                    yield unknown("securityContext.capabilities.add")
                elif str(capability).upper().removeprefix("CAP_") in _AS_GOOD_AS_PRIVILEGED:
                    yield f"container {name!r}: the capability {capability} is as good as privileged; leave it out"


def digest_pinned_image(resource_type: str, properties: Any) -> Iterator[str]:
    """Every image is named by its digest: what was tested is what runs."""
    for spec in pod_specs(resource_type, properties):
        if spec is UNKNOWN:
            yield unknown("the pod template")
            continue
        images = [("container", container, "image") for container in containers(spec)]
        images += [("volume", volume, "image.reference") for volume in items(get(spec, "volumes"))]
        for what, holder, path in images:
            image = get(holder, path)
            if image is UNKNOWN:
                yield unknown(f"the image of a {what}")
            # Volumes and patches need not name one; of a pod, the API server asks for it.
            elif image is not None and not _DIGEST.search(str(image)):
                name = get(holder, "name")
                yield f"{what} {name!r}: image {image!r} is not pinned; end it with @sha256:<digest>"
