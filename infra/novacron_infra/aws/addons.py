"""Add-ons that run on nodes. Declare them after a pool without GPUs: until nodes exist, their creation does not end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.checks import check_name, check_tags
from novacron_infra.aws.iam import trust_pods
from novacron_infra.errors import raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.tags import Tags

ADDONS = ("coredns", "metrics-server", "aws-ebs-csi-driver")
_DRIVER_NAMESPACE = "kube-system"
_WITH_ROLES = {"aws-ebs-csi-driver": "ebs", "aws-efs-csi-driver": "efs"}
"""The suffix of the storage drivers' service accounts and AWS policies. The storage key allows the EBS driver."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EksAddonsArgs:
    """Arguments of `EksAddons`."""

    cluster_name: pulumi.Input[str]
    tags: Tags
    efs: bool = False
    """Whether to install the EFS driver."""
    lustre: bool = False
    """Whether to install the Lustre driver, for an existing file system."""
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    """Version of each add-on; the others have the AWS default for the Kubernetes version."""
    account_id: str | None = None
    """AWS account. None: the account that STS returns."""


class EksAddons(pulumi.ComponentResource):
    """DNS, metrics and storage drivers of a cluster. It needs `depends_on` on the coordinators' pool."""

    addons: dict[str, aws.eks.Addon]

    def __init__(self, name: str, args: EksAddonsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_tags(name, args.tags)])
        super().__init__("novacron:index:EksAddons", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.tags.of("cluster")
        addon_names = list(ADDONS)
        addon_names += ["aws-efs-csi-driver"] if args.efs else []
        addon_names += ["aws-fsx-csi-driver"] if args.lustre else []
        partition = aws.get_partition_output(opts=pulumi.InvokeOutputOptions(parent=self)).partition
        self.addons = {}
        for addon in addon_names:
            identities: list[aws.eks.AddonPodIdentityAssociationArgs] = []
            attached: list[pulumi.Resource] = []
            if addon in _WITH_ROLES:
                kind = _WITH_ROLES[addon]
                trust = trust_pods(_DRIVER_NAMESPACE, f"{kind}-csi-controller-sa", args.account_id, self)
                role = aws.iam.Role(f"{name}-{kind}", assume_role_policy=trust, tags=tags, opts=child)
                managed_policy = f"service-role/Amazon{kind.upper()}CSIDriverPolicy"
                arn = pulumi.Output.format("arn:{0}:iam::aws:policy/{1}", partition, managed_policy)
                attached = [aws.iam.RolePolicyAttachment(f"{name}-{kind}", role=role.name, policy_arn=arn, opts=child)]
                identities = [
                    aws.eks.AddonPodIdentityAssociationArgs(
                        role_arn=role.arn, service_account=f"{kind}-csi-controller-sa"
                    )
                ]
            self.addons[addon] = aws.eks.Addon(
                f"{name}-{addon}",
                cluster_name=args.cluster_name,
                addon_name=addon,
                addon_version=args.versions.get(addon),
                pod_identity_associations=identities or None,
                resolve_conflicts_on_update="OVERWRITE",
                tags=tags,
                opts=pulumi.ResourceOptions(parent=self, depends_on=attached),
            )
        self.register_outputs({"addons": addon_names})
