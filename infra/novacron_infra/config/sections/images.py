"""`images`: the container images of the serving stack."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from novacron_infra.config.sections.base import Section


class Image(Section):
    """A container image; `digest` pins it."""

    repository: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._:/-]*$")]
    """Registry and path, without tag."""
    tag: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")]
    """A version; never latest without a digest."""
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    """sha256:… of the image index."""

    @property
    def reference(self) -> str:
        """As Kubernetes takes it."""
        return f"{self.repository}:{self.tag}" + (f"@{self.digest}" if self.digest else "")


class Images(Section):
    """Images of the serving stack."""

    coordinator: Image = Image(repository="novacron/coordinator", tag="0.1.0")
    worker: Image = Image(repository="novacron/worker", tag="0.1.0")
    nvidia_device_plugin: Image = Image(repository="nvcr.io/nvidia/k8s-device-plugin", tag="v0.17.1")
    """AWS only, with `clusters.add_ons`. State the digest that you tested: the policies ask for it."""
    efa_device_plugin: Image = Image(repository="public.ecr.aws/eks/aws-efa-k8s-device-plugin", tag="v0.5.20")
    """AWS only, where workers have EFA. 0.5.10 or later: earlier ones miscount the devices of p6-b200."""
