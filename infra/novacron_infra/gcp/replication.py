"""Copies of models and configuration in other regions, and alerts when copies fail or are late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from novacron_infra.errors import Problem, raise_problems
from novacron_infra.gcp.checks import build_labels, check_labels, check_name
from novacron_infra.known_args import check_known_args
from novacron_infra.tags import Tags

INTERVAL_S = 3600
"""The shortest that Storage Transfer Service repeats a job: API reference, Schedule, read on 2026-11-25."""
_YEAR, _MONTH, _DAY = 2026, 1, 1
"""A date in the past: the first run is on the day after the creation, and previews do not depend on the clock."""
_READS = ("roles/storage.objectViewer", "roles/storage.legacyBucketOwner")
_WRITES = ("roles/storage.objectViewer", "roles/storage.legacyBucketWriter")
_SUBSCRIBES, _PUBLISHES = "roles/pubsub.editor", "roles/pubsub.publisher"
"""Roles by the Storage Transfer Service documentation, "Use cross-bucket replication", read on 2026-11-25.

Replication needs more than an hourly job: the source's owner role, because it requests notifications of the bucket.
"""
_METRICS = "storagetransfer.googleapis.com/transferjob"
"""Metrics by the Storage Transfer Service documentation, "Monitor transfer jobs", read on 2026-11-25.

It has a lag of replication in milliseconds, and no lag of hourly jobs. It does not state that the lag is a
distribution, which the alert's percentile needs.
"""
_ALERT_PERIOD_S = 60
"""Sampling interval of Storage Transfer Service."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaArgs:
    """A bucket that receives copies. Cloud Storage encrypts them with the bucket's own key."""

    bucket: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpModelReplicationArgs:
    """Arguments of `GcpModelReplication`: one source bucket and its replicas."""

    project: str
    """Project of the source bucket."""
    source_bucket: pulumi.Input[str]
    replicas: Mapping[str, ReplicaArgs]
    """Replica bucket of each region."""
    tags: Tags
    alarm_channels: tuple[pulumi.Input[str], ...] = ()
    """Notification channels, as `projects/…/notificationChannels/…`."""
    longest_configuration_lag_s: int = 300
    """Lag of configuration, in seconds, that triggers the alert."""
    prefix: str = "models/"
    """Prefix of the models' names; empty for all objects."""
    configuration_prefix: str = "configuration/"


