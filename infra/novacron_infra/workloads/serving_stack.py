"""ServingStack: coordinators and workers in a Kubernetes cluster, with everything that they need in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.config.kubernetes import (
    AccessKind,
    ApiAccess,
    CoordinatorPods,
    ServedModel,
    ServingImages,
    WorkerPods,
    check_kubernetes_rules,
)
from novacron_infra.config.problems import KEY
from novacron_infra.errors import raise_problems
from novacron_infra.generated import generate_secret
from novacron_infra.workloads import coordinators, pods, workers
from novacron_infra.workloads import serving_contract as contract
from novacron_infra.workloads.config_objects import declare_config, declare_secret, find_name
from novacron_infra.workloads.names import API_SERVICE, COORDINATORS, NAMESPACE, WORKERS
from novacron_infra.workloads.network_policies import AllowedTraffic, declare_network_policies
from novacron_infra.workloads.security import declare_namespace, declare_service_accounts


@dataclass(frozen=True, kw_only=True, slots=True)
class ServingStackArgs:
    """Arguments of ServingStack."""

    images: ServingImages
    model: ServedModel = field(default_factory=ServedModel)
    coordinators: CoordinatorPods = field(default_factory=CoordinatorPods)
    workers: WorkerPods = field(default_factory=WorkerPods)
    access: ApiAccess = field(default_factory=ApiAccess)
    monitoring_namespace: str = "monitoring"
    """The namespace whose pods may read the workers' metrics."""
    admin_key: pulumi.Input[str] | None = None
    """The administrator's API key. None: it is generated."""
    database_url: pulumi.Input[str] | None = None
    """`postgresql://…`, for API keys, models and assignments. None: the administrator's key is the only one."""


