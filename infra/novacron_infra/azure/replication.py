"""Copies of models and configuration in other regions, and alarms when copies are late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import monitor, storage

from novacron_infra.azure.checks import check_name, check_tags
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.resource_outputs import require_output
from novacron_infra.tags import Tags

MOST_REPLICAS = 2
"""Maximum number of destinations of an account (Azure Storage documentation, "Object replication for block blobs")."""
LAG_BUCKETS_S = {
    0: "0-5 mins",
    300: "5-10 mins",
    600: "10-15 mins",
    900: "15-30 mins",
    1800: "30 mins-2 hrs",
    7200: "2-8 hrs",
    28_800: "8-24 hrs",
    86_400: "24+ hrs",
}
"""Metric dimension of pending copies by their minimum waiting time in seconds.

"Object replication priority replication", read on 2026-11-25.
"""
EVERYTHING = "1601-01-01T00:00:00Z"
"""As a time of creation: also what was there before the policy."""
_ALARM_PERIOD, _ALARM_FREQUENCY = "PT15M", "PT5M"
_WARNING = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaArgs:
    """A container that gets the copies; nothing else may write to it."""

    account: pulumi.Input[str]
    account_id: pulumi.Input[str]
    """Id of an account with versioning."""
    container: pulumi.Input[str]
    resource_group: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureModelReplicationArgs:
    """From one container to others."""

    source_account: pulumi.Input[str]
    source_account_id: pulumi.Input[str]
    """Id of an account with versioning and a change feed."""
    source_container: pulumi.Input[str]
    source_resource_group: pulumi.Input[str]
    replicas: Mapping[str, ReplicaArgs]
    """By region, two at most."""
    tags: Tags
    longest_lag_s: int = 1800
    """When the alarm of the models goes off: the shortest wait of a group of `LAG_BUCKETS_S`."""
    longest_configuration_lag_s: int = 300
    """When the alarm of the configuration goes off, likewise."""
    alarm_action_group_ids: tuple[pulumi.Input[str], ...] = ()
    prefix: str = "models/"
    """Prefix of the models' names; empty for all objects."""
    configuration_prefix: str = "configuration/"


