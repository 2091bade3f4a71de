"""The StatefulSets of Postgres and Redis, with their passwords, volume and Services.

Each is one pod: while it restarts, coordinators continue without it. Only coordinators reach it, and it reaches no one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.config.sections.hardware import Resources
from novacron_infra.config.sections.own_databases import OwnPostgres, OwnRedis
from novacron_infra.generated import generate_secret
from novacron_infra.workloads import pods
from novacron_infra.workloads import serving_contract as contract
from novacron_infra.workloads.config_objects import declare_file, declare_secret
from novacron_infra.workloads.names import NAMESPACE, POSTGRES, REDIS, SERVING_PRIORITY
from novacron_infra.workloads.options import after
from novacron_infra.workloads.probes import exec_probe, tcp_probe
from novacron_infra.workloads.serving_args import OwnDatabases

_SCRIPTS = Path(__file__).parent
_CLAIM = f"{POSTGRES}-data"
_START_FILE = "start.sh"
_DATA_FOLDER = "/var/lib/novacron"
_POSTGRES_FOLDER = f"{_DATA_FOLDER}/postgres"
_PASSWD_FILE = "passwd"  # noqa: S105 - a file of users
_PASSWD = f"postgres:x:{contract.USER_ID}:{contract.USER_ID}::/tmp:/bin/sh\n"
"""A file /etc/passwd: `initdb` needs a name for its user, and images have different ones."""
_STOP_S = 50
"""How long Postgres may take to write a checkpoint when it stops."""
_RECOVERY_S = 600
"""How long Postgres may take to start: after a crash it replays its log."""
_REDIS_START_S = 30
_REDIS_PING = f'"$(command -v valkey-cli || command -v redis-cli)" -p {contract.REDIS_PORT} ping'
_POSTGRES_CACHE, _REDIS_DATA = 0.25, 0.75
"""Parts of the memory: Postgres' shared buffers as its manual recommends, and Redis' data next to its buffers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclaredDatabases:
    """Postgres and Redis of a stack."""

    servers: Sequence[pulumi.Resource]
    """The StatefulSets, which coordinators wait for."""
    folders: Sequence[pods.ReadOnlyFolder]
    """The coordinators' folders with the passwords."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Server:
    """A StatefulSet with one pod."""

    name: str
    port: int
    image: str
    resources: Resources
    script: str
    """File of the script that starts it."""
    options: Sequence[str]
    password_key: str
    password_folder: str
    variables: dict[str, str]
    started: k8s.core.v1.ProbeArgs
    ready: k8s.core.v1.ProbeArgs
    stop: Sequence[str] | None = None
    """A command that stops it. None: SIGTERM does."""
    stop_s: int = 0
    """How long that command may take."""
    claim: str | None = None
    """Claim of the volume at `_DATA_FOLDER`."""
    has_passwd: bool = False


def declare_databases(
    name: str, databases: OwnDatabases, in_namespace: pulumi.ResourceOptions, prepared: pulumi.ResourceOptions
) -> DeclaredDatabases:
    """Declare the servers.

    Args:
        name: how the names of the Pulumi resources begin.
        databases: the servers to declare.
        in_namespace: Pulumi's options of objects in the coordinators' namespace.
        prepared: Pulumi's options of pods, which wait for the network policies.
    """
    servers: list[tuple[_Server, pulumi.ResourceOptions]] = []
    if databases.postgres is not None:
        claim = _declare_claim(f"{name}-{POSTGRES}-data", databases.postgres, in_namespace)
        servers.append((_describe_postgres(databases.postgres), after(prepared, claim)))
    if databases.redis is not None:
        servers.append((_describe_redis(databases.redis), prepared))
    declared = [_declare_server(name, server, in_namespace, opts) for server, opts in servers]
    return DeclaredDatabases(
        servers=[stateful_set for stateful_set, _ in declared], folders=[passwords for _, passwords in declared]
    )


def _describe_postgres(settings: OwnPostgres) -> _Server:
    check = ["pg_isready", "--host=/tmp", "--username=novacron", "--dbname=novacron"]
    cache_mib = max(16, int(settings.resources.memory_request_gib * 1024 * _POSTGRES_CACHE))
    return _Server(
        name=POSTGRES,
        port=contract.POSTGRES_PORT,
        image=settings.image,
        resources=settings.resources,
        script="postgres.sh",
        options=(
            "-c",
            "listen_addresses=*",
            "-c",
            f"port={contract.POSTGRES_PORT}",
            "-c",
            f"shared_buffers={cache_mib}MB",
        ),
        password_key=contract.POSTGRES_PASSWORD,
        password_folder=contract.DATABASE_FOLDER,
        variables={"PGDATA": _POSTGRES_FOLDER},
        started=exec_probe(check, period_s=2, failures=_RECOVERY_S // 2),
        ready=exec_probe(check, period_s=10, failures=3),
        # SIGTERM would wait until the last coordinator closes its connections.
        stop=("pg_ctl", "stop", "--mode=fast", f"--timeout={_STOP_S}"),
        stop_s=_STOP_S,
        claim=_CLAIM,
        has_passwd=True,
    )


def _describe_redis(settings: OwnRedis) -> _Server:
    data_mib = max(1, int(settings.resources.memory_limit_gib * 1024 * _REDIS_DATA))
    return _Server(
        name=REDIS,
        port=contract.REDIS_PORT,
        image=settings.image,
        resources=settings.resources,
        script="redis.sh",
        options=("--port", str(contract.REDIS_PORT), "--maxmemory", f"{data_mib}mb"),
        password_key=contract.REDIS_PASSWORD,
        password_folder=contract.REDIS_FOLDER,
        variables={},
        started=tcp_probe("server", period_s=1, failures=_REDIS_START_S),
        # Without the password the answer is an error, and an answer all the same.
        ready=exec_probe(["/bin/sh", "-c", _REDIS_PING], period_s=5, failures=3),
    )


def _declare_claim(
    resource: str, settings: OwnPostgres, opts: pulumi.ResourceOptions
) -> k8s.core.v1.PersistentVolumeClaim:
    """Declare the claim of Postgres' volume. It is a resource of its own, so that Pulumi can protect it."""
    metadata = pods.label_object(_CLAIM, NAMESPACE, POSTGRES)
    # Many classes make a volume only once a pod needs it.
    metadata.annotations = pods.WITHOUT_WAITING
    return k8s.core.v1.PersistentVolumeClaim(
        resource,
        metadata=metadata,
        spec=k8s.core.v1.PersistentVolumeClaimSpecArgs(
            access_modes=["ReadWriteOnce"],
            storage_class_name=settings.storage_class,
            resources=k8s.core.v1.VolumeResourceRequirementsArgs(requests={"storage": f"{settings.storage_gib}Gi"}),
        ),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=settings.protected)),
    )


