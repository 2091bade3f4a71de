"""The serving stack of a region in any cloud: ServingStack, its secrets, its certificate and its ingress.

The clouds differ in `CloudServices` only. docs/serving-in-regions.md lists the objects that differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.config.kubernetes import ServedModel
from novacron_infra.config.sections.images import Image
from novacron_infra.regions import RegionServingSpec
from novacron_infra.workloads import pods
from novacron_infra.workloads import serving_contract as contract
from novacron_infra.workloads.certificates import API_CERTIFICATE, CertificateNames, declare_self_signed_certificate
from novacron_infra.workloads.cloud_services import (
    CloudServices,
    ManagedDatabase,
    ManagedRedis,
    ReservedAddress,
    TargetGroup,
)
from novacron_infra.workloads.custom_resources import KEY, CustomKind, declare_custom_resource
from novacron_infra.workloads.external_secrets import STORE, declare_password, declare_secret_store
from novacron_infra.workloads.names import API_SERVICE, COORDINATORS, NAMESPACE
from novacron_infra.workloads.options import after
from novacron_infra.workloads.serving_args import (
    GpuWorkers,
    PortRange,
    RedisLogin,
    RegionStack,
    ServiceLogin,
    StackImages,
)
from novacron_infra.workloads.serving_stack import ServingStack, ServingStackArgs

TARGET_GROUP_BINDING = CustomKind(api_version="elbv2.k8s.aws/v1beta1", kind="TargetGroupBinding")
PUBLIC_SERVICE = "llm-api-public"
"""Service of type LoadBalancer that has the region's address."""
DATABASE_SECRET, REDIS_SECRET = "llm-database", "llm-redis"
"""Secrets with the passwords of Postgres and Redis."""
PUBLIC_PORT = 443


def declare_region_serving(
    name: str, spec: RegionServingSpec, cloud: CloudServices, opts: pulumi.ResourceOptions
) -> RegionStack:
    """Declare the serving stack of a region.

    Args:
        name: name of the region's component, which the names of the resources begin with.
        spec: the stack.
        cloud: services of the region's cloud.
        opts: Pulumi's options: the region as the parent, the cluster's provider, and the add-ons to wait for.
    """
    stack = ServingStack(
        f"{name}-serving",
        ServingStackArgs(
            images=StackImages(
                coordinator=_name_image(spec.images.coordinator, cloud.registry),
                worker=_name_image(spec.images.worker, cloud.registry),
            ),
            model=ServedModel(id=spec.plan.model_id),
            coordinators=spec.plan.coordinators,
            coordinator_nodes=spec.plan.coordinator_nodes,
            workers=GpuWorkers(groups=spec.plan.workers, store=cloud.store),
            ports=spec.plan.ports,
            admin_key=spec.admin_key,
            database_url=_make_database_url(cloud.database),
            database_login=ServiceLogin(password_secret=DATABASE_SECRET, ca_certificate=cloud.database.ca_certificate),
            database_ports=(PortRange(first=cloud.database.port),),
            redis_url=_make_redis_url(cloud.redis),
            redis_login=RedisLogin(
                password_secret=None if cloud.redis.login is None else REDIS_SECRET,
                ca_certificate=cloud.redis.ca_certificate,
                cluster=cloud.redis.cluster,
                one_host=cloud.redis.one_host,
                google=cloud.redis.login is None,
            ),
            redis_ports=cloud.redis.ports,
            tls_secret=API_CERTIFICATE,
            cluster_tls=True,
            identities=cloud.identities,
            prometheus_url=spec.prometheus_url,
            monitoring=spec.monitoring,
            traces=spec.traces,
        ),
        opts,
    )
    in_namespace = after(opts, stack.namespaces[NAMESPACE])
    _declare_passwords(name, cloud, in_namespace)
    if spec.domain is None:
        declare_self_signed_certificate(f"{name}-api", _find_names(cloud.ingress), in_namespace)
    _declare_ingress(name, cloud.ingress, in_namespace)
    return RegionStack(
        namespace=stack.namespace,
        trust=cloud.trust,
        in_namespace=in_namespace,
        endpoint=pulumi.Output.format("https://{0}/v1", spec.regional_name or cloud.ingress.address),
    )


