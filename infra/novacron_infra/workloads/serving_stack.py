"""ServingStack: coordinators and workers in a Kubernetes cluster, with everything that they need in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.config.kubernetes import (
    ApiAccess,
    CoordinatorPods,
    ServedModel,
    ServingImages,
    WorkerPods,
    check_kubernetes_rules,
)
from novacron_infra.config.problems import HIDDEN, KEY
from novacron_infra.config.sections.base import Section
from novacron_infra.config.sections.monitoring import Traces
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.generated import generate_secret
from novacron_infra.plan.monitoring import PrometheusObjects
from novacron_infra.plan.serving import NodePlacement, ServingPorts, WorkerGroup
from novacron_infra.workloads import coordinator_files, coordinators, gpu_workers, pods, workers
from novacron_infra.workloads import serving_contract as contract
from novacron_infra.workloads.api_access import declare_access
from novacron_infra.workloads.cluster_tls import add_cluster_tls, declare_cluster_tls, find_secret
from novacron_infra.workloads.config_objects import declare_config, declare_file, declare_secret
from novacron_infra.workloads.fabrics import EXEMPTION_REASONS
from novacron_infra.workloads.model_store import declare_store_claim
from novacron_infra.workloads.monitoring.declare import MonitoredPods, declare_monitoring
from novacron_infra.workloads.names import COORDINATORS, GPU_NAMESPACE, NAMESPACE, WARM_CAPACITY, WORKERS
from novacron_infra.workloads.network_policies import AllowedTraffic, declare_network_policies
from novacron_infra.workloads.options import after
from novacron_infra.workloads.own_databases.declare import declare_databases
from novacron_infra.workloads.priorities import count_warm_pods, declare_priority_classes, declare_warm_capacity
from novacron_infra.workloads.quotas import count_pods, declare_quota
from novacron_infra.workloads.scaled_objects import ScaledGroup, Workload, declare_scaled_object
from novacron_infra.workloads.security import declare_namespace, declare_service_accounts
from novacron_infra.workloads.serving_args import (
    GpuWorkers,
    Identities,
    OwnDatabases,
    PortRange,
    RedisLogin,
    ServiceLogin,
    StackImages,
    find_ports,
)
from novacron_infra.workloads.serving_config import WorkerFile
from novacron_infra.workloads.worker_pods import CONFIG_FILE


@dataclass(frozen=True, kw_only=True, slots=True)
class ServingStackArgs:
    """Arguments of ServingStack."""

    images: ServingImages | StackImages
    model: ServedModel = field(default_factory=ServedModel)
    """Its `path` and `url` are for workers with the PyTorch engine; a GPU group has its folder in the store."""
    coordinators: CoordinatorPods = field(default_factory=CoordinatorPods)
    coordinator_nodes: NodePlacement = field(default_factory=NodePlacement)
    workers: WorkerPods | GpuWorkers = field(default_factory=WorkerPods)
    """Workers with the PyTorch engine, or with TensorRT-LLM as a plan decides."""
    ports: ServingPorts = field(default_factory=ServingPorts)
    access: ApiAccess = field(default_factory=ApiAccess)
    monitoring_namespace: str = "monitoring"
    """The namespace whose pods may read the metrics of coordinators and workers."""
    admin_key: pulumi.Input[str] | None = None
    """The administrator's API key. None: it is generated."""
    database_url: pulumi.Input[str] | None = None
    """`postgresql://…`, for API keys, models and assignments. None: the administrator's key is the only one."""
    database_login: ServiceLogin | None = None
    """How to sign in to the database. None: the URL has a password, or the database needs none."""
    database_ports: tuple[PortRange, ...] = ()
    """Ports of the database, for the network policies. Empty: the port of the URL."""
    redis_url: pulumi.Input[str] | None = None
    """`redis://…` or `rediss://…`, for rate limits and cached responses of all coordinators together.

    None: each coordinator has its own.
    """
    redis_login: RedisLogin | None = None
    """How to sign in to the Redis-compatible service. None: as the URL says."""
    redis_ports: tuple[PortRange, ...] = ()
    """Ports of the Redis-compatible service, for the network policies. Empty: the port of the URL."""
    databases: OwnDatabases = field(default_factory=OwnDatabases)
    """Servers that the stack runs itself, in place of `database_url` and `redis_url`."""
    tls_secret: str | None = None
    """Name of a Secret with the API's certificate, which cert-manager creates and renews. Pods wait for it.

    The API then has TLS at `ports.https`, and plain HTTP for pods of the cluster only. None: plain HTTP only.
    """
    identities: Identities = field(default_factory=Identities)
    cluster_tls: bool = False
    """Whether traffic between coordinators and workers is encrypted, and both sides are verified.

    cert-manager must be in the cluster. Prometheus then reads the workers' metrics over HTTPS.
    """
    prometheus_url: str | None = None
    """Base URL of the Prometheus that KEDA reads metrics from. KEDA must be in the cluster.

    None: groups of GPU workers keep their number of replicas.
    """
    monitoring: PrometheusObjects | None = None
    """Monitors, rules and dashboards. None: the cluster has no Prometheus operator."""
    traces: Traces | None = None
    """Where coordinators and workers send their traces. None: there are none."""


