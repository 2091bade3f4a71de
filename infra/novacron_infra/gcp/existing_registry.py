"""A repository of Artifact Registry that exists: lookups of what it must have. Nothing here declares a resource."""

from __future__ import annotations

import pulumi_gcp as gcp

from novacron_infra.existing import Lookups, differs


def check_registry(lookups: Lookups, registry: str) -> None:
    """Look up a repository, and add a problem unless it holds container images."""
    host, project, repository = registry.split("/")
    location = host.removesuffix("-docker.pkg.dev")
    found = lookups.find(
        "registry",
        registry,
        f"repository in {location}",
        f"gcloud artifacts repositories list --project {project} --location {location}",
        lambda: gcp.artifactregistry.get_repository(
            location=location, repository_id=repository, project=project, opts=lookups.opts
        ),
    )
    if found is not None:
        rule = f"its format is {found.format}, and it must be DOCKER"
        lookups.require(not differs(found.format, "DOCKER"), "registry", registry, rule, "Name another repository")