def _find_names(ingress: TargetGroup | ReservedAddress) -> CertificateNames:
    if isinstance(ingress, TargetGroup):
        return CertificateNames(dns_names=[ingress.address])
    return CertificateNames(ip_addresses=[ingress.address])


def _name_image(image: Image, registry: pulumi.Input[str]) -> pulumi.Input[str]:
    if not image.in_region_registry:
        return image.reference
    if isinstance(registry, str):
        return f"{registry}/{image.reference}"
    return pulumi.Output.format("{0}/{1}", registry, image.reference)


def _make_database_url(database: ManagedDatabase) -> pulumi.Output[str]:
    mode = "require"
    if database.ca_certificate is not None:
        mode = f"verify-ca&sslrootcert={contract.DATABASE_FOLDER}/{contract.CA_FILE}"
    elif database.public_certificate:
        mode = f"verify-full&sslrootcert={contract.PUBLIC_AUTHORITIES}"
    return pulumi.Output.format(
        "postgresql://{0}@{1}/{2}?sslmode={3}", database.user, database.endpoint, database.database, mode
    )


def _make_redis_url(redis: ManagedRedis) -> pulumi.Output[str]:
    query = ""
    if redis.ca_certificate is not None:
        # The authority signs certificates of this service only, and clients reach its nodes by their addresses.
        query = f"?ssl_ca_certs={contract.REDIS_FOLDER}/{contract.CA_FILE}&ssl_check_hostname=false"
    return pulumi.Output.format("rediss://{0}{1}", redis.endpoint, query)


def _declare_passwords(name: str, cloud: CloudServices, opts: pulumi.ResourceOptions) -> None:
    store = declare_secret_store(f"{name}-secret-store", STORE, cloud.secrets, opts)
    after_store = after(opts, store)
    for what, secret, service in (
        ("database", DATABASE_SECRET, cloud.database),
        ("redis", REDIS_SECRET, cloud.redis),
    ):
        if service.login is None:
            continue
        if service.secrets is None:
            declare_password(f"{name}-{what}-password", secret, service.login, STORE, after_store)
            continue
        own = declare_secret_store(f"{name}-{what}-secret-store", secret, service.secrets, opts)
        declare_password(f"{name}-{what}-password", secret, service.login, secret, after(opts, own))


@dataclass(frozen=True, kw_only=True, slots=True)
class _ServiceRef:
    port: str = "https"
    name: str = API_SERVICE


@dataclass(frozen=True, kw_only=True, slots=True)
class _TargetGroupBindingSpec:
    target_group_arn: pulumi.Input[str] = field(metadata={KEY: "targetGroupARN"})
    service_ref: _ServiceRef = field(default_factory=_ServiceRef)
    target_type: str = "ip"


def _declare_ingress(name: str, ingress: TargetGroup | ReservedAddress, opts: pulumi.ResourceOptions) -> None:
    """Connect the region's load balancer or address to the coordinators."""
    if isinstance(ingress, TargetGroup):
        spec = _TargetGroupBindingSpec(target_group_arn=ingress.arn)
        metadata = pods.label_object(API_SERVICE, NAMESPACE, COORDINATORS)
        declare_custom_resource(f"{name}-target-group", TARGET_GROUP_BINDING, metadata, spec, opts)
        return
    k8s.core.v1.Service(
        f"{name}-{PUBLIC_SERVICE}",
        metadata=k8s.meta.v1.ObjectMetaArgs(
            name=PUBLIC_SERVICE,
            namespace=NAMESPACE,
            labels=pods.label_pods(COORDINATORS),
            annotations=ingress.annotations,
        ),
        spec=k8s.core.v1.ServiceSpecArgs(
            type="LoadBalancer",
            selector=pods.select_pods(COORDINATORS),
            # Coordinators see the clients' addresses, and only nodes with a coordinator get connections.
            external_traffic_policy="Local",
            ports=[k8s.core.v1.ServicePortArgs(name="https", port=PUBLIC_PORT, target_port="https")],
        ),
        opts=opts,
    )
