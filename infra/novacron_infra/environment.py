"""Builds an environment from its configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast

import pulumi

from novacron_infra.catalog import find_machine
from novacron_infra.config import (
    CloudEnvironment,
    Clusters,
    EnvironmentConfig,
    KubernetesEnvironment,
    LocalEnvironment,
    Platform,
    WorkerPods,
)
from novacron_infra.dns.environment import check_endpoint, declare_dns_provider, declare_endpoint
from novacron_infra.errors import ConfigurationError, NovaCronError
from novacron_infra.generated import generate_secret
from novacron_infra.image_digests import WITHOUT_DIGESTS, add_stand_ins, describe_missing_digests, find_missing_digests
from novacron_infra.local import LocalServing, LocalServingArgs
from novacron_infra.plan import EnvironmentPlan, plan_environment, summarize_plan
from novacron_infra.plan.monitoring import PrometheusObjects, plan_monitoring
from novacron_infra.plan.own_workers import plan_own_environment
from novacron_infra.regions import RegionResults
from novacron_infra.sdks import find_missing_sdk
from novacron_infra.tags import Tags
from novacron_infra.workloads.serving_args import GpuWorkers, ModelStoreAccess, OwnDatabases, RegionStack

_NO_ADD_ONS = "clusters.add_ons is off: storage classes, and what makes GPUs known to Kubernetes, are yours to install"
_NO_SERVING = "clusters.serving is off: the serving stack is not deployed. See docs/serving-in-regions.md"
_PRIVATE = (
    "the clusters' APIs are private: what is deployed to them needs a run inside the regions' networks. "
    "See docs/serving-in-regions.md"
)


class ServingRegion(Protocol):
    """The component of a region in any cloud."""

    @property
    def results(self) -> RegionResults:
        """Results of the region for the rest of the stack."""
        ...

    @property
    def serving(self) -> RegionStack | None:
        """The serving stack in the region's cluster. None without `clusters.serving`."""
        ...


class DeclareRegions(Protocol):
    """The function that declares the regions of an environment in one cloud."""

    def __call__(self, plan: EnvironmentPlan, tags: Tags) -> Mapping[str, ServingRegion]:
        """Declare the regions, and return them by name."""
        ...


def build(config: EnvironmentConfig, project_dir: Path) -> None:
    """Declare the environment's resources and export the stack's outputs.

    Outputs of a local environment: `endpoint` (base URL of the API), `model` (the id to ask for), `logs` (folder),
    and where clients need keys `admin_key`, a secret.
    Outputs of an environment in a cluster: `endpoint`, `namespace`, `model` and `admin_key`, those of `ServingStack`.
    Outputs of an environment on clouds: `regions`, by name with the outputs of the region's component; with `traffic`
    also `endpoint` (base URL of the API), `regional_names` (by region), `rto_s` (seconds that a dead region keeps its
    traffic, none with one region), `name_servers` (what the parent zone has to delegate to; empty for a zone that
    exists), `ds_record` (what the parent zone needs for DNSSEC), and the switches that drain regions:
    `routing_controls` (by region) and `switch_endpoints`, empty without `traffic.drain_switch`. Its preview shows the
    plan.

    Raises:
        NovaCronError: for what cannot be built, such as a model that does not fit its machines, and without the Pulumi
            SDK of a platform.
    """
    _check_sdks(config)
    if isinstance(config, LocalEnvironment):
        _build_local(config, project_dir)
    elif isinstance(config, KubernetesEnvironment):
        _build_in_cluster(config, project_dir)
    else:
        _build_cloud(config)


def _check_sdks(config: EnvironmentConfig) -> None:
    """Raise NovaCronError if the SDK of one of the environment's platforms is not installed."""
    platforms = config.platforms if isinstance(config, CloudEnvironment) else (config.platform,)
    missing = {platform.value: find_missing_sdk(platform) for platform in platforms}
    advice = [f"the Pulumi SDK of {name} is not installed: {command}" for name, command in missing.items() if command]
    if advice:
        raise NovaCronError("\n".join(advice))