class ServingStack(pulumi.ComponentResource):
    """The serving stack in a Kubernetes cluster. Pass the cluster's provider as `providers`.

    The cluster needs Kubernetes 1.30 or later. Coordinators are updated before workers.

    Raises:
        ArgumentError: arguments contradict each other.
    """

    endpoint: pulumi.Output[str]
    """Base URL of the OpenAI-compatible API, with `/v1`.

    It has the address outside the cluster if that is known, otherwise the Service's name inside.
    """
    namespace: pulumi.Output[str]
    """Namespace of the coordinators."""
    model: pulumi.Output[str]
    """The model's id."""
    admin_key: pulumi.Output[str]
    """The administrator's API key, a secret."""

    def __init__(self, name: str, args: ServingStackArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        _check(args)
        super().__init__("novacron:index:ServingStack", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        self._worker_namespace = workers.find_namespace(args.workers)
        self._cluster_token = generate_secret(f"{name}-cluster-token", self._child)
        given = args.admin_key
        self.admin_key = (
            generate_secret(f"{name}-admin-key", self._child) if given is None else pulumi.Output.secret(given)
        )
        in_namespaces = self._after(*self._declare_namespaces())
        # Pods start only once their traffic is restricted and their accounts exist.
        prepared = self._after(*self._declare_access(in_namespaces))
        deployment = self._declare_coordinators(in_namespaces, prepared)
        # One tier after the other: workers are not replaced while coordinators are.
        self._declare_workers(in_namespaces, self._after(deployment))
        service = coordinators.declare_api_service(f"{name}-{API_SERVICE}", args.access, self._after(deployment))
        self.endpoint = _find_endpoint(args.access, service)
        self.namespace = pulumi.Output.from_input(NAMESPACE)
        self.model = pulumi.Output.from_input(args.model.id)
        outputs = {"endpoint": self.endpoint, "namespace": self.namespace, "model": self.model}
        self.register_outputs({**outputs, "admin_key": self.admin_key})

    def _after(self, *resources: pulumi.Resource) -> pulumi.ResourceOptions:
        """Return the options of a child that is created after other resources, and deleted before them."""
        return pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=resources))

    def _declare_namespaces(self) -> list[k8s.core.v1.Namespace]:
        return [
            declare_namespace(f"{self._name}-{namespace}", namespace, self._child)
            for namespace in dict.fromkeys((NAMESPACE, self._worker_namespace))
        ]

    def _declare_access(self, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
        traffic = AllowedTraffic(
            worker_namespace=self._worker_namespace,
            monitoring_namespace=self._args.monitoring_namespace,
            database_url=self._args.database_url,
            model_store=self._args.model.url is not None,
        )
        return [
            *declare_service_accounts(self._name, self._worker_namespace, opts),
            *declare_network_policies(self._name, traffic, opts),
        ]

    def _declare_coordinators(
        self, in_namespaces: pulumi.ResourceOptions, prepared: pulumi.ResourceOptions
    ) -> k8s.apps.v1.Deployment:
        args, resource = self._args, f"{self._name}-{COORDINATORS}"
        values = {contract.CLUSTER_TOKEN: self._cluster_token, contract.ADMIN_KEY: self.admin_key}
        if args.database_url is not None:
            values[contract.DATABASE_URL] = pulumi.Output.secret(args.database_url)
        file = coordinators.build_file(args.coordinators)
        config = declare_config(
            f"{resource}-config", NAMESPACE, COORDINATORS, coordinators.CONFIG_FILE, file, in_namespaces
        )
        secret = declare_secret(f"{resource}-secrets", NAMESPACE, COORDINATORS, values, in_namespaces)
        coordinators.declare_registration_service(f"{self._name}-registration", in_namespaces)
        pods.declare_disruption_budget(f"{resource}-budget", NAMESPACE, COORDINATORS, in_namespaces)
        source = pods.PodSource(
            image=args.images.coordinator,
            config=find_name(config),
            secret=find_name(secret),
            secret_keys=tuple(values),
        )
        return coordinators.declare_deployment(resource, args.coordinators, source, prepared)

    def _declare_workers(self, in_namespaces: pulumi.ResourceOptions, opts: pulumi.ResourceOptions) -> None:
        args, resource, namespace = self._args, f"{self._name}-{WORKERS}", self._worker_namespace
        values = {contract.CLUSTER_TOKEN: self._cluster_token}
        file = workers.build_file(args.workers, args.model)
        config = declare_config(f"{resource}-config", namespace, WORKERS, workers.CONFIG_FILE, file, in_namespaces)
        secret = declare_secret(f"{resource}-secrets", namespace, WORKERS, values, in_namespaces)
        workers.declare_headless_service(f"{resource}-service", namespace, in_namespaces)
        pods.declare_disruption_budget(f"{resource}-budget", namespace, WORKERS, in_namespaces)
        source = pods.PodSource(
            image=args.images.worker, config=find_name(config), secret=find_name(secret), secret_keys=tuple(values)
        )
        workers.declare_stateful_set(resource, args.workers, source, opts)


def _check(args: ServingStackArgs) -> None:
    sections = {"model": args.model, "coordinators": args.coordinators, "workers": args.workers, "access": args.access}
    raise_problems(
        [replace(found, path=found.path.removeprefix(f"{KEY}.")) for found in check_kubernetes_rules(sections)]
    )


def _find_endpoint(access: ApiAccess, service: k8s.core.v1.Service) -> pulumi.Output[str]:
    if access.kind is AccessKind.NODE_PORT and access.address is not None:
        port = service.spec.apply(lambda spec: spec.ports[0].node_port if spec.ports else None)
        return pulumi.Output.format("http://{0}:{1}/v1", access.address, access.node_port or port)
    if access.kind is AccessKind.LOAD_BALANCER:
        address = pulumi.Output.from_input(access.address) if access.address else service.status.apply(_find_address)
        return pulumi.Output.format("http://{0}:{1}/v1", address, contract.HTTP_PORT)
    return pulumi.Output.from_input(f"http://{API_SERVICE}.{NAMESPACE}.svc:{contract.HTTP_PORT}/v1")


def _find_address(status: k8s.core.v1.outputs.ServiceStatus | None) -> str:
    """Return the name or the address of a load balancer."""
    ingress = status.load_balancer.ingress if status and status.load_balancer else None
    first = ingress[0] if ingress else None
    return (first.hostname or first.ip or "") if first else ""
