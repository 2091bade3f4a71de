"""With which keys data is encrypted at rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from novacron_policy.properties import UNKNOWN, get, items, unknown

_KEYS = {
    "aws:ebs/volume:Volume": ("kmsKeyId",),
    "aws:ec2/launchTemplate:LaunchTemplate": ("blockDeviceMappings[].ebs.kmsKeyId",),
    "aws:efs/fileSystem:FileSystem": ("kmsKeyId",),
    "aws:fsx/lustreFileSystem:LustreFileSystem": ("kmsKeyId",),
    "aws:eks/cluster:Cluster": ("encryptionConfig.provider.keyArn",),
    "aws:rds/cluster:Cluster": ("kmsKeyId",),
    "aws:rds/instance:Instance": ("kmsKeyId",),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        "rules[].applyServerSideEncryptionByDefault.kmsMasterKeyId",
    ),
    "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2": (
        "rules[].applyServerSideEncryptionByDefault.kmsMasterKeyId",
    ),
    "gcp:compute/disk:Disk": ("diskEncryptionKey.kmsKeySelfLink",),
    "gcp:container/cluster:Cluster": ("databaseEncryption.keyName", "nodePools[].nodeConfig.bootDiskKmsKey"),
    "gcp:container/nodePool:NodePool": ("nodeConfig.bootDiskKmsKey",),
    "gcp:filestore/instance:Instance": ("kmsKeyName",),
    "gcp:storage/bucket:Bucket": ("encryption.defaultKmsKeyName",),
    "azure-native:compute:Disk": ("encryption.diskEncryptionSetId",),
    "azure-native:containerservice:ManagedCluster": ("diskEncryptionSetID", "securityProfile.azureKeyVaultKms.keyId"),
    "azure-native:storage:StorageAccount": ("encryption.keyVaultProperties.keyName",),
}
_SWITCHES = {
    "gcp:container/cluster:Cluster": ("databaseEncryption.state", "ENCRYPTED"),
    "azure-native:containerservice:ManagedCluster": ("securityProfile.azureKeyVaultKms.enabled", True),
    "azure-native:storage:StorageAccount": ("encryption.keySource", "Microsoft.Keyvault"),
}
"""Where a key alone changes nothing: the property that puts it to use, and its value."""


def customer_key_encryption(resource_type: str, properties: Any) -> Iterator[str]:
    """What is stored is encrypted with a key of the customer's own."""
    missing = [reason for path in _KEYS.get(resource_type, ()) for reason in _missing(properties, path)]
    yield from missing
    if resource_type in _SWITCHES and not missing:
        path, wanted = _SWITCHES[resource_type]
        value = get(properties, path)
        if value is UNKNOWN:
            yield unknown(path)
        elif value != wanted:
            yield f"{path} is not {wanted!r}, so the key is not used"


def _missing(properties: Any, path: str) -> Iterator[str]:
    for holder, key in _holders(properties, path):
        if holder is UNKNOWN:
            yield unknown(path.rpartition(".")[0])
        elif not get(holder, key):
            yield f"{path} is missing: name a key of your own, which you can rotate and revoke"


def _holders(properties: Any, path: str) -> Iterator[tuple[Any, str]]:
    """What should hold the key, and its name there; `a[].b.key` goes through every item of a list."""
    path, _, key = path.rpartition(".")
    listed, has_list, inner = path.rpartition("[].")
    for item in items(get(properties, listed)) if has_list else [properties]:
        holder = get(item, inner) if inner else item
        # A mapping without `ebs` is a disk of the machine itself, which the hardware encrypts.
        if holder is not None or inner != "ebs":
            yield holder, key