def _build_cloud(config: CloudEnvironment) -> None:
    tags = Tags(environment=config.environment, project=config.project, more=config.resource_tags)
    plan = plan_environment(config)
    if pulumi.runtime.is_dry_run():
        pulumi.log.info(f"{summarize_plan(plan)}. `novacron plan` shows the whole plan.")
    else:
        for warning in plan.warnings:
            pulumi.log.warn(warning)
        for message in _describe_access(config.clusters):
            pulumi.log.info(message)
    check_endpoint(config)
    dns_provider = declare_dns_provider(config, tags)
    if config.clusters.serving:
        config = _pin_images(config)
        config = _choose_admin_key(config, tags)
        plan = replace(plan, config=config)
    results: dict[str, RegionResults] = {}
    stacks: dict[str, RegionStack] = {}
    for platform in config.platforms:
        regions = _find_declare_regions(platform)(plan, tags)
        results |= {name: region.results for name, region in regions.items()}
        stacks |= {name: region.serving for name, region in regions.items() if region.serving is not None}
    pulumi.export("regions", {region.name: results[region.name].export() for region in config.regions})
    if config.clusters.serving:
        pulumi.export("model", config.model.id)
        pulumi.export("admin_key", config.secrets.api_key)
    addresses = {name: item.ingress_address for name, item in results.items()}
    declared = declare_endpoint(config, addresses, tags, dns_provider)
    if declared is not None:
        endpoint = declared.endpoint
        pulumi.export("endpoint", endpoint.domain.apply(lambda domain: f"https://{domain}"))
        for name in ("regional_names", "rto_s", "name_servers", "ds_record", "routing_controls", "switch_endpoints"):
            pulumi.export(name, getattr(endpoint, name))
        if stacks:
            # Imported here, so that environments without the serving stack do not load the Kubernetes SDK.
            from novacron_infra.certificates import declare_certificates

            declare_certificates(config, declared, stacks, tags)


def _describe_access(clusters: Clusters) -> Iterator[str]:
    """Yield what is deployed to the clusters, and what that needs."""
    if not clusters.add_ons:
        yield _NO_ADD_ONS
    if not clusters.serving:
        yield _NO_SERVING
    if clusters.add_ons and not clusters.public_networks:
        yield _PRIVATE


def _pin_images(config: CloudEnvironment) -> CloudEnvironment:
    """Return the environment with zeros for missing digests of images, in runs that start no pods.

    Raises:
        ConfigurationError: digests are missing in another run.
    """
    missing = find_missing_digests(config)
    if not missing:
        return config
    if pulumi.runtime.is_dry_run():
        for message in describe_missing_digests(config):
            pulumi.log.warn(message)
    elif not WITHOUT_DIGESTS.items() <= os.environ.items():
        raise ConfigurationError(missing)
    return add_stand_ins(config)


def _choose_admin_key(config: CloudEnvironment, tags: Tags) -> CloudEnvironment:
    """Return the environment with an administrator's API key, which is the same in every region."""
    given = config.secrets.api_key
    key = generate_secret(f"{tags.environment}-admin-key") if given is None else pulumi.Output.secret(given)
    return config.model_copy(update={"secrets": replace(config.secrets, api_key=key)})


def _find_declare_regions(platform: Platform) -> DeclareRegions:
    # Imported here, so that a stack loads the SDKs of its own clouds only.
    if platform is Platform.AWS:
        from novacron_infra.aws.environment import declare_regions as declare_aws_regions

        return declare_aws_regions
    if platform is Platform.GCP:
        from novacron_infra.gcp.environment import declare_regions as declare_gcp_regions

        return declare_gcp_regions
    from novacron_infra.azure.environment import declare_regions as declare_azure_regions

    return declare_azure_regions


def _build_local(config: LocalEnvironment, project_dir: Path) -> None:
    serving = LocalServing(
        "serving",
        LocalServingArgs(
            run_dir=project_dir / ".novacron" / "run" / pulumi.get_stack(),
            model=config.model,
            models=config.models,
            base_folder=project_dir,
            coordinator=config.coordinator,
            workers=config.workers,
            pass_env=tuple(config.pass_env),
        ),
    )
    pulumi.export("endpoint", serving.endpoint)
    pulumi.export("model", serving.model)
    pulumi.export("logs", serving.logs)
    if serving.admin_key is not None:
        pulumi.export("admin_key", serving.admin_key)


