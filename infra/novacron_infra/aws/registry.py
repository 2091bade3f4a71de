"""Container registry of one region: images that are scanned, encrypted and never overwritten."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.checks import name_problems
from novacron_infra.errors import refuse
from novacron_infra.tags import Tags


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsRegistryArgs:
    """Repositories."""

    key_arn: pulumi.Input[str]
    tags: Tags
    repositories: tuple[str, ...] = ("novacron/coordinator", "novacron/worker")
    untagged_days: int = 14
    """How long an image stays that no tag names any more."""
    protect: bool = True


class AwsRegistry(pulumi.ComponentResource):
    """ECR repositories whose tags mean one image for ever."""

    repositories: dict[str, aws.ecr.Repository]
    urls: dict[str, pulumi.Output[str]]
    """By repository, without tag."""
    host: pulumi.Output[str]
    """What their names begin with."""

    def __init__(self, name: str, args: AwsRegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse(name_problems(name))
        super().__init__("novacron:index:AwsRegistry", name, None, opts)
        self.repositories = {}
        for path in args.repositories:
            what = f"{name}-{path.replace('/', '-')}"
            repository = aws.ecr.Repository(
                what,
                name=path,
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
        self.host = next(iter(self.urls.values())).apply(lambda url: url.split("/")[0])
        self.register_outputs({"urls": self.urls, "host": self.host})


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
