"""A stack's objects, read from a cluster so that two deployments of a stack can be compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from novacron_rehearsal.kubernetes.objects import AUTONAMED, is_annotated, name_of
from novacron_rehearsal.state.resource import ResourceState

from tools.cluster.cluster import Cluster

_ASSIGNED = ("creationTimestamp", "generation", "resourceVersion", "uid")
"""Metadata that differs between two objects that are created in the same way."""
_ALLOCATED = ("clusterIP", "clusterIPs", "healthCheckNodePort")
"""Fields of a Service that get a free value if the program sets none, as `nodePort` does."""
_SECRETS_HASH = re.compile('("novacron.io/secrets-hash": ")[0-9a-f]+')
"""Pods have a hash of the secrets that they use, which are random."""


def read_objects(cluster: Cluster, resources: Iterable[ResourceState]) -> dict[str, Any]:
    """Return the objects of a stack by the names of their resources.

    Everything is there that the program set and the API server defaulted, and which fields the provider owns. Left out
    are the status, what the cluster assigns, random names and the values of secrets.
    """
    of_cluster = [one for one in resources if one.type.startswith("kubernetes:")]
    found = {_name(one): _read(cluster, one) for one in of_cluster}
    text = json.dumps(found)
    for one in of_cluster:
        if is_annotated(one.inputs, AUTONAMED):
            text = text.replace(name_of(one.inputs), _name(one))
    return json.loads(re.sub(_SECRETS_HASH, r"\1", text))


def _name(resource: ResourceState) -> str:
    return resource.urn.rpartition("::")[2]


def _read(cluster: Cluster, resource: ResourceState) -> Any:
    group, _, version = str(resource.outputs["apiVersion"]).rpartition("/")
    namespace, _, name = resource.id.rpartition("/")
    place = ("-n", namespace) if namespace else ()
    read = cluster.get(f"{resource.outputs['kind']}.{version}.{group}", name, *place, "--show-managed-fields")
    read.pop("status", None)
    metadata = read["metadata"]
    metadata["managedFields"] = [
        # Each resource has a manager of its own, with a random suffix.
        {**item, "manager": re.sub("-[0-9a-f]{8}$", "", item["manager"]), "time": ""}
        for item in metadata["managedFields"]
        if item["operation"] == "Apply"
    ]
    for field in _ASSIGNED:
        metadata.pop(field, None)
    metadata.get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
    if read["kind"] == "Secret":
        read["data"] = sorted(read["data"])
    if read["kind"] == "Service" and read["spec"].get("clusterIP") != "None":
        for field in _ALLOCATED:
            read["spec"].pop(field, None)
        if "f:nodePort" not in json.dumps(metadata["managedFields"]):
            for port in read["spec"].get("ports", ()):
                port.pop("nodePort", None)
    return read
