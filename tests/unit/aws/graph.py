"""Mocks of AWS, and the graph of a program that runs against them."""

from __future__ import annotations

from typing import Any

import pulumi_aws as aws
from pulumi.runtime import mocks

from tests.unit.graph import Graph, Program, RecordingMonitor, record

ACCOUNT = "123456789012"


def key_arn(use: str, region: str = "us-west-2") -> str:
    """Return the ARN of the key for a use."""
    return f"arn:aws:kms:{region}:{ACCOUNT}:key/00000000-0000-0000-0000-{use.encode().hex().zfill(12)[:12]}"


class _Planned(mocks.Mocks):
    """A preview before anything exists: resources have their inputs and nothing else."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return "", dict(args.inputs)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        results: dict[str, dict[str, Any]] = {
            "aws:index/getPartition:getPartition": {"partition": "aws", "dnsSuffix": "amazonaws.com"},
            "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT},
        }
        return results[args.token], []


class _Created(_Planned):
    """Mocks of an update: resources have the outputs that AWS would compute."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        outputs = {"arn": f"arn:aws:mock:us-west-2:{ACCOUNT}:{args.name}", "name": args.name, **args.inputs}
        if args.typ == "aws:eks/cluster:Cluster":
            outputs["vpcConfig"] = {**args.inputs["vpcConfig"], "clusterSecurityGroupId": "sg-0123456789abcdef0"}
            outputs["identities"] = [{"oidcs": [{"issuer": "https://oidc.eks.us-west-2.amazonaws.com/id/1"}]}]
            outputs["certificateAuthority"] = {"data": "Q0E="}
            outputs["endpoint"] = "https://1.gr7.us-west-2.eks.amazonaws.com"
        if args.typ == "aws:kms/key:Key":
            outputs |= {"keyId": args.name, "arn": key_arn(args.name.rpartition("-")[2])}
        if args.typ == "aws:lb/loadBalancer:LoadBalancer":
            outputs["dnsName"] = f"{args.name}-0123456789abcdef.elb.us-west-2.amazonaws.com"
        if args.typ == "aws:ecr/repository:Repository":
            outputs["repositoryUrl"] = f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com/{args.inputs['name']}"
        if args.typ == "aws:rds/instance:Instance":
            outputs["masterUserSecrets"] = [{"secretArn": f"arn:aws:secretsmanager:us-west-2:{ACCOUNT}:secret:1"}]
        if args.typ == "aws:eks/nodeGroup:NodeGroup":
            outputs["resources"] = [{"autoscalingGroups": [{"name": f"eks-{args.name}"}]}]
        if args.typ == "aws:ec2/launchTemplate:LaunchTemplate":
            outputs["latestVersion"] = 3
        is_files = args.typ.startswith(("aws:efs/fileSystem", "aws:fsx/lustre"))
        return "fs-0123456789abcdef0" if is_files else f"{args.name}-id", outputs


def monitor(graph: Graph) -> RecordingMonitor:
    """Return a monitor that answers registrations as an update does, and records them in the graph."""
    return RecordingMonitor(_Created(), graph)


def declare(program: Program, preview: bool = False) -> Graph:
    """Return the graph of a program, as of its first update or of the preview before."""
    cloud = _Planned() if preview else _Created()
    return record(program, cloud, lambda: aws.Provider("explicit", region="us-west-2"), preview)