def _declare_server(
    name: str,
    server: _Server,
    in_namespace: pulumi.ResourceOptions,
    opts: pulumi.ResourceOptions,
) -> tuple[k8s.apps.v1.StatefulSet, pods.ReadOnlyFolder]:
    """Declare a server. Returns its StatefulSet, and the coordinators' folder with its password."""
    resource = f"{name}-{server.name}"
    password = generate_secret(f"{resource}-password", in_namespace)
    values = {server.password_key: password}
    secret = declare_secret(f"{resource}-secrets", NAMESPACE, server.name, values, in_namespace)
    script = (_SCRIPTS / server.script).read_text(encoding="utf-8")
    start = declare_file(f"{resource}-start", NAMESPACE, server.name, _START_FILE, script, in_namespace)
    port = k8s.core.v1.ServicePortArgs(name="server", port=server.port, target_port="server")
    pods.declare_headless_service(f"{resource}-service", server.name, NAMESPACE, server.name, port, in_namespace)
    source = pods.PodSource(image=server.image, config=start, secret=secret, secret_keys=())
    passwords = pods.ReadOnlyFolder(
        name=server.name,
        path=server.password_folder,
        secret=secret.name,
        secret_files={server.password_key: contract.PASSWORD_FILE},
    )
    passwd: list[pods.ReadOnlyFolder] = []
    if server.has_passwd:
        passwd_name = f"{server.name}-passwd"
        content = declare_file(f"{resource}-passwd", NAMESPACE, passwd_name, _PASSWD_FILE, _PASSWD, in_namespace)
        passwd.append(pods.ReadOnlyFolder(name="passwd", path="/etc/passwd", config=content))
    return _declare_stateful_set(resource, server, source, passwords, passwd, opts), passwords