class ServingStack(pulumi.ComponentResource):
    """The serving stack in a Kubernetes cluster. Pass the cluster's provider as `providers`.

    With the provider's `enable_config_map_mutable` and `enable_secret_mutable`, a change of the configuration updates
    its objects. Without them it deletes and creates them again, and pods that start meanwhile wait.
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
    namespaces: Mapping[str, k8s.core.v1.Namespace]
    """The namespaces by name. What else is in them depends on them, such as Secrets that it needs."""

    def __init__(self, name: str, args: ServingStackArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        _check(args)
        super().__init__("novacron:index:ServingStack", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        self._worker_namespace = (
            GPU_NAMESPACE if isinstance(args.workers, GpuWorkers) else workers.find_namespace(args.workers)
        )
        self._cluster_token = generate_secret(f"{name}-cluster-token", self._child)
        given = args.admin_key
        self.admin_key = (
            generate_secret(f"{name}-admin-key", self._child) if given is None else pulumi.Output.secret(given)
        )
        self.namespaces = self._declare_namespaces()
        in_namespaces = after(self._child, *self.namespaces.values())
        if args.cluster_tls:
            certificates = declare_cluster_tls(name, self._worker_namespace, NAMESPACE, in_namespaces)
            in_namespaces = after(self._child, *self.namespaces.values(), *certificates)
        # Pods start only once their traffic is restricted and their accounts exist.
        access = self._declare_access(in_namespaces)
        self._databases = declare_databases(name, args.databases, in_namespaces, after(self._child, *access))
        prepared = after(self._child, *access, *self._databases.servers)
        deployment = self._declare_coordinators(in_namespaces, prepared)
        # One tier after the other: workers are not replaced while coordinators are.
        self._declare_workers(in_namespaces, after(self._child, deployment))
        in_order = after(self._child, deployment)
        self.endpoint = declare_access(name, args.access, args.ports, in_order, tls=args.tls_secret is not None)
        self.namespace = pulumi.Output.from_input(NAMESPACE)
        self.model = pulumi.Output.from_input(args.model.id)
        if args.monitoring is not None:
            declare_monitoring(name, args.monitoring, self._describe_pods(), in_namespaces)
        outputs = {"endpoint": self.endpoint, "namespace": self.namespace, "model": self.model}
        self.register_outputs({**outputs, "admin_key": self.admin_key})

    def _describe_pods(self) -> MonitoredPods:
        workers, groups = self._args.workers, _list_groups(self._args.workers)
        longest_s = max((group.load.limit_s for group in groups), default=0)
        if not isinstance(workers, GpuWorkers):
            longest_s = workers.start_timeout_s
        return MonitoredPods(
            worker_namespace=self._worker_namespace,
            start_timeout_s=longest_s,
            worker_tls=self._args.cluster_tls,
            fixed_workers=all(group.scaling is None and group.replicas == group.maximum_replicas for group in groups),
        )

    def _declare_namespaces(self) -> dict[str, k8s.core.v1.Namespace]:
        exempted = _list_exemptions(self._args.workers)
        return {
            namespace: declare_namespace(
                f"{self._name}-{namespace}", namespace, exempted if namespace == GPU_NAMESPACE else (), self._child
            )
            for namespace in dict.fromkeys((NAMESPACE, self._worker_namespace))
        }

    def _declare_access(self, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
        args, name = self._args, self._name
        identities = args.identities
        traffic = AllowedTraffic(
            worker_namespace=self._worker_namespace,
            monitoring_namespace=args.monitoring_namespace,
            ports=args.ports,
            database_ports=args.database_ports or find_ports(args.database_url, contract.POSTGRES_PORT),
            redis_ports=args.redis_ports or find_ports(args.redis_url, contract.REDIS_PORT),
            own_databases=args.databases.ports,
            tls=args.tls_secret is not None,
            model_store=_downloads(args),
            metadata_servers=_list_metadata_clients(identities),
            traces_port=args.traces and args.traces.port,
            leader_worker_sets=tuple(group.name for group in _list_groups(args.workers) if group.spans_nodes),
        )
        warm = count_warm_pods(_list_groups(args.workers)) > 0
        return [
            *declare_service_accounts(name, self._worker_namespace, identities, opts),
            *declare_network_policies(name, traffic, opts),
            *declare_priority_classes(name, warm=warm, opts=self._child),
            *(
                item
                for namespace, (most_pods, gpus) in count_pods(args.coordinators, args.workers).items()
                for item in declare_quota(f"{name}-{namespace}", namespace, pods=most_pods, gpus=gpus, opts=opts)
            ),
        ]

    def _declare_coordinators(
        self, in_namespaces: pulumi.ResourceOptions, prepared: pulumi.ResourceOptions
    ) -> k8s.apps.v1.Deployment:
        args, resource = self._args, f"{self._name}-{COORDINATORS}"
        values = {contract.CLUSTER_TOKEN: self._cluster_token, contract.ADMIN_KEY: self.admin_key}
        for variable, url in ((contract.DATABASE_URL, args.database_url), (contract.REDIS_URL, args.redis_url)):
            if url is not None:
                values[variable] = pulumi.Output.secret(url)
        has_redis = args.redis_url is not None or args.databases.redis is not None
        file = coordinators.build_file(args.coordinators, args.ports, self._worker_namespace, redis=has_redis)
        coordinator_files.add_services(file, args.database_login, args.redis_login)
        coordinator_files.add_own_databases(file, args.databases)
        if args.tls_secret is not None:
            coordinator_files.add_tls(file, args.ports.https)
        config = declare_config(
            f"{resource}-config", NAMESPACE, COORDINATORS, coordinators.CONFIG_FILE, self._secure(file), in_namespaces
        )
        secret = declare_secret(f"{resource}-secrets", NAMESPACE, COORDINATORS, values, in_namespaces)
        coordinators.declare_registration_service(f"{self._name}-registration", args.ports.grpc, in_namespaces)
        labels = pods.select_pods(COORDINATORS)
        pods.declare_disruption_budget(f"{resource}-budget", NAMESPACE, COORDINATORS, labels, in_namespaces)
        source = pods.PodSource(
            image=args.images.coordinator,
            config=config,
            secret=secret,
            secret_keys=tuple(values),
            certificate=find_secret(COORDINATORS) if args.cluster_tls else None,
            variables=_list_trace_variables(args.traces),
        )
        place = coordinators.CoordinatorPlace(
            nodes=args.coordinator_nodes,
            ports=args.ports,
            labels=args.identities.coordinators.labels,
            files=self._declare_files(in_namespaces),
            tls=args.tls_secret is not None,
        )
        return coordinators.declare_deployment(resource, args.coordinators, place, source, prepared)

    def _secure(self, file: pulumi.Input[Mapping[str, object]]) -> pulumi.Input[Mapping[str, object]]:
        return add_cluster_tls(file) if self._args.cluster_tls else file

    def _declare_files(self, opts: pulumi.ResourceOptions) -> list[pods.ReadOnlyFolder]:
        args, folders = self._args, [*self._databases.folders]
        if args.tls_secret is not None:
            folders.append(pods.ReadOnlyFolder(name="api-tls", path=contract.TLS_FOLDER, secret=args.tls_secret))
        for name, path, login in (
            ("database", contract.DATABASE_FOLDER, args.database_login),
            ("redis", contract.REDIS_FOLDER, args.redis_login),
        ):
            if login is None:
                continue
            config = None
            if login.ca_certificate is not None:
                resource, map_name = f"{self._name}-{name}-ca", f"llm-{name}-ca"
                config = declare_file(resource, NAMESPACE, map_name, contract.CA_FILE, login.ca_certificate, opts)
            if config is not None or login.password_secret is not None:
                folder = pods.ReadOnlyFolder(name=name, path=path, secret=login.password_secret, config=config)
                folders.append(folder)
        return folders

    def _declare_workers(self, in_namespaces: pulumi.ResourceOptions, opts: pulumi.ResourceOptions) -> None:
        args, resource, namespace = self._args, f"{self._name}-{WORKERS}", self._worker_namespace
        values = {contract.CLUSTER_TOKEN: self._cluster_token}
        secret = declare_secret(f"{resource}-secrets", namespace, WORKERS, values, in_namespaces)
        workers.declare_headless_service(f"{resource}-service", namespace, args.ports.worker, in_namespaces)

        def declare_source(
            resource: str, name: str, labels: Mapping[str, str], file: pulumi.Input[WorkerFile]
        ) -> pods.PodSource:
            """Declare the configuration and the disruption budget of a workload, and return its pods' source."""
            config = declare_config(
                f"{resource}-config", namespace, name, CONFIG_FILE, self._secure(file), in_namespaces
            )
            pods.declare_disruption_budget(f"{resource}-budget", namespace, name, labels, in_namespaces)
            return pods.PodSource(
                image=args.images.worker,
                config=config,
                secret=secret,
                secret_keys=tuple(values),
                certificate=find_secret(WORKERS) if args.cluster_tls else None,
                variables=_list_trace_variables(args.traces),
            )

        identity_labels = args.identities.workers.labels
        if not isinstance(args.workers, GpuWorkers):
            worker_set = workers.describe_worker_set(args.workers, identity_labels)
            file = workers.build_file(args.workers, args.model)
            source = declare_source(resource, WORKERS, worker_set.pod.labels, file)
            workers.declare_stateful_set(resource, worker_set, source, opts)
            return
        store = args.workers.store
        claims = [] if store.mount is None else declare_store_claim(self._name, store.mount, in_namespaces)
        opts = after(opts, *claims)
        settings = gpu_workers.GroupSettings(
            model_id=args.model.id, store=store, ports=args.ports, identity_labels=identity_labels
        )
        for group in args.workers.groups:
            resource = f"{self._name}-{group.name}"
            file = gpu_workers.build_file(group, settings)
            source = declare_source(resource, group.name, gpu_workers.select_leaders(group), file)
            scaled = self._find_scaling(group)
            # The autoscaler owns the number of replicas once it is in the cluster.
            ignored = pulumi.ResourceOptions(ignore_changes=["spec.replicas"] if scaled else None)
            workload_opts = pulumi.ResourceOptions.merge(opts, ignored)
            if group.spans_nodes:
                workload = gpu_workers.declare_leader_worker_set(resource, group, settings, source, workload_opts)
            else:
                worker_set = gpu_workers.describe_worker_set(group, settings)
                workload = workers.declare_stateful_set(resource, worker_set, source, workload_opts)
            if scaled is not None:
                declare_scaled_object(f"{resource}-scaling", scaled, after(self._child, workload))
            if group.warm_replicas:
                declare_warm_capacity(f"{self._name}-{WARM_CAPACITY}", group, args.images.worker, opts)

    def _find_scaling(self, group: WorkerGroup) -> ScaledGroup | None:
        if self._args.prometheus_url is None or group.scaling is None:
            return None
        return ScaledGroup(
            name=group.name,
            namespace=self._worker_namespace,
            workload=Workload.LEADER_WORKER_SET if group.spans_nodes else Workload.STATEFUL_SET,
            replicas=group.replicas,
            policy=group.scaling,
            prometheus_url=self._args.prometheus_url,
        )


