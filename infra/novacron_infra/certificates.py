"""Certificates of the API's names: in each region's cluster, cert-manager proves through the zone that it has them.

cert-manager signs in to the zone's cloud with tokens of its cluster, so there is no key to keep or to renew.
"""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from novacron_infra.config import CloudEnvironment, Platform, Region
from novacron_infra.dns.environment import DeclaredEndpoint
from novacron_infra.resource_outputs import resolve_after
from novacron_infra.tags import Tags
from novacron_infra.workloads.cert_manager import (
    CERT_MANAGER,
    AzureDnsSolver,
    CloudDnsSolver,
    DnsSolver,
    ManagedIdentity,
    Route53Solver,
)
from novacron_infra.workloads.certificates import CertificateNames, declare_public_certificate
from novacron_infra.workloads.serving_args import RegionStack


def declare_certificates(
    config: CloudEnvironment, declared: DeclaredEndpoint, stacks: Mapping[str, RegionStack], tags: Tags
) -> None:
    """Declare the certificate of each region's API, and the right of its cluster to change the zone's TXT records.

    Args:
        config: the environment, with `traffic`.
        declared: its names.
        stacks: the serving stacks, by region.
        tags: tags of the resources.
    """
    traffic = config.traffic
    for region in config.regions:
        stack = stacks.get(region.name)
        if stack is None or traffic is None:
            continue
        name = f"{tags.environment}-{region.name}-api"
        names = CertificateNames(dns_names=(traffic.domain, f"{region.dns_label}.{traffic.domain}"))
        solver = _declare_solver(name, config, region, declared, stack, tags)
        declare_public_certificate(name, names, solver, stack.in_namespace)


def _declare_solver(
    name: str, config: CloudEnvironment, region: Region, declared: DeclaredEndpoint, stack: RegionStack, tags: Tags
) -> DnsSolver:
    if config.platform is Platform.AWS:
        return _declare_route53_solver(name, declared, stack, tags)
    if config.platform is Platform.GCP:
        return _declare_cloud_dns_solver(name, config.accounts.require_google_project(), declared, stack)
    subscription = config.accounts.require_azure_subscription_id()
    return _declare_azure_solver(name, subscription, region, declared, stack, tags)


def _declare_route53_solver(name: str, declared: DeclaredEndpoint, stack: RegionStack, tags: Tags) -> Route53Solver:
    """Declare a role that trusts cert-manager in the region's cluster, which may be in any cloud."""
    import pulumi_aws as aws

    from novacron_infra.aws.iam import STS_AUDIENCE, render_service_account_trust

    opts = pulumi.ResourceOptions(provider=declared.provider)
    provider_arn = stack.trust.aws_provider_arn
    if provider_arn is None:
        provider_arn = aws.iam.OpenIdConnectProvider(
            f"{name}-oidc",
            url=stack.trust.issuer,
            client_id_lists=[STS_AUDIENCE],
            tags=tags.of("identity"),
            opts=opts,
        ).arn
    role = aws.iam.Role(
        f"{name}-certificates",
        assume_role_policy=pulumi.Output.from_input(provider_arn).apply(
            lambda arn: render_service_account_trust(arn, CERT_MANAGER, CERT_MANAGER)
        ),
        tags=tags.of("identity"),
        opts=opts,
    )
    partition = aws.get_partition_output(opts=pulumi.InvokeOutputOptions(provider=declared.provider)).partition
    allowed = aws.iam.RolePolicy(
        f"{name}-certificates",
        role=role.id,
        policy=pulumi.Output.all(partition=partition, zone=declared.endpoint.zone).apply(_changes_txt_records),
        opts=opts,
    )
    return Route53Solver(zone_id=declared.endpoint.zone, role=resolve_after(role.arn, allowed.id))


def _changes_txt_records(known: Mapping[str, str]) -> str:
    from novacron_infra.aws.iam import render_policy

    prefix = f"arn:{known['partition']}:route53:::"
    return render_policy(
        {"Effect": "Allow", "Action": ["route53:GetChange"], "Resource": f"{prefix}change/*"},
        {
            "Effect": "Allow",
            "Action": ["route53:ListResourceRecordSets"],
            "Resource": f"{prefix}hostedzone/{known['zone']}",
        },
        {
            "Effect": "Allow",
            "Action": ["route53:ChangeResourceRecordSets"],
            "Resource": f"{prefix}hostedzone/{known['zone']}",
            "Condition": {
                "ForAllValues:StringEquals": {"route53:ChangeResourceRecordSetsRecordTypes": ["TXT"]},
                "ForAllValues:StringLike": {
                    "route53:ChangeResourceRecordSetsNormalizedRecordNames": ["_acme-challenge.*"]
                },
            },
        },
    )


def _declare_cloud_dns_solver(
    name: str, project: str, declared: DeclaredEndpoint, stack: RegionStack
) -> CloudDnsSolver:
    """Give cert-manager's service account the right to change the zone. All clusters of the project share it."""
    import pulumi_gcp as gcp

    number = gcp.organizations.get_project_output(opts=pulumi.InvokeOutputOptions(provider=declared.provider)).number
    pool = "principal://iam.googleapis.com/projects/{0}/locations/global/workloadIdentityPools/{1}"
    allowed = gcp.dns.DnsManagedZoneIamMember(
        f"{name}-certificates",
        managed_zone=declared.endpoint.zone,
        role="roles/dns.admin",
        member=pulumi.Output.format(
            f"{pool}/subject/ns/{CERT_MANAGER}/sa/{CERT_MANAGER}", number, stack.trust.google_pool
        ),
        opts=pulumi.ResourceOptions(provider=declared.provider),
    )
    zone_name = resolve_after(declared.endpoint.zone, allowed.id)
    return CloudDnsSolver(project=project, hosted_zone_name=zone_name)


def _declare_azure_solver(
    name: str, subscription: str, region: Region, declared: DeclaredEndpoint, stack: RegionStack, tags: Tags
) -> AzureDnsSolver:
    """Declare an identity of cert-manager in the region's cluster."""
    from novacron_infra.azure.iam import Role
    from novacron_infra.azure.identity import AksPodIdentity, AksPodIdentityArgs

    group = stack.trust.azure_resource_group
    if group is None:
        raise ValueError(f"{region.name} has no resource group: its cluster is not on Azure")
    identity = AksPodIdentity(
        f"{name}-certificates",
        AksPodIdentityArgs(
            region=region.name,
            resource_group=group,
            oidc_issuer=stack.trust.issuer,
            namespace=CERT_MANAGER,
            service_account=CERT_MANAGER,
            role=Role.DNS_ZONE_CONTRIBUTOR,
            scope=pulumi.Output.format(
                "/subscriptions/{0}/resourceGroups/{1}/providers/Microsoft.Network/dnszones/{2}",
                subscription,
                declared.resource_group,
                declared.endpoint.zone,
            ),
            tags=tags,
        ),
        pulumi.ResourceOptions(providers=[declared.provider]),
    )
    return AzureDnsSolver(
        subscription_id=subscription,
        resource_group_name=declared.resource_group,
        hosted_zone_name=declared.endpoint.zone,
        managed_identity=ManagedIdentity(client_id=identity.client_id),
    )