class GcpModelReplication(pulumi.ComponentResource):
    """An hourly copy job for each region, and a replication of configuration at each change, with alerts for both.

    The hourly job copies new and changed objects and deletes nothing. It first runs at the midnight (UTC) after its
    creation; `gcloud transfer jobs run` runs it earlier. Its alert reports errors: no metric has its delay.

    Cross-bucket replication copies most objects within minutes, without a promise. Its alert reports copies that took
    too long or failed; an object that is not copied at all has no lag. Replication takes hours for files above 1 GiB,
    such as weights, and ignores objects that existed before it. So the hourly job copies models and configuration.

    The project has the APIs `storagetransfer.googleapis.com`, `pubsub.googleapis.com` and `monitoring.googleapis.com`.
    Service agents get the project's Pub/Sub roles that replication needs, and keep them when the stack is destroyed,
    because all stacks in the project share them. This has not been tried with a real account.

    Raises:
        ArgumentError: if there is no replica, or every copy would trigger the alert.
    """

    jobs: dict[str, gcp.storage.TransferJob]
    """Hourly job of each region."""
    alerts: dict[str, gcp.monitoring.AlertPolicy]
    """Alert of each region's hourly job."""
    configuration_jobs: dict[str, gcp.storage.TransferJob]
    """Replication of configuration to each region."""
    configuration_alerts: dict[str, gcp.monitoring.AlertPolicy]
    """By region."""

    def __init__(self, name: str, args: GcpModelReplicationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_labels(name, args.tags), *_check_args(name, args)])
        super().__init__("novacron:index:GcpModelReplication", name, None, opts)
        self._name, self._args = name, args
        # Asking for the agent makes it.
        self._agent = gcp.storage.get_transfer_project_service_account_output(
            opts=pulumi.InvokeOutputOptions(parent=self)
        ).member
        may_read = self._grants("source", args.source_bucket, _READS)
        may_copy = {
            region: [*may_read, *self._grants(region, replica.bucket, _WRITES)]
            for region, replica in args.replicas.items()
        }
        may_notify = self._may_notify()
        self.jobs = {region: self._job(region, replica, may_copy[region]) for region, replica in args.replicas.items()}
        self.alerts = {region: self._alert(region, job) for region, job in self.jobs.items()}
        self.configuration_jobs = {
            region: self._configuration_job(region, replica, [*may_copy[region], *may_notify])
            for region, replica in args.replicas.items()
        }
        self.configuration_alerts = {
            region: self._configuration_alert(region, replica) for region, replica in args.replicas.items()
        }
        self.register_outputs({"regions": list(args.replicas)})

    def _grants(
        self, where: str, bucket: pulumi.Input[str], roles: tuple[str, ...]
    ) -> list[gcp.storage.BucketIAMMember]:
        return [
            gcp.storage.BucketIAMMember(
                f"{self._name}-{where}-{role.rpartition('.')[2].lower()}",
                bucket=bucket,
                role=role,
                member=self._agent,
                opts=pulumi.ResourceOptions(parent=self),
            )
            for role in roles
        ]

    def _may_notify(self) -> list[gcp.projects.IAMMember]:
        """Pub/Sub tells of changes: Cloud Storage publishes them, the transfer service makes topic and subscription."""
        storage_agent = gcp.storage.get_project_service_account_output(
            project=self._args.project, opts=pulumi.InvokeOutputOptions(parent=self)
        )
        members = {_SUBSCRIBES: self._agent, _PUBLISHES: storage_agent.member}
        return [
            gcp.projects.IAMMember(
                f"{self._name}-{role.rpartition('.')[2]}",
                project=self._args.project,
                role=role,
                member=member,
                opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
            )
            for role, member in members.items()
        ]

    def _job(
        self, region: str, replica: ReplicaArgs, grants: list[gcp.storage.BucketIAMMember]
    ) -> gcp.storage.TransferJob:
        storage = gcp.storage
        return storage.TransferJob(
            f"{self._name}-to-{region}",
            name=f"transferJobs/{self._name}-to-{region}",
            description=f"Models and configuration to {region}",
            status="ENABLED",
            transfer_spec=storage.TransferJobTransferSpecArgs(
                gcs_data_source=storage.TransferJobTransferSpecGcsDataSourceArgs(bucket_name=self._args.source_bucket),
                gcs_data_sink=storage.TransferJobTransferSpecGcsDataSinkArgs(bucket_name=replica.bucket),
                object_conditions=storage.TransferJobTransferSpecObjectConditionsArgs(
                    include_prefixes=[self._args.prefix, self._args.configuration_prefix]
                )
                if self._args.prefix
                else None,
                # What is deleted by mistake stays in the other regions.
                transfer_options=storage.TransferJobTransferSpecTransferOptionsArgs(
                    overwrite_when="DIFFERENT", delete_objects_unique_in_sink=False
                ),
            ),
            schedule=storage.TransferJobScheduleArgs(
                schedule_start_date=storage.TransferJobScheduleScheduleStartDateArgs(
                    year=_YEAR, month=_MONTH, day=_DAY
                ),
                repeat_interval=f"{INTERVAL_S}s",
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=grants),
        )

    def _configuration_job(
        self, region: str, replica: ReplicaArgs, grants: list[pulumi.Resource]
    ) -> gcp.storage.TransferJob:
        storage = gcp.storage
        return storage.TransferJob(
            f"{self._name}-configuration-to-{region}",
            # Replication takes no name of ours, and with none at all Pulumi would make one up.
            name="",
            description=f"Configuration to {region}",
            status="ENABLED",
            replication_spec=storage.TransferJobReplicationSpecArgs(
                gcs_data_source=storage.TransferJobReplicationSpecGcsDataSourceArgs(
                    bucket_name=self._args.source_bucket
                ),
                gcs_data_sink=storage.TransferJobReplicationSpecGcsDataSinkArgs(bucket_name=replica.bucket),
                object_conditions=storage.TransferJobReplicationSpecObjectConditionsArgs(
                    include_prefixes=[self._args.configuration_prefix]
                ),
                # Replication never deletes, and rejects an option for it.
                transfer_options=storage.TransferJobReplicationSpecTransferOptionsArgs(overwrite_when="DIFFERENT"),
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=grants),
        )

    def _alert(self, region: str, job: gcp.storage.TransferJob) -> gcp.monitoring.AlertPolicy:
        return self._policy(
            f"{self._name}-alert-{region}",
            f"{self._name}: models do not reach {region}",
            [_above(f"The transfer to {region} has errors", job.name.apply(_errors), 0, INTERVAL_S, "SUM")],
        )

    def _configuration_alert(self, region: str, replica: ReplicaArgs) -> gcp.monitoring.AlertPolicy:
        buckets = pulumi.Output.all(source=self._args.source_bucket, sink=replica.bucket)
        longest_s = self._args.longest_configuration_lag_s
        return self._policy(
            f"{self._name}-configuration-alert-{region}",
            f"{self._name}: configuration does not reach {region} in time",
            [
                _above(
                    f"Configuration for {region} needs more than {longest_s} s to get there",
                    buckets.apply(_lags),
                    longest_s * 1000,
                    _ALERT_PERIOD_S,
                    "PERCENTILE_99",
                ),
                _above(
                    f"Configuration for {region} fails to be copied",
                    buckets.apply(_failures),
                    0,
                    _ALERT_PERIOD_S,
                    "SUM",
                ),
            ],
        )

    def _policy(
        self, name: str, title: str, conditions: list[gcp.monitoring.AlertPolicyConditionArgs]
    ) -> gcp.monitoring.AlertPolicy:
        return gcp.monitoring.AlertPolicy(
            name,
            display_name=title,
            combiner="OR",
            severity="WARNING",
            conditions=conditions,
            notification_channels=list(self._args.alarm_channels),
            user_labels=build_labels(self._args.tags, "models"),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _above(
    title: str, metric: pulumi.Output[str], threshold: float, period_s: int, statistic: str
) -> gcp.monitoring.AlertPolicyConditionArgs:
    """Goes off when a period's `statistic` is above `threshold`, over all of a metric's series."""
    monitoring = gcp.monitoring
    return monitoring.AlertPolicyConditionArgs(
        display_name=title,
        condition_threshold=monitoring.AlertPolicyConditionConditionThresholdArgs(
            filter=metric,
            comparison="COMPARISON_GT",
            threshold_value=threshold,
            duration="0s",
            # There is no value while nothing is copied.
            evaluation_missing_data="EVALUATION_MISSING_DATA_INACTIVE",
            aggregations=[
                monitoring.AlertPolicyConditionConditionThresholdAggregationArgs(
                    alignment_period=f"{period_s}s",
                    per_series_aligner=f"ALIGN_{statistic}",
                    cross_series_reducer="REDUCE_SUM" if statistic == "SUM" else "REDUCE_MAX",
                )
            ],
        ),
    )


def _errors(job: str) -> str:
    """The errors of a job."""
    return f'{_metric("error_count")} AND resource.labels.job_id = ends_with("{job.rpartition("/")[2]}")'


def _lags(buckets: Mapping[str, str]) -> str:
    """How long each object took, ms."""
    return f"{_metric('replication_latency')} AND {_between(buckets)}"


def _failures(buckets: Mapping[str, str]) -> str:
    return f'{_metric("object_replication_count")} AND metric.labels.status = "failed" AND {_between(buckets)}'


def _metric(name: str) -> str:
    return f'resource.type = "storage_transfer_job" AND metric.type = "{_METRICS}/{name}"'


def _between(buckets: Mapping[str, str]) -> str:
    source, sink = buckets["source"], buckets["sink"]
    return f'metric.labels.source_bucket = "{source}" AND metric.labels.destination_bucket = "{sink}"'


def _check_args(name: str, args: GcpModelReplicationArgs) -> list[Problem]:
    found: list[Problem] = []
    if not args.replicas:
        found.append(Problem(f"{name}.replicas", "none", "nothing would be replicated", "Name a region's bucket"))
    if args.longest_configuration_lag_s < _ALERT_PERIOD_S:
        path, rule = f"{name}.longest_configuration_lag_s", f"lags are sampled every {_ALERT_PERIOD_S} s"
        found.append(Problem(path, str(args.longest_configuration_lag_s), rule, f"Use {_ALERT_PERIOD_S} or more"))
    return found
