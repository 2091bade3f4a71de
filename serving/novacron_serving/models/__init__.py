"""Model store: models in S3, Google Cloud Storage, Azure Blob Storage or a file system, each with a manifest."""

from __future__ import annotations

from pathlib import Path

from novacron_serving.models.downloading import LoaderConfig, download
from novacron_serving.models.folders import StoreError, StoreFolder, open_folder
from novacron_serving.models.manifest import Manifest, ManifestFile, read_manifest
from novacron_serving.models.publishing import publish, verify

__all__ = [
    "TINY_MODEL",
    "LoaderConfig",
    "Manifest",
    "ManifestFile",
    "StoreError",
    "StoreFolder",
    "download",
    "open_folder",
    "publish",
    "read_manifest",
    "verify",
]

TINY_MODEL = Path(__file__).parent / "tiny"
"""The folder of the tiny model that ships with this package."""
