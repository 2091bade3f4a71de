"""Copies of the models and of the configuration beside them in other regions, and alerts when they fail or are late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from novacron_infra.errors import Problem, refuse
from novacron_infra.gcp.checks import label_problems, labels, name_problems
from novacron_infra.tags import Tags

INTERVAL_S = 3600
"""The shortest that Storage Transfer Service repeats a job: API reference, Schedule, read on 2026-11-25."""
_YEAR, _MONTH, _DAY = 2026, 1, 1
"""Past: the first run is on the day after the job is made, and no preview depends on the clock."""
_READS = ("roles/storage.objectViewer", "roles/storage.legacyBucketOwner")
_WRITES = ("roles/storage.objectViewer", "roles/storage.legacyBucketWriter")
_SUBSCRIBES, _PUBLISHES = "roles/pubsub.editor", "roles/pubsub.publisher"
"""Storage Transfer Service documentation, "Use cross-bucket replication", which needs more than a job by the clock (the
source's owner, because it asks the bucket for notifications), read on 2026-11-25."""
_METRICS = "storagetransfer.googleapis.com/transferjob"
"""Storage Transfer Service documentation, "Monitor transfer jobs", read on 2026-11-25. It has a lag of replication in
milliseconds, and none of jobs by the clock. That the lag is a distribution, which the alert's percentile needs, is not
said there."""
_ALERT_PERIOD_S = 60
"""How often Storage Transfer Service samples."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaArgs:
    """A bucket that gets the copies, encrypted with its own key: Cloud Storage does that, whoever writes."""

    bucket: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpModelReplicationArgs:
    """From one bucket to others."""

    project: str
    """Of the source."""
    source_bucket: pulumi.Input[str]
    replicas: Mapping[str, ReplicaArgs]
    """By region."""
    tags: Tags
    alarm_channels: tuple[pulumi.Input[str], ...] = ()
    """Notification channels, as `projects/…/notificationChannels/…`."""
    longest_configuration_lag_s: int = 300
    """When the alert of the configuration goes off."""
    prefix: str = "models/"
    """What the models' names begin with; empty for every object."""
    configuration_prefix: str = "configuration/"


class GcpModelReplication(pulumi.ComponentResource):
    """A job each hour for each region, and for configuration a replication that each change starts; an alert for each.

    The hourly job copies what is new or different and deletes nothing. It starts at the midnight (UTC) after it is
    made; `gcloud transfer jobs run` starts it before. Its alert tells of errors: no metric says how late it is.

    Cross-bucket replication copies most objects within minutes and promises no time; its alert tells when one took too
    long, or failed. What is not copied at all has no lag. It takes hours with files above 1 GiB, as weights are, and
    copies nothing that was there before it: the hourly job therefore takes the models, and the configuration once more.

    The project has the APIs `storagetransfer.googleapis.com`, `pubsub.googleapis.com` and `monitoring.googleapis.com`.
    The services' agents get the project's Pub/Sub roles that replication asks for, and keep them when the stack is
    destroyed: they are those of every stack in the project. An account of Google Cloud has not been tried.

    Raises:
        ArgumentError: there is no replica, or the alert goes off for every copy.
    """

    jobs: dict[str, gcp.storage.TransferJob]
    """By region."""
    alerts: dict[str, gcp.monitoring.AlertPolicy]
    """Of the hourly jobs, by region."""
    configuration_jobs: dict[str, gcp.storage.TransferJob]
    """By region."""
    configuration_alerts: dict[str, gcp.monitoring.AlertPolicy]
    """By region."""

    def __init__(self, name: str, args: GcpModelReplicationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse([*name_problems(name), *label_problems(name, args.tags), *_problems(name, args)])
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
                # It never deletes, and refuses to be told so.
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
            user_labels=labels(self._args.tags, "models"),
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


def _problems(name: str, args: GcpModelReplicationArgs) -> list[Problem]:
    found: list[Problem] = []
    if not args.replicas:
        found.append(Problem(f"{name}.replicas", "none", "nothing would be replicated", "Name a region's bucket"))
    if args.longest_configuration_lag_s < _ALERT_PERIOD_S:
        path, rule = f"{name}.longest_configuration_lag_s", f"lags are sampled every {_ALERT_PERIOD_S} s"
        found.append(Problem(path, str(args.longest_configuration_lag_s), rule, f"Use {_ALERT_PERIOD_S} or more"))
    return found
