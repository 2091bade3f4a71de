"""`model.store`: where the weights are stored."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from novacron_infra.config.sections.base import Name, Section, TextPattern
from novacron_infra.config.sections.platform import Platform

_STEP = r"(?!\.{1,2}(/|$))[A-Za-z0-9_.-]+"
_FOLDER = rf"(?!.{{257}}){_STEP}(/{_STEP})*"
_FOLDER_RULE = (
    "a folder has up to 256 letters, digits, dots, hyphens and underscores, slashes only between folders, and no . or "
    ".. alone"
)


class StoreKind(str, Enum):
    """Kinds of model store."""

    S3 = "s3"
    """Buckets in Amazon S3."""
    GCS = "gcs"
    """Buckets in Google Cloud Storage."""
    AZURE = "azure"
    """Containers in Azure Blob Storage."""
    NFS = "nfs"
    """An NFS server, Filestore or Azure Files."""
    EFS = "efs"
    """File systems in Amazon EFS."""


OWN_STORE = {Platform.AWS: StoreKind.S3, Platform.GCP: StoreKind.GCS, Platform.AZURE: StoreKind.AZURE}
"""The object storage of each cloud."""


class ModelStore(Section):
    """Where the weights are stored."""

    kind: StoreKind
    """Kind of store.
    `s3`, `gcs` and `azure`: a bucket in each region, in the object storage of the environment's cloud. `efs`, on AWS
    only: a file system in each region; models are replicated from the primary region to one other. `nfs`: a server that
    exists, or on Google Cloud and Azure the cloud's own service (Filestore, Azure Files) in each region, which is not
    replicated."""
    bucket: Name | None = None
    """Name of the store.
    `s3` and `gcs`: the bucket. `azure`: account/container. `nfs`: server:/export of a server that every region mounts;
    without it, each region on Google Cloud or Azure gets a file system of its own. `efs`: id of a file system in the
    primary region that has no mount targets yet; without it, one is created."""
    prefix: Annotated[str, TextPattern(rf"({_FOLDER})?", _FOLDER_RULE, "models")] = "models"
    """Folder of the models in the store, without a slash at either end. Empty for the whole store."""
    configuration_prefix: Annotated[str, TextPattern(_FOLDER, _FOLDER_RULE, "configuration")] = "configuration"
    """Folder of the configuration, outside of `prefix` and without a slash at either end.
    It has the quality policy, the manifests of served models and the routing."""

    @property
    def model_names(self) -> str:
        """The beginning of the names of all objects that belong to models."""
        return f"{self.prefix}/" if self.prefix else ""

    @property
    def configuration_names(self) -> str:
        """The beginning of the names of all objects that belong to the configuration."""
        return f"{self.configuration_prefix}/"

    def bucket_in(self, region: str, primary: str) -> str | None:
        """Return the name of the store in `region`, or None when a file system is created there.

        Names of buckets and storage accounts are unique in the whole world, so each region's is derived from the name
        in the primary region.
        """
        if region == primary or self.bucket is None or self.kind is StoreKind.NFS:
            return self.bucket
        if self.kind is StoreKind.EFS:
            return None
        if self.kind is StoreKind.AZURE:
            account, _, container = self.bucket.partition("/")
            return f"{account}{region}/{container}"
        return f"{self.bucket}-{region}"
