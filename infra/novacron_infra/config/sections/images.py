"""`images`: the container images of the serving stack, and the names of images in a cluster of your own."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from novacron_infra.config.sections.base import Section, TextPattern, broken_rule

LOADED_IMAGES = "localhost/"
"""How the names of images begin that are in no registry: they were loaded onto the nodes."""

Repository = Annotated[
    str,
    TextPattern(
        r"[a-z0-9][a-z0-9._-]*(:[0-9]+(?=/))?(/[a-z0-9._-]+)*",
        "a repository is a registry and a path in lower case, without a tag",
        "registry.example.com/novacron/worker",
    ),
]
Tag = Annotated[
    str,
    TextPattern(
        r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}",
        "a tag has 1 to 128 letters, digits, underscores, dots and hyphens, and does not start with . or -",
        "0.1.0",
    ),
]
Digest = Annotated[
    str, TextPattern(r"sha256:[0-9a-f]{64}", "a digest is sha256: and 64 hexadecimal digits", f"sha256:{'0' * 64}")
]


def _check_digest(image: str) -> str:
    if "@" not in image and not image.startswith(LOADED_IMAGES):
        rule = f"an image without a digest can change under its tag; only images of {LOADED_IMAGES} need none"
        raise broken_rule(rule, "End it with @sha256: and the digest that you tested")
    return image


ImageReference = Annotated[
    str,
    TextPattern(
        r"[a-z0-9][a-z0-9._-]*(:[0-9]+)?(/[a-z0-9._-]+)+(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?",
        "an image is a registry and a path in lower case, with a tag or a digest",
        f"registry.example.com/novacron/worker:0.1.0@sha256:{'0' * 64}",
    ),
    AfterValidator(_check_digest),
]
"""The name of a container image in a manifest."""


class Image(Section):
    """A container image."""

    repository: Repository
    """Registry and path of the image, without the tag.
    For coordinators and workers, a path without a registry is in the registry of each region (output `registry`)."""
    tag: Tag
    """Version of the image. `latest` needs a digest."""
    digest: Digest | None = None
    """Digest of the image index, which pins the image."""

    @property
    def reference(self) -> str:
        """The image's name in a Kubernetes manifest."""
        return f"{self.repository}:{self.tag}" + (f"@{self.digest}" if self.digest else "")

    @property
    def in_region_registry(self) -> bool:
        """Whether the repository has no registry, whose name would have a dot or a port."""
        registry, slash, _ = self.repository.partition("/")
        return not (slash and ("." in registry or ":" in registry))


class Images(Section):
    """The container images of the serving stack."""

    coordinator: Image = Image(repository="novacron/coordinator", tag="0.1.0")
    """Image of the coordinators."""
    worker: Image = Image(repository="novacron/worker", tag="0.1.0")
    """Image of the workers."""
    nvidia_device_plugin: Image = Image(repository="nvcr.io/nvidia/k8s-device-plugin", tag="v0.17.1")
    """Image of NVIDIA's device plugin, which `clusters.add_ons` installs on AWS.
    State the digest that you tested: the policy `digest-pinned-image` asks for it."""
    efa_device_plugin: Image = Image(repository="public.ecr.aws/eks/aws-efa-k8s-device-plugin", tag="v0.5.20")
    """Image of the EFA device plugin, which `clusters.add_ons` installs on AWS where workers have EFA.
    Use 0.5.10 or later: earlier versions miscount the devices of p6-b200 machines."""
    tcpx_daemon: Image = Image(
        repository="us-docker.pkg.dev/gce-ai-infra/gpudirect-tcpx/tcpgpudmarxd-dev", tag="v2.0.15"
    )
    """Image of the daemon that workers on a3-highgpu machines need where a replica spans nodes.
    State the digest that you tested."""
    tcpxo_daemon: Image = Image(
        repository="us-docker.pkg.dev/gce-ai-infra/gpudirect-tcpxo/tcpgpudmarxd-dev", tag="v1.0.21"
    )
    """Image of the daemon that workers on a3-megagpu machines need where a replica spans nodes.
    State the digest that you tested."""
