"""Google Cloud identity of pods: a Google service account for one Kubernetes service account."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from novacron_infra.errors import raise_problems
from novacron_infra.gcp.checks import NAME_CHARACTERS, check_name, make_account_id
from novacron_infra.known_args import check_known_args


@dataclass(frozen=True, kw_only=True, slots=True)
class GkePodAccountArgs:
    """Arguments of `GkePodAccount`."""

    workload_pool: pulumi.Input[str]
    """The cluster's."""
    namespace: str
    service_account: str


class GkePodAccount(pulumi.ComponentResource):
    """A Google service account for the pods of one Kubernetes service account, without roles: grant them to `member`.

    The Kubernetes service account names it in the annotation `iam.gke.io/gcp-service-account`. The same namespace and
    service account in another cluster of the project can use it too: Google Cloud does not distinguish them.
    """

    email: pulumi.Output[str]
    member: pulumi.Output[str]
    """The account as a member in role bindings."""

    def __init__(self, name: str, args: GkePodAccountArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(check_name(name, NAME_CHARACTERS))
        super().__init__("novacron:index:GkePodAccount", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        account = gcp.serviceaccount.Account(
            f"{name}-account", account_id=make_account_id(name), display_name=f"Pods of {name}", opts=child
        )
        gcp.serviceaccount.IAMMember(
            f"{name}-account",
            service_account_id=account.name,
            role="roles/iam.workloadIdentityUser",
            member=pulumi.Output.format(
                "serviceAccount:{0}[{1}/{2}]", args.workload_pool, args.namespace, args.service_account
            ),
            opts=child,
        )
        self.email = account.email
        self.member = account.member
        self.register_outputs({"email": self.email})


def render_folder_condition(bucket: str, *prefixes: str) -> str:
    """A condition that holds for the objects below the prefixes, and for listing the bucket."""
    objects = f"projects/_/buckets/{bucket}/objects/"
    folders = [objects + (f"{prefix}/" if prefix else "") for prefix in prefixes]
    parts = [f'resource.name.startsWith("{folder}")' for folder in folders]
    return " || ".join(['resource.type == "storage.googleapis.com/Bucket"', *parts])