def _declare_stateful_set(
    resource: str,
    server: _Server,
    source: pods.PodSource,
    passwords: pods.ReadOnlyFolder,
    passwd: Sequence[pods.ReadOnlyFolder],
    opts: pulumi.ResourceOptions,
) -> k8s.apps.v1.StatefulSet:
    volumes, mounts = pods.mount_source(source)
    for folder in (passwords, pods.TEMPORARY, *passwd):
        volumes.append(folder.volume())
        mounts.append(folder.mount())
    if passwd:
        mounts[-1].sub_path = _PASSWD_FILE
    if server.claim is not None:
        claim = k8s.core.v1.PersistentVolumeClaimVolumeSourceArgs(claim_name=server.claim)
        volumes.append(k8s.core.v1.VolumeArgs(name="data", persistent_volume_claim=claim))
        mounts.append(k8s.core.v1.VolumeMountArgs(name="data", mount_path=_DATA_FOLDER))
    variables = {"PASSWORD_FILE": f"{server.password_folder}/{contract.PASSWORD_FILE}", **server.variables}
    stop = None
    if server.stop is not None:
        command = k8s.core.v1.ExecActionArgs(command=list(server.stop))
        stop = k8s.core.v1.LifecycleArgs(pre_stop=k8s.core.v1.LifecycleHandlerArgs(exec_=command))
    container = k8s.core.v1.ContainerArgs(
        name="server",
        image=server.image,
        image_pull_policy=pods.pull_policy(server.image),
        command=["/bin/sh", f"{contract.CONFIG_FOLDER}/{_START_FILE}"],
        args=list(server.options),
        env=[k8s.core.v1.EnvVarArgs(name=key, value=value) for key, value in variables.items()],
        ports=[k8s.core.v1.ContainerPortArgs(name="server", container_port=server.port)],
        startup_probe=server.started,
        liveness_probe=tcp_probe("server", period_s=10, failures=6),
        readiness_probe=server.ready,
        lifecycle=stop,
        resources=pods.request_resources(server.resources, (pods.TEMPORARY,)),
        security_context=pods.secure_container(read_only_root=True),
        volume_mounts=mounts,
    )
    return k8s.apps.v1.StatefulSet(
        resource,
        metadata=pods.label_object(server.name, NAMESPACE, server.name),
        spec=k8s.apps.v1.StatefulSetSpecArgs(
            replicas=1,
            service_name=server.name,
            selector=k8s.meta.v1.LabelSelectorArgs(match_labels=pods.select_pods(server.name)),
            template=k8s.core.v1.PodTemplateSpecArgs(
                metadata=k8s.meta.v1.ObjectMetaArgs(
                    labels=pods.label_pods(server.name), annotations=pods.annotate_content(source, passwd)
                ),
                spec=k8s.core.v1.PodSpecArgs(
                    automount_service_account_token=False,
                    enable_service_links=False,
                    priority_class_name=SERVING_PRIORITY,
                    termination_grace_period_seconds=server.stop_s + pods.EXIT_S,
                    security_context=pods.secure_pod(),
                    containers=[container],
                    volumes=volumes,
                ),
            ),
        ),
        opts=pods.start_after_content(source, opts, passwd),
    )
