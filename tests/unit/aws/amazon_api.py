"""Planned resources as calls of Amazon's API, checked against the service models that ship in botocore.

The models are independent of the Pulumi SDK: they say which members a call has, their types, the values of
enumerations, lengths, ranges and patterns. What they do not say: which members exclude each other, and whether a thing
that is referred to exists.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.validate import ParamValidator

from tests.unit.aws.graph import Registered

AUTONAME = "-1234567"
"""What the provider adds to a logical name where no physical one is given."""


@dataclass(frozen=True)
class Call:
    """A call that creates a resource or sets some of its properties."""

    service: str
    operation: str
    fields: dict[str, str] = field(default_factory=dict)
    """By the resource's property: the path of the call's member."""
    own_name: str | None = None
    """Member that takes the physical name where none is given."""
    constants: dict[str, Any] = field(default_factory=dict)
    """What the provider adds by itself."""


def _ec2(operation: str, resource: str | None = None, own_name: str | None = None, **fields: str) -> Call:
    tags = {"tags": "TagSpecifications"} if resource else {}
    return Call("ec2", operation, {**fields, **tags}, own_name, {"_resource": resource} if resource else {})


def _s3(operation: str, **fields: str) -> Call:
    return Call("s3", operation, {"bucket": "Bucket", **fields})


CALLS: dict[str, list[Call]] = {
    "aws:autoscaling/tag:Tag": [
        Call("autoscaling", "CreateOrUpdateTags", {"autoscalingGroupName": "Tags.0.ResourceId", "tag": "Tags.0"})
    ],
    "aws:cloudwatch/logGroup:LogGroup": [
        Call(
            "logs", "CreateLogGroup", {"name": "logGroupName", "kmsKeyId": "kmsKeyId", "tags": "tags"}, "logGroupName"
        ),
        Call(
            "logs",
            "PutRetentionPolicy",
            {"name": "logGroupName", "retentionInDays": "retentionInDays"},
            "logGroupName",
        ),
    ],
    "aws:cloudwatch/metricAlarm:MetricAlarm": [
        Call(
            "cloudwatch",
            "PutMetricAlarm",
            {
                name: name[0].upper() + name[1:]
                for name in (
                    "alarmDescription",
                    "namespace",
                    "metricName",
                    "dimensions",
                    "statistic",
                    "period",
                    "evaluationPeriods",
                    "comparisonOperator",
                    "threshold",
                    "treatMissingData",
                    "alarmActions",
                    "tags",
                )
            },
            "AlarmName",
        )
    ],
    "aws:efs/fileSystem:FileSystem": [
        Call(
            "efs",
            "CreateFileSystem",
            {
                name: name[0].upper() + name[1:]
                for name in ("encrypted", "kmsKeyId", "performanceMode", "throughputMode", "tags")
            }
            | {"provisionedThroughputInMibps": "ProvisionedThroughputInMibps"},
            "CreationToken",
        )
    ],
    "aws:efs/mountTarget:MountTarget": [
        Call(
            "efs",
            "CreateMountTarget",
            {"fileSystemId": "FileSystemId", "subnetId": "SubnetId", "securityGroups": "SecurityGroups"},
        )
    ],
    "aws:fsx/dataRepositoryAssociation:DataRepositoryAssociation": [
        Call(
            "fsx",
            "CreateDataRepositoryAssociation",
            {
                "fileSystemId": "FileSystemId",
                "dataRepositoryPath": "DataRepositoryPath",
                "fileSystemPath": "FileSystemPath",
                "batchImportMetaDataOnCreate": "BatchImportMetaDataOnCreate",
                "s3": "S3",
                "tags": "Tags",
            },
        )
    ],
    "aws:fsx/lustreFileSystem:LustreFileSystem": [
        Call(
            "fsx",
            "CreateFileSystem",
            {
                "storageCapacity": "StorageCapacity",
                "storageType": "StorageType",
                "subnetIds": "SubnetIds.0",
                "securityGroupIds": "SecurityGroupIds",
                "kmsKeyId": "KmsKeyId",
                "tags": "Tags",
                **{
                    name: f"LustreConfiguration.{name[0].upper()}{name[1:]}"
                    for name in ("deploymentType", "perUnitStorageThroughput", "efaEnabled", "metadataConfiguration")
                },
            },
            constants={"FileSystemType": "LUSTRE"},
        )
    ],
    "aws:s3/bucket:Bucket": [
        _s3("CreateBucket"),
        _s3("PutBucketTagging", tags="Tagging.TagSet"),
    ],
    "aws:s3/bucketAccelerateConfiguration:BucketAccelerateConfiguration": [
        _s3("PutBucketAccelerateConfiguration", status="AccelerateConfiguration.Status")
    ],
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": [
        _s3("PutBucketLifecycleConfiguration", rules="LifecycleConfiguration.Rules")
    ],
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": [
        _s3("PutBucketOwnershipControls", rule="OwnershipControls.Rules.0")
    ],
    "aws:s3/bucketPolicy:BucketPolicy": [_s3("PutBucketPolicy", policy="Policy")],
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": [
        _s3(
            "PutPublicAccessBlock",
            **{
                name: f"PublicAccessBlockConfiguration.{name[0].upper()}{name[1:]}"
                for name in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
            },
        )
    ],
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": [
        _s3("PutBucketReplication", role="ReplicationConfiguration.Role", rules="ReplicationConfiguration.Rules")
    ],
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": [
        _s3("PutBucketEncryption", rules="ServerSideEncryptionConfiguration.Rules")
    ],
    "aws:s3/bucketVersioning:BucketVersioning": [
        _s3("PutBucketVersioning", versioningConfiguration="VersioningConfiguration")
    ],
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": [],
    "aws:ec2/eip:Eip": [_ec2("AllocateAddress", "elastic-ip", domain="Domain")],
    "aws:ec2/flowLog:FlowLog": [
        Call(
            "ec2",
            "CreateFlowLogs",
            {
                "vpcId": "ResourceIds.0",
                "trafficType": "TrafficType",
                "logDestinationType": "LogDestinationType",
                "logDestination": "LogDestination",
                "iamRoleArn": "DeliverLogsPermissionArn",
                "maxAggregationInterval": "MaxAggregationInterval",
                "tags": "TagSpecifications",
            },
            constants={"ResourceType": "VPC", "_resource": "vpc-flow-log"},
        )
    ],
    "aws:ec2/internetGateway:InternetGateway": [
        _ec2("CreateInternetGateway", "internet-gateway"),
        Call("ec2", "AttachInternetGateway", {"vpcId": "VpcId"}, constants={"InternetGatewayId": "igw-1"}),
    ],
    "aws:ec2/launchTemplate:LaunchTemplate": [
        Call(
            "ec2",
            "CreateLaunchTemplate",
            {
                "tags": "TagSpecifications",
                **{
                    name: f"LaunchTemplateData.{name[0].upper()}{name[1:]}"
                    for name in (
                        "instanceType",
                        "instanceMarketOptions",
                        "capacityReservationSpecification",
                        "placement",
                        "networkInterfaces",
                        "blockDeviceMappings",
                        "metadataOptions",
                        "userData",
                        "tagSpecifications",
                    )
                },
            },
            "LaunchTemplateName",
            {"_resource": "launch-template"},
        )
    ],
    "aws:ec2/natGateway:NatGateway": [
        _ec2("CreateNatGateway", "natgateway", subnetId="SubnetId", allocationId="AllocationId")
    ],
    "aws:ec2/placementGroup:PlacementGroup": [
        _ec2("CreatePlacementGroup", "placement-group", "GroupName", strategy="Strategy")
    ],
    "aws:ec2/route:Route": [
        _ec2(
            "CreateRoute",
            routeTableId="RouteTableId",
            destinationCidrBlock="DestinationCidrBlock",
            gatewayId="GatewayId",
            natGatewayId="NatGatewayId",
        )
    ],
    "aws:ec2/routeTable:RouteTable": [_ec2("CreateRouteTable", "route-table", vpcId="VpcId")],
    "aws:ec2/routeTableAssociation:RouteTableAssociation": [
        _ec2("AssociateRouteTable", routeTableId="RouteTableId", subnetId="SubnetId")
    ],
    "aws:ec2/securityGroup:SecurityGroup": [
        _ec2("CreateSecurityGroup", "security-group", "GroupName", vpcId="VpcId", description="Description")
    ],
    "aws:ec2/subnet:Subnet": [
        _ec2("CreateSubnet", "subnet", vpcId="VpcId", availabilityZone="AvailabilityZone", cidrBlock="CidrBlock"),
        Call(
            "ec2",
            "ModifySubnetAttribute",
            {"mapPublicIpOnLaunch": "MapPublicIpOnLaunch.Value"},
            constants={"SubnetId": "subnet-1"},
        ),
    ],
    "aws:ec2/vpc:Vpc": [
        _ec2("CreateVpc", "vpc", cidrBlock="CidrBlock"),
        Call(
            "ec2",
            "ModifyVpcAttribute",
            {"enableDnsHostnames": "EnableDnsHostnames.Value", "enableDnsSupport": "EnableDnsSupport.Value"},
            constants={"VpcId": "vpc-1"},
        ),
    ],
    "aws:ec2/vpcEndpoint:VpcEndpoint": [
        _ec2(
            "CreateVpcEndpoint",
            "vpc-endpoint",
            vpcId="VpcId",
            serviceName="ServiceName",
            vpcEndpointType="VpcEndpointType",
            privateDnsEnabled="PrivateDnsEnabled",
            routeTableIds="RouteTableIds",
            subnetIds="SubnetIds",
            securityGroupIds="SecurityGroupIds",
        )
    ],
    "aws:eks/accessEntry:AccessEntry": [
        Call("eks", "CreateAccessEntry", {name: name for name in ("clusterName", "principalArn", "tags")})
    ],
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": [
        Call(
            "eks",
            "AssociateAccessPolicy",
            {name: name for name in ("clusterName", "principalArn", "policyArn", "accessScope")},
        )
    ],
    "aws:eks/addon:Addon": [
        Call(
            "eks",
            "CreateAddon",
            {
                name: name
                for name in (
                    "clusterName",
                    "addonName",
                    "addonVersion",
                    "configurationValues",
                    "podIdentityAssociations",
                    "tags",
                )
            },
        ),
        Call(
            "eks",
            "UpdateAddon",
            {"clusterName": "clusterName", "addonName": "addonName", "resolveConflictsOnUpdate": "resolveConflicts"},
        ),
    ],
    "aws:eks/cluster:Cluster": [
        Call(
            "eks",
            "CreateCluster",
            {
                name: name
                for name in (
                    "name",
                    "version",
                    "roleArn",
                    "accessConfig",
                    "kubernetesNetworkConfig",
                    "bootstrapSelfManagedAddons",
                    "upgradePolicy",
                    "zonalShiftConfig",
                    "deletionProtection",
                    "tags",
                )
            }
            | {
                "vpcConfig": "resourcesVpcConfig",
                "encryptionConfig": "encryptionConfig.0",
                "enabledClusterLogTypes": "logging.clusterLogging.0.types",
            },
        )
    ],
    "aws:eks/nodeGroup:NodeGroup": [
        Call(
            "eks",
            "CreateNodegroup",
            {
                name: name
                for name in (
                    "clusterName",
                    "version",
                    "amiType",
                    "capacityType",
                    "instanceTypes",
                    "launchTemplate",
                    "scalingConfig",
                    "updateConfig",
                    "nodeRepairConfig",
                    "labels",
                    "taints",
                    "tags",
                )
            }
            | {"nodeRoleArn": "nodeRole", "subnetIds": "subnets"},
            "nodegroupName",
        )
    ],
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": [
        Call("iam", "CreateOpenIDConnectProvider", {"url": "Url", "clientIdLists": "ClientIDList", "tags": "Tags"})
    ],
    "aws:iam/role:Role": [
        Call("iam", "CreateRole", {"assumeRolePolicy": "AssumeRolePolicyDocument", "tags": "Tags"}, "RoleName")
    ],
    "aws:iam/rolePolicy:RolePolicy": [
        Call("iam", "PutRolePolicy", {"role": "RoleName", "policy": "PolicyDocument"}, "PolicyName")
    ],
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": [
        Call("iam", "AttachRolePolicy", {"role": "RoleName", "policyArn": "PolicyArn"})
    ],
    "aws:kms/alias:Alias": [Call("kms", "CreateAlias", {"name": "AliasName", "targetKeyId": "TargetKeyId"})],
    "aws:kms/key:Key": [
        Call("kms", "CreateKey", {"description": "Description", "policy": "Policy", "tags": "Tags"}),
        Call(
            "kms",
            "EnableKeyRotation",
            {"rotationPeriodInDays": "RotationPeriodInDays"},
            constants={"KeyId": "key-1"},
        ),
        Call(
            "kms",
            "ScheduleKeyDeletion",
            {"deletionWindowInDays": "PendingWindowInDays"},
            constants={"KeyId": "key-1"},
        ),
    ],
} | {
    f"aws:vpc/securityGroup{direction}Rule:SecurityGroup{direction}Rule": [
        Call(
            "ec2",
            f"AuthorizeSecurityGroup{direction}",
            {
                "securityGroupId": "GroupId",
                "ipProtocol": "IpPermissions.0.IpProtocol",
                "fromPort": "IpPermissions.0.FromPort",
                "toPort": "IpPermissions.0.ToPort",
                "cidrIpv4": "IpPermissions.0.IpRanges.0.CidrIp",
                "referencedSecurityGroupId": "IpPermissions.0.UserIdGroupPairs.0.GroupId",
            },
        )
    ]
    for direction in ("Ingress", "Egress")
}
"""The calls behind each type of resource."""

NOT_SENT = {
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": {
        "vpcId",
        "ingress",
        "egress",
        "tags",
    },  # revokes what is there
    "aws:ec2/launchTemplate:LaunchTemplate": {"updateDefaultVersion"},
    "aws:kms/key:Key": {"enableKeyRotation"},  # whether EnableKeyRotation is called at all
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": {"description"},  # where it goes depends on the kind
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": {"description"},
}
"""Properties that steer the provider and reach no call, or reach one that says nothing about them."""

_RENAMED = {("LaunchTemplateInstanceNetworkInterfaceSpecificationRequest", "securityGroups"): "Groups"}


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def problems(resource: Registered) -> list[str]:
    """What Amazon's models have against a planned resource, or what no call takes."""
    calls = CALLS.get(resource.type)
    if calls is None:
        return [f"{resource.name}: no call is known for {resource.type}"]
    sent = {name for call in calls for name in call.fields} | NOT_SENT.get(resource.type, set())
    found = [f"{resource.name}.{name}: no call takes it" for name in resource.inputs if name not in sent]
    for call in calls:
        shape = _model(call.service).operation_model(call.operation).input_shape
        try:
            parameters = _parameters(call, resource, shape)
        except UnknownMemberError as error:
            found.append(f"{resource.name}: {error}")
            continue
        report = ParamValidator().validate(parameters, shape)
        if report.has_errors():
            found.append(f"{resource.name}: {call.operation}: {report.generate_report()}")
        found += [f"{resource.name}: {call.operation}{text}" for text in _constraints(parameters, shape, "")]
    return found


