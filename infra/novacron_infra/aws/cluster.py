"""An EKS cluster: who may reach its API, who may sign in, and the add-ons that nodes need before they come.

Not for nodes (`node_pool`) and not for the add-ons that need nodes (`addons`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.checks import check_name, check_retention, check_tags
from novacron_infra.aws.iam import trust_service
from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.kubeconfig import render_kubeconfig
from novacron_infra.limits.identities import check_admins
from novacron_infra.limits.region_networks import check_internet_networks
from novacron_infra.limits.versions import check_version
from novacron_infra.networks import SERVICE_NETWORK, check_api_networks
from novacron_infra.resource_outputs import require_output, resolve_after
from novacron_infra.tags import Tags
from novacron_infra.upgrades import guard_control_plane

LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
NODE_ADDONS = ("vpc-cni", "kube-proxy", "eks-pod-identity-agent", "eks-node-monitoring-agent")
"""Add-ons that must exist when a node joins. The last one reports faulty GPUs to node repair."""
_ADDON_VALUES = {"vpc-cni": {"enableNetworkPolicy": "true"}}
_ADMIN_POLICY = "AmazonEKSClusterAdminPolicy"


@dataclass(frozen=True, kw_only=True, slots=True)
class EksClusterArgs:
    """A cluster."""

    region: str
    kubernetes_version: str
    """Minor version, such as 1.35."""
    network_cidr: IPv4Network
    """The VPC's network."""
    subnet_ids: Sequence[pulumi.Input[str]]
    """Private subnets in two zones or more, for the control plane's interfaces."""
    secrets_key_arn: pulumi.Input[str]
    logs_key_arn: pulumi.Input[str]
    admin_principal_arns: tuple[str, ...]
    """ARNs of roles and users that administer the cluster. Its creator is not one of them unless listed."""
    tags: Tags
    public_cidrs: tuple[IPv4Network, ...] = ()
    """Networks that reach the API over the internet. None: the API is private."""
    service_cidr: IPv4Network = SERVICE_NETWORK
    log_retention_days: int = 90
    addon_versions: Mapping[str, str] = field(default_factory=dict[str, str])
    """Version of each add-on; the others have the AWS default for the Kubernetes version."""
    account_id: str | None = None
    """AWS account. None: the account that STS returns."""
    protect: bool = True
    """Whether to protect the cluster: `destroy` stops at it, and AWS rejects its deletion."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EksClusterResources:
    """Resources of `EksCluster`."""

    cluster: aws.eks.Cluster
    role: aws.iam.Role
    log_group: aws.cloudwatch.LogGroup
    oidc_provider: aws.iam.OpenIdConnectProvider
    addons: dict[str, aws.eks.Addon]
    access_entries: dict[str, aws.eks.AccessEntry]


class EksCluster(pulumi.ComponentResource):
    """A cluster with a private API, encrypted secrets, all its logs, and access entries instead of a config map.

    Raises:
        ArgumentError: if the API would be open to the internet, no one could sign in, or networks overlap.
    """

    resources: EksClusterResources
    name: pulumi.Output[str]
    """Name of the cluster. Resolves after the add-ons exist that nodes need, for node pools and the like."""
    endpoint: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    """Security group of the control plane and of every node."""
    oidc_provider_arn: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]
    """JSON; signs in through the AWS CLI and holds no secret."""

    def __init__(self, name: str, args: EksClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_tags(name, args.tags), *_check_args(name, args)])
        super().__init__("novacron:index:EksCluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.tags.of("cluster")
        partition = aws.get_partition_output(opts=pulumi.InvokeOutputOptions(parent=self)).partition
        source = f"arn:{{partition}}:eks:{args.region}:{{account}}:cluster/{name}"
        trust = trust_service("eks.amazonaws.com", source, args.account_id, self)
        role = aws.iam.Role(f"{name}-control", assume_role_policy=trust, tags=tags, opts=child)
        may_manage = aws.iam.RolePolicyAttachment(
            f"{name}-control",
            role=role.name,
            policy_arn=pulumi.Output.format("arn:{0}:iam::aws:policy/AmazonEKSClusterPolicy", partition),
            opts=child,
        )
        # Under the name that EKS writes to: made first, it has the key and the retention.
        log_group = aws.cloudwatch.LogGroup(
            f"{name}-control",
            name=f"/aws/eks/{name}/cluster",
            kms_key_id=args.logs_key_arn,
            retention_in_days=args.log_retention_days,
            tags=tags,
            opts=child,
        )
        cluster = aws.eks.Cluster(
            f"{name}-cluster",
            name=name,
            version=args.kubernetes_version,
            role_arn=role.arn,
            vpc_config=aws.eks.ClusterVpcConfigArgs(
                subnet_ids=args.subnet_ids,
                endpoint_private_access=True,
                endpoint_public_access=bool(args.public_cidrs),
                public_access_cidrs=[str(network) for network in args.public_cidrs] or None,
            ),
            access_config=aws.eks.ClusterAccessConfigArgs(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=False
            ),
            encryption_config=aws.eks.ClusterEncryptionConfigArgs(
                provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=args.secrets_key_arn),
                resources=["secrets"],
            ),
            enabled_cluster_log_types=list(LOG_TYPES),
            kubernetes_network_config=aws.eks.ClusterKubernetesNetworkConfigArgs(
                service_ipv4_cidr=str(args.service_cidr)
            ),
            bootstrap_self_managed_addons=False,
            upgrade_policy=aws.eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            zonal_shift_config=aws.eks.ClusterZonalShiftConfigArgs(enabled=True),
            deletion_protection=args.protect,
            tags=tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=args.protect,
                depends_on=[may_manage, log_group],
                hooks=guard_control_plane(name),
            ),
        )
        addons = {
            addon: aws.eks.Addon(
                f"{name}-{addon}",
                cluster_name=cluster.name,
                addon_name=addon,
                addon_version=args.addon_versions.get(addon),
                configuration_values=json.dumps(_ADDON_VALUES[addon]) if addon in _ADDON_VALUES else None,
                resolve_conflicts_on_update="OVERWRITE",
                tags=tags,
                opts=child,
            )
            for addon in NODE_ADDONS
        }
        former_names = _list_former_names(name, args.admin_principal_arns)
        self.resources = EksClusterResources(
            cluster=cluster,
            role=role,
            log_group=log_group,
            oidc_provider=aws.iam.OpenIdConnectProvider(
                f"{name}-oidc",
                url=cluster.identities.apply(_issuer),
                client_id_lists=["sts.amazonaws.com"],
                tags=tags,
                opts=child,
            ),
            addons=addons,
            access_entries={
                principal: self._admin(name, cluster, principal, partition, tags, former_names[principal])
                for principal in args.admin_principal_arns
            },
        )
        # Known in a preview, and nevertheless there only after the add-ons: their names are inputs.
        self.name = resolve_after(cluster.name, *(addon.addon_name for addon in addons.values()))
        self.endpoint = cluster.endpoint
        self.security_group_id = cluster.vpc_config.apply(_security_group)
        self.oidc_provider_arn = self.resources.oidc_provider.arn
        self.kubeconfig = pulumi.Output.all(
            name=cluster.name,
            endpoint=cluster.endpoint,
            authority=cluster.certificate_authority.apply(_authority),
            region=args.region,
        ).apply(build_kubeconfig)
        self.register_outputs(
            {
                "name": self.name,
                "endpoint": self.endpoint,
                "security_group_id": self.security_group_id,
                "oidc_provider_arn": self.oidc_provider_arn,
                "kubeconfig": self.kubeconfig,
            }
        )

    def _admin(
        self,
        name: str,
        cluster: aws.eks.Cluster,
        principal: str,
        partition: pulumi.Output[str],
        tags: dict[str, str],
        aliases: list[pulumi.Alias],
    ) -> aws.eks.AccessEntry:
        # The account and the principal's name as they are: no two principals share a resource.
        resource = f"{name}-{principal.split(':', 4)[4]}"
        entry = aws.eks.AccessEntry(
            resource,
            cluster_name=cluster.name,
            principal_arn=principal,
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, aliases=aliases),
        )
        aws.eks.AccessPolicyAssociation(
            resource,
            cluster_name=cluster.name,
            principal_arn=principal,
            policy_arn=pulumi.Output.format("arn:{0}:eks::aws:cluster-access-policy/{1}", partition, _ADMIN_POLICY),
            access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[entry], aliases=aliases),
        )
        return entry


def _list_former_names(name: str, principals: Sequence[str]) -> dict[str, list[pulumi.Alias]]:
    """Return the alias of each principal's resources, whose names had hyphens for all signs.

    Principals that differ by a sign only had the same name, so which of them has the old resource is unknown.
    """
    former = {principal: re.sub(r"[^A-Za-z0-9]+", "-", principal.split(":", 4)[4]) for principal in principals}
    return {
        principal: [pulumi.Alias(name=f"{name}-{who}")] if list(former.values()).count(who) == 1 else []
        for principal, who in former.items()
    }


def build_kubeconfig(known: Mapping[str, str]) -> str:
    """Return a kubeconfig, for `name`, `endpoint`, `authority` and `region` of a cluster."""
    name = known["name"]
    arguments = ["eks", "get-token", "--cluster-name", name, "--region", known["region"], "--output", "json"]
    sign_in = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "aws",
        "args": arguments,
        "interactiveMode": "Never",
    }
    return render_kubeconfig(name, known["endpoint"], known["authority"], sign_in)


def _check_args(name: str, args: EksClusterArgs) -> list[Problem]:
    found = check_retention(f"{name}.log_retention_days", args.log_retention_days)
    found += check_version(f"{name}.kubernetes_version", args.kubernetes_version, Cloud.AWS)
    found += check_api_networks(f"{name}.public_cidrs", args.public_cidrs)
    found += check_internet_networks(f"{name}.public_cidrs", args.public_cidrs, Cloud.AWS)
    if not args.admin_principal_arns:
        rule = "no one could sign in, not even the cluster's creator"
        found.append(Problem(f"{name}.admin_principal_arns", "none", rule, "Name a role"))
    found += check_admins(f"{name}.admin_principal_arns", args.admin_principal_arns, Cloud.AWS)
    if args.service_cidr.overlaps(args.network_cidr):
        rule = f"it overlaps the network {args.network_cidr}"
        fix = "Use addresses that nothing else has"
        found.append(Problem(f"{name}.service_cidr", str(args.service_cidr), rule, fix))
    return found


def _issuer(identities: Sequence[aws.eks.outputs.ClusterIdentity]) -> str:
    (oidc,) = identities[0].oidcs or []
    return require_output(oidc.issuer, "Cluster.identities[0].oidcs[0].issuer")


def _authority(authority: aws.eks.outputs.ClusterCertificateAuthority) -> str:
    return require_output(authority.data, "Cluster.certificate_authority.data")


def _security_group(vpc_config: aws.eks.outputs.ClusterVpcConfig) -> str:
    return require_output(vpc_config.cluster_security_group_id, "Cluster.vpc_config.cluster_security_group_id")