class AzureModelReplication(pulumi.ComponentResource):
    """Object replication to each region, with an alarm for the models and one for the configuration.

    Azure promises no time. (Priority replication promises 15 minutes within a continent, not for blobs above 5 GB; it
    is for one policy of an account, and the SDK has no property for it.) A pair of containers has one rule, so that
    models and configuration share it, and Azure measures only what waits of both together: the configuration's alarm
    also goes off while a model takes longer than `longest_configuration_lag_s`, as large ones do.

    Deletions are copied as well: a model deleted by mistake is an old version in every region, for as long as the
    stores keep those. The metric behind the alarms is `PendingOperationsForReplication` of the source's policy: Azure
    Monitor reference, "Supported metrics for Microsoft.Storage/storageAccounts/objectReplicationPolicies", read on
    2026-11-25. An account of Azure has not been tried.

    Raises:
        ArgumentError: there is no replica or there are too many, or Azure does not measure such a lag.
    """

    policies: dict[str, storage.ObjectReplicationPolicy]
    """Replication policy of the source account, by region."""
    alarms: dict[str, monitor.MetricAlert]
    """Alarm of the models of each region."""
    configuration_alarms: dict[str, monitor.MetricAlert]
    """By region."""

    def __init__(self, name: str, args: AzureModelReplicationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_tags(name, args.tags), *_check_args(name, args)])
        super().__init__("novacron:index:AzureModelReplication", name, None, opts)
        self._name, self._args = name, args
        self.policies = {region: self._policy(region, replica) for region, replica in args.replicas.items()}
        self.alarms = {
            region: self._alarm(f"lag-{region}", policy, f"Models for {region} wait", args.longest_lag_s)
            for region, policy in self.policies.items()
        }
        self.configuration_alarms = {
            region: self._alarm(
                f"lag-{region}-configuration",
                policy,
                f"Configuration for {region}, or a model, waits",
                args.longest_configuration_lag_s,
            )
            for region, policy in self.policies.items()
        }
        self.register_outputs({"regions": list(args.replicas)})

    def _policy(self, region: str, replica: ReplicaArgs) -> storage.ObjectReplicationPolicy:
        """The same policy twice: the replica's account gives it its ids, the source's takes them."""
        args = self._args
        metrics = storage.ObjectReplicationPolicyPropertiesMetricsArgs(enabled=True)
        filters = storage.ObjectReplicationPolicyFilterArgs(
            prefix_match=[args.prefix, args.configuration_prefix] if args.prefix else None,
            min_creation_time=EVERYTHING,
        )
        there = storage.ObjectReplicationPolicy(
            f"{self._name}-to-{region}",
            object_replication_policy_id="default",
            account_name=replica.account,
            resource_group_name=replica.resource_group,
            source_account=args.source_account_id,
            destination_account=replica.account_id,
            metrics=metrics,
            rules=[
                storage.ObjectReplicationPolicyRuleArgs(
                    source_container=args.source_container, destination_container=replica.container, filters=filters
                )
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        return storage.ObjectReplicationPolicy(
            f"{self._name}-from-source-to-{region}",
            object_replication_policy_id=there.policy_id,
            account_name=args.source_account,
            resource_group_name=args.source_resource_group,
            source_account=args.source_account_id,
            destination_account=replica.account_id,
            metrics=metrics,
            rules=[
                storage.ObjectReplicationPolicyRuleArgs(
                    rule_id=there.rules.apply(_rule_id),
                    source_container=args.source_container,
                    destination_container=replica.container,
                    filters=filters,
                )
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _alarm(
        self, suffix: str, policy: storage.ObjectReplicationPolicy, what: str, longest_s: int
    ) -> monitor.MetricAlert:
        args = self._args
        younger = [bucket for start, bucket in LAG_BUCKETS_S.items() if start < longest_s]
        return monitor.MetricAlert(
            f"{self._name}-{suffix}",
            resource_group_name=args.source_resource_group,
            location="global",
            description=f"{what} for more than {longest_s} s",
            enabled=True,
            severity=_WARNING,
            scopes=[policy.id],
            window_size=_ALARM_PERIOD,
            evaluation_frequency=_ALARM_FREQUENCY,
            criteria=monitor.MetricAlertSingleResourceMultipleMetricCriteriaArgs(
                odata_type="Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
                all_of=[
                    monitor.MetricCriteriaArgs(
                        criterion_type="StaticThresholdCriterion",
                        name="waiting",
                        metric_name="PendingOperationsForReplication",
                        metric_namespace="Microsoft.Storage/storageAccounts/objectReplicationPolicies",
                        time_aggregation=monitor.AggregationTypeEnum.MAXIMUM,
                        operator=monitor.Operator.GREATER_THAN,
                        threshold=0,
                        dimensions=[
                            # A group that Azure called otherwise would then set the alarm off, not silence it.
                            monitor.MetricDimensionArgs(name="TimeBucket", operator="Exclude", values=younger),
                        ],
                        # The metric is there only once something was copied.
                        skip_metric_validation=True,
                    )
                ],
            ),
            auto_mitigate=True,
            actions=[monitor.MetricAlertActionArgs(action_group_id=group) for group in args.alarm_action_group_ids],
            tags=args.tags.of("models"),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _rule_id(rules: Sequence[storage.outputs.ObjectReplicationPolicyRuleResponse] | None) -> str:
    rule_id = require_output(rules, "ObjectReplicationPolicy.rules")[0].rule_id
    # Azure gives each rule an id. A rehearsal returns the rule as the program wrote it, without one.
    return "" if rule_id is None else rule_id


def _check_args(name: str, args: AzureModelReplicationArgs) -> list[Problem]:
    found: list[Problem] = []
    if not args.replicas:
        found.append(Problem(f"{name}.replicas", "none", "nothing would be replicated", "Name a region's container"))
    if len(args.replicas) > MOST_REPLICAS:
        rule = f"an account copies to {MOST_REPLICAS} others"
        found.append(Problem(f"{name}.replicas", ", ".join(args.replicas), rule, "Copy to the further ones by a job"))
    measured = [start for start in LAG_BUCKETS_S if start]
    rule = f"Azure tells what waits longer than {', '.join(map(str, measured))} s"
    lags = {"longest_lag_s": args.longest_lag_s, "longest_configuration_lag_s": args.longest_configuration_lag_s}
    found += [
        Problem(f"{name}.{field}", str(lag_s), rule, "Use one of them")
        for field, lag_s in lags.items()
        if lag_s not in measured
    ]
    return found
