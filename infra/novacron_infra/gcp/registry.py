"""Container registry of one region: images that are scanned, encrypted and never overwritten."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from novacron_infra.errors import Problem, raise_problems
from novacron_infra.gcp.checks import NAME_CHARACTERS, build_labels, check_labels, check_name
from novacron_infra.known_args import check_known_args
from novacron_infra.tags import Tags

_REPOSITORY = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpRegistryArgs:
    """A repository."""

    region: str
    key_id: pulumi.Input[str]
    repository: str
    """Its name, such as prod-novacron: a project has one of a name in a region. It has all images."""
    tags: Tags
    untagged_days: int = 14
    """How long an image stays that no tag names any more."""
    protect: bool = True


class GcpRegistry(pulumi.ComponentResource):
    """An Artifact Registry repository whose tags mean one image for ever.

    Images are scanned once the project has the Container Scanning API.

    Raises:
        ArgumentError: Artifact Registry has no such name, or images would go at once.
    """

    repository: gcp.artifactregistry.Repository
    url: pulumi.Output[str]
    """Prefix of image names: `<region>-docker.pkg.dev/<project>/<repository>`."""

    def __init__(self, name: str, args: GcpRegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name, NAME_CHARACTERS), *check_labels(name, args.tags), *_check_args(name, args)])
        super().__init__("novacron:index:GcpRegistry", name, None, opts)
        self.repository = gcp.artifactregistry.Repository(
            f"{name}-repository",
            repository_id=args.repository,
            location=args.region,
            format="DOCKER",
            kms_key_name=args.key_id,
            docker_config=gcp.artifactregistry.RepositoryDockerConfigArgs(immutable_tags=True),
            vulnerability_scanning_config=gcp.artifactregistry.RepositoryVulnerabilityScanningConfigArgs(
                enablement_config="INHERITED"
            ),
            cleanup_policies=[
                gcp.artifactregistry.RepositoryCleanupPolicyArgs(
                    id="untagged",
                    action="DELETE",
                    condition=gcp.artifactregistry.RepositoryCleanupPolicyConditionArgs(
                        tag_state="UNTAGGED", older_than=f"{args.untagged_days * _SECONDS_PER_DAY}s"
                    ),
                )
            ],
            labels=build_labels(args.tags, "registry"),
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        self.url = self.repository.registry_uri
        self.register_outputs({"url": self.url})


def make_registry_url(project: str, region: str, repository: str) -> str:
    """Return the prefix of image names, as `GcpRegistry.url`."""
    return f"{region}-docker.pkg.dev/{project}/{repository}"


def _check_args(name: str, args: GcpRegistryArgs) -> list[Problem]:
    found: list[Problem] = []
    if not _REPOSITORY.fullmatch(args.repository):
        fix = "Use a letter, then letters, digits and -, 63 at most"
        found.append(Problem(f"{name}.repository", args.repository, "it is not a valid repository name", fix))
    if args.untagged_days < 1:
        rule = "an image that a push is about to tag has no tag yet"
        found.append(Problem(f"{name}.untagged_days", str(args.untagged_days), rule, "Use 1 or more"))
    return found
