"""The Google Cloud regions of an environment, each with its own provider, and the replication between them."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from novacron_infra.config import CloudEnvironment, Platform
from novacron_infra.gcp.access_logs import declare_access_logs
from novacron_infra.gcp.existing import check_existing
from novacron_infra.gcp.region import GcpRegion, GcpRegionArgs
from novacron_infra.gcp.replication import GcpModelReplication, GcpModelReplicationArgs, ReplicaArgs
from novacron_infra.plan import EnvironmentPlan
from novacron_infra.regions import build_region_specs
from novacron_infra.tags import Tags


def declare_regions(plan: EnvironmentPlan, tags: Tags) -> dict[str, GcpRegion]:
    """Declare the environment's regions on Google Cloud, and return them by name.

    Models and configuration are replicated from the primary region to the others.

    Raises:
        ConfigurationError: with everything that exists and lacks what a region needs.
        ArgumentError: with everything that a component refuses.
    """
    config = plan.config
    project = config.accounts.require_google_project()
    specs = build_region_specs(plan, Platform.GCP, tags)
    providers = {name: gcp.Provider(f"{tags.environment}-{name}", project=project, region=name) for name in specs}
    check_existing(specs, providers)
    regions = {
        name: GcpRegion(
            f"{tags.environment}-{name}",
            GcpRegionArgs(spec=spec, project=project, postgres_password=_secret(config.secrets.database_password)),
            pulumi.ResourceOptions(providers=[providers[name]]),
        )
        for name, spec in specs.items()
    }
    stores = [name for name, region in regions.items() if region.store is not None]
    if stores and config.security.audit.model_access:
        declare_access_logs(tags.environment, project, pulumi.ResourceOptions(provider=providers[stores[0]]))
    _replicate_buckets(config, tags, regions, providers)
    return regions


def _replicate_buckets(
    config: CloudEnvironment, tags: Tags, regions: dict[str, GcpRegion], providers: dict[str, gcp.Provider]
) -> None:
    stores = {name: region.bucket_name for name, region in regions.items() if region.bucket_name is not None}
    if len(stores) < 2:
        return
    source, *others = stores
    GcpModelReplication(
        f"{tags.environment}-models",
        GcpModelReplicationArgs(
            project=config.accounts.require_google_project(),
            source_bucket=stores[source],
            replicas={name: ReplicaArgs(bucket=stores[name]) for name in others},
            tags=tags,
            prefix=config.model.store.model_names,
            configuration_prefix=config.model.store.configuration_names,
            alarm_channels=config.alarms.google_channels,
        ),
        pulumi.ResourceOptions(providers=[providers[source]]),
    )


def _secret(given: object | None) -> pulumi.Output[str] | None:
    return None if given is None else pulumi.Output.secret(pulumi.Output.from_input(given)).apply(str)
