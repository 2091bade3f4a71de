"""How an environment is put together from its parts."""

from __future__ import annotations

from pathlib import Path

import pulumi

from novacron_infra.config import CloudEnvironment, EnvironmentConfig, LocalEnvironment
from novacron_infra.config.sections import Platform
from novacron_infra.errors import NovaCronError
from novacron_infra.generated import GeneratedSecret
from novacron_infra.local import LocalServing, LocalServingArgs
from novacron_infra.plan import EnvironmentPlan, describe, plan_environment
from novacron_infra.plan.pools import node_pools
from novacron_infra.tags import Tags


def build(config: EnvironmentConfig, project_dir: Path) -> None:
    """Declare the environment's resources and export the stack's outputs.

    Outputs of a local environment: `endpoint` (base URL of the API), `model` (the id to ask for), `logs` (folder). Of
    an environment on AWS: `regions`, by name with the outputs of `AwsRegion`; `rto_s` (seconds a dead region keeps its
    traffic, none with one region). Its preview shows the plan.

    Raises:
        NovaCronError: for a model that does not fit its machines, and when an environment on another cloud is to be
            deployed: its components are not put together in this version.
    """
    if isinstance(config, LocalEnvironment):
        _build_local(config, project_dir)
        return
    plan = plan_environment(config)
    if pulumi.runtime.is_dry_run():
        pulumi.log.info("\n".join(describe(plan)))
    if config.platform is Platform.AWS:
        _build_aws(config, plan)
        return
    missing = f"an environment on {config.platform.value} is not put together by this version"
    if not pulumi.runtime.is_dry_run():
        raise NovaCronError(f"{missing}: preview this stack to see its plan, deploy another one")
    pulumi.log.warn(f"{missing}: this preview shows the plan and no resources")


def _build_aws(config: CloudEnvironment, plan: EnvironmentPlan) -> None:
    # Imported here: who uses another cloud, or none, does not load Amazon's SDK.
    import pulumi_aws

    from novacron_infra.aws import AwsModelReplication, AwsModelReplicationArgs, ReplicaArgs
    from novacron_infra.aws.region import AwsRegion, AwsRegionArgs

    environment, store = config.environment.value, config.model.store
    tags = Tags(environment=environment)
    given = config.secrets.redis_password
    redis_password = GeneratedSecret(f"{environment}-redis-password").value if given is None else given
    regions: dict[str, AwsRegion] = {}
    primary = config.regions[0].name
    providers = {
        region.name: pulumi_aws.Provider(f"{environment}-{region.name}", region=region.name)
        for region in config.regions
    }
    for region, planned in zip(config.regions, plan.regions, strict=True):
        regions[region.name] = AwsRegion(
            f"{environment}-{region.name}",
            AwsRegionArgs(
                region=region.name,
                zones=region.zones,
                network=region.network or "",
                kubernetes_version=config.clusters.version,
                admins=config.clusters.admins,
                public_networks=config.clusters.public_networks,
                pools=node_pools(plan, planned, region.zones),
                bucket=_bucket(store.bucket, region.name, primary),
                prefix=store.prefix,
                postgres_storage_gib=config.data.postgres_storage_gib,
                redis_nodes=config.data.redis_nodes,
                redis_password=pulumi.Output.from_input(redis_password).apply(str),
                tags=tags,
                protect=config.protected,
            ),
            pulumi.ResourceOptions(providers=[providers[region.name]]),
        )
    if len(regions) > 1:
        source = regions[primary]
        AwsModelReplication(
            f"{environment}-models",
            AwsModelReplicationArgs(
                source_bucket=store.bucket,
                source_bucket_arn=source.store.bucket_arn,
                source_key_arn=source.storage_key_arn,
                replicas={
                    name: ReplicaArgs(
                        bucket=_bucket(store.bucket, name, primary),
                        bucket_arn=region.store.bucket_arn,
                        key_arn=region.storage_key_arn,
                    )
                    for name, region in regions.items()
                    if name != primary
                },
                tags=tags,
                prefix=f"{store.prefix}/",
            ),
            pulumi.ResourceOptions(providers=[providers[primary]]),
        )
    pulumi.export("regions", {name: region.outputs for name, region in regions.items()})
    pulumi.export("rto_s", plan.recovery.rto_s if plan.recovery else None)


def _bucket(primary_bucket: str, region: str, primary: str) -> str:
    """Bucket names are the whole world's: each region's has its own."""
    return primary_bucket if region == primary else f"{primary_bucket}-{region}"


def _build_local(config: LocalEnvironment, project_dir: Path) -> None:
    serving = LocalServing(
        "serving",
        LocalServingArgs(
            run_dir=project_dir / ".novacron" / "run" / pulumi.get_stack(),
            model_id=config.model.id,
            model_path=project_dir / config.model.path if config.model.path else None,
            http_port=config.coordinator.http_port,
            grpc_port=config.coordinator.grpc_port,
            worker_count=config.workers.count,
            worker_base_port=config.workers.base_port,
            device=config.workers.device,
            threads=config.workers.threads,
            start_timeout_s=config.workers.start_timeout_s,
        ),
    )
    pulumi.export("endpoint", serving.endpoint)
    pulumi.export("model", serving.model)
    pulumi.export("logs", serving.logs)
