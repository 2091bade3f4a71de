"""AWS permissions of pods: a role for one service account, by EKS Pod Identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.checks import check_name, check_tags
from novacron_infra.aws.iam import render_policy, trust_pods
from novacron_infra.errors import raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.tags import Tags


@dataclass(frozen=True, kw_only=True, slots=True)
class EksPodRoleArgs:
    """Arguments of a pod identity."""

    cluster_name: pulumi.Input[str]
    namespace: str
    service_account: str
    policy: pulumi.Input[str] | None
    """Policy document of the role, such as the one of `reads_models`. None: no permissions."""
    tags: Tags
    account_id: str | None = None
    """AWS account of the cluster. None: the account that STS returns."""


class EksPodRole(pulumi.ComponentResource):
    """A role of one service account. Its pods get short-lived credentials and cannot use those of the node."""

    role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: EksPodRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_tags(name, args.tags)])
        super().__init__("novacron:index:EksPodRole", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.tags.of("identity")
        trust = trust_pods(args.namespace, args.service_account, args.account_id, self)
        role = aws.iam.Role(f"{name}-role", assume_role_policy=trust, tags=tags, opts=child)
        allowed: list[pulumi.Resource] = []
        if args.policy is not None:
            allowed = [aws.iam.RolePolicy(f"{name}-role", role=role.id, policy=args.policy, opts=child)]
        aws.eks.PodIdentityAssociation(
            f"{name}-role",
            cluster_name=args.cluster_name,
            namespace=args.namespace,
            service_account=args.service_account,
            role_arn=role.arn,
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=allowed),
        )
        self.role_arn = role.arn
        self.register_outputs({"role_arn": self.role_arn})


def reads_models(bucket_arn: str, key_arn: str | None, prefixes: Sequence[str] = ("models", "configuration")) -> str:
    """Return a policy that only reads objects below the prefixes. An empty prefix means the whole bucket."""
    folders = {prefix: f"{prefix}/" if prefix else "" for prefix in prefixes}
    listed = [name for prefix, folder in folders.items() for name in (prefix, f"{folder}*")]
    return render_policy(
        _allow(["s3:ListBucket"], bucket_arn) | {"Condition": {"StringLike": {"s3:prefix": listed}}},
        _allow(["s3:GetObject"], [f"{bucket_arn}/{folder}*" for folder in folders.values()]),
        *([_allow(["kms:Decrypt"], key_arn)] if key_arn is not None else []),
    )


def render_reads_models(known: Mapping[str, Any]) -> str:
    """Return `reads_models` for a `bucket_arn`, a `key_arn` and `prefixes`."""
    return reads_models(known["bucket_arn"], known["key_arn"], known["prefixes"])


def _allow(actions: Sequence[str], resource: str | Sequence[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}
