"""Container registry of one region: scanned, encrypted images with immutable tags."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.checks import check_name, check_tags
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.tags import Tags

_PREFIX = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
"""Pattern of one part of a repository's name (ECR API reference, CreateRepository)."""

REPOSITORIES = ("novacron/coordinator", "novacron/worker")


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsRegistryArgs:
    """Arguments of `AwsRegistry`."""

    key_arn: pulumi.Input[str]
    prefix: str
    """Prefix of the names, such as the environment's name: repository names are unique per account and region."""
    tags: Tags
    repositories: tuple[str, ...] = REPOSITORIES
    """Names of the repositories, after the prefix."""
    untagged_days: int = 14
    """Days after which an image without a tag is deleted."""
    protect: bool = True


class AwsRegistry(pulumi.ComponentResource):
    """ECR repositories with immutable tags.

    Raises:
        ArgumentError: if the prefix is not valid in a repository's name.
    """

    repositories: dict[str, aws.ecr.Repository]
    urls: dict[str, pulumi.Output[str]]
    """URL of each repository, without a tag."""
    url: pulumi.Output[str]
    """Prefix of image names, `<account>.dkr.ecr.<region>.amazonaws.com/<prefix>`, once all repositories exist."""

    def __init__(self, name: str, args: AwsRegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_tags(name, args.tags), *_check_args(name, args)])
        super().__init__("novacron:index:AwsRegistry", name, None, opts)
        self.repositories = {}
        for path in args.repositories:
            what = f"{name}-{path.replace('/', '-')}"
            repository = aws.ecr.Repository(
                what,
                name=f"{args.prefix}/{path}",
                image_tag_mutability="IMMUTABLE",
                image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
                encryption_configurations=[
                    aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=args.key_arn)
                ],
                tags=args.tags.of("registry"),
                opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
            )
            aws.ecr.LifecyclePolicy(
                what,
                repository=repository.name,
                policy=_expires_untagged(args.untagged_days),
                opts=pulumi.ResourceOptions(parent=self),
            )
            self.repositories[path] = repository
        self.urls = {path: repository.repository_url for path, repository in self.repositories.items()}
        self.url = pulumi.Output.all(*self.urls.values()).apply(
            lambda urls: f"{urls[0].partition('/')[0]}/{args.prefix}"
        )
        self.register_outputs({"urls": self.urls, "url": self.url})


def make_registry_url(account_id: str, region: str, prefix: str) -> str:
    """Return the prefix of image names, as `AwsRegistry.url`, for an account whose id is known."""
    return f"{account_id}.dkr.ecr.{region}.amazonaws.com/{prefix}"


def _check_args(name: str, args: AwsRegistryArgs) -> list[Problem]:
    if _PREFIX.fullmatch(args.prefix):
        return []
    rule, fix = "a repository's name cannot start with it", "Use a-z and 0-9, with single ., _ and - between them"
    return [Problem(f"{name}.prefix", args.prefix, rule, fix)]


def _expires_untagged(days: int) -> str:
    rule = {
        "rulePriority": 1,
        "description": "Images that no tag names",
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": days,
        },
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]})
