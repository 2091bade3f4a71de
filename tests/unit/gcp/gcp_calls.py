"""The Google Cloud API call that creates each type of resource, and where the call takes each property."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Call:
    """The call that creates a resource."""

    api: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    """By the resource's property: the path of the request's member, or a parameter with `?` in front."""
    own_name: str = "name"
    """Where the physical name goes if none is given; empty for a resource without."""


def _compute(collection: str, *same: str, method: str = "insert", own_name: str = "name", **fields: str) -> Call:
    return Call("compute.v1", f"{collection}.{method}", {name: name for name in same} | fields, own_name)


def _same(*names: str, **fields: str) -> dict[str, str]:
    return {name: name for name in names} | fields


def _grant(api: str, method: str, resource: str, policy: str = "policy.", parameter: str = "?resource") -> Call:
    binding = f"{policy}bindings.0."
    return Call(
        api,
        method,
        {
            resource: parameter,
            "role": f"{binding}role",
            "member": f"{binding}members.0",
            "condition": f"{binding}condition",
        },
        "",
    )


CALLS: dict[str, Call] = {
    "gcp:artifactregistry/repository:Repository": Call(
        "artifactregistry.v1",
        "projects.locations.repositories.create",
        _same(
            "format",
            "kmsKeyName",
            "dockerConfig",
            "vulnerabilityScanningConfig",
            "cleanupPolicies",
            "labels",
            repositoryId="?repositoryId",
            location="?parent",
        ),
        "",
    ),
    "gcp:compute/address:Address": _compute("addresses", "addressType", "networkTier", "labels", region="?region"),
    "gcp:compute/disk:Disk": _compute(
        "disks",
        "type",
        "provisionedThroughput",
        "accessMode",
        "diskEncryptionKey",
        "labels",
        zone="?zone",
        size="sizeGb",
    ),
    "gcp:compute/firewall:Firewall": _compute(
        "firewalls", "network", "description", "direction", "sourceRanges", allows="allowed"
    ),
    "gcp:compute/globalAddress:GlobalAddress": _compute(
        "globalAddresses", "network", "addressType", "purpose", "address", "prefixLength", "labels"
    ),
    "gcp:compute/network:Network": _compute(
        "networks", "autoCreateSubnetworks", "mtu", "networkProfile", routingMode="routingConfig.routingMode"
    ),
    "gcp:compute/router:Router": _compute("routers", "network", region="?region"),
    "gcp:compute/routerNat:RouterNat": _compute(
        "routers",
        method="patch",
        own_name="nats.0.name",
        router="?router",
        region="?region",
        **{name: f"nats.0.{name}" for name in ("natIpAllocateOption", "sourceSubnetworkIpRangesToNat", "logConfig")},
    ),
    "gcp:compute/subnetwork:Subnetwork": _compute(
        "subnetworks",
        "network",
        "ipCidrRange",
        "secondaryIpRanges",
        "privateIpGoogleAccess",
        "logConfig",
        region="?region",
    ),
    "gcp:container/cluster:Cluster": Call(
        "container.v1",
        "projects.locations.clusters.create",
        {"location": "?parent"}
        | {
            name: f"cluster.{name}"
            for name in (
                "name",
                "releaseChannel",
                "network",
                "subnetwork",
                "ipAllocationPolicy",
                "initialNodeCount",
                "privateClusterConfig",
                "masterAuthorizedNetworksConfig",
                "controlPlaneEndpointsConfig",
                "authenticatorGroupsConfig",
                "databaseEncryption",
                "workloadIdentityConfig",
                "loggingConfig",
                "monitoringConfig",
                "addonsConfig",
                "securityPostureConfig",
                "binaryAuthorization",
                "costManagementConfig",
                "resourceLabels",
            )
        }
        | {
            "nodeLocations": "cluster.locations",
            "minMasterVersion": "cluster.initialClusterVersion",
            "defaultMaxPodsPerNode": "cluster.defaultMaxPodsConstraint.maxPodsPerNode",
            "datapathProvider": "cluster.networkConfig.datapathProvider",
            "enableMultiNetworking": "cluster.networkConfig.enableMultiNetworking",
            "enableShieldedNodes": "cluster.shieldedNodes.enabled",
            "enableLegacyAbac": "cluster.legacyAbac.enabled",
        },
        "cluster.name",
    ),
    "gcp:container/nodePool:NodePool": Call(
        "container.v1",
        "projects.locations.clusters.nodePools.create",
        {"cluster": "?parent", "location": "?parent"}
        | {
            name: f"nodePool.{name}"
            for name in (
                "initialNodeCount",
                "autoscaling",
                "management",
                "upgradeSettings",
                "placementPolicy",
                "queuedProvisioning",
                "networkConfig",
            )
        }
        | {
            "nodeLocations": "nodePool.locations",
            "nodeCount": "nodePool.initialNodeCount",
            "nodeConfig": "nodePool.config",
        },
        "nodePool.name",
    ),
    "gcp:filestore/instance:Instance": Call(
        "file.v1",
        "projects.locations.instances.create",
        {name: name for name in ("tier", "protocol", "networks", "kmsKeyName", "deletionProtectionEnabled", "labels")}
        | {"location": "?parent", "fileShares": "fileShares.0"},
        "?instanceId",
    ),
    "gcp:kms/cryptoKey:CryptoKey": Call(
        "cloudkms.v1",
        "projects.locations.keyRings.cryptoKeys.create",
        {name: name for name in ("purpose", "rotationPeriod", "destroyScheduledDuration", "labels")}
        | {"keyRing": "?parent"},
        "?cryptoKeyId",
    ),
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": _grant(
        "cloudkms.v1", "projects.locations.keyRings.cryptoKeys.setIamPolicy", "cryptoKeyId"
    ),
    "gcp:kms/keyRing:KeyRing": Call(
        "cloudkms.v1", "projects.locations.keyRings.create", {"location": "?parent"}, "?keyRingId"
    ),
    "gcp:monitoring/alertPolicy:AlertPolicy": Call(
        "monitoring.v3",
        "projects.alertPolicies.create",
        _same("displayName", "combiner", "severity", "conditions", "notificationChannels", "userLabels"),
        "",
    ),
    "gcp:monitoring/notificationChannel:NotificationChannel": Call(
        "monitoring.v3",
        "projects.notificationChannels.create",
        _same("type", "displayName", "labels", "userLabels"),
        "",
    ),
    "gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy": Call(
        "networkconnectivity.v1",
        "projects.locations.serviceConnectionPolicies.create",
        _same("network", "serviceClass", "description", "pscConfig", "labels", location="?parent"),
        "?serviceConnectionPolicyId",
    ),
    "gcp:projects/iAMMember:IAMMember": _grant("cloudresourcemanager.v1", "projects.setIamPolicy", "project"),
    "gcp:projects/serviceIdentity:ServiceIdentity": Call(
        "serviceusage.v1beta1", "services.generateServiceIdentity", {"service": "?parent"}, ""
    ),
    "gcp:pubsub/topic:Topic": Call(
        "pubsub.v1", "projects.topics.create", _same("kmsKeyName", "messageStoragePolicy", "labels"), "?name"
    ),
    "gcp:pubsub/topicIAMMember:TopicIAMMember": _grant("pubsub.v1", "projects.topics.setIamPolicy", "topic"),
    "gcp:redis/cluster:Cluster": Call(
        "redis.v1",
        "projects.locations.clusters.create",
        _same(
            "nodeType",
            "shardCount",
            "replicaCount",
            "pscConfigs",
            "kmsKey",
            "transitEncryptionMode",
            "authorizationMode",
            "deletionProtectionEnabled",
            "labels",
            region="?parent",
        ),
        "?clusterId",
    ),
    "gcp:secretmanager/secret:Secret": Call(
        "secretmanager.v1", "projects.secrets.create", _same("replication", "labels", secretId="?secretId"), ""
    ),
    "gcp:secretmanager/secretIamMember:SecretIamMember": _grant(
        "secretmanager.v1", "projects.secrets.setIamPolicy", "secretId"
    ),
    "gcp:secretmanager/secretVersion:SecretVersion": Call(
        "secretmanager.v1", "projects.secrets.addVersion", {"secret": "?parent", "secretData": "payload.data"}, ""
    ),
    "gcp:securitycenter/v2ProjectNotificationConfig:V2ProjectNotificationConfig": Call(
        # The document of version 2 does not ship; the members that the stack sets are those of version 1.
        "securitycenter.v1",
        "projects.notificationConfigs.create",
        _same("description", "pubsubTopic", "streamingConfig", configId="?configId", project="?parent"),
        "",
    ),
    "gcp:serviceaccount/account:Account": Call(
        "iam.v1",
        "projects.serviceAccounts.create",
        {"accountId": "accountId", "displayName": "serviceAccount.displayName"},
        "",
    ),
    "gcp:serviceaccount/iAMMember:IAMMember": _grant(
        "iam.v1", "projects.serviceAccounts.setIamPolicy", "serviceAccountId"
    ),
    "gcp:servicenetworking/connection:Connection": Call(
        "servicenetworking.v1",
        "services.connections.create",
        {"service": "?parent", "network": "network", "reservedPeeringRanges": "reservedPeeringRanges"},
        "",
    ),
    "gcp:sql/database:Database": Call("sqladmin.v1", "databases.insert", {"instance": "?instance", "name": "name"}),
    "gcp:sql/databaseInstance:DatabaseInstance": Call(
        "sqladmin.v1",
        "instances.insert",
        _same("region", "databaseVersion", "settings", encryptionKeyName="diskEncryptionConfiguration.kmsKeyName"),
    ),
    "gcp:sql/user:User": Call(
        "sqladmin.v1", "users.insert", {"instance": "?instance", "name": "name", "password": "password"}
    ),
    "gcp:storage/bucket:Bucket": Call(
        "storage.v1",
        "buckets.insert",
        {
            name: name
            for name in (
                "name",
                "location",
                "customPlacementConfig",
                "rpo",
                "storageClass",
                "encryption",
                "versioning",
                "labels",
            )
        }
        | {
            "uniformBucketLevelAccess": "iamConfiguration.uniformBucketLevelAccess.enabled",
            "publicAccessPrevention": "iamConfiguration.publicAccessPrevention",
            "lifecycleRules": "lifecycle.rule",
        },
    ),
    "gcp:storage/bucketIAMMember:BucketIAMMember": _grant(
        "storage.v1", "buckets.setIamPolicy", "bucket", policy="", parameter="?bucket"
    ),
    "gcp:storage/transferJob:TransferJob": Call(
        "storagetransfer.v1",
        "transferJobs.create",
        _same("name", "description", "status", "transferSpec", "schedule", "replicationSpec"),
    ),
}
"""The call behind each type of resource."""

WITHOUT_DOCUMENT = {
    "gcp:lustre/instance:Instance",
    "gcp:securitycenter/notificationServiceAccount:NotificationServiceAccount",
}

NOT_SENT = {
    "gcp:container/cluster:Cluster": {"deletionProtection", "networkingMode", "removeDefaultNodePool"},
    "gcp:securitycenter/v2ProjectNotificationConfig:V2ProjectNotificationConfig": {"location"},
    "gcp:servicenetworking/connection:Connection": {"deletionPolicy"},
    "gcp:sql/database:Database": {"deletionPolicy"},
    "gcp:sql/databaseInstance:DatabaseInstance": {"deletionProtection"},
    "gcp:sql/user:User": {"deletionPolicy"},
    "gcp:storage/bucket:Bucket": {"forceDestroy"},
}
"""Properties that the provider uses itself and sends in no call."""

_LOCATED = "projects/{project}/locations/{location}"
ADDRESSES = {
    ("gcp:artifactregistry/repository:Repository", "?parent"): _LOCATED,
    ("gcp:container/cluster:Cluster", "?parent"): _LOCATED,
    ("gcp:container/nodePool:NodePool", "?parent"): _LOCATED + "/clusters/{cluster}",
    ("gcp:filestore/instance:Instance", "?parent"): _LOCATED,
    ("gcp:kms/keyRing:KeyRing", "?parent"): _LOCATED,
    ("gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy", "?parent"): _LOCATED,
    ("gcp:projects/serviceIdentity:ServiceIdentity", "?parent"): "projects/{project}/services/{service}",
    ("gcp:securitycenter/v2ProjectNotificationConfig:V2ProjectNotificationConfig", "?parent"): "projects/{project}",
    ("gcp:redis/cluster:Cluster", "?parent"): "projects/{project}/locations/{region}",
    ("gcp:servicenetworking/connection:Connection", "?parent"): "services/{service}",
}
"""By type and parameter: the resource name that the provider builds from the properties in braces."""
