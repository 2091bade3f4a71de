"""Postgres and Redis of a region, created or existing. The rest of the region uses either in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pulumi
import pulumi_gcp as gcp

from novacron_infra.config import ExistingGooglePostgres
from novacron_infra.gcp.databases import POSTGRES_PORT, GcpPostgres, GcpPostgresArgs, GcpRedis, GcpRedisArgs
from novacron_infra.gcp.network import GcpNetworkIds
from novacron_infra.gcp.region_parts import find_existing
from novacron_infra.regions import POSTGRES_NAME, RegionSpec

POSTGRES_CLASS = "db-perf-optimized-N-8"
REDIS_TYPE = "REDIS_HIGHMEM_XLARGE"
PostgresCertificate: TypeAlias = (
    gcp.sql.outputs.DatabaseInstanceServerCaCert | gcp.sql.outputs.GetDatabaseInstanceServerCaCertResult
)
"""A certificate of a server that is created, or of one that exists."""
RedisAuthority: TypeAlias = gcp.redis.outputs.ClusterManagedServerCa | gcp.redis.outputs.GetClusterManagedServerCaResult
"""A certificate authority of a cluster that is created, or of one that exists."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionPostgres:
    """Postgres of a region on Google Cloud."""

    endpoint: pulumi.Output[str]
    """Host and port."""
    secret_id: pulumi.Output[str]
    """The secret with the password, as `projects/…/secrets/…`."""
    certificates: pulumi.Output[Sequence[PostgresCertificate]]
    """Certificate authority of the server."""
    database: str = POSTGRES_NAME
    user: str = POSTGRES_NAME


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionRedis:
    """Redis of a region on Google Cloud, a cluster where IAM decides who may sign in."""

    endpoint: pulumi.Output[str]
    """Host."""
    authorities: pulumi.Output[Sequence[RedisAuthority]]
    """Certificate authorities of the cluster."""


def declare_postgres(
    name: str,
    spec: RegionSpec,
    network: GcpNetworkIds,
    key_id: pulumi.Input[str],
    password: pulumi.Input[str] | None,
    opts: pulumi.ResourceOptions,
) -> RegionPostgres:
    """Declare the region's Postgres. For one that exists, nothing is declared."""
    existing = find_existing(spec).postgres
    if existing is not None:
        return _find_postgres(existing, opts)
    postgres = GcpPostgres(
        f"{name}-postgres",
        GcpPostgresArgs(
            instance_class=POSTGRES_CLASS,
            region=spec.region,
            storage_gib=spec.postgres_storage_gib,
            network_id=network.services_network_id,
            key_id=key_id,
            password=password,
            statements=spec.audit.database_statements,
            tags=spec.tags,
            protect=spec.protect,
        ),
        opts,
    )
    return RegionPostgres(
        endpoint=postgres.endpoint,
        secret_id=postgres.secret_id,
        certificates=postgres.instance.server_ca_certs,
    )


def declare_redis(
    name: str, spec: RegionSpec, network: GcpNetworkIds, key_id: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> RegionRedis:
    """Declare the region's Redis. For one that exists, nothing is declared."""
    existing = find_existing(spec).redis
    if existing is not None:
        return _find_redis(existing, opts)
    redis = GcpRedis(
        f"{name}-redis",
        GcpRedisArgs(
            node_type=REDIS_TYPE,
            region=spec.region,
            shards=spec.redis.shards,
            replicas_per_shard=spec.redis.replicas_per_shard,
            network_id=network.network_id,
            subnet_id=network.subnet_id,
            key_id=key_id,
            tags=spec.tags,
            connection_policy=network.created,
        ),
        opts,
    )
    return RegionRedis(endpoint=redis.endpoint, authorities=redis.cluster.managed_server_cas)


def _find_postgres(existing: ExistingGooglePostgres, opts: pulumi.ResourceOptions) -> RegionPostgres:
    _, project, _, name = existing.instance.split("/")
    server = gcp.sql.get_database_instance_output(
        name=name, project=project, opts=pulumi.InvokeOutputOptions(parent=opts.parent)
    )
    return RegionPostgres(
        endpoint=pulumi.Output.format("{0}:{1}", server.private_ip_address, POSTGRES_PORT),
        secret_id=pulumi.Output.from_input(existing.secret),
        certificates=server.server_ca_certs,
        database=existing.database,
        user=existing.user,
    )


def _find_redis(existing: str, opts: pulumi.ResourceOptions) -> RegionRedis:
    _, project, _, region, _, name = existing.split("/")
    cluster = gcp.redis.get_cluster_output(
        name=name, project=project, region=region, opts=pulumi.InvokeOutputOptions(parent=opts.parent)
    )
    return RegionRedis(
        endpoint=cluster.discovery_endpoints.apply(_find_address),
        authorities=cluster.managed_server_cas,
    )


def _find_address(endpoints: Sequence[gcp.redis.outputs.GetClusterDiscoveryEndpointResult]) -> str:
    return endpoints[0].address
