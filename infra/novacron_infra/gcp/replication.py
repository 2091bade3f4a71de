"""Copies of the models in other regions, and an alert when they fail."""

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
_READS = ("roles/storage.objectViewer", "roles/storage.legacyBucketReader")
_WRITES = ("roles/storage.legacyBucketWriter",)
"""Storage Transfer Service documentation, "Configure access to a source" and "to a sink", read on 2026-11-25."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaArgs:
    """A bucket that gets the copies, encrypted with its own key: Cloud Storage does that, whoever writes."""

    bucket: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpModelReplicationArgs:
    """From one bucket to others."""

    source_bucket: pulumi.Input[str]
    replicas: Mapping[str, ReplicaArgs]
    """By region."""
    tags: Tags
    alarm_channels: tuple[pulumi.Input[str], ...] = ()
    """Notification channels, as `projects/…/notificationChannels/…`."""
    prefix: str = "models/"


class GcpModelReplication(pulumi.ComponentResource):
    """A job each hour for each region, with one alert for each.

    A job copies what is new or different and deletes nothing. It starts at the midnight (UTC) after it is made; `gcloud
    transfer jobs run` starts it before. Cross-bucket replication would be faster with small files, but copies nothing
    that is there already and takes hours with files above 1 GiB, as weights are. The project has the APIs
    `storagetransfer.googleapis.com` and `monitoring.googleapis.com`.

    Raises:
        ArgumentError: there is no replica.
    """

    jobs: dict[str, gcp.storage.TransferJob]
    """By region."""
    alerts: dict[str, gcp.monitoring.AlertPolicy]
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
        self.jobs = {
            region: self._job(region, replica, [*may_read, *self._grants(region, replica.bucket, _WRITES)])
            for region, replica in args.replicas.items()
        }
        self.alerts = {region: self._alert(region, job) for region, job in self.jobs.items()}
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

    def _job(
        self, region: str, replica: ReplicaArgs, grants: list[gcp.storage.BucketIAMMember]
    ) -> gcp.storage.TransferJob:
        storage = gcp.storage
        return storage.TransferJob(
            f"{self._name}-to-{region}",
            name=f"transferJobs/{self._name}-to-{region}",
            description=f"Models to {region}",
            status="ENABLED",
            transfer_spec=storage.TransferJobTransferSpecArgs(
                gcs_data_source=storage.TransferJobTransferSpecGcsDataSourceArgs(bucket_name=self._args.source_bucket),
                gcs_data_sink=storage.TransferJobTransferSpecGcsDataSinkArgs(bucket_name=replica.bucket),
                object_conditions=storage.TransferJobTransferSpecObjectConditionsArgs(
                    include_prefixes=[self._args.prefix]
                ),
                # A model deleted by mistake stays in the other regions.
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

    def _alert(self, region: str, job: gcp.storage.TransferJob) -> gcp.monitoring.AlertPolicy:
        monitoring = gcp.monitoring
        return monitoring.AlertPolicy(
            f"{self._name}-alert-{region}",
            display_name=f"{self._name}: models do not reach {region}",
            combiner="OR",
            severity="WARNING",
            conditions=[
                monitoring.AlertPolicyConditionArgs(
                    display_name=f"The transfer to {region} has errors",
                    condition_threshold=monitoring.AlertPolicyConditionConditionThresholdArgs(
                        filter=job.name.apply(_errors),
                        comparison="COMPARISON_GT",
                        threshold_value=0,
                        duration="0s",
                        # There is no value while nothing is copied.
                        evaluation_missing_data="EVALUATION_MISSING_DATA_INACTIVE",
                        aggregations=[
                            monitoring.AlertPolicyConditionConditionThresholdAggregationArgs(
                                alignment_period=f"{INTERVAL_S}s",
                                per_series_aligner="ALIGN_SUM",
                                cross_series_reducer="REDUCE_SUM",
                            )
                        ],
                    ),
                )
            ],
            notification_channels=list(self._args.alarm_channels),
            user_labels=labels(self._args.tags, "models"),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _errors(job: str) -> str:
    """The errors of a job. Storage Transfer Service documentation, "Monitor transfer jobs", read on 2026-11-25."""
    return (
        'resource.type = "storage_transfer_job" AND metric.type = "storagetransfer.googleapis.com/transferjob/'
        f'error_count" AND resource.labels.job_id = ends_with("{job.rpartition("/")[2]}")'
    )


def _problems(name: str, args: GcpModelReplicationArgs) -> list[Problem]:
    if args.replicas:
        return []
    return [Problem(f"{name}.replicas", "none", "nothing would be replicated", "Name a region's bucket")]
