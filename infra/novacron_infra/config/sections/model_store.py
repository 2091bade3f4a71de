"""`model.store`: where the weights are stored."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from pydantic import Field

from novacron_infra.config.sections.base import Name, Section
from novacron_infra.config.sections.platform import Platform


class StoreKind(str, Enum):
    """Kinds of model store."""

    S3 = "s3"
    GCS = "gcs"
    AZURE = "azure"
    NFS = "nfs"
    EFS = "efs"


OWN_STORE = {Platform.AWS: StoreKind.S3, Platform.GCP: StoreKind.GCS, Platform.AZURE: StoreKind.AZURE}
"""The object storage of each cloud."""


class ModelStore(Section):
    """Where the weights lie."""

    kind: StoreKind
    """s3, gcs, azure: a bucket in each region, in the object storage of the environment's cloud. efs: on AWS, an EFS
    file system in each region, copied from the first to one other. nfs: a server that exists, or on Google Cloud and
    Azure the cloud's own (Filestore, Azure Files) in each region, not copied."""
    bucket: Name | None = None
    """s3, gcs: the bucket. azure: account/container. nfs: server:/export of a server that exists and that every region
    mounts; none: each region gets one, which AWS does not have. efs: id of the first region's file system, which exists
    and has no mount targets yet; none: it is made."""
    prefix: Annotated[str, Field(pattern=r"^([A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*)?$")] = "models"
    """Folder below it, without leading or closing slash; empty for the whole bucket."""
    configuration_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$")] = "configuration"
    """Folder beside it, without leading or closing slash: quality policy, manifests of served models, routing."""

    @property
    def model_names(self) -> str:
        """What the names of the models' objects begin with."""
        return f"{self.prefix}/" if self.prefix else ""

    @property
    def configuration_names(self) -> str:
        """What the names of the configuration's objects begin with."""
        return f"{self.configuration_prefix}/"

    def bucket_in(self, region: str, primary: str) -> str | None:
        """The region's copy: such names are the whole world's, so each region's bucket, or account, has its own."""
        if region == primary or self.bucket is None or self.kind is StoreKind.NFS:
            return self.bucket
        if self.kind is StoreKind.EFS:
            return None
        if self.kind is StoreKind.AZURE:
            account, _, container = self.bucket.partition("/")
            return f"{account}{region}/{container}"
        return f"{self.bucket}-{region}"