class UnknownMemberError(Exception):
    """A nested property that the call's shape does not have."""


def _parameters(call: Call, resource: Registered, shape: Shape) -> dict[str, Any]:
    inputs = resource.inputs
    root: dict[str, Any] = {key: value for key, value in call.constants.items() if not key.startswith("_")}
    for name, path in call.fields.items():
        if name not in inputs:
            continue
        value = inputs[name]
        if path == "TagSpecifications" and isinstance(value, dict):
            value = [{"resourceType": call.constants["_resource"], "tags": value}]
        steps = path.split(".")
        converted = _convert(value, _shape_at(shape, steps), f"{call.operation}.{path}")
        root = _merged(root, _nested(steps, converted))
    if call.own_name and call.own_name not in root:
        root[call.own_name] = resource.name + AUTONAME
    if call.operation == "CreateOrUpdateTags":
        root["Tags"][0]["ResourceType"] = "auto-scaling-group"
    return root


def _shape_at(shape: Any, path: list[str]) -> Any:
    for step in path:
        shape = shape.member if step.isdigit() else shape.members[step]
    return shape


def _nested(path: list[str], value: Any) -> Any:
    for step in reversed(path):
        value = [value] if step.isdigit() else {step: value}
    return value


def _merged(one: Any, other: Any) -> Any:
    """Both together; lists of one item merge their items."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one | {key: _merged(one[key], value) if key in one else value for key, value in other.items()}
    if isinstance(one, list) and isinstance(other, list) and one and other:
        return [_merged(one[0], other[0])]
    return other


def _convert(value: Any, shape: Shape, where: str) -> Any:
    if isinstance(shape, ListShape):
        if isinstance(value, dict):  # tags
            key_name, value_name = sorted(shape.member.members)  # Key and Value, TagKey and TagValue, Name and Value
            return [{key_name: key, value_name: text} for key, text in value.items()]
        return [_convert(item, shape.member, where) for item in value]
    if isinstance(shape, MapShape):
        return value
    if isinstance(shape, StructureShape):
        return {
            member: _convert(item, shape.members[member], f"{where}.{member}")
            for member, item in ((_member(shape, name, where), item) for name, item in value.items())
        }
    if shape.type_name in ("integer", "long") and isinstance(value, float) and value.is_integer():
        return int(value)
    if shape.type_name == "boolean" and value in ("true", "false"):
        return value == "true"
    return value


def _member(shape: StructureShape, name: str, where: str) -> str:
    renamed = _RENAMED.get((shape.name, name))
    if renamed is not None:
        return renamed
    wanted = _normal(name)
    for member in shape.members:
        if _normal(member) == wanted:
            return member
    raise UnknownMemberError(f"{where} ({shape.name}) has no member {name}")


def _normal(name: str) -> str:
    return name.lower().removesuffix("s")


def _constraints(value: Any, shape: Any, where: str) -> Iterator[str]:
    """What ParamValidator leaves out: enumerations, upper bounds and patterns."""
    if isinstance(shape, StructureShape):
        for name, item in value.items():
            yield from _constraints(item, shape.members[name], f"{where}.{name}")
    elif isinstance(shape, ListShape):
        for item in value:
            yield from _constraints(item, shape.member, where)
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from _constraints(key, shape.key, f"{where}.{key}")
            yield from _constraints(item, shape.value, f"{where}.{key}")
    else:
        enum = getattr(shape, "enum", None)
        if enum and value not in enum:
            yield f"{where}: {value!r} is none of {enum}"
        size = len(value) if isinstance(value, str) else value
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        if (low is not None and size < low) or (high is not None and size > high):
            yield f"{where}: {value!r} lies outside {low} to {high}"
        pattern = shape.metadata.get("pattern")
        if pattern and isinstance(value, str) and not _matches(pattern, value):
            yield f"{where}: {value!r} does not match {pattern}"


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(rf"^(?:{pattern})$", value) is not None
    except re.error:  # Java's syntax, such as \p{L}
        return True
