"""Services of a region on Google Cloud for the serving stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from novacron_infra.gcp.databases import POSTGRES_PORT, REDIS_NODE_PORTS, REDIS_PORT
from novacron_infra.gcp.identity import GkePodAccount
from novacron_infra.gcp.ingress import GcpIngress
from novacron_infra.gcp.region_cluster import RegionCluster
from novacron_infra.gcp.region_databases import PostgresCertificate, RedisAuthority, RegionPostgres, RegionRedis
from novacron_infra.gcp.storage import GcpFilestore
from novacron_infra.regions import RegionSpec
from novacron_infra.resource_outputs import require_output
from novacron_infra.stores import NfsStore
from novacron_infra.workloads.cloud_services import (
    CloudServices,
    ManagedDatabase,
    ManagedRedis,
    ReservedAddress,
)
from novacron_infra.workloads.external_secrets import GoogleAuth, GoogleSecretManager, GoogleWorkloadIdentity
from novacron_infra.workloads.serving_args import (
    ClusterTrust,
    Identities,
    ModelStoreAccess,
    NfsMount,
    PodIdentity,
    PortRange,
    make_nfs_mount,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpServingArgs:
    """Parts of a region on Google Cloud that the serving stack uses."""

    spec: RegionSpec
    project: str
    cluster: RegionCluster
    workers: GkePodAccount
    coordinators: GkePodAccount
    postgres: RegionPostgres
    redis: RegionRedis
    ingress: GcpIngress
    registry: pulumi.Input[str]
    """Prefix of the names of images."""
    model_store: pulumi.Input[str]
    """URL of the models."""
    files: GcpFilestore | None
    """The file system with the models; None if they are elsewhere."""


def describe_cloud_services(args: GcpServingArgs) -> CloudServices:
    """Return the services of a region on Google Cloud."""
    first, last = REDIS_NODE_PORTS
    return CloudServices(
        trust=ClusterTrust(
            issuer=pulumi.Output.format(
                "https://container.googleapis.com/v1/projects/{0}/locations/{1}/clusters/{2}",
                args.project,
                args.spec.region,
                args.cluster.name,
            ),
            google_pool=args.cluster.workload_pool,
        ),
        identities=Identities(
            coordinators=_act_as(args.coordinators.email),
            workers=_act_as(args.workers.email),
        ),
        secrets=GoogleSecretManager(
            project=args.project,
            auth=GoogleAuth(
                workload_identity=GoogleWorkloadIdentity(
                    cluster_location=args.spec.region, cluster_name=args.cluster.name
                )
            ),
        ),
        database=ManagedDatabase(
            endpoint=args.postgres.endpoint,
            port=POSTGRES_PORT,
            login=args.postgres.secret_id.apply(_find_name),
            # The provider marks it as a secret, which a certificate is not.
            ca_certificate=pulumi.Output.unsecret(args.postgres.certificates.apply(_find_postgres_authority)),
            database=args.postgres.database,
            user=args.postgres.user,
        ),
        redis=ManagedRedis(
            endpoint=pulumi.Output.format("{0}:{1}", args.redis.endpoint, REDIS_PORT),
            ports=(PortRange(first=REDIS_PORT), PortRange(first=first, last=last)),
            cluster=True,
            login=None,
            ca_certificate=args.redis.authorities.apply(_find_redis_authorities),
        ),
        registry=args.registry,
        store=ModelStoreAccess(url=args.model_store, mount=_describe_mount(args)),
        ingress=ReservedAddress(
            address=args.ingress.address,
            annotations={
                "cloud.google.com/l4-rbs": "enabled",
                "networking.gke.io/load-balancer-ip-addresses": args.ingress.name,
            },
        ),
    )


def _describe_mount(args: GcpServingArgs) -> NfsMount | None:
    if isinstance(args.spec.store, NfsStore):
        return make_nfs_mount(args.spec.store.export)
    return None if args.files is None else make_nfs_mount(args.files.export)


def _act_as(email: pulumi.Input[str]) -> PodIdentity:
    return PodIdentity(annotations={"iam.gke.io/gcp-service-account": email}, metadata_server=True)


def _find_name(secret_id: str) -> str:
    return secret_id.rpartition("/")[2]


def _find_postgres_authority(certificates: Sequence[PostgresCertificate]) -> str:
    return require_output(certificates[0].cert if certificates else None, "DatabaseInstance.server_ca_certs[0].cert")


def _find_redis_authorities(authorities: Sequence[RedisAuthority]) -> str:
    certificates = require_output(
        authorities[0].ca_certs if authorities else None, "Cluster.managed_server_cas[0].ca_certs"
    )
    return "\n".join(pem for item in certificates for pem in item.certificates or [])
