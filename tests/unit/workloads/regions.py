"""The serving stack of a region of a cloud environment, on mocks of its cluster."""

from __future__ import annotations

from typing import Any, cast

import pulumi
import pulumi_kubernetes as k8s
from novacron_infra import ServedModel, ServingImages
from novacron_infra.plan.serving import RegionServing
from novacron_infra.workloads import ServingStack, ServingStackArgs
from novacron_infra.workloads.serving_args import GpuWorkers, ModelStoreAccess

from tests.unit.graph import record
from tests.unit.workloads.cluster import IMAGES, ApiServer, Stack

STORE = ModelStoreAccess(url="s3://novacron-prod-models/models")


def declare_region(serving: RegionServing, store: ModelStoreAccess = STORE, **more: Any) -> Stack:
    """Return the objects of a region's serving stack. `more` are further arguments of ServingStack."""
    args = ServingStackArgs(
        images=ServingImages.model_validate(IMAGES),
        model=ServedModel(id=serving.model_id),
        coordinators=serving.coordinators,
        coordinator_nodes=serving.coordinator_nodes,
        workers=GpuWorkers(groups=serving.workers, store=store),
        ports=serving.ports,
        **more,
    )

    def program(opts: pulumi.ResourceOptions) -> object:
        stack = ServingStack("serving", args, pulumi.ResourceOptions(providers=[cast("Any", opts.provider)]))
        return pulumi.Output.all(stack.endpoint, stack.admin_key)

    graph = record(program, ApiServer(), lambda: k8s.Provider("cluster"), packages=("kubernetes:",))
    endpoint, admin_key = graph.result
    return Stack(graph, endpoint, admin_key)
