"""Resource types that hold data: what is lost when one is replaced or deleted, and the way round it.

Every type that a component declares is in one of the two lists. The command reads them to warn before a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldData:
    """The data in the resources of a type."""

    what: str
    """The thing, as a user calls it."""
    loss: str
    """The consequence of a replacement or a deletion, as a clause."""
    way_round: str
    """How to keep the data, or to get it back, as a sentence without a full stop."""


_DATABASE = HeldData(
    what="database",
    loss="its data is lost",
    way_round="To keep the data, take a snapshot or a dump first and restore it into the new database",
)
_REDIS = HeldData(
    what="Redis",
    loss="cached responses and the counters of rate limits are lost",
    way_round="They fill again by themselves; until then, more requests reach the workers",
)
_BUCKET = HeldData(
    what="bucket",
    loss="the models and the configuration in it are lost",
    way_round="To keep them, copy them to the new bucket first, or use the old one as the region's existing bucket",
)
_FILES = HeldData(
    what="file system",
    loss="the files in it are lost",
    way_round="To keep them, copy them elsewhere first, or publish the models again afterwards",
)
_KEY = HeldData(
    what="encryption key",
    loss="what it encrypted cannot be read once the key is destroyed",
    way_round="The cloud destroys a key days after the deletion: restore it until then",
)
_SECRET = HeldData(
    what="secret",
    loss="its value is lost",
    way_round="A password that NovaCron generated is generated again; set any other one again",
)
_ZONE = HeldData(
    what="DNS zone",
    loss="records that others added are lost, and the zone has other name servers",
    way_round="Change the delegation in the parent zone afterwards, or name the old zone as traffic.existing_zone",
)
_CLUSTER = HeldData(
    what="Kubernetes cluster",
    loss="everything in it is lost, and the region does not serve until a new one runs",
    way_round="Add a region with the new value, wait until it serves, and remove this one",
)
_REGISTRY = HeldData(
    what="image repository",
    loss="the images in it are lost",
    way_round="Push them to the new one before nodes need them",
)
_LOGS = HeldData(what="logs", loss="what was logged is lost", way_round="To keep it, export it first")
_NAMESPACE = HeldData(
    what="namespace", loss="everything in it is deleted", way_round="What the stack declares in it is created again"
)
_VOLUME = HeldData(
    what="volume",
    loss="the data on it is lost, unless its storage class keeps it",
    way_round="To keep the data, take a dump first and restore it into the new volume",
)
HELD_DATA: Mapping[str, HeldData] = MappingProxyType(
    {
        "aws:cloudwatch/logGroup:LogGroup": _LOGS,
        "aws:ecr/repository:Repository": _REGISTRY,
        "aws:efs/fileSystem:FileSystem": _FILES,
        "aws:eks/cluster:Cluster": _CLUSTER,
        "aws:elasticache/replicationGroup:ReplicationGroup": _REDIS,
        "aws:fsx/lustreFileSystem:LustreFileSystem": _FILES,
        "aws:kms/key:Key": _KEY,
        "aws:rds/instance:Instance": _DATABASE,
        "aws:route53/zone:Zone": _ZONE,
        "aws:s3/bucket:Bucket": _BUCKET,
        "aws:secretsmanager/secret:Secret": _SECRET,
        "azure-native:containerregistry:Registry": _REGISTRY,
        "azure-native:containerservice:ManagedCluster": _CLUSTER,
        "azure-native:dbforpostgresql:Database": _DATABASE,
        "azure-native:dbforpostgresql:Server": _DATABASE,
        "azure-native:dns:Zone": _ZONE,
        "azure-native:keyvault:Key": _KEY,
        "azure-native:keyvault:Secret": _SECRET,
        "azure-native:keyvault:Vault": HeldData(
            what="key vault",
            loss="the keys and secrets in it are lost",
            way_round="Azure keeps a deleted vault for some days: restore it until then",
        ),
        "azure-native:operationalinsights:Workspace": _LOGS,
        "azure-native:redisenterprise:Database": _REDIS,
        "azure-native:redisenterprise:RedisEnterprise": _REDIS,
        "azure-native:resources:ResourceGroup": HeldData(
            what="resource group",
            loss="everything in it is deleted",
            way_round="Add a region with the new value, wait until it serves, and remove this one",
        ),
        "azure-native:storage:BlobContainer": _BUCKET,
        "azure-native:storage:FileShare": _FILES,
        "azure-native:storage:StorageAccount": _BUCKET,
        "azure-native:storagecache:AmlFilesystem": _FILES,
        "gcp:artifactregistry/repository:Repository": _REGISTRY,
        "gcp:compute/disk:Disk": _VOLUME,
        "gcp:container/cluster:Cluster": _CLUSTER,
        "gcp:dns/managedZone:ManagedZone": _ZONE,
        "gcp:filestore/instance:Instance": _FILES,
        "gcp:kms/cryptoKey:CryptoKey": _KEY,
        "gcp:kms/keyRing:KeyRing": _KEY,
        "gcp:lustre/instance:Instance": _FILES,
        "gcp:redis/cluster:Cluster": _REDIS,
        "gcp:secretmanager/secret:Secret": _SECRET,
        "gcp:sql/database:Database": _DATABASE,
        "gcp:sql/databaseInstance:DatabaseInstance": _DATABASE,
        "gcp:storage/bucket:Bucket": _BUCKET,
        "kubernetes:core/v1:Namespace": _NAMESPACE,
        "kubernetes:core/v1:PersistentVolume": _VOLUME,
        "kubernetes:core/v1:PersistentVolumeClaim": _VOLUME,
    }
)
"""By type of resource."""
HOLDS_NONE = frozenset(
    (
        "aws:autoscaling/tag:Tag",
        "aws:cloudwatch/eventRule:EventRule",
        "aws:cloudwatch/eventTarget:EventTarget",
        "aws:cloudwatch/logResourcePolicy:LogResourcePolicy",
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        "aws:ec2/eip:Eip",
        "aws:ec2/flowLog:FlowLog",
        "aws:ec2/internetGateway:InternetGateway",
        "aws:ec2/launchTemplate:LaunchTemplate",
        "aws:ec2/natGateway:NatGateway",
        "aws:ec2/placementGroup:PlacementGroup",
        "aws:ec2/route:Route",
        "aws:ec2/routeTable:RouteTable",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "aws:ec2/securityGroup:SecurityGroup",
        "aws:ec2/subnet:Subnet",
        "aws:ec2/vpc:Vpc",
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "aws:efs/mountTarget:MountTarget",
        "aws:efs/replicationConfiguration:ReplicationConfiguration",
        "aws:eks/accessEntry:AccessEntry",
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        "aws:eks/addon:Addon",
        "aws:eks/nodeGroup:NodeGroup",
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        "aws:elasticache/subnetGroup:SubnetGroup",
        "aws:fsx/dataRepositoryAssociation:DataRepositoryAssociation",
        "aws:guardduty/detector:Detector",
        "aws:guardduty/detectorFeature:DetectorFeature",
        "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
        "aws:iam/role:Role",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "aws:kms/alias:Alias",
        "aws:lb/listener:Listener",
        "aws:lb/loadBalancer:LoadBalancer",
        "aws:lb/targetGroup:TargetGroup",
        "aws:rds/parameterGroup:ParameterGroup",
        "aws:rds/subnetGroup:SubnetGroup",
        "aws:route53/healthCheck:HealthCheck",
        "aws:route53/hostedZoneDnsSec:HostedZoneDnsSec",
        "aws:route53/keySigningKey:KeySigningKey",
        "aws:route53/queryLog:QueryLog",
        "aws:route53/record:Record",
        "aws:route53recoverycontrol/cluster:Cluster",
        "aws:route53recoverycontrol/controlPanel:ControlPanel",
        "aws:route53recoverycontrol/routingControl:RoutingControl",
        "aws:route53recoverycontrol/safetyRule:SafetyRule",
        "aws:s3/bucketAccelerateConfiguration:BucketAccelerateConfiguration",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "aws:s3/bucketLogging:BucketLogging",
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketVersioning:BucketVersioning",
        "aws:secretsmanager/secretVersion:SecretVersion",
        "aws:sns/topic:Topic",
        "aws:sns/topicPolicy:TopicPolicy",
        "aws:sns/topicSubscription:TopicSubscription",
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "azure-native:authorization:RoleAssignment",
        "azure-native:compute:DiskEncryptionSet",
        "azure-native:compute:ProximityPlacementGroup",
        "azure-native:containerservice:AgentPool",
        "azure-native:containerservice:MaintenanceConfiguration",
        "azure-native:dbforpostgresql:Configuration",
        "azure-native:dns:DnssecConfig",
        "azure-native:dns:RecordSet",
        "azure-native:managedidentity:FederatedIdentityCredential",
        "azure-native:managedidentity:UserAssignedIdentity",
        "azure-native:monitor:DataCollectionRule",
        "azure-native:monitor:DataCollectionRuleAssociation",
        "azure-native:monitor:DiagnosticSetting",
        "azure-native:monitor:MetricAlert",
        "azure-native:network:FlowLog",
        "azure-native:network:NatGateway",
        "azure-native:network:NetworkSecurityGroup",
        "azure-native:network:PrivateDnsZoneGroup",
        "azure-native:network:PrivateEndpoint",
        "azure-native:network:PublicIPAddress",
        "azure-native:network:Subnet",
        "azure-native:network:VirtualNetwork",
        "azure-native:privatedns:PrivateZone",
        "azure-native:privatedns:VirtualNetworkLink",
        "azure-native:resources:DeploymentAtSubscriptionScope",
        "azure-native:storage:BlobServiceProperties",
        "azure-native:storage:ManagementPolicy",
        "azure-native:storage:ObjectReplicationPolicy",
        "azure-native:trafficmanager:Profile",
        "gcp:compute/address:Address",
        "gcp:compute/firewall:Firewall",
        "gcp:compute/globalAddress:GlobalAddress",
        "gcp:compute/healthCheck:HealthCheck",
        "gcp:compute/network:Network",
        "gcp:compute/router:Router",
        "gcp:compute/routerNat:RouterNat",
        "gcp:compute/subnetwork:Subnetwork",
        "gcp:container/nodePool:NodePool",
        "gcp:dns/recordSet:RecordSet",
        "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
        "gcp:monitoring/alertPolicy:AlertPolicy",
        "gcp:monitoring/notificationChannel:NotificationChannel",
        "gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy",
        "gcp:projects/iAMAuditConfig:IAMAuditConfig",
        "gcp:projects/iAMMember:IAMMember",
        "gcp:projects/serviceIdentity:ServiceIdentity",
        "gcp:pubsub/topic:Topic",
        "gcp:pubsub/topicIAMMember:TopicIAMMember",
        "gcp:secretmanager/secretIamMember:SecretIamMember",
        "gcp:secretmanager/secretVersion:SecretVersion",
        "gcp:securitycenter/notificationServiceAccount:NotificationServiceAccount",
        "gcp:securitycenter/v2ProjectNotificationConfig:V2ProjectNotificationConfig",
        "gcp:serviceaccount/account:Account",
        "gcp:serviceaccount/iAMMember:IAMMember",
        "gcp:servicenetworking/connection:Connection",
        "gcp:sql/user:User",
        "gcp:storage/bucketIAMMember:BucketIAMMember",
        "gcp:storage/transferJob:TransferJob",
        "kubernetes:apps/v1:DaemonSet",
        "kubernetes:apps/v1:Deployment",
        "kubernetes:apps/v1:StatefulSet",
        "kubernetes:core/v1:ConfigMap",
        "kubernetes:core/v1:LimitRange",
        "kubernetes:core/v1:ResourceQuota",
        "kubernetes:core/v1:Secret",
        "kubernetes:core/v1:Service",
        "kubernetes:core/v1:ServiceAccount",
        "kubernetes:helm.sh/v3:Release",
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        "kubernetes:policy/v1:PodDisruptionBudget",
        "kubernetes:rbac.authorization.k8s.io/v1:Role",
        "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
        "kubernetes:scheduling.k8s.io/v1:PriorityClass",
        "kubernetes:storage.k8s.io/v1:StorageClass",
        "kubernetes:storage.k8s.io/v1:StorageClassPatch",
        "random:index/randomPassword:RandomPassword",
    )
)
"""The other types that components declare. Pulumi or a controller makes them again as they were."""
