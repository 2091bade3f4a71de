"""Services of a region on AWS for the serving stack, with the roles of service accounts and the login of Redis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.iam import find_issuer, render_policy, render_service_account_trust
from novacron_infra.aws.ingress import AwsIngress
from novacron_infra.aws.region_cluster import RegionCluster
from novacron_infra.aws.region_databases import RegionPostgres, RegionRedis
from novacron_infra.aws.storage import AwsEfs
from novacron_infra.regions import RegionSpec
from novacron_infra.resource_outputs import resolve_after
from novacron_infra.stores import NfsStore
from novacron_infra.workloads.cloud_services import (
    CloudServices,
    ManagedDatabase,
    ManagedRedis,
    TargetGroup,
)
from novacron_infra.workloads.external_secrets import AwsSecretsManager
from novacron_infra.workloads.names import COORDINATOR_SERVICE_ACCOUNT, NAMESPACE
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
class AwsServingArgs:
    """Parts of a region on AWS that the serving stack uses."""

    spec: RegionSpec
    cluster: RegionCluster
    postgres: RegionPostgres
    redis: RegionRedis
    redis_password: pulumi.Input[str]
    ingress: AwsIngress
    registry: pulumi.Input[str]
    """Prefix of the names of images."""
    model_store: pulumi.Input[str]
    """URL of the models."""
    files: AwsEfs | None
    """The file system with the models; None if they are elsewhere."""
    key_arn: pulumi.Input[str]
    """Key of the login of a Redis that is created."""


def declare_cloud_services(name: str, args: AwsServingArgs, opts: pulumi.ResourceOptions) -> CloudServices:
    """Return the services of a region on AWS. Declare the role of the coordinators, and the login of a created Redis.

    Args:
        name: name of the region's component, which the names of the resources begin with.
        args: parts of the region.
        opts: Pulumi's options, with the region as the parent.
    """
    postgres, redis = args.postgres, args.redis
    redis_login = redis.secret_arn or _declare_redis_login(name, args, opts).arn
    provider_arn = args.cluster.oidc_provider_arn
    role = aws.iam.Role(
        f"{name}-{COORDINATOR_SERVICE_ACCOUNT}",
        assume_role_policy=provider_arn.apply(_trust_coordinators),
        tags=args.spec.tags.of("identity"),
        opts=opts,
    )
    reads = aws.iam.RolePolicy(
        f"{name}-{COORDINATOR_SERVICE_ACCOUNT}",
        role=role.id,
        policy=pulumi.Output.all(
            secret_arns=[postgres.secret_arn, redis_login],
            key_arns=[postgres.secret_key_arn, redis.secret_key_arn],
        ).apply(_reads_secrets),
        opts=opts,
    )
    return CloudServices(
        trust=ClusterTrust(issuer=provider_arn.apply(_find_issuer_url), aws_provider_arn=provider_arn),
        identities=Identities(
            coordinators=PodIdentity(annotations={"eks.amazonaws.com/role-arn": resolve_after(role.arn, reads.id)}),
            # EKS Pod Identity: the association names the service account, and the node's agent has the credentials.
            workers=PodIdentity(metadata_server=True),
        ),
        secrets=AwsSecretsManager(region=args.spec.region),
        database=ManagedDatabase(
            endpoint=postgres.endpoint,
            port=postgres.port,
            login=postgres.secret_arn,
            database=postgres.database,
            user=postgres.user,
        ),
        redis=ManagedRedis(
            endpoint=pulumi.Output.format("{0}:{1}", redis.endpoint, redis.port),
            ports=(PortRange(first=redis.port),),
            cluster=redis.clustered,
            login=redis_login,
        ),
        registry=args.registry,
        store=ModelStoreAccess(url=args.model_store, mount=_describe_mount(args)),
        ingress=TargetGroup(arn=args.ingress.target_group_arn, address=args.ingress.address),
    )


def _describe_mount(args: AwsServingArgs) -> NfsMount | None:
    if isinstance(args.spec.store, NfsStore):
        return make_nfs_mount(args.spec.store.export)
    if args.files is None:
        return None
    file_system_id = args.files.file_system_id
    return NfsMount(
        server=pulumi.Output.format("{0}.efs.{1}.amazonaws.com", file_system_id, args.spec.region),
        url=pulumi.Output.format("efs://{0}", file_system_id),
    )


def _declare_redis_login(name: str, args: AwsServingArgs, opts: pulumi.ResourceOptions) -> aws.secretsmanager.Secret:
    secret = aws.secretsmanager.Secret(
        f"{name}-redis-login", kms_key_id=args.key_arn, tags=args.spec.tags.of("redis"), opts=opts
    )
    aws.secretsmanager.SecretVersion(
        f"{name}-redis-login",
        secret_id=secret.id,
        secret_string=pulumi.Output.secret(
            pulumi.Output.json_dumps({"username": "default", "password": args.redis_password})
        ),
        opts=opts,
    )
    return secret


def _find_issuer_url(provider_arn: str) -> str:
    return f"https://{find_issuer(provider_arn)}"


def _trust_coordinators(provider_arn: str) -> str:
    return render_service_account_trust(provider_arn, NAMESPACE, COORDINATOR_SERVICE_ACCOUNT)


def _reads_secrets(known: Mapping[str, Any]) -> str:
    # Once each. The key of AWS, which secrets have by default, needs no right.
    key_arns = list(dict.fromkeys(arn for arn in known["key_arns"] if arn))
    reads = {
        "Effect": "Allow",
        "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
        "Resource": known["secret_arns"],
    }
    if not key_arns:
        return render_policy(reads)
    decrypts = key_arns[0] if len(key_arns) == 1 else key_arns
    return render_policy(reads, {"Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": decrypts})
