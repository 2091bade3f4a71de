"""A serving stack on mocks of a cluster: the objects that it creates."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

import pulumi
import pulumi_kubernetes as k8s
from novacron_infra import KubernetesEnvironment, load
from novacron_infra.plan.monitoring import PrometheusObjects
from novacron_infra.workloads import ServingStack, ServingStackArgs
from novacron_infra.workloads.serving_args import OwnDatabases
from pulumi.runtime import mocks

from tests.unit.graph import Graph, Registered, record

IMAGES = {"coordinator": "localhost/novacron-coordinator:1", "worker": "localhost/novacron-worker-cpu:1"}
DATABASE_URL = "postgresql://novacron:swordfish@postgres.example.com:6543/novacron"


class ApiServer(mocks.Mocks):
    """Mocks of an update: objects have what the API server and controllers would add."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        outputs = dict(args.inputs)
        if args.typ == "random:index/randomPassword:RandomPassword":
            outputs["result"] = f"generated-{args.name}"
        if args.typ == "kubernetes:core/v1:Service":
            ports = [{"nodePort": 31234, **port} for port in args.inputs["spec"]["ports"]]
            outputs["spec"] = args.inputs["spec"] | {"ports": ports}
            outputs["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}
        return f"{args.name}-id", outputs

    def call(self, args: mocks.MockCallArgs) -> Any:
        raise AssertionError(args.token)


@dataclass(frozen=True)
class Stack:
    """The objects of a serving stack, as they are sent to the API server."""

    graph: Graph
    endpoint: str
    admin_key: str

    @property
    def objects(self) -> list[Registered]:
        """All objects in the cluster."""
        return [item for item in self.graph.resources if item.type.startswith("kubernetes:")]

    def of(self, kind: str) -> dict[str, Registered]:
        """Return the objects of a kind by `namespace/name`."""
        found = [item for item in self.objects if item.type.endswith(f":{kind}")]
        return {f"{get(item, 'metadata.namespace')}/{get(item, 'metadata.name')}": item for item in found}

    def one(self, kind: str, name: str) -> Registered:
        """Return the only object of a kind and a name, without the hash at its end."""
        (found,) = [item for key, item in self.of(kind).items() if key.partition("/")[2].startswith(name)]
        return found

    @property
    def coordinator(self) -> dict[str, Any]:
        """The specification of the coordinators' pods."""
        return get(self.one("Deployment", "llm-coordinator"), "spec.template.spec")

    @property
    def worker(self) -> dict[str, Any]:
        """The specification of the workers' pods."""
        return get(self.one("StatefulSet", "llm-workers"), "spec.template.spec")

    def read_file(self, name: str) -> dict[str, Any]:
        """Return a configuration file from its ConfigMap."""
        (data,) = [get(item, "data") for item in self.of("ConfigMap").values() if name in get(item, "data")]
        return json.loads(data[name])


def get(item: Registered, path: str) -> Any:
    """Return the input at a dotted path; None if it is missing."""
    value: Any = item.inputs
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def environment(**sections: Any) -> KubernetesEnvironment:
    """Return an environment in a cluster, with the sections that a test cares about."""
    config = load({"platform": "kubernetes", "images": IMAGES, **sections})
    return cast("KubernetesEnvironment", config)


def declare(
    *,
    admin_key: str | None = None,
    database_url: str | None = None,
    redis_url: str | None = None,
    prometheus: PrometheusObjects | None = None,
    preview: bool = False,
    **sections: Any,
) -> Stack:
    """Return what a serving stack creates."""
    config = environment(**sections)
    args = ServingStackArgs(
        images=config.images,
        model=config.model,
        coordinators=config.coordinators,
        workers=config.workers,
        access=config.access,
        cluster_tls=config.cluster_tls,
        monitoring_namespace=config.monitoring_namespace,
        admin_key=admin_key,
        database_url=database_url,
        redis_url=redis_url,
        databases=OwnDatabases(postgres=config.postgres, redis=config.redis),
        monitoring=prometheus,
        traces=config.monitoring.traces,
    )

    def program(opts: pulumi.ResourceOptions) -> object:
        stack = ServingStack("serving", args, pulumi.ResourceOptions(providers=[cast("Any", opts.provider)]))
        return pulumi.Output.all(stack.endpoint, stack.admin_key)

    graph = record(program, ApiServer(), lambda: k8s.Provider("cluster"), preview, ("kubernetes:",))
    endpoint, admin_key = graph.result or ("", "")
    return Stack(graph, endpoint, admin_key or "")
