"""The keys that encrypt data at rest."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_policy.properties import UNKNOWN, Value, describe_unknown, get, list_items

_KEYS = {
    "aws:cloudwatch/logGroup:LogGroup": ("kmsKeyId",),
    "aws:ebs/volume:Volume": ("kmsKeyId",),
    "aws:ec2/launchTemplate:LaunchTemplate": ("blockDeviceMappings[]?.ebs?.kmsKeyId",),
    "aws:ecr/repository:Repository": ("encryptionConfigurations[].kmsKey",),
    "aws:efs/fileSystem:FileSystem": ("kmsKeyId",),
    "aws:fsx/lustreFileSystem:LustreFileSystem": ("kmsKeyId",),
    "aws:eks/cluster:Cluster": ("encryptionConfig.provider.keyArn",),
    "aws:elasticache/replicationGroup:ReplicationGroup": ("kmsKeyId",),
    "aws:rds/cluster:Cluster": ("kmsKeyId",),
    "aws:rds/instance:Instance": ("kmsKeyId",),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        "rules[].applyServerSideEncryptionByDefault.kmsMasterKeyId",
    ),
    "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2": (
        "rules[].applyServerSideEncryptionByDefault.kmsMasterKeyId",
    ),
    "aws:secretsmanager/secret:Secret": ("kmsKeyId",),
    "aws:sns/topic:Topic": ("kmsMasterKeyId",),
    "gcp:artifactregistry/repository:Repository": ("kmsKeyName",),
    "gcp:compute/disk:Disk": ("diskEncryptionKey.kmsKeySelfLink",),
    "gcp:container/cluster:Cluster": ("databaseEncryption.keyName", "nodePools[]?.nodeConfig.bootDiskKmsKey"),
    "gcp:container/nodePool:NodePool": ("nodeConfig.bootDiskKmsKey",),
    "gcp:filestore/instance:Instance": ("kmsKeyName",),
    "gcp:logging/folderBucketConfig:FolderBucketConfig": ("cmekSettings.kmsKeyName",),
    "gcp:logging/organizationBucketConfig:OrganizationBucketConfig": ("cmekSettings.kmsKeyName",),
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": ("cmekSettings.kmsKeyName",),
    "gcp:lustre/instance:Instance": ("kmsKey",),
    "gcp:memorystore/instance:Instance": ("kmsKey",),
    "gcp:pubsub/topic:Topic": ("kmsKeyName",),
    "gcp:redis/cluster:Cluster": ("kmsKey",),
    "gcp:redis/instance:Instance": ("customerManagedKey",),
    "gcp:secretmanager/regionalSecret:RegionalSecret": ("customerManagedEncryption.kmsKeyName",),
    "gcp:secretmanager/secret:Secret": (
        "replication.auto?.customerManagedEncryption.kmsKeyName",
        "replication.userManaged?.replicas[].customerManagedEncryption.kmsKeyName",
    ),
    "gcp:sql/databaseInstance:DatabaseInstance": ("encryptionKeyName",),
    "gcp:storage/bucket:Bucket": ("encryption.defaultKmsKeyName",),
    "azure-native:compute:Disk": ("encryption.diskEncryptionSetId",),
    "azure-native:containerregistry:Registry": ("encryption.keyVaultProperties.keyIdentifier",),
    "azure-native:containerservice:ManagedCluster": ("diskEncryptionSetID", "securityProfile.azureKeyVaultKms.keyId"),
    "azure-native:dbforpostgresql:Server": ("dataEncryption.primaryKeyURI",),
    "azure-native:redisenterprise:RedisEnterprise": ("encryption.customerManagedKeyEncryption.keyEncryptionKeyUrl",),
    "azure-native:storage:StorageAccount": ("encryption.keyVaultProperties.keyName",),
    "azure-native:storagecache:AmlFilesystem": ("encryptionSettings.keyEncryptionKey.keyUrl",),
}
"""The paths of the key by resource type. `a[].key` is in every item of a non-empty list; `?` marks an optional step."""
_SWITCHES = {
    "gcp:container/cluster:Cluster": ("databaseEncryption.state", "ENCRYPTED"),
    "azure-native:containerregistry:Registry": ("encryption.status", "enabled"),
    "azure-native:containerservice:ManagedCluster": ("securityProfile.azureKeyVaultKms.enabled", True),
    "azure-native:dbforpostgresql:Server": ("dataEncryption.type", "AzureKeyVault"),
    "azure-native:storage:StorageAccount": ("encryption.keySource", "Microsoft.Keyvault"),
}
"""The property, and its value, that switches on encryption with the key, for types where naming a key is not enough."""


def check_customer_key_encryption(resource_type: str, properties: Value) -> Iterator[str]:
    """Stored data is encrypted with a key of your own."""
    missing = [reason for path in _KEYS.get(resource_type, ()) for reason in _find_missing_keys(properties, path)]
    yield from missing
    if resource_type in _SWITCHES and not missing:
        path, wanted = _SWITCHES[resource_type]
        value = get(properties, path)
        if value is UNKNOWN:
            yield describe_unknown(path)
        elif value != wanted:
            yield f"{path} is not {wanted!r}, so the key is not used. Set it to {wanted!r}"


def _find_missing_keys(properties: Value, path: str) -> Iterator[str]:
    shown = path.replace("?", "")
    for holder, key in _find_holders(properties, path):
        if holder is UNKNOWN:
            yield describe_unknown(shown.rpartition(".")[0] or shown)
        elif not get(holder, key):
            yield f"{shown} is missing. Name a key of your own, which you can rotate and revoke"


def _find_holders(value: Value, path: str) -> Iterator[tuple[Value, str]]:
    """Yield each value that should have the key at the end of a path, with the name of the key."""
    step, _, rest = path.partition(".")
    if not rest:
        yield value, step
        return
    found = get(value, step.rstrip("[]?"))
    # A block device without `ebs` is a disk of the machine itself, which the hardware encrypts.
    if found in (None, []) and step.endswith("?"):
        return
    for item in (list_items(found) or [None]) if "[]" in step else [found]:
        yield from _find_holders(item, rest)
