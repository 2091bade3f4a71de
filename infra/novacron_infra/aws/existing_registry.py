"""Repositories of ECR that exist: lookups of what they must have. Nothing here declares a resource."""

from __future__ import annotations

import pulumi_aws as aws

from novacron_infra.aws.registry import REPOSITORIES
from novacron_infra.existing import Lookups


def check_registry(lookups: Lookups, registry: str) -> None:
    """Look up the repositories of the coordinators and the workers below a prefix of image names."""
    host, _, prefix = registry.partition("/")
    account, _, _, region, *_ = host.split(".")
    for path in REPOSITORIES:
        name = f"{prefix}/{path}"
        lookups.find(
            "registry",
            registry,
            f"repository {name}",
            f"aws ecr describe-repositories --region {region} --registry-id {account}",
            lambda name=name: aws.ecr.get_repository(name=name, registry_id=account, region=region, opts=lookups.opts),
        )
