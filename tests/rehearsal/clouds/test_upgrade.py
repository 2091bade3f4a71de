"""Preview stacks that the version before made: this version replaces nothing in them, and changes what is listed."""

from __future__ import annotations

import pytest
from novacron_rehearsal import StepOp
from novacron_rehearsal.engine.run import StepRecord

from tests.rehearsal.clouds.conftest import Site
from tests.rehearsal.clouds.recorded import STACKS, describe, read_state

FORMER_SECRET = "pulumi-python:dynamic/novacron:GeneratedSecret"
NEW_SECRET = "random:index/randomPassword:RandomPassword"
PASSWORDS = {
    "aws:elasticache/replicationGroup:ReplicationGroup": {"authToken"},
    "azure-native:keyvault:Secret": {"properties.value"},
    "azure-native:dbforpostgresql:Server": {"administratorLoginPassword"},
    "gcp:sql/user:User": {"password"},
    # A version of a secret never changes. Whether the grant's secret stays the same is known only after it is made.
    "gcp:secretmanager/secretVersion:SecretVersion": {"secretData"},
    "gcp:secretmanager/secretIamMember:SecretIamMember": {"secretId"},
}
"""Properties that get a generated password: this version generates each one again, with another provider."""


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_of_the_version_before_previews_no_replacement(site: Site, stack: str) -> None:
    describe(site, stack)
    site.workspace.import_(read_state(stack))
    preview = site.workspace.preview(site.options)
    assert preview.succeeded, preview.errors
    changes = [
        f"{step.op.value} {_type(step)} {step.urn.rpartition('::')[2]}: {', '.join(step.detailed_diff)}"
        for step in preview.steps
        if step.op is not StepOp.SAME and not _is_expected(step)
    ]
    assert changes == []


ZONED = {"aws:eks/nodeGroup:NodeGroup", "aws:autoscaling/tag:Tag", "azure-native:containerservice:AgentPool"}
"""Node groups and their tags. A group of several zones becomes one group for each."""
AUDIT = {
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy",
    "aws:iam/role:Role",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:kms/key:Key",
    "aws:rds/parameterGroup:ParameterGroup",
    "aws:route53/hostedZoneDnsSec:HostedZoneDnsSec",
    "aws:route53/keySigningKey:KeySigningKey",
    "aws:route53/queryLog:QueryLog",
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketLogging:BucketLogging",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketVersioning:BucketVersioning",
    "azure-native:dbforpostgresql:Configuration",
    "azure-native:dns:DnssecConfig",
    "azure-native:monitor:DiagnosticSetting",
    "gcp:projects/iAMAuditConfig:IAMAuditConfig",
}
"""Types that this version creates: logs of requests to models and to DNS, DNSSEC, parameters of Postgres."""
UPDATED = {
    "aws:cloudwatch/metricAlarm:MetricAlarm": {"alarmActions"},
    "aws:eks/cluster:Cluster": {"version"},
    "aws:eks/nodeGroup:NodeGroup": {"version"},
    "aws:iam/role:Role": {"assumeRolePolicy"},
    "aws:iam/rolePolicy:RolePolicy": {"policy"},
    "aws:kms/key:Key": {"policy"},
    "aws:rds/instance:Instance": {
        *("iamDatabaseAuthenticationEnabled", "monitoringInterval", "monitoringRoleArn", "parameterGroupName"),
    },
    "azure-native:containerservice:AgentPool": {"orchestratorVersion"},
    "azure-native:containerservice:ManagedCluster": {"addonProfiles", "agentPoolProfiles", "kubernetesVersion"},
    "azure-native:monitor:MetricAlert": {"actions"},
    # The order of zones has no meaning in Google Cloud. The prefix of a node pool is gone: no real stack has one,
    # because the provider never created a node pool with it.
    "gcp:container/cluster:Cluster": {"binaryAuthorization", "minMasterVersion", "nodeLocations"},
    "gcp:container/nodePool:NodePool": {"namePrefix", "nodeLocations"},
    "gcp:dns/managedZone:ManagedZone": {"cloudLoggingConfig", "dnssecConfig"},
    "gcp:monitoring/alertPolicy:AlertPolicy": {"notificationChannels"},
    "gcp:sql/databaseInstance:DatabaseInstance": {"settings.databaseFlags"},
}
"""Properties that this version updates in place.

Receivers of alarms, trust, parameters, admission, zones, and the default version of Kubernetes.
"""


def _is_expected(step: StepRecord) -> bool:
    """Whether this version is to make a change in a stack of the version before."""
    if step.op is StepOp.CREATE and _type(step) in AUDIT:
        return True
    if _type(step) in ZONED and step.op in (StepOp.CREATE, StepOp.DELETE):
        return True
    if step.op is StepOp.UPDATE and _type(step) in UPDATED:
        return {path.partition("[")[0] for path in step.detailed_diff} <= UPDATED[_type(step)]
    if _is_new_password(step):
        return True
    # A default provider follows the engine's own settings.
    return step.op is StepOp.UPDATE and _type(step).startswith("pulumi:providers:")


def _is_new_password(step: StepRecord) -> bool:
    if step.op is StepOp.CREATE:
        return _type(step) in (NEW_SECRET, "pulumi:providers:random")
    if step.op is StepOp.DELETE:
        return _type(step) in (FORMER_SECRET, "pulumi:providers:pulumi-python")
    # The last step of a replacement has no diff of its own.
    return set(step.detailed_diff) == PASSWORDS.get(_type(step)) or step.op is StepOp.DELETE_REPLACED


def _type(step: StepRecord) -> str:
    return step.urn.split("::")[2].rpartition("$")[2]
