"""The objects in the clusters of a cloud stack, on a machine that may not reach the clusters' APIs."""

from __future__ import annotations

from novacron_infra.config import CloudEnvironment, LocalEnvironment, load

from novacron_ops.backends import Backend
from novacron_ops.errors import Exit, OpsError
from novacron_ops.project import ProjectStack
from novacron_ops.stack_clusters import find_stack_clusters

CLUSTER_OBJECTS = "**$kubernetes:**"
"""URN pattern of the objects in clusters. They are children of components; the clusters' providers do not match."""


def select_cluster_objects(stack: ProjectStack, left_out: bool) -> tuple[str, ...]:
    """Return the URN patterns of the objects to leave out.

    Raises:
        OpsError: if nothing of the stack would be left.
    """
    if not left_out:
        return ()
    described = stack.read_environment()
    environment = None if described is None else load(described)  # a program may build its environment in Python
    if environment is not None and not isinstance(environment, CloudEnvironment):
        place = "is local" if isinstance(environment, LocalEnvironment) else "has nothing but the objects in a cluster"
        raise OpsError(f"--without-cluster-objects: stack {stack.name!r} {place}", Exit.BAD_INPUT)
    return (CLUSTER_OBJECTS,)


def describe_reach(stack: ProjectStack, backend: Backend, left_out: bool) -> list[str]:
    """Return sentences that say how the objects in the clusters of a cloud stack are applied; empty for other stacks.

    Args:
        stack: the stack.
        backend: reads the state, which has the deployed clusters.
        left_out: whether this run leaves the objects out.
    """
    if not stack.is_cloud() or not isinstance(environment := load(stack.read_environment()), CloudEnvironment):
        return []
    from novacron_ops.clusters import find_unreachable

    ways = (
        f"render them for Argo CD or Flux (`novacron render {stack.name} --output FOLDER`), or run "
        f"`novacron up -s {stack.name}` on a machine inside the network"
    )
    if left_out:
        return [f"The objects in the clusters are left as they are. To apply them, {ways}."]
    clusters = find_stack_clusters(backend)
    advice = f"leave them out with --without-cluster-objects, then {ways}."
    if silent := find_unreachable(clusters):
        reasons = [f"{name} does not answer: {reason}" for name, reason in silent.items()]
        return [*reasons, f"This run cannot apply the objects there: {advice}"]
    if clusters:
        names = ", ".join(cluster.name for cluster in clusters)
        return [f"The clusters' APIs answer ({names}): this run applies the objects in them."]
    if environment.clusters.add_ons and not environment.clusters.public_networks:
        return [
            "The clusters' APIs are private. This run applies the objects in them if this machine is inside the "
            f"network; if it is not, {advice}"
        ]
    return []