def _build_in_cluster(config: KubernetesEnvironment, project_dir: Path) -> None:
    # Imported here, so that other stacks do without the Kubernetes SDK.
    from novacron_infra.workloads.kubeconfig_file import check_cluster
    from novacron_infra.workloads.provider import declare_provider
    from novacron_infra.workloads.serving_stack import ServingStack, ServingStackArgs

    kubeconfig = config.cluster.kubeconfig and project_dir / config.cluster.kubeconfig
    if problems := check_cluster(config.cluster, kubeconfig):
        raise ConfigurationError(problems)
    for message in describe_missing_servers(config):
        pulumi.log.warn(message)
    provider = declare_provider("cluster", kubeconfig and str(kubeconfig), context=config.cluster.context)
    add_ons = _declare_charts(config, provider)
    serving = ServingStack(
        "serving",
        ServingStackArgs(
            images=config.images,
            model=config.model,
            coordinators=config.coordinators,
            workers=_choose_workers(config),
            access=config.access,
            cluster_tls=config.cluster_tls,
            monitoring_namespace=config.monitoring_namespace,
            monitoring=describe_monitoring(config),
            traces=config.monitoring.traces,
            admin_key=cast("pulumi.Output[str] | None", config.secrets.api_key),
            database_url=cast("pulumi.Output[str] | None", config.secrets.database_url),
            redis_url=cast("pulumi.Output[str] | None", config.secrets.redis_url),
            databases=OwnDatabases(postgres=config.postgres, redis=config.redis),
        ),
        pulumi.ResourceOptions(providers=[provider], depends_on=add_ons),
    )
    for name in ("endpoint", "namespace", "model", "admin_key"):
        pulumi.export(name, getattr(serving, name))


def describe_missing_servers(config: KubernetesEnvironment) -> Iterator[str]:
    """Yield what coordinators cannot do because a server is missing."""
    if config.postgres is None and config.secrets.database_url is None:
        yield (
            "there is no database: the administrator's key is the only API key, and no models can be registered. "
            "Set postgres, or the secret novacron:databaseUrl"
        )
        return  # the administrator's key has no rate limit
    count = config.coordinators.count
    if count > 1 and config.redis is None and config.secrets.redis_url is None:
        yield (
            f"there is no Redis: each of the {count} coordinators counts rate limits for itself, so a key gets up to "
            f"{count} times its limits. Set redis, or the secret novacron:redisUrl"
        )


def _choose_workers(config: KubernetesEnvironment) -> WorkerPods | GpuWorkers:
    """Return the workers of a cluster of your own. Raises PlanError for a model that does not fit its GPU nodes."""
    group = plan_own_environment(config)
    if group is None or config.model.url is None:
        return config.workers
    return GpuWorkers(groups=(group,), store=ModelStoreAccess(url=config.model.url.rpartition("/")[0]))


def describe_monitoring(config: KubernetesEnvironment) -> PrometheusObjects | None:
    """Return the settings of monitors, rules and dashboards; None where the cluster has no Prometheus operator."""
    gpus_per_node = find_machine(config.gpu_workers.machine).gpu_count if config.gpu_workers else 0
    return plan_monitoring(config.add_ons.fill(Platform.KUBERNETES), config.targets, config.monitoring, gpus_per_node)


def _declare_charts(config: KubernetesEnvironment, provider: pulumi.ProviderResource) -> list[pulumi.Resource]:
    """Declare the controllers that the stack installs in a cluster of your own: none, unless the configuration asks."""
    from novacron_infra.workloads.add_ons.component import ChartAddOns, ChartAddOnsArgs
    from novacron_infra.workloads.add_ons.selection import ClusterDescription, list_releases
    from novacron_infra.workloads.names import GPU_NAMESPACE
    from novacron_infra.workloads.workers import find_namespace

    described = ClusterDescription(
        platform=Platform.KUBERNETES,
        monitoring=config.monitoring,
        worker_namespace=GPU_NAMESPACE if config.gpu_workers else find_namespace(config.workers),
        monitoring_namespace=config.monitoring_namespace,
    )
    releases = list_releases(config.add_ons.fill(Platform.KUBERNETES), described)
    if not releases:
        return []
    password = cast("pulumi.Output[str] | None", config.secrets.grafana_password)
    loki_password = cast("pulumi.Output[str] | None", config.secrets.loki_password)
    args = ChartAddOnsArgs(releases=releases, grafana_password=password, loki_password=loki_password)
    return [ChartAddOns("add-ons", args, pulumi.ResourceOptions(providers=[provider]))]