def _check(args: ServingStackArgs) -> None:
    problems: list[Problem] = []
    for name, server, url in (
        ("database_url", args.databases.postgres, args.database_url),
        ("redis_url", args.databases.redis, args.redis_url),
    ):
        if server is not None and url is not None:
            problems.append(Problem(name, HIDDEN, "databases also names a server", "Remove one of them"))
    sections: dict[str, Section] = {"model": args.model, "coordinators": args.coordinators, "access": args.access}
    if not isinstance(args.workers, GpuWorkers):
        sections["workers"] = args.workers
    servers = {"postgres": args.databases.postgres, "redis": args.databases.redis}
    sections |= {name: server for name, server in servers.items() if server is not None}
    found = check_kubernetes_rules(sections)
    raise_problems([*problems, *(replace(one, path=one.path.removeprefix(f"{KEY}.")) for one in found)])


def _list_groups(workers: WorkerPods | GpuWorkers) -> tuple[WorkerGroup, ...]:
    return workers.groups if isinstance(workers, GpuWorkers) else ()


def _list_exemptions(workers: WorkerPods | GpuWorkers) -> tuple[str, ...]:
    """Return why the namespace of GPU workers cannot keep the Pod Security Standard `restricted`."""
    kinds = dict.fromkeys(group.fabric.kind for group in _list_groups(workers) if group.fabric is not None)
    return tuple(EXEMPTION_REASONS[kind] for kind in kinds if kind in EXEMPTION_REASONS)


def _downloads(args: ServingStackArgs) -> bool:
    """Return whether workers download from an object store. The kubelet mounts file systems, not the pods."""
    if isinstance(args.workers, GpuWorkers):
        return args.workers.store.mount is None
    return args.model.url is not None


def _list_trace_variables(traces: Traces | None) -> dict[str, str]:
    """Return OpenTelemetry's variables, which coordinators and workers read."""
    if traces is None:
        return {}
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": traces.endpoint,
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": f"{traces.sampled_fraction:g}",
    }


def _list_metadata_clients(identities: Identities) -> tuple[str, ...]:
    """Return the processes whose credentials come from the node's metadata server."""
    coordinators = ("coordinators",) if identities.coordinators.metadata_server else ()
    return (*coordinators, *(("workers", "ranks") if identities.workers.metadata_server else ()))
